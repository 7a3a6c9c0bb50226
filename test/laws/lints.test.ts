// Lints: each fires on the mistake it is for, and on no example.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';
import { lint } from '../../src/laws/lints.ts';
import { phaseErrors } from '../../src/laws/phases.ts';
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

it('a learned tensor that nothing reads', () => {
  expect(of('learn a[h: head] ~ 0\n learn b[h: head] ~ 0\n score[h, i, j] += a[h] * j')).toEqual(['PE0722']);
});

it.each(readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.pe')))('nothing in %s', (file) => {
  expect(lints(loadFile(`examples/${file}`))).toEqual([]);
});
