// Any text at all gives a tree and diagnostics, never an exception, and every span lies in the text.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from '../../grammar/index.ts';
import { deepest } from '../../grammar/nesting.ts';
import { entries } from '../../grammar/tokens.ts';
import { codes, inEncoding, meaning, programs, spans } from './programs.ts';

function holds(text: string): void {
  const { file, diagnostics } = parse(text, 'any.pe');
  const parts = [...diagnostics, ...diagnostics.flatMap(({ labels }) => labels ?? []), ...file.comments];
  for (const { span } of [...spans(file.encodings), ...spans(file.imports), ...parts]) {
    expect(span.start).toBeGreaterThanOrEqual(0);
    expect(span.start).toBeLessThanOrEqual(span.end);
    expect(span.end).toBeLessThanOrEqual(text.length);
  }
  for (const { message } of diagnostics) expect(message).toMatch(/^[^\n\r]+$/);
}

const lexeme = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...entries.map((entry) => entry.text)) },
  { weight: 3, arbitrary: fc.constantFrom('a', 'x1', 'θ', '2', '.5', '1e3', '"f.pe"', '//c\n', '\n', '\n  ') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('**', '%', ';', '$', '#', '?', '|', "'", '"', '/*', '1_0', '0x', '\u202e', '\0'),
  },
);

test('arbitrary text', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), holds), { numRuns: 150 });
});

test('arbitrary sequences of tokens', () => {
  const text = fc.array(lexeme, { maxLength: 60 }).map((lexemes) => lexemes.join(' '));
  fc.assert(fc.property(text, holds), { numRuns: 150 });
  fc.assert(
    fc.property(
      text.map((body) => `encoding a {\n${body}\n}`),
      holds,
    ),
    { numRuns: 150 },
  );
});

test('programs with a piece cut out or repeated', () => {
  const sources = programs('test/fixtures/programs').map(({ text }) => text);
  const damaged = fc
    .tuple(fc.constantFrom(...sources), fc.nat(), fc.nat(40), fc.boolean())
    .map(([text, at, size, twice]) => {
      const from = at % text.length;
      return text.slice(0, twice ? from + size : from) + text.slice(twice ? from : from + size);
    });
  fc.assert(fc.property(damaged, holds), { numRuns: 100 });
});

describe('kinds of files', () => {
  const rope = programs('examples').find(({ path }) => path.endsWith('/rope.pe'))!.text;
  const expected = meaning(parse(rope, 'rope.pe').file);
  test.each([
    ['CRLF', rope.replaceAll('\n', '\r\n')],
    ['CR', rope.replaceAll('\n', '\r')],
    ['a byte order mark', `\ufeff${rope}`],
    ['tabs', rope.replaceAll('  ', '\t')],
    ['no newline at the end', rope.trimEnd()],
    ['blanks at line ends', rope.replaceAll('\n', '  \t\n')],
  ])('%s', (_name, text) => {
    const { file, diagnostics } = parse(text, 'rope.pe');
    expect(diagnostics).toEqual([]);
    expect(meaning(file)).toEqual(expected);
  });

  test.each(['', '\n', '// nothing', '\ufeff', ' \t'])('empty: %j', (text) => {
    expect(parse(text, 'empty.pe')).toMatchObject({ diagnostics: [], file: { imports: [], encodings: [] } });
  });

  test('one line', () => {
    const { file, diagnostics } = parse('import "a.pe" encoding a { let b = 1 } encoding c extends a {}', 'line.pe');
    expect(diagnostics).toEqual([]);
    expect(file.encodings.map(({ statements }) => statements.length)).toEqual([1, 0]);
  });
});

describe('names', () => {
  test('letters of any alphabet', () =>
    expect(codes(inEncoding('let θ_1[t: token] = größe[t] * ϕ * 角度'))).toEqual([]));

  test('one name, composed or not', () => {
    const { file } = parse(inEncoding('let gr\u00f6\u00dfe = 1', 'let gro\u0308\u00dfe = 2'), 'test.pe');
    const heads = file.encodings[0]!.statements.map((statement) =>
      'head' in statement ? statement.head.name.text : '',
    );
    expect(heads[0]).toBe(heads[1]);
  });

  test('that begin with keywords', () => {
    expect(codes(inEncoding('let from_query = if_any + notable * orbit / lettuce ^ encoding_of'))).toEqual([]);
  });
});

describe('depth', () => {
  const many = 65536;
  test.each([
    ['parentheses', `${'('.repeat(many)}1${')'.repeat(many)}`],
    ['open parentheses', '('.repeat(many)],
    ['calls', `${'f('.repeat(many)}1${')'.repeat(many)}`],
    ['indices', `${'x['.repeat(many)}1${']'.repeat(many)}`],
    ['negatives', `${'-'.repeat(many)}1`],
    ['powers', `${'2 ^ '.repeat(many)}1`],
    ['negations', `${'not '.repeat(many)}a`],
    ['choices', `${'if a then b else '.repeat(many / 8)}c`],
    ['sums', `${'1 + '.repeat(many)}1`],
    ['comparisons', `${'1 < '.repeat(many)}1`],
  ])('%s: a message, and the next statement is read', (_name, text) => {
    const { file, diagnostics } = parse(inEncoding(`let a = ${text}`, 'let b = *', 'let c = 1'), 'deep.pe');
    expect(diagnostics.map(({ code }) => code)).toEqual(['PE0107', 'PE0101']);
    expect(file.encodings[0]!.statements).toHaveLength(1);
  });

  test.each([
    ['parentheses', `${'('.repeat(deepest.brackets - 1)}1${')'.repeat(deepest.brackets - 1)}`],
    ['powers', `${'2 ^ '.repeat(deepest.operations)}1`],
    ['choices', `${'if a then b else '.repeat(deepest.operations)}c`],
    ['sums', `${'1 + '.repeat(deepest.operations)}1`],
    ['a long list of arguments', `f(${Array.from({ length: 2000 }, () => '1 + 2').join(', ')})`],
  ])('%s up to the limit', (_name, text) => expect(codes(inEncoding(`let a = ${text}`))).toEqual([]));

  test('many statements', () => {
    const statements = Array.from({ length: 1000 }, (_, index) => (index % 2 === 0 ? 'let a = 1' : 'let a = *'));
    expect(parse(inEncoding(...statements), 'long.pe').diagnostics).toHaveLength(500);
  });
});
