// How far an encoding reaches: tables that are read by a token's place end, those read by a distance do not.
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { frontEnd } from '../../src/front-end.ts';
import { compileOptions } from '../../src/options.ts';
import type { LayerEncoding } from '../../src/trainer/encoding.ts';
import { rowsByPlace } from '../../src/trainer/reach.ts';

function rows(text: string): number | null {
  const { lowered, diagnostics } = frontEnd({ path: 'a.pe', text }, compileOptions({ laws: false }));
  expect(diagnostics).toEqual([]);
  return rowsByPlace([{ ...lowered!, module: {} } as LayerEncoding]);
}

const example = (name: string) => readFile(new URL(`../../examples/${name}.pe`, import.meta.url), 'utf8');

it('learned absolute positions end with their table', async () => {
  expect(rows(await example('learned_absolute'))).toBe(64);
});

it.each(['rope', 'rope_learned', 'carope', 'alibi', 'sinusoidal', 'comrope_ld', 'nope'])(
  '%s does not',
  async (name) => {
    expect(rows(await example(name))).toBe(null);
  },
);

it('a place is found behind a definition, and the smallest table counts', () => {
  const text = `encoding two {
  axis near = 8
  axis far = 32
  learn A[n: near, h: head] ~ normal(0, 1)
  learn B[n: far, h: head] ~ normal(0, 1)
  let place[t: token] = min(position[t], 7)
  score[h, i, j] += A[place[j], h] + B[min(position[i], 31), h]
}`;
  expect(rows(text)).toBe(8);
});

it('a table of distances has no end', () => {
  const text = `encoding clipped {
  axis near = 8
  learn B[n: near, h: head] ~ normal(0, 1)
  score[h, i, j] += B[min(abs(position[i] - position[j]), 7), h]
}`;
  expect(rows(text)).toBe(null);
});
