// What the kernels of an encoding move on a CPU, counted in the simulator: each element of query and key once in and once out,
// each phase once, and what vectors read twice is not more than the tables.

import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { EntryName, LaunchPlan } from '../../codegen/plan/plan.ts';
import { targetPlan } from '../../src/options.ts';
import { moved } from '../kernels/count-traffic.ts';
import { wholeSizes } from '../kernels/run-plan.ts';
import { loadFile } from '../lower/load.ts';

const [batch, tokens, heads, headDim] = [2, 9, 3, 20];
const sizes = wholeSizes(batch, tokens);
const n = batch * tokens * heads * headDim;
const pairs = n / 2;

function launches(name: string, entry: EntryName, inPlace: readonly string[]): readonly LaunchPlan[] {
  const geometry = { heads, kv_heads: heads, head_dim: headDim, model_dim: 8, context: 16, layers: 1, layer: 0 };
  const { attend } = loadFile(`examples/${name}.pe`, { geometry }).lowered!;
  const gradients = attend.inputs.filter(({ type }) => type === 'real').map((input) => input.name);
  const plan = buildPlan(attend, { ...targetPlan('wasm', 'f32'), gradients, inPlace });
  return plan.entries.find((each) => each.name === entry)!.launches;
}

/** Elements of tensors with batch, tokens and features that the launches making `made` read and write. */
function elements(all: readonly LaunchPlan[], makes: (name: string, kind: string) => boolean): number {
  let sum = 0;
  for (const launch of all) {
    if (!launch.kernel.definitions.some((d) => makes(d.tensor.name, d.kind))) continue;
    const streams = new Set(launch.buffers.filter(({ shape }) => shape.length === 4).map(({ name }) => name));
    for (const [name, bytes] of moved(launch, sizes)) if (streams.has(name)) sum += bytes / 4;
  }
  return sum;
}

describe.each([
  ['rope', 0],
  ['rope_learned', 0],
  ['carope', pairs], // its phase
] as const)('%s', (name, phase) => {
  it.each([[['query', 'key']], [[]]])('turns each element once, %j in place', (inPlace) => {
    const turns = (_: string, kind: string): boolean => kind === 'rotate';
    expect(elements(launches(name, 'forward', inPlace), turns)).toBe(4 * n + phase);
    expect(elements(launches(name, 'backward', inPlace), turns)).toBe(4 * n + phase);
  });
});

it('loads pairs that lie beside each other at most twice, and stores them once', () => {
  const turns = (_: string, kind: string): boolean => kind === 'rotate';
  for (const entry of ['forward', 'backward'] as const)
    expect(elements(launches('rope_interleaved', entry, ['query', 'key']), turns)).toBeLessThanOrEqual(6 * n);
});

it('makes phases once, from what has no features, and their gradient from one reading', () => {
  expect(elements(launches('carope', 'forward', []), (made) => made === 'phase')).toBe(pairs);
  // Query and key as they were turned, and their cotangents; the sum behind each token is stored.
  expect(elements(launches('carope', 'backward', []), (made) => made === 'd_phase_carry')).toBe(4 * n + pairs);
});

it('copies the features that do not turn once, and none in place', () => {
  const turns = (_: string, kind: string): boolean => kind === 'rotate';
  expect(elements(launches('rope_partial', 'forward', []), turns)).toBe(4 * n);
  expect(elements(launches('rope_partial', 'forward', ['query', 'key']), turns)).toBeLessThan(4 * n);
});
