// The parser on programs that are right: everything parses, spans are where the text is, precedence is as documented.

import { Lexer } from 'chevrotain';
import { describe, expect, test } from 'vitest';
import type { Expression, Statement } from '../../grammar/ast.ts';
import { parse } from '../../grammar/index.ts';
import { PeParser } from '../../grammar/parser.ts';
import { vocabulary } from '../../grammar/tokens.ts';
import { everyProgram, inEncoding, spans } from './programs.ts';

/** Fully bracketed text of an expression. */
function bracketed(expression: Expression): string {
  switch (expression.kind) {
    case 'number':
      return expression.text;
    case 'boolean':
      return String(expression.value);
    case 'if': {
      const parts = [expression.condition, expression.then, expression.otherwise].map(bracketed);
      return `(if ${parts.join(' ')})`;
    }
    case 'not':
      return `(not ${bracketed(expression.operand)})`;
    case 'negate':
      return `(- ${bracketed(expression.operand)})`;
    case 'binary':
      return `(${bracketed(expression.left)} ${expression.operator} ${bracketed(expression.right)})`;
    case 'compare':
      return `(${expression.operands.map((e, i) => bracketed(e) + (expression.relations[i] ?? '')).join('')})`;
    case 'group':
      return `{${bracketed(expression.inner)}}`;
    case 'name': {
      const { name, brackets, args } = expression;
      const item = (value: Expression, axis: string | undefined): string =>
        bracketed(value) + (axis === undefined ? '' : `:${axis}`);
      const items = brackets?.items.map(({ value, axis }) => item(value, axis?.text)).join(',') ?? '';
      const where = brackets?.where == null ? '' : `|${bracketed(brackets.where)}`;
      const subscript = brackets === null ? '' : `[${items}${where}]`;
      return `${name.text}${subscript}${args === null ? '' : `(${args.map(bracketed).join(',')})`}`;
    }
    default:
      return expression satisfies never;
  }
}

function only(statement: string): Statement {
  const { file, diagnostics } = parse(inEncoding(statement), 'test.pe');
  expect(diagnostics).toEqual([]);
  const statements = file.encodings[0]!.statements;
  expect(statements).toHaveLength(1);
  return statements[0]!;
}

function expression(text: string): string {
  const statement = only(`let a = ${text}`);
  if (statement.kind !== 'let') throw new Error('not a definition');
  return bracketed(statement.value);
}

test('the grammar needs one token of lookahead and has no ambiguity', () => {
  expect(() => new PeParser({ skipValidations: false })).not.toThrow();
  expect(new Lexer([...vocabulary], { positionTracking: 'onlyOffset' }).lexerDefinitionErrors).toEqual([]);
});

describe('every program', () => {
  test.each(everyProgram())('$path parses', ({ path, text }) => {
    const { file, diagnostics } = parse(text, path);
    expect(diagnostics).toEqual([]);
    expect(file.encodings.map(({ name }) => `${name.text}.pe`)).toEqual([path.split('/').at(-1)]);
    for (const { span, above } of spans(file.encodings)) {
      expect(span.file).toBe(path);
      expect(span.start).toBeLessThan(span.end);
      if (above === null) continue;
      expect(above.start).toBeLessThanOrEqual(span.start);
      expect(span.end).toBeLessThanOrEqual(above.end);
    }
  });

  test.each(everyProgram())('$path has names where their spans say', ({ path, text }) => {
    const names: { text: string; span: { start: number; end: number } }[] = [];
    JSON.stringify(parse(text, path).file.encodings, (_key, value: unknown) => {
      if (value !== null && typeof value === 'object' && 'text' in value && 'span' in value) names.push(value as never);
      return value;
    });
    expect(names.length).toBeGreaterThan(1);
    for (const { text: name, span } of names) expect(text.slice(span.start, span.end)).toBe(name);
  });
});

