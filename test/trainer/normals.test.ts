// Normal numbers against the normal distribution: moments, and how many lie in each interval, the tail among them.
import { describe, expect, it } from 'vitest';
import { normals } from '../../src/trainer/normals.ts';

/** P(Z < x), by the series of erf. */
function below(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n += 1) {
    term *= (x * x) / (2 * n + 1);
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

describe('normals', () => {
  const count = 400_000;
  const values = normals(3, 'W', count);

  it('are a function of seed and name', () => {
    expect(normals(3, 'W', 100)).toEqual(values.slice(0, 100));
    expect(normals(4, 'W', 4)).not.toEqual(values.slice(0, 4));
    expect(normals(3 + 2 ** 32, 'W', 4)).not.toEqual(values.slice(0, 4));
    expect(normals(3, 'V', 4)).not.toEqual(values.slice(0, 4));
  });

  it('lie in every interval as often as the distribution says', () => {
    const edges = [
      -Infinity,
      -3.6,
      -3.442619855899,
      -3,
      -2,
      -1,
      -0.5,
      -0.2,
      0,
      0.2,
      0.5,
      1,
      2,
      3,
      3.442619855899,
      3.6,
      Infinity,
    ];
    const share = (x: number): number => (x === -Infinity ? 0 : x === Infinity ? 1 : below(x));
    edges.slice(1).forEach((to, n) => {
      const expected = (share(to) - share(edges[n]!)) * count;
      const found = values.filter((value) => value >= edges[n]! && value < to).length;
      expect(Math.abs(found - expected), `[${edges[n]}, ${to})`).toBeLessThan(4.5 * Math.sqrt(expected));
    });
  });

  it('are independent of their neighbours, and scaled', () => {
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    const variance = values.reduce((sum, value) => sum + value * value, 0) / count;
    const beside = values.reduce((sum, value, n) => sum + value * (values[n + 1] ?? 0), 0) / count;
    for (const value of [mean, variance - 1, beside]) expect(Math.abs(value)).toBeLessThan(0.008);
    expect(normals(3, 'W', 9, 0.5)).toEqual(values.slice(0, 9).map((value) => value * 0.5));
  });
});
