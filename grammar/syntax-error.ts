// Syntax errors as plain data, in the form of the compiler's diagnostics, and the table of their codes: for each a title,
// an explanation, a text that is answered with it and the text that was meant.

import type { Span } from './span.ts';

export interface SyntaxDiagnostic {
  readonly code: SyntaxCode;
  readonly severity: 'error';
  readonly message: string;
  readonly span: Span;
  readonly label?: string;
  readonly labels?: readonly { readonly span: Span; readonly text: string }[];
  readonly hint?: string;
}

export interface SyntaxCodePage {
  readonly title: string;
  readonly explanation: string;
  readonly wrong: string;
  readonly right: string;
}

const inside = (statement: string): string => `encoding example {\n  ${statement}\n}\n`;

export const syntaxCodes = {
  PE0101: {
    title: 'unexpected token',
    explanation:
      'The text stops following the grammar here. The message says what could stand in this place. ' +
      'Reading goes on at the next line that begins a statement, so later errors are reported in the same run.',
    wrong: inside('let slope[h: head] = 2 ^ (-8 * h / heads'),
    right: inside('let slope[h: head] = 2 ^ (-8 * h / heads)'),
  },
  PE0102: {
    title: 'missing operator',
    explanation:
      'Two values stand side by side. A product is written with `*`, the members of a list are separated by commas, ' +
      'and a statement begins on a line of its own.',
    wrong: inside('let angle[t: token] = 2 position[t]'),
    right: inside('let angle[t: token] = 2 * position[t]'),
  },
  PE0103: {
    title: 'character outside the language',
    explanation: 'The character means nothing in a `.pe` file, except in a comment.',
    wrong: inside('let price = $3'),
    right: inside('let price = 3'),
  },
  PE0104: {
    title: 'spelling of another language',
    explanation:
      'The sign is known from other languages or from mathematics, and is spelled otherwise here: `^` for a power, ' +
      '`mod(a, b)` for a remainder, `floor(a / b)` for a whole quotient, `and`, `or` and `not` for conditions, ' +
      '`//` for a comment. A statement ends with its line.',
    wrong: inside('let theta[p: pair] = 10000 ** (-2 * p / head_dim)'),
    right: inside('let theta[p: pair] = 10000 ^ (-2 * p / head_dim)'),
  },
  PE0105: {
    title: 'file name is not closed',
    explanation: 'The name of an imported file stands between double quotes on one line.',
    wrong: 'import "rope.pe\nencoding example {\n}\n',
    right: 'import "rope.pe"\nencoding example {\n}\n',
  },
  PE0106: {
    title: 'number cannot be read',
    explanation:
      'A number is written in decimal digits, with an optional fraction and exponent: `10`, `0.5`, `.5`, `1e-5`. ' +
      'It must lie in the range of a 64-bit floating-point number. A product wants its `*`: `2 * pi`.',
    wrong: inside('param base = 10_000'),
    right: inside('param base = 10000'),
  },
  PE0107: {
    title: 'expression is nested too deeply',
    explanation: 'Expressions may nest to a limited depth. Give parts of the formula a name with `let` or `fn`.',
    wrong: inside(`let a = ${'('.repeat(300)}1${')'.repeat(300)}`),
    right: inside('let a = 1'),
  },
  PE0108: {
    title: 'invisible character',
    explanation:
      'Control characters and marks that change the direction of text can make a file read otherwise than it is ' +
      'compiled, so they are refused everywhere, in comments too. Tabs and line ends are welcome.',
    wrong: inside('let a = 1 // \u202e'),
    right: inside('let a = 1 //'),
  },
  PE0109: {
    title: 'statement outside of an encoding',
    explanation: 'Outside of `encoding NAME { ... }` a file has nothing but imports, which come first.',
    wrong: 'param base = 10000\nencoding example {\n}\n',
    right: 'encoding example {\n  param base = 10000\n}\n',
  },
  PE0110: {
    title: 'brace is missing',
    explanation: 'The body of an encoding stands between `{` and `}`.',
    wrong: 'encoding example {\n  param base = 10000\n',
    right: 'encoding example {\n  param base = 10000\n}\n',
  },
  PE0111: {
    title: 'keyword used as a name',
    explanation: 'Keywords cannot be names. A longer word that begins with one can: `from_query`, `by_head`.',
    wrong: inside('let given = 3'),
    right: inside('let given_number = 3'),
  },
  PE0112: {
    title: 'line does not begin a statement',
    explanation:
      'A statement begins with a keyword (`param axis given learn fixed draw let fn expect rotate transform ' +
      'transport`) or is an assignment to a tensor of attention.',
    wrong: inside('lett theta[p: pair] = 1'),
    right: inside('let theta[p: pair] = 1'),
  },
  PE0113: {
    title: '`if` without its parts',
    explanation:
      'An `if` has a value for both cases: `if condition then value else value`. As a part of a larger expression it ' +
      'stands in parentheses.',
    wrong: inside('let a = if layer == 0 then 1'),
    right: inside('let a = if layer == 0 then 1 else 0'),
  },
  PE0114: {
    title: '`=`, `~` or `==` in the place of another',
    explanation:
      '`=` defines and assigns, `~` says how a learned tensor begins or a random one is drawn, `==` compares.',
    wrong: inside('learn W[m: model] = 0'),
    right: inside('learn W[m: model] ~ 0'),
  },
  PE0115: {
    title: 'brackets of another shape are meant',
    explanation:
      'Indices stand in square brackets, all of a tensor in one pair: `a[t, h]`. A reduction binds its index in square ' +
      'brackets and has its body in parentheses: `sum[s: token where s <= t](f[s])`. There are no slices.',
    wrong: inside('let total = sum(s: token)'),
    right: inside('let total = sum[s: token](1)'),
  },
} as const satisfies Record<string, SyntaxCodePage>;

export type SyntaxCode = keyof typeof syntaxCodes;
