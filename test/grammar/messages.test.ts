// Syntax errors: every code has a text that shows it, known slips get an answer that says what to write.

import { describe, expect, test } from 'vitest';
import { parse, syntaxCodes } from '../../grammar/index.ts';
import { inEncoding } from './programs.ts';

describe('every code', () => {
  test.each(Object.entries(syntaxCodes))('%s is what its example gets, and only that', (code, { wrong, right }) => {
    expect(parse(wrong, 'wrong.pe').diagnostics.map((diagnostic) => diagnostic.code)).toEqual([code]);
    expect(parse(right, 'right.pe').diagnostics).toEqual([]);
  });
});

// statement, code, text under the span, part of the message or hint
const slips: readonly (readonly [string, string, string, string])[] = [
  ['let a = 1 let b = 2', 'PE0102', 'let', 'stands on a line of its own'],
  ['let a = 2pi', 'PE0102', 'pi', 'a product is `2 * pi`'],
  ['let a = f(b c)', 'PE0102', 'c', 'a comma between them'],
  ['let a = sum[s: token wher s < t](1)', 'PE0102', 'wher', 'did you mean `where`?'],
  ['expect relative causal', 'PE0102', 'causal', 'a comma is missing'],
  ['let a = (b', 'PE0101', '', 'expected `)`'],
  ['let a = b)', 'PE0101', ')', 'closes nothing'],
  ['let a = f(b,)', 'PE0101', ')', 'a list does not end with a comma'],
  ['let a =', 'PE0101', '', 'expected a value'],
  ['rotate query, key [t, h, p] angle', 'PE0101', 'angle', '`by` is missing before the angle'],
  ['let a = floor(b // 2)', 'PE0101', '', '`//` begins a comment'],
  ['let a = b @ c', 'PE0104', '@', 'a product of matrices is a sum'],
  ['let a = b % c', 'PE0104', '%', '`mod(a, b)`'],
  ['let a = b && c', 'PE0104', '&&', '`and`'],
  ['let a = !c', 'PE0104', '!', '`not`'],
  ['let a = b ? c : d', 'PE0104', '?', 'if condition then value else value'],
  ['let a = 1;', 'PE0104', ';', 'ends with its line'],
  ['# a comment', 'PE0104', '# a comment', '`//`'],
  ['let a = b ≤ c', 'PE0104', '≤', '`<=`'],
  ['score[h, i, j] -= 1', 'PE0104', '-=', '`+= -(...)`'],
  ['let a = 1e999', 'PE0106', '1e999', 'too large'],
  ['let a = 1e-999', 'PE0106', '1e-999', 'too small'],
  ['let a = 0x10', 'PE0106', '0x10', 'decimal'],
  ['let a = 1.', 'PE0106', '1.', 'decimal'],
  ['let from = 3', 'PE0111', 'from', 'is a keyword'],
  ['let encoding = 3', 'PE0111', 'encoding', 'is a keyword'],
  ['rotate by angle', 'PE0111', 'by', 'is a keyword'],
  ['def f(x) = x', 'PE0112', 'def', 'did you mean `fn`?'],
  ['leran W ~ 0', 'PE0112', 'leran', 'did you mean `learn`?'],
  ['3 + 4', 'PE0112', '3', 'does not begin a statement'],
  ['angle', 'PE0112', 'angle', 'alone is no statement'],
  ['let a = if b c else d', 'PE0102', 'c', 'between `b` and `c`'],
  ['let a = if b then c', 'PE0113', '', 'no `else`'],
  ['let a = 1 + if b then c else d', 'PE0113', 'if', 'stands in parentheses'],
  ['let a = 3 + not c', 'PE0113', 'not', 'stands in parentheses'],
  ['let W[m: model] ~ 0', 'PE0114', '~', 'write `=`, not `~`'],
  ['W[m: model] ~ 0', 'PE0114', '~', 'begin the line with `learn`'],
  ['given p[t: token] = 3', 'PE0114', '=', 'the caller supplies it'],
  ['let a = if b = c then 1 else 2', 'PE0114', '=', 'a comparison is `==`'],
  ['let a == 0', 'PE0114', '==', 'write `=`'],
  ['let a = x[t][h]', 'PE0115', '[', 'one pair of brackets'],
  ['let a = x[t, :]', 'PE0115', ':', 'no slices'],
  ['let a = [1, 2]', 'PE0115', '[', 'a list of numbers'],
  ['let a = sum[s in token](1)', 'PE0115', 'in', '`sum[s: token](...)`'],
  ['let f(x) = x', 'PE0115', '(', '`fn name(a, b) = ...`'],
  ['score[h, i, j + 1] += 2', 'PE0115', '+', 'name indices, nothing else'],
  ['score[0, i, j] += 2', 'PE0115', '0', 'name indices, nothing else'],
  ['fn f() = 3', 'PE0115', ')', 'at least one parameter'],
];

describe('a slip', () => {
  test.each(slips)('%s', (statement, code, under, answer) => {
    const text = inEncoding(statement);
    const { diagnostics } = parse(text, 'test.pe');
    expect(diagnostics.map((diagnostic) => diagnostic.code)).toEqual([code]);
    const { span, message, hint } = diagnostics[0]!;
    expect(text.slice(span.start, span.end)).toBe(under);
    expect(`${message} ${hint ?? ''}`).toContain(answer);
  });
});

test('an open bracket is shown', () => {
  const text = inEncoding('let a = f(b[t]');
  const [diagnostic] = parse(text, 'test.pe').diagnostics;
  expect(diagnostic?.labels?.map(({ span }) => text.slice(span.start - 1, span.end))).toEqual(['f(']);
});

describe('structure', () => {
  test.each([
    ['encoding a {\n let b = 1\n', ['PE0110']],
    ['encoding a\n let b = 1\n}', ['PE0110']],
    ['encoding a {\n let b = 1\nencoding c {\n}', ['PE0110']],
    ['encoding a', ['PE0110']],
    ['encoding {\n}', ['PE0101']],
    ['encoding a extends {\n}', ['PE0101']],
    ['encoding a {\n}\n}\n', ['PE0109']],
    ['let a = 1\nlet b = 2\nencoding a {\n}', ['PE0109']],
    ['encoding a {\n}\nimport "b.pe"', ['PE0109']],
    ['encoding a {\n import "b.pe"\n}', ['PE0109']],
    ['import b\nencoding a {\n}', ['PE0101']],
    ['import "b" "c"\nencoding a {\n}', ['PE0101']],
    ['encoding a {\n fn f(x) { return x }\n let b = 1\n}', ['PE0101']],
  ])('%j', (text, expected) => {
    expect(parse(text, 'test.pe').diagnostics.map(({ code }) => code)).toEqual(expected);
  });
});