describe('precedence', () => {
  test.each([
    ['-a ^ 2', '(- (a ^ 2))'],
    ['-a * b', '((- a) * b)'],
    ['2 ^ -p', '(2 ^ (- p))'],
    ['a ^ b ^ c', '(a ^ (b ^ c))'],
    ['a - b - c', '((a - b) - c)'],
    ['a / b * c', '((a / b) * c)'],
    ['a + b * c ^ d', '(a + (b * (c ^ d)))'],
    ['a < b <= c', '(a<b<=c)'],
    ['a + 1 == b', '((a + 1)==b)'],
    ['a or b and not c == d', '(a or (b and (not (c==d))))'],
    ['a and b and c', '((a and b) and c)'],
    ['if a then b else c + 1', '(if a b (c + 1))'],
    ['if a then b else if c then d else e', '(if a b (if c d e))'],
    ['(a + b) * c', '({(a + b)} * c)'],
    ['f(a, -b)', 'f(a,(- b))'],
    ['sum[s: token, p: pair where s <= t and p > 0](x[s, p])', 'sum[s:token,p:pair|((s<=t) and (p>0))](x[s,p])'],
    ['q[i, p + half: dim]', 'q[i,(p + half):dim]'],
    ['softmax[j](a[j])', 'softmax[j](a[j])'],
    ['.5 + 1e-5 - 2.5E+3', '((.5 + 1e-5) - 2.5E+3)'],
    ['true or false', '(true or false)'],
    ['--a', '(- (- a))'],
    ['not not a', '(not (not a))'],
  ])('%s', (text, expected) => expect(expression(text)).toBe(expected));
});

describe('statements', () => {
  test.each([
    ['param a = 1, b = a + 1', 'param'],
    ['axis place = context', 'axis'],
    ['given pose[t: token, k: part]', 'given'],
    ['given flag', 'given'],
    ['learn W[m: model] ~ normal(0, 0.02)', 'learn'],
    ['fixed shared s ~ 1', 'fixed'],
    ['draw u[t: token] ~ uniform(0, 1)', 'draw'],
    ['let a = 1', 'let'],
    ['fn f(a, b) = a * b', 'fn'],
    ['expect relative, starts_as(rope)', 'expect'],
    ['score[h, i, j] += 1 when layer > 0', 'site'],
    ['query, key [t, h, d] *= 2', 'site'],
    ['loss += 1', 'site'],
    ['rotate query, key [t, h, p] by a[t, p] interleaved from head_dim / 2 when layer > 0', 'site'],
    ['transform query [t, h, r, c] by M[r, c]', 'site'],
    ['transport key [t, h, r, c] by delta(r, c)', 'site'],
  ])('%s', (text, kind) => expect(only(text).kind).toBe(kind));

  test('of a rotation', () => {
    const statement = only('rotate query, key [t, h, b: band] by a[t] interleaved from 4 when c');
    if (statement.kind !== 'site' || statement.site.kind !== 'rotate') throw new Error('not a rotation');
    const { targets, by, interleaved, from, when } = statement.site;
    expect(targets.names.map(({ text }) => text)).toEqual(['query', 'key']);
    expect(targets.binders?.map(({ name, axis }) => [name.text, axis?.text])).toEqual([
      ['t', undefined],
      ['h', undefined],
      ['b', 'band'],
    ]);
    expect([bracketed(by), interleaved, from && bracketed(from), when && bracketed(when)]).toEqual([
      'a[t]',
      true,
      '4',
      'c',
    ]);
  });
});

test('a file: imports, parents, comments', () => {
  const text = '// first\nimport "a.pe"\nimport "b.pe"\nencoding c extends a, b { // here\n}\n// last';
  const { file, diagnostics } = parse(text, 'c.pe');
  expect(diagnostics).toEqual([]);
  expect(file.imports.map(({ path }) => path)).toEqual(['a.pe', 'b.pe']);
  expect(file.encodings[0]!.parents.map((name) => name.text)).toEqual(['a', 'b']);
  expect(file.comments.map((comment) => comment.text)).toEqual(['// first', '// here', '// last']);
  for (const comment of file.comments) expect(text.slice(comment.span.start, comment.span.end)).toBe(comment.text);
});
