// The canonical form: it means what was written, keeps every comment, and formatting it again changes nothing.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { format, printFile } from '../../grammar/format.ts';
import { parse } from '../../grammar/index.ts';
import { columns } from '../../grammar/wrap.ts';
import { file } from './arbitrary.ts';
import { everyProgram, inEncoding, meaning, programs } from './programs.ts';

function formatted(text: string): string {
  const { text: result, diagnostics } = format(text);
  expect(diagnostics).toEqual([]);
  return result;
}

const commentsOf = (text: string): string[] => parse(text, 'a.pe').file.comments.map((comment) => comment.text);

function stable(text: string): void {
  const once = formatted(text);
  expect(formatted(once)).toBe(once);
  expect(meaning(parse(once, 'a.pe').file)).toEqual(meaning(parse(text, 'a.pe').file));
  expect(commentsOf(once).toSorted()).toEqual(commentsOf(text).toSorted());
  for (const line of once.split('\n')) {
    expect(line).toBe(line.trimEnd());
    expect(line).not.toMatch(/^\s*\t/);
  }
}

describe('every program', () => {
  test.each(everyProgram())('$path', ({ text }) => {
    stable(text);
    stable(text.replaceAll('\n', '\r\n'));
    stable(text.replaceAll(/ {2,}/g, ' '));
    for (const line of formatted(text).split('\n')) {
      if (!line.includes('//')) expect(line.length).toBeLessThanOrEqual(columns);
    }
  });

  test('examples are in canonical form', () => {
    for (const { text } of programs('examples')) expect(formatted(text)).toBe(text);
  });
});

test('printing any tree and parsing it gives the tree', () => {
  fc.assert(
    fc.property(file, (tree) => {
      const text = printFile(tree);
      const { file: read, diagnostics } = parse(text, 'made.pe');
      expect(diagnostics).toEqual([]);
      expect(meaning(read)).toEqual(meaning(tree));
      expect(formatted(text)).toBe(text);
    }),
    { numRuns: 150 },
  );
});

test('comments and line breaks anywhere', () => {
  const sources = programs('test/fixtures/programs').map(({ text }) => text);
  const gap = fc.constantFrom('// note\n', '\n', '\n\n\n', '  ', '\t', '// a\n\n// b\n');
  const changes = fc.array(fc.tuple(fc.nat(), gap), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.constantFrom(...sources), changes, (source, added) => {
      const text = added.reduce((current, [at, blank]) => {
        const blanks = [...current.matchAll(/(?<=[ \n])/g)].map((match) => match.index);
        const place = blanks[at % blanks.length]!;
        const inComment = current.slice(current.lastIndexOf('\n', place - 1) + 1, place).includes('//');
        return inComment ? current : current.slice(0, place) + blank + current.slice(place);
      }, source);
      fc.pre(parse(text, 'a.pe').diagnostics.length === 0);
      stable(text);
    }),
    { numRuns: 60 },
  );
});

test('text with errors comes back as it was', () => {
  const text = 'encoding a   {\n let b = (1 }';
  expect(format(text)).toMatchObject({ text, diagnostics: [{ code: 'PE0101' }] });
});

const lines = (...all: readonly string[]): string => `${all.join('\n')}\n`;

describe('layout', () => {
  test('declarations are tables', () => {
    expect(
      formatted(inEncoding('param a=1', 'param long   =  2*a', 'axis   b=a', 'learn W [m:model]~0', 'draw u~1')),
    ).toBe(
      lines(
        'encoding test {',
        '  param a = 1',
        '  param long = 2 * a',
        '  axis  b = a',
        '  learn W[m: model] ~ 0',
        '  draw  u           ~ 1',
        '}',
      ),
    );
    expect(formatted(inEncoding('param a=1', 'param long=2'))).toBe(
      lines('encoding test {', '  param a    = 1', '  param long = 2', '}'),
    );
    expect(formatted(inEncoding('let a=1', '', 'let long=2', 'fn f(x)=x'))).toBe(
      lines('encoding test {', '  let a = 1', '', '  let long = 2', '  fn  f(x) = x', '}'),
    );
  });

  test('sites', () => {
    const text = inEncoding(
      'query,key[t,h,d]*=2',
      'score [h,i,j]+=1 when(a)',
      'rotate query[t,h,p]by a interleaved from 2',
    );
    expect(formatted(text)).toBe(
      lines(
        'encoding test {',
        '  query, key [t, h, d] *= 2',
        '  score[h, i, j]       += 1 when (a)',
        '  rotate query [t, h, p] by a interleaved from 2',
        '}',
      ),
    );
  });

  test('expressions', () => {
    expect(
      formatted(inEncoding('let a=-b^-c*(d+ e)  <f[ i ,j:dim ]and not g( h )or sum [s:token where s<=t] (-s)')),
    ).toBe(
      lines(
        'encoding test {',
        '  let a = -b ^ -c * (d + e) < f[i, j: dim] and not g(h) or sum[s: token where s <= t](-s)',
        '}',
      ),
    );
  });

  test('empty lines and comments', () => {
    const text =
      '\n\n//top\n\n\nimport  "a.pe" // one\nencoding a extends b,c//two\n{\n\n\n// three\n\n\nlet x=1 //four\nlet yy=2//five\n\n}//six\n//end';
    expect(formatted(text)).toBe(
      lines(
        '//top',
        '',
        'import "a.pe"  // one',
        'encoding a extends b, c {  //two',
        '  // three',
        '',
        '  let x  = 1  //four',
        '  let yy = 2  //five',
        '}  //six',
        '//end',
      ),
    );
  });

  test("the author's line breaks stay, indented", () => {
    const text = inEncoding(
      'let a =',
      'b *',
      '(c',
      '+ d)',
      'transform query [t, h, r, c]',
      'by if x',
      'then y',
      'else z',
    );
    expect(formatted(text)).toBe(
      lines(
        'encoding test {',
        '  let a =',
        '    b',
        '    * (c',
        '       + d)',
        '  transform query [t, h, r, c]',
        '    by if x',
        '    then y',
        '    else z',
        '}',
      ),
    );
  });

  test('a long line is broken where it binds least', () => {
    const sum = Array.from({ length: 9 }, (_, index) => `weight_${index} * value[${index}]`).join(' + ');
    expect(formatted(inEncoding(`let total = ${sum}`))).toBe(
      lines(
        'encoding test {',
        '  let total =',
        `    ${sum.split(' + ').slice(0, 5).join(' + ')}`,
        `    + ${sum.split(' + ').slice(5).join(' + ')}`,
        '}',
      ),
    );
  });

  test('a statement with a comment inside keeps its lines', () => {
    const text = 'encoding a {\n      let b   =  c // one\n\t  + d  // two\n          + e\n}\n';
    expect(formatted(text)).toBe(lines('encoding a {', '  let b   =  c // one', '    + d  // two', '      + e', '}'));
  });
});
