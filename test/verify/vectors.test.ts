// The vectors made by PyTorch, through parser, checker, lowering, interpreter and reverse mode: all outputs within 1e-9
// and all gradients within 1e-8, relative to the largest magnitude of each tensor.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { geometryOf, reference, verify } from '../../src/verify/run.ts';
import { loadFile, loadText, mistaken, root } from '../lower/load.ts';
import { pathOf, referenceCases, vectors } from './cases.ts';

describe('PyTorch vectors', () => {
  it.each(referenceCases)('%s', async (name, program, params) => {
    const made = vectors(name);
    const { lowered, diagnostics } = loadFile(pathOf(program), { geometry: geometryOf(made.sizes), params });
    expect(diagnostics.filter((d) => d.severity === 'error')).toEqual([]);
    const { rows, problems, passed } = await verify(lowered!.attend, made, reference, 1e-9);
    expect(problems).toEqual([]);
    expect(rows.map((row) => row.tensor).toSorted()).toEqual(
      [...Object.keys(made.outputs), ...Object.keys(made.gradients)].toSorted(),
    );
    for (const row of rows) expect(row.error, row.tensor).toBeLessThan(1e-12);
    expect(passed).toBe(true);
  });
});

describe('a wrong program fails', () => {
  const wrong: readonly (readonly [string, string, string, string])[] = [
    ['carope', 's <= t', 's < t', 'output'],
    ['alibi', '-slope[h] * (i - j)', '-slope[h] * (i - j + 1) * 1.001', 'output'],
    ['rope_interleaved', 'interleaved\n', '\n', 'query_encoded'],
    ['t5', 'clamp(place(i - j), 0', 'clamp(place(i - j), 1', 'table'],
    ['urpe', 'i - j, 1 - context', 'j - i, 1 - context', 'c'],
    ['fox', 'j < s <= i](', 'j <= s <= i](', 'output'],
    ['shaw', 'output[i, h, d] += sum', 'output[i, h, d] += 2 * sum', 'rv'],
    ['comrope_ld_1d', 'P[h, b, r, c] - P[h, b, c, r]', 'P[h, b, c, r] - P[h, b, r, c]', 'P'],
  ];
  it.each(wrong)('%s with %s as %s', async (name, right, mistake, tensor) => {
    const made = vectors(name);
    const path = `examples/${name}.pe`;
    const text = readFileSync(join(root, path), 'utf8');
    const params = referenceCases.find(([vector]) => vector === name)![2];
    const { lowered } = loadText(mistaken(text, right, mistake), path, { geometry: geometryOf(made.sizes), params });
    const { rows, passed } = await verify(lowered!.attend, made, reference, 1e-4);
    expect(passed).toBe(false);
    expect(rows.find((row) => row.tensor === tensor)?.passed).toBe(false);
  });
});
