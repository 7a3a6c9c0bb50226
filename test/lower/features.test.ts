// What the language can say and the compiler does not compile: one table, one code a feature, one place in the file.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { notCompiled, type Feature } from '../../src/lower/features.ts';
import { loadFile, loadText, root, small } from './load.ts';

/** For each feature a smallest program, its code, and the text that the diagnostic points at. */
const refused: Record<Feature, readonly [string, string, string]> = {
  'older embedding in attention': [
    'let e[t: token] = embedding[t, 0]\n embedding[t, m] *= 2\n score[h, i, j] += e[j]',
    'PE0509',
    'embedding[t, 0]',
  ],
  'sum in initial value': [
    'axis n = 3\n learn w[k: n] ~ sum[l: n](l)\n score[h, i, j] += w[0]',
    'PE0510',
    'sum[l: n](l)',
  ],
};

describe('features that are not compiled', () => {
  it('the table and this test name the same', () => {
    expect(Object.keys(refused).sort()).toEqual(Object.keys(notCompiled).sort());
  });

  it.each(Object.entries(refused))('%s', (_, [source, code, place]) => {
    const text = `encoding test {\n ${source}\n}`;
    const { checked, lowered, diagnostics } = loadText(text);
    const errors = diagnostics.filter((d) => d.severity === 'error');
    expect(errors.map((d) => d.code)).toEqual([code]);
    expect(checked).not.toBeNull();
    expect(lowered).toBeNull();
    const { start, end } = errors[0]!.span;
    expect(text.slice(start, end)).toContain(place);
  });

  it('reports every place, each once', () => {
    const source =
      'encoding test {\n axis n = 3\n learn w[k: n] ~ sum[l: n](l)\n let e[t: token] = embedding[t, 0]\n embedding[t, m] *= 2\n score[h, i, j] += w[0] * e[i]\n}';
    const { diagnostics } = loadText(source);
    expect(diagnostics.map((d) => d.code).sort()).toEqual(['PE0509', 'PE0510']);
  });
});

describe('the programs of the catalogue', () => {
  const folder = 'test/fixtures/programs';
  const names = readdirSync(join(root, folder)).map((file) => file.replace('.pe', ''));

  it.each(names)('%s', (name) => {
    const head_dim = name.startsWith('mrope') ? 128 : 16;
    const { lowered, diagnostics } = loadFile(`${folder}/${name}.pe`, { geometry: { ...small, head_dim } });
    expect(diagnostics.filter((d) => d.severity === 'error')).toEqual([]);
    expect(lowered).not.toBeNull();
  });
});
