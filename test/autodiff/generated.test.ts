// Gradients of random programs: against central differences, and <J v, w> = <v, J^T w> with J v from reverse mode on the
// gradient program itself (which is linear in its seed).

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reverse } from '../../src/autodiff/reverse.ts';
import { given } from '../../src/ir/build.ts';
import type { Program, Tensor } from '../../src/ir/ir.ts';
import { verify } from '../../src/ir/verify.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import { simplify } from '../../src/passes/pipeline.ts';
import { generate, lengthOf, numbers, stepKinds } from './generated.ts';
import type { StepKind } from './generated.ts';

const TOKENS = 7;
type Values = Record<string, Float64Array>;

const run = (p: Program, values: Values): ReadonlyMap<string, Float64Array> =>
  interpret(p, { batch: 1, tokens: TOKENS }, values);
const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, n) => sum + value * b[n]!, 0);
const valueOf = (p: Program, values: ReadonlyMap<string, Float64Array>, result: string): Float64Array =>
  values.get(p.results.get(result)!.name)!;

function check(kinds: readonly StepKind[], choices: readonly number[], seed: number): void {
  const p = generate(kinds, choices);
  expect(verify(p)).toEqual([]);
  const y = p.results.get('y')!;
  const inputs: Values = {};
  const direction: Values = {};
  for (const [n, input] of p.inputs.entries()) {
    inputs[input.name] = numbers(lengthOf(input, TOKENS), seed + n);
    direction[input.name] = numbers(lengthOf(input, TOKENS), seed + 100 + n);
  }
  const w = numbers(lengthOf(y, TOKENS), seed + 200);
  const seedOf = given('d_y', y.axes, 'cotangent');
  const gradient = reverse(p, new Map([[y, seedOf]]), p.inputs);
  expect(verify(gradient)).toEqual([]);
  const simple = simplify(gradient, true);

  const found = run(gradient, { ...inputs, d_y: w });
  const again = run(simple, { ...inputs, d_y: w });
  const reached = p.inputs.filter((input) => gradient.results.has(`d_${input.name}`));
  const slope = reached.reduce(
    (sum, { name }) => sum + dot(direction[name]!, valueOf(gradient, found, `d_${name}`)),
    0,
  );
  const simpleSlope = reached.reduce(
    (sum, { name }) => sum + dot(direction[name]!, valueOf(simple, again, `d_${name}`)),
    0,
  );
  const moved = (h: number): number => {
    const shifted = Object.fromEntries(
      Object.entries(inputs).map(([name, data]) => [name, data.map((value, n) => value + h * direction[name]![n]!)]),
    );
    return dot(w, valueOf(p, run(p, shifted), 'y'));
  };
  const h = 1e-5;
  const difference = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
  const scale = Math.max(1, Math.abs(slope));
  expect(Math.abs(slope - difference) / scale).toBeLessThan(1e-7);
  expect(Math.abs(slope - simpleSlope) / scale).toBeLessThan(1e-11);

  // J v: the gradient is linear in d_y, so its own gradient along v is J v.
  const seeds = new Map<Tensor, Tensor>();
  const values: Values = { ...inputs, d_y: w };
  for (const { name } of reached) {
    const cotangent = gradient.results.get(`d_${name}`)!;
    const v = given(`along_${name}`, cotangent.axes, 'cotangent');
    seeds.set(cotangent, v);
    values[v.name] = direction[name]!;
  }
  if (seeds.size === 0) return;
  const twice = reverse(gradient, seeds, [seedOf]);
  const forward = valueOf(twice, run(twice, values), 'd_d_y');
  expect(Math.abs(dot(forward, w) - slope) / scale).toBeLessThan(1e-11);
}

describe('gradients of generated programs', () => {
  it.each(stepKinds)('%s alone', (kind) => check([kind], [0, 1, 2], 17));
  it.each(stepKinds)('%s in a chain', (kind) => check(['pointwise', kind, 'pointwise'], [0, 1, 0, 2, 1], 29));

  it('hold for chains of every kind', () => {
    const counts = new Map<StepKind, number>();
    const chain = fc.array(fc.constantFrom(...stepKinds), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(chain, fc.array(fc.nat(2), { minLength: 3, maxLength: 8 }), fc.nat(1000), (kinds, choices, seed) => {
        for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
        check(kinds, choices, seed);
      }),
      { numRuns: 60, seed: 20251, endOnFailure: true },
    );
    for (const kind of stepKinds) expect(counts.get(kind) ?? 0, kind).toBeGreaterThan(0);
  });
});
