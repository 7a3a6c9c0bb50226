// One run reports every independent error, and an error costs its own statement only.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse } from '../../grammar/index.ts';
import { codes, inEncoding, programs } from './programs.ts';

const broken = [
  'let = 3',
  'let a = (1 + ',
  'let a[t: = 1',
  'learn W[m: model] 0',
  'score[h, i, j] += * 2',
  'rotate query, key [t, h, p] by',
  'fn f(x = 1',
  'expect relative,',
  'param a 1',
  'let a = b[t',
  'given',
];

test('n broken statements are n errors, each on its line', () => {
  const whole = ['let good = 1', 'score[h, i, j] += 1', 'query, key [t, h, d] *= 2', 'expect causal'];
  const statement = fc.oneof(
    fc.constantFrom(...broken).map((text) => ({ text, bad: true })),
    fc.constantFrom(...whole).map((text) => ({ text, bad: false })),
  );
  fc.assert(
    fc.property(fc.array(statement, { maxLength: 12 }), (statements) => {
      const text = inEncoding(...statements.map((each) => each.text));
      const { file, diagnostics } = parse(text, 'test.pe');
      const bad = statements.flatMap((each, index) => (each.bad ? [index + 2] : []));
      const lineOf = (offset: number): number => text.slice(0, offset).split('\n').length;
      expect(diagnostics.map(({ span }) => lineOf(span.start))).toEqual(bad);
      expect(file.encodings[0]?.statements).toHaveLength(statements.length - bad.length);
    }),
    { numRuns: 80 },
  );
});

test('errors in several encodings and headings', () => {
  const text = [
    'import x',
    'encoding {',
    '  let a = *',
    '}',
    'encoding b extends {',
    '  let a = 1',
    '}',
    'encoding c {',
    '  let a = +',
    'encoding d e {',
    '  let a = /',
    '}',
  ].join('\n');
  const { file, diagnostics } = parse(text, 'test.pe');
  expect(diagnostics.map(({ code }) => code)).toEqual([
    ...Array.from({ length: 5 }, () => 'PE0101'),
    'PE0110',
    'PE0101',
    'PE0101',
  ]);
  expect(file.encodings.map(({ name }) => name.text)).toEqual(['b', 'c', 'd']);
});

test('an unclosed bracket ends where the next statement begins', () => {
  expect(codes(inEncoding('let a = f(b', 'let c = 3', 'score[h, i, j] += ((1', 'attention[h, i, j] *= 2'))).toEqual([
    'PE0101',
    'PE0101',
  ]);
  expect(codes(inEncoding('let a = f(b', '  score[h, i, j] += 1', 'loss += 1'))).toEqual(['PE0101']);
});

test('a statement goes on after an operator and within brackets', () => {
  const statements = [
    'let a = b +',
    '  c[t] * d',
    'let e = f(g,',
    '  h[t], i',
    ')',
    'let j = k',
    '  + l',
    '  - m[t]',
    'param n = 1,',
    '  o = 2',
    'query,',
    'key [t] *= 2',
  ];
  expect(codes(inEncoding(...statements))).toEqual([]);
});

test('a stray token in any program never hides the statements around it', () => {
  for (const { text, path } of programs('examples')) {
    const lines = text.split('\n');
    const places = lines.flatMap((line, index) =>
      /^ {2}(let|learn|rotate|score|transform)\b/.test(line) ? [index] : [],
    );
    for (const place of places) {
      const damaged = lines.map((line, index) => (index === place ? `${line} * )` : line)).join('\n');
      const before = parse(text, path).file.encodings[0]!.statements.length;
      const after = parse(damaged, path);
      expect(after.diagnostics).toHaveLength(1);
      expect(before - after.file.encodings[0]!.statements.length).toBe(1);
    }
  }
});
