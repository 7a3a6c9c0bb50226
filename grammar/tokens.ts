// The one table of tokens: spelling, meaning, and colour for editors. The lexer, the parser, the TextMate grammar and
// the messages all read it. Keywords give way to longer names (`from_query` is a name).

import { createToken, Lexer, type TokenType } from 'chevrotain';

/** Letters of any alphabet, `_`, digits from the second place on, and accents that combine with the letter before. */
export const namePattern = String.raw`[\p{L}_][\p{L}\p{Mn}_0-9]*`;

const stickyName = new RegExp(namePattern, 'uy');

function matchName(text: string, offset: number): RegExpExecArray | null {
  stickyName.lastIndex = offset;
  return stickyName.exec(text);
}

export const Name = createToken({ name: 'Name', pattern: matchName, line_breaks: false, label: 'a name' });

export const Relation = createToken({ name: 'Relation', pattern: Lexer.NA, label: 'a comparison' });
export const Assignment = createToken({ name: 'Assignment', pattern: Lexer.NA, label: '`=`, `+=` or `*=`' });
export const Additive = createToken({ name: 'Additive', pattern: Lexer.NA, label: '`+` or `-`' });
export const Multiplicative = createToken({ name: 'Multiplicative', pattern: Lexer.NA, label: '`*` or `/`' });

/** Zero-width tokens that layout.ts puts around a statement. */
export const StatementStart = createToken({ name: 'StatementStart', pattern: Lexer.NA, label: 'a statement' });
export const StatementEnd = createToken({ name: 'StatementEnd', pattern: Lexer.NA, label: 'the end of the statement' });
/** `import`, `encoding` or a brace where it cannot be meant: layout.ts retypes it, so that recovery does not stop there. */
export const Misplaced = createToken({ name: 'Misplaced', pattern: Lexer.NA, label: 'a misplaced word' });

/** What a token is for an editor. */
export type Colour = 'declaration' | 'modifier' | 'control' | 'logic' | 'literal' | 'operator' | 'punctuation';

export interface Entry {
  readonly type: TokenType;
  readonly text: string;
  readonly colour: Colour;
  readonly doc: string;
  readonly statement: boolean; // a line that begins with it begins a statement
}

function keyword(text: string, colour: Colour, doc: string, statement = false): Entry {
  const name = text.charAt(0).toUpperCase() + text.slice(1);
  const pattern = new RegExp(text);
  return { type: createToken({ name, pattern, longer_alt: Name, label: `\`${text}\`` }), text, colour, doc, statement };
}

function sign(name: string, text: string, colour: Colour, doc: string, categories: TokenType[] = []): Entry {
  const type = createToken({ name, pattern: text, label: `\`${text}\``, categories });
  return { type, text, colour, doc, statement: false };
}

const encoding = keyword('encoding', 'declaration', 'begins an encoding: `encoding NAME { ... }`');
const extending = keyword('extends', 'declaration', 'names the encodings whose statements this one takes over');
const importing = keyword('import', 'declaration', 'reads the encodings of another file: `import "rope.pe"`');
const param = keyword('param', 'declaration', 'a compile-time number with a default', true);
const axis = keyword('axis', 'declaration', 'an axis and its size', true);
const given = keyword('given', 'declaration', 'a tensor that the caller supplies', true);
const learn = keyword('learn', 'declaration', 'a trained tensor and its initial value', true);
const fixed = keyword('fixed', 'declaration', 'a tensor stored with the model but not trained', true);
const draw = keyword('draw', 'declaration', 'a random tensor, fresh for each step and sequence', true);
const define = keyword('let', 'declaration', 'a definition: a tensor or a number', true);
const fn = keyword('fn', 'declaration', 'a function, inlined where it is called', true);
const expect = keyword('expect', 'declaration', 'laws that the encoding claims to obey', true);
const rotate = keyword('rotate', 'declaration', 'turns pairs of features by an angle', true);
const transform = keyword('transform', 'declaration', 'multiplies blocks of features by a matrix', true);
const transport = keyword(
  'transport',
  'declaration',
  'multiplies every earlier key by the map of each new token',
  true,
);
const shared = keyword('shared', 'modifier', 'one tensor for all layers');
const by = keyword('by', 'modifier', 'the angle or matrix of a site');
const interleaved = keyword('interleaved', 'modifier', 'pair p is features 2p and 2p + 1');
const from = keyword('from', 'modifier', 'the first feature that a rotation turns');
const when = keyword('when', 'control', 'the site stands only where a compile-time condition holds');
const where = keyword('where', 'control', 'limits what a reduction or a map runs over');
const conditional = keyword('if', 'control', '`if condition then value else value`');
const then = keyword('then', 'control', 'the value of an `if` whose condition holds');
const otherwise = keyword('else', 'control', 'the value of an `if` whose condition does not hold');
const or = keyword('or', 'logic', 'either condition');
const and = keyword('and', 'logic', 'both conditions');
const not = keyword('not', 'logic', 'the opposite condition');
const yes = keyword('true', 'literal', 'the condition that always holds');
const no = keyword('false', 'literal', 'the condition that never holds');

