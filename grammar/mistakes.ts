// Spellings from other languages that are recognised only to say what to write instead. Each is reported where it
// stands and then read as what was meant, so that one slip gives one message.

import { createToken, type IToken, type TokenType } from 'chevrotain';
import type { SyntaxCode } from './syntax-error.ts';
import { Numeral, T, Text } from './tokens.ts';

export interface Mistake {
  readonly type: TokenType;
  readonly meant: TokenType | null; // null: left out
  readonly code: SyntaxCode;
  readonly message: (text: string) => string;
  readonly hint?: string;
}

function foreign(name: string, pattern: RegExp | string, meant: TokenType | null, instead: string): Mistake {
  const type = createToken({ name, pattern, line_breaks: name === 'BlockComment' });
  return { type, meant, code: 'PE0104', message: (text) => `${quote(text)} is not part of the language: ${instead}` };
}

export function quote(text: string): string {
  const line = text.split(/[\r\n]/)[0] ?? '';
  const shown = line.length > 40 ? `${line.slice(0, 40)}...` : line;
  return `\`${shown.replaceAll('`', "'")}\``;
}

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';
const plainDigits = (text: string): string =>
  [...text].map((sign) => (sign === '⁻' ? '-' : String(superscripts.indexOf(sign)))).join('');

/** In the order in which the lexer tries them, before every other token. */
export const mistakes: readonly Mistake[] = [
  foreign('BlockComment', /\/\*[\s\S]*?\*\//, null, 'a comment begins with `//` and ends with its line'),
  foreign('HashComment', /#[^\n\r]*/, null, 'a comment begins with `//`'),
  foreign('DoubleStar', '**', T.Power, 'a power is `a ^ b`'),
  foreign('Percent', '%', T.Times, 'the remainder is `mod(a, b)`'),
  foreign('Semicolon', ';', null, 'a statement ends with its line'),
  foreign('DoubleAmpersand', /&&?/, T.And, 'write `and`'),
  foreign('DoubleBar', '||', T.Or, 'write `or`'),
  foreign('Bar', '|', null, 'the absolute value is `abs(a)`, the disjunction of conditions `or`'),
  foreign('Exclamation', /!(?!=)/, T.Not, 'write `not`'),
  foreign('ColonEqual', ':=', T.Is, 'write `=`'),
  foreign('MinusEqual', '-=', T.Add, 'write `+= -(...)`'),
  foreign('OverEqual', '/=', T.Scale, 'write `*= 1 / (...)`'),
  foreign('TripleEqual', '===', T.Equal, 'write `==`'),
  foreign('Question', '?', null, 'a choice is `if condition then value else value`'),
  foreign('AtMostSign', /[≤⩽]/, T.AtMost, 'write `<=`'),
  foreign('AtLeastSign', /[≥⩾]/, T.AtLeast, 'write `>=`'),
  foreign('UnequalSign', /≠|<>/, T.Unequal, 'write `!=`'),
  foreign('ProductSign', /[×·⋅∗]/, T.Times, 'a product is `a * b`'),
  foreign('MinusSign', /[−–—]/, T.Minus, 'the minus sign is `-`'),
  foreign('SumSign', /[∑∏√∞]/, null, 'write `sum`, `prod`, `sqrt` or `infinity`'),
  {
    type: createToken({ name: 'Superscript', pattern: /⁻?[⁰¹²³⁴-⁹]+/ }),
    meant: null,
    code: 'PE0104',
    message: (text) => `${quote(text)} is not part of the language: a power is \`a ^ ${plainDigits(text)}\``,
  },
  foreign('MatrixProduct', '@', null, 'a product of matrices is a sum, `sum[m: model](x[t, m] * W[m, h])`'),
  foreign('Ellipsis', /\.\.\.|…/, null, 'a tensor is read at every index, `key[j, h, d]`'),
  {
    type: createToken({ name: 'Member', pattern: /\.(?![0-9])/ }),
    meant: null,
    code: 'PE0104',
    message: () => 'nothing has members that a `.` could name',
    hint: 'functions stand alone, `sigmoid(a)`; sizes have names, `heads`, `head_dim`, `context`',
  },
  {
    type: createToken({ name: 'SingleQuoted', pattern: /'[^'\n\r]*'/ }),
    meant: Text,
    code: 'PE0104',
    message: (text) => `${quote(text)}: a file name stands in double quotes`,
  },
  {
    type: createToken({ name: 'CurlyQuoted', pattern: /[“”„«»][^“”„«»"\n\r]*[“”«»]/ }),
    meant: Text,
    code: 'PE0104',
    message: (text) => `${quote(text)}: a file name stands in straight double quotes`,
  },
  {
    type: createToken({ name: 'OpenText', pattern: /"[^"\n\r]*(?=[\n\r]|$)/ }),
    meant: Text,
    code: 'PE0105',
    message: () => 'the file name is not closed: `"` is missing',
  },
  {
    type: createToken({ name: 'OddNumeral', pattern: /0[xXbBoO][0-9a-fA-F_]+|[0-9]+(?:_[0-9]+)+|[0-9]+\.(?![0-9.])/ }),
    meant: Numeral,
    code: 'PE0106',
    message: (text) => `${quote(text)} is not how a number is written`,
    hint: 'numbers are decimal, without separators: `10000`, `0.5`, `1e-5`',
  },
];

const byType = new Map(mistakes.map((mistake) => [mistake.type, mistake]));

export function mistakeOf(token: IToken): Mistake | undefined {
  return byType.get(token.tokenType);
}
