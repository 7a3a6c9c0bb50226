// Committed generated files are what their generators make, and the TextMate grammar colours as it says.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { textMate } from '../../grammar/textmate.ts';
import { keywords } from '../../grammar/tokens.ts';
import { generatedFiles } from '../../src/generated.ts';

describe('generated files are fresh (npm run generate)', () => {
  test.each(generatedFiles)('$path', ({ path, text }) => {
    expect(readFileSync(path, 'utf8')).toBe(text());
  });
});

interface Pattern {
  readonly name?: string;
  readonly match: string;
  readonly captures?: Readonly<Record<string, { readonly name: string }>>;
}

/** Scopes of the pieces of a line: at each place the first pattern that matches earliest wins, as in an editor. */
function colours(line: string): [string, string][] {
  const { patterns } = JSON.parse(textMate()) as { patterns: Pattern[] };
  const found: [string, string][] = [];
  let at = 0;
  while (at < line.length) {
    const matches = patterns.flatMap((pattern) => {
      const expression = new RegExp(pattern.match, 'du');
      const match = expression.exec(line.slice(at));
      return match === null ? [] : [{ pattern, match }];
    });
    const first = matches.toSorted((a, b) => a.match.index - b.match.index)[0];
    if (first === undefined) break;
    const { pattern, match } = first;
    if (pattern.name !== undefined) found.push([match[0], pattern.name]);
    for (const [group, { name }] of Object.entries(pattern.captures ?? {})) found.push([match[Number(group)]!, name]);
    at += match.index + match[0].length;
  }
  return found;
}

describe('TextMate grammar', () => {
  test('every keyword has a colour', () => {
    for (const { text } of keywords.filter((entry) => entry.text !== 'encoding' && entry.text !== 'fn')) {
      const [[piece, scope] = []] = colours(`${text} `);
      expect(piece).toBe(text);
      expect(scope).toMatch(/^(keyword|storage|constant)\./);
    }
  });

  test('a statement', () => {
    expect(colours('let phase[t: token] = sum[s: token where s <= t](f[s] ^ 2.5) // scan')).toEqual([
      ['let', 'keyword.declaration.pe'],
      ['phase', 'variable.other.pe'],
      ['[', 'punctuation.pe'],
      ['t', 'variable.other.pe'],
      [':', 'punctuation.pe'],
      ['token', 'entity.name.type.axis.pe'],
      [']', 'punctuation.pe'],
      ['=', 'keyword.operator.pe'],
      ['sum', 'support.function.pe'],
      ['[', 'punctuation.pe'],
      ['s', 'variable.other.pe'],
      [':', 'punctuation.pe'],
      ['token', 'entity.name.type.axis.pe'],
      ['where', 'keyword.control.pe'],
      ['s', 'variable.other.pe'],
      ['<=', 'keyword.operator.pe'],
      ['t', 'variable.other.pe'],
      [']', 'punctuation.pe'],
      ['(', 'punctuation.pe'],
      ['f', 'variable.other.pe'],
      ['[', 'punctuation.pe'],
      ['s', 'variable.other.pe'],
      [']', 'punctuation.pe'],
      ['^', 'keyword.operator.pe'],
      ['2.5', 'constant.numeric.pe'],
      [')', 'punctuation.pe'],
      ['// scan', 'comment.line.double-slash.pe'],
    ]);
  });

  test('longer names are names', () => {
    expect(colours('from_query')).toEqual([['from_query', 'variable.other.pe']]);
    expect(colours('encoding rope')).toEqual([
      ['encoding', 'keyword.declaration.pe'],
      ['rope', 'entity.name.function.pe'],
    ]);
  });
});
