// Reads the vectors and compares tensors with them.

import { readFileSync } from 'node:fs';

export interface Packed {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export interface VectorCase {
  readonly name: string;
  readonly sizes: { B: number; T: number; heads: number; head_dim: number; model_dim: number };
  readonly inputs: Readonly<Record<string, Packed>>;
  readonly learned: Readonly<Record<string, Packed>>;
  readonly outputs: Readonly<Record<string, Packed>>;
  readonly cotangent: Packed;
  readonly gradients: Readonly<Record<string, Packed>>;
}

export const readCase = (name: string): VectorCase =>
  JSON.parse(readFileSync(new URL(`../fixtures/vectors/${name}.json`, import.meta.url), 'utf8')) as VectorCase;

/** Inputs and learned tensors by name. */
export const valuesOf = (c: VectorCase): Record<string, readonly number[]> =>
  Object.fromEntries([...Object.entries(c.inputs), ...Object.entries(c.learned)].map(([k, v]) => [k, v.data]));

/** Largest difference relative to the largest magnitude expected. */
export function relativeError(found: ArrayLike<number> | undefined, expected: ArrayLike<number>): number {
  if (found === undefined || found.length !== expected.length) return Infinity;
  let difference = 0;
  let largest = 0;
  for (let n = 0; n < expected.length; n++) {
    const gap = Math.abs(found[n]! - expected[n]!);
    if (!(gap <= difference)) difference = gap;
    largest = Math.max(largest, Math.abs(expected[n]!));
  }
  return difference / (largest || 1);
}
