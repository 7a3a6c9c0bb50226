// Lints: each fires on the mistake it is for, and on no example.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';
import { lint } from '../../src/laws/lints.ts';
import { phaseErrors, roundTo, runningError } from '../../src/laws/phases.ts';
import type { AngleStorage } from '../../src/laws/phases.ts';
import { uniformFrom } from '../../src/laws/random.ts';
import { roundToBf16 } from '../../codegen/bf16.ts';
import { loadFile, loadText, root, small, type Loaded } from '../lower/load.ts';

function lints({ checked, lowered, diagnostics }: Loaded): Diagnostic[] {
  if (checked === null || lowered === null) throw new Error(diagnostics.map((d) => d.message).join('; '));
  const found: Diagnostic[] = [];
  lint(checked, lowered, (d) => void found.push(d));
  return found;
}

const of = (body: string, context = 128): string[] =>
  lints(loadText(`encoding test {\n ${body}\n}`, 'examples/test.pe', { geometry: { ...small, context } })).map(
    (d) => d.code,
  );

describe('a score term that softmax cannot see', () => {
  it('the slope times the query index alone, the well-known mistake with ALiBi', () => {
    expect(of('let slope[h: head] = 2 ^ (-8 * (h + 1) / heads)\n score[h, i, j] += -slope[h] * i')).toEqual(['PE0720']);
    expect(of('let slope[h: head] = 2 ^ (-8 * (h + 1) / heads)\n score[h, i, j] += slope[h] * j')).toEqual([]);
  });
  it('not where something else reads scores', () => {
    const term = 'learn b[h: head] ~ 0\n score[h, i, j] += b[h]';
    expect(of(term)).toEqual(['PE0720']);
    expect(of(`${term}\n attention[h, i, j] *= sigmoid(logsumexp[k: token](score[h, i, k]))`)).toEqual([]);
    expect(of(`${term}\n attention[h, i, j] = sigmoid(score[h, i, j])`)).toEqual([]);
    expect(of(`${term}\n score[h, i, j] *= i - j`)).toEqual([]);
  });
});

describe('an angle too large for float32', () => {
  it('a learned frequency at a long context, with the angle and the error', () => {
    const body = 'learn w[p: pair] ~ 1\n rotate query, key [t, h, p] by position[t] * w[p]';
    expect(of(body, 1000)).toEqual([]);
    expect(of(body, 131072)).toEqual(['PE0721']);
    const text = `encoding test {\n ${body}\n}`;
    const [found] = lints(loadText(text, 'examples/test.pe', { geometry: { ...small, context: 131072 } }));
    expect(found!.message).toContain('1.31e+5 rad at position 131071');
    expect(found!.message).toContain('0.0078 rad');
  });
  it('not what the host computes in float64', () => {
    expect(of('rotate query, key [t, h, p] by position[t] * (p + 1)', 131072)).toEqual([]);
  });
  it('a running sum is taken to go on as it begins', () => {
    const { checked, lowered } = loadFile('examples/carope.pe', { geometry: { ...small, context: 1 << 20 } });
    const [query] = phaseErrors(checked!, lowered!.attend);
    expect(query!.angle).toBeCloseTo(2 ** 20, -1); // pair 0 turns by 1 a token
    expect(query!.error).toBeCloseTo(2 ** -4, 5);
  });
});

describe('angles kept as smaller numbers', () => {
  const storages: readonly (readonly [AngleStorage, (x: number) => number])[] = [
    ['float32', Math.fround],
    ['bf16', roundToBf16],
  ];
  it.each(storages)('%s rounds as kernels do', (storage, rounded) => {
    for (const x of [0, 1, -1.00390625, 3.14159265, 1e-7, 4095.7, -65503.9])
      expect(roundTo(storage, x)).toBe(rounded(x));
  });
  it('f16 has 11 digits and an end', () => {
    expect([1 + 2 ** -11, 1 + 3 * 2 ** -11, 2049, 65504].map((x) => roundTo('f16', x))).toEqual([
      1,
      1 + 2 ** -9,
      2048,
      65504,
    ]);
    expect(roundTo('f16', 1e5)).toBe(Infinity);
  });
  it('a running sum of random steps over 4096 tokens, as CARoPE has it', () => {
    // The reference measures 1.2e-4 rad in float32 and 8.1 in bf16, on steps of its own.
    const random = uniformFrom(7);
    const steps = Array.from({ length: 4096 }, () => 0.2 + 0.6 * random());
    let [exact, single] = [0, 0];
    const off = steps.map((step) => Math.abs((single = Math.fround(single + step)) - (exact += step)));
    expect(runningError('float32', steps, 4096)).toBe(Math.max(...off));
    expect(runningError('float32', steps, 4096)).toBeLessThan(5e-3);
    // From 256 on bf16 has steps of 2: nothing smaller than 1 is added any more.
    expect(runningError('bf16', steps, 4096)).toBeGreaterThan(1000);
  });
  it('storing alone is off by half a step', () => {
    const { checked, lowered } = loadFile('examples/rope.pe', { geometry: { ...small, context: 4097 } });
    const [query] = phaseErrors(checked!, lowered!.attend);
    expect(query!.angle).toBe(4096);
    expect(query!.error).toBe(0); // on the host
    expect(query!.stored).toEqual({ float32: 2 ** -12, bf16: 16, f16: 2 });
    expect(phaseErrors(checked!, lowered!.attend, 99)[0]!.position).toBe(99);
  });
});

it('a learned tensor that nothing reads', () => {
  expect(of('learn a[h: head] ~ 0\n learn b[h: head] ~ 0\n score[h, i, j] += a[h] * j')).toEqual(['PE0722']);
});

it.each(readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.pe')))('nothing in %s', (file) => {
  expect(lints(loadFile(`examples/${file}`))).toEqual([]);
});