const openBrace = sign('OpenBrace', '{', 'punctuation', 'opens the body of an encoding');
const closeBrace = sign('CloseBrace', '}', 'punctuation', 'closes the body of an encoding');
const openBracket = sign('OpenBracket', '[', 'punctuation', 'opens indices');
const closeBracket = sign('CloseBracket', ']', 'punctuation', 'closes indices');
const openParenthesis = sign('OpenParenthesis', '(', 'punctuation', 'opens a group or arguments');
const closeParenthesis = sign('CloseParenthesis', ')', 'punctuation', 'closes a group or arguments');
const comma = sign('Comma', ',', 'punctuation', 'separates members of a list');
const colon = sign('Colon', ':', 'punctuation', 'gives an index its axis');
const atMost = sign('AtMost', '<=', 'operator', 'at most', [Relation]);
const atLeast = sign('AtLeast', '>=', 'operator', 'at least', [Relation]);
const equal = sign('Equal', '==', 'operator', 'equal', [Relation]);
const unequal = sign('Unequal', '!=', 'operator', 'not equal', [Relation]);
const below = sign('Below', '<', 'operator', 'less than', [Relation]);
const above = sign('Above', '>', 'operator', 'greater than', [Relation]);
const add = sign('Add', '+=', 'operator', 'a site that adds to a tensor of attention', [Assignment]);
const scale = sign('Scale', '*=', 'operator', 'a site that multiplies a tensor of attention', [Assignment]);
const replace = sign('Is', '=', 'operator', 'defines, or replaces a tensor of attention', [Assignment]);
const tilde = sign('Tilde', '~', 'operator', 'begins as, or is drawn from');
const plus = sign('Plus', '+', 'operator', 'sum', [Additive]);
const minus = sign('Minus', '-', 'operator', 'difference, or the negative', [Additive]);
const times = sign('Times', '*', 'operator', 'product', [Multiplicative]);
const over = sign('Over', '/', 'operator', 'quotient', [Multiplicative]);
const power = sign('Power', '^', 'operator', 'power, grouping to the right');

export const Numeral = createToken({
  name: 'Numeral',
  pattern: /(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/,
  label: 'a number',
});
export const Text = createToken({ name: 'Text', pattern: /"[^"\n\r]*"/, label: 'a file name in quotes' });
export const Comment = createToken({ name: 'Comment', pattern: /\/\/[^\n\r]*/, group: 'comments' });
/** Invisible characters count as blanks here; lex.ts reports the ones that have no place in a source. */
export const Blank = createToken({
  name: 'Blank',
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  pattern: /[\s\u0000-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+/,
  group: Lexer.SKIPPED,
  line_breaks: true,
});

/** Every fixed spelling of the language, keywords first. */
export const entries: readonly Entry[] = [
  [encoding, extending, importing, param, axis, given, learn, fixed, draw, define, fn, expect],
  [rotate, transform, transport, shared, by, interleaved, from, when, where, conditional, then, otherwise],
  [or, and, not, yes, no],
  [openBrace, closeBrace, openBracket, closeBracket, openParenthesis, closeParenthesis, comma, colon],
  [atMost, atLeast, equal, unequal, below, above, add, scale, replace, tilde, plus, minus, times, over, power],
].flat();

export const keywords: readonly Entry[] = entries.filter((entry) => /^[a-z]/.test(entry.text));

/** The token types under the names that the parser uses. */
export const T = {
  Encoding: encoding.type,
  Extends: extending.type,
  Import: importing.type,
  Param: param.type,
  Axis: axis.type,
  Given: given.type,
  Learn: learn.type,
  Fixed: fixed.type,
  Draw: draw.type,
  Let: define.type,
  Fn: fn.type,
  Expect: expect.type,
  Rotate: rotate.type,
  Transform: transform.type,
  Transport: transport.type,
  Shared: shared.type,
  By: by.type,
  Interleaved: interleaved.type,
  From: from.type,
  When: when.type,
  Where: where.type,
  If: conditional.type,
  Then: then.type,
  Else: otherwise.type,
  Or: or.type,
  And: and.type,
  Not: not.type,
  True: yes.type,
  False: no.type,
  OpenBrace: openBrace.type,
  CloseBrace: closeBrace.type,
  OpenBracket: openBracket.type,
  CloseBracket: closeBracket.type,
  OpenParenthesis: openParenthesis.type,
  CloseParenthesis: closeParenthesis.type,
  Comma: comma.type,
  Colon: colon.type,
  AtMost: atMost.type,
  AtLeast: atLeast.type,
  Unequal: unequal.type,
  Equal: equal.type,
  Is: replace.type,
  Add: add.type,
  Scale: scale.type,
  Tilde: tilde.type,
  Plus: plus.type,
  Minus: minus.type,
  Times: times.type,
  Over: over.type,
  Power: power.type,
} as const;

/** What the parser's vocabulary is made of; the lexer has the mistakes of mistakes.ts besides. */
export const vocabulary: readonly TokenType[] = [
  [Blank, Comment],
  entries.map((entry) => entry.type),
  [Numeral, Text, Name, Relation, Assignment, Additive, Multiplicative],
  [StatementStart, StatementEnd, Misplaced],
].flat();
