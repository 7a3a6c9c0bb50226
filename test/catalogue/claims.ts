// What papers claim of an encoding, as functions that tests call with numbers from the interpreter. Each returns how far the
// encoding is from the claim, so that a test says `toBeLessThan(1e-12)`.

import type { Lowered } from '../../src/lower/lower.ts';
import { difference, evaluate, type Inputs } from './interpreted.ts';

/** One property of one entry; `holds` throws where it does not. */
export interface Property {
  readonly entry: string;
  readonly says: string;
  readonly holds: () => void;
}

export const property = (entry: string, says: string, holds: () => void): Property => ({ entry, says, holds });

/** How far scores and outputs of two encodings are apart, on equal queries, keys, values and x. */
export function apart(one: Lowered, other: Lowered, inputs: Inputs = {}): number {
  const [a, b] = [evaluate(one, inputs), evaluate(other, inputs)];
  return Math.max(...['score', 'output'].map((name) => difference(a.get(name), b.get(name))));
}

/** How much scores and outputs change when all positions shift by `by`: a number, or one a coordinate. */
export function changeByShift(one: Lowered, by: number | readonly number[] = 37, inputs: Inputs = {}): number {
  const { tokens = 7 } = inputs;
  const shifts = typeof by === 'number' ? [by] : by;
  const size = tokens * shifts.length;
  const positions = inputs.positions ?? Array.from({ length: size }, (_, n) => Math.floor(n / shifts.length));
  const shifted = positions.map((at, n) => at + shifts[n % shifts.length]!);
  const [a, b] = [evaluate(one, { ...inputs, positions }), evaluate(one, { ...inputs, positions: shifted })];
  return Math.max(...['score', 'output'].map((name) => difference(a.get(name), b.get(name))));
}

/** How far queries and keys are from the norms that they came with. */
export function changeOfNorm(one: Lowered, inputs: Inputs = {}): number {
  const plain = evaluate(one, inputs);
  const gaps = (['query', 'key'] as const).map((name) => {
    const features = plain.tensor(`${name}_encoded`).axes.at(-1)!.extent as number;
    const raw = evaluate(rawOf(one), inputs).get(name);
    return difference(norms(plain.get(`${name}_encoded`), features), norms(raw, features));
  });
  return Math.max(...gaps);
}

/** The same program with its inputs as results too. */
export function rawOf(made: Lowered): Lowered {
  const { attend } = made;
  const inputs = attend.inputs.map((tensor) => [tensor.name, tensor] as const);
  return { ...made, attend: { ...attend, results: new Map([...attend.results, ...inputs]) } };
}

function norms(data: Float64Array, features: number): Float64Array {
  return Float64Array.from({ length: data.length / features }, (_, n) =>
    Math.hypot(...data.subarray(n * features, (n + 1) * features)),
  );
}

/** The score of the last query with the key `n` tokens before it, for n = 0, 1, ..., of one head. */
export function scoreByDistance(one: Lowered, inputs: Inputs = {}, head = 0): number[] {
  const found = evaluate(one, inputs);
  const { tokens } = found;
  const score = found.get('score');
  const row = (head * tokens + tokens - 1) * tokens;
  return Array.from({ length: tokens }, (_, n) => score[row + tokens - 1 - n]!);
}

export const falls = (values: readonly number[]): boolean =>
  values.every((value, n) => n === 0 || value <= values[n - 1]!);
