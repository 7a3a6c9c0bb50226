// What papers claim of the rotary half of the catalogue, in float64: reduction to RoPE, shifts, norms, decay.

import { expect } from 'vitest';
import { apart, changeByShift, changeOfNorm, falls, scoreByDistance, type Property } from './claims.ts';
import { runProperties } from './complete.ts';
import { entry, evaluate, geometry, variant } from './evaluate.ts';

const exact = 1e-12;
const rope = variant('rope');
const thetas = (name: string, params: Record<string, number> = {}): readonly number[] => [
  ...evaluate(entry(name, { params })).get('theta'),
];
const { head_dim } = geometry;
const ropeTheta = (p: number, base = 10000): number => base ** ((-2 * p) / head_dim);

/** Queries or keys, all the same: 1 in the named features, 0 in the others. */
const only = (...features: readonly number[]): readonly number[] =>
  Array.from({ length: 7 * geometry.heads * head_dim }, (_, n) => (features.includes(n % head_dim) ? 1 : 0));

const property = (entry: string, says: string, holds: () => void): Property => ({ entry, says, holds });

const properties: readonly Property[] = [
  property('linear', 'factor 1 is RoPE', () =>
    expect(apart(entry('linear', { params: { factor: 1 } }), rope)).toBeLessThan(exact),
  ),
  property('linear', 'factor 4 at positions 4 t is RoPE at t', () => {
    const positions = Array.from({ length: 7 }, (_, t) => 4 * t);
    const [a, b] = [evaluate(entry('linear'), { positions }), evaluate(rope)];
    a.get('score').forEach((value, n) => {
      if (Number.isFinite(value)) expect(value).toBeCloseTo(b.get('score')[n]!, 11);
    });
  }),
  property('ntk', 'factor 1 is RoPE', () =>
    expect(apart(entry('ntk', { params: { factor: 1 } }), rope)).toBeLessThan(exact),
  ),
  property('ntk', 'the fastest pair keeps its frequency, the slowest has it divided by the factor', () => {
    const theta = thetas('ntk', { factor: 8 });
    expect(theta[0]).toBe(1);
    expect(theta.at(-1)).toBeCloseTo(ropeTheta(head_dim / 2 - 1) / 8, 15);
  }),
  property('yarn', 'factor 1 is RoPE', () =>
    expect(apart(entry('yarn', { params: { factor: 1 } }), rope)).toBeLessThan(exact),
  ),
  property('yarn', 'scores of equal tokens are those of RoPE times the square of 0.1 ln s + 1', () => {
    const params = { factor: 4 };
    const [a, b] = [scoreByDistance(entry('yarn', { params })), scoreByDistance(rope)];
    expect(a[0]! / b[0]!).toBeCloseTo((0.1 * Math.log(4) + 1) ** 2, 12);
  }),
  property('xpos', 'only differences of positions matter', () =>
    expect(changeByShift(entry('xpos'), 5)).toBeLessThan(1e-10),
  ),
  property('xpos', 'a pair that hardly turns decays with the distance, by zeta each unit', () => {
    const last = only(head_dim / 2 - 1);
    const made = entry('xpos', { params: { base: 1e300, unit: 8 } });
    const decay = scoreByDistance(made, { values: { query: last, key: last } });
    expect(falls(decay)).toBe(true);
    expect(decay[6]! / decay[0]!).toBeCloseTo((((head_dim - 2) / head_dim + 0.4) / 1.4) ** (6 / 8), 12);
  }),
  property('axial', 'shifts of rows and of columns change nothing, and norms stay', () => {
    expect(changeByShift(entry('axial'), [3, -8])).toBeLessThan(1e-11);
    expect(changeOfNorm(entry('axial'))).toBeLessThan(exact);
  }),
];

runProperties(['scaling', 'rotary', 'axes', 'matrices'], properties);
