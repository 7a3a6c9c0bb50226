// Every kind of nest as loops of a CPU, in the simulator against the float64 interpreter: forward and backward, one token and
// sizes that are no multiples of four, batches of 1 to 3, items in every order.

import { describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { targetPlan } from '../../src/options.ts';
import { checkCase } from '../kernels/check-plan.ts';
import * as programs from '../kernels/programs.ts';
import { runWasm } from '../wasm/run-kernel.ts';

const tolerance = 3e-6;
const { realInputs, single } = programs;
const cpu = (options: Partial<PlanOptions>): Partial<PlanOptions> => ({ ...targetPlan('wasm', 'f32'), ...options });

describe.each(single.map((make) => [make().name, make] as const))('%s', (_, make) => {
  it.each([
    ['products by loops', { contract: 'never', chunk: 64 }, 1, 1],
    ['matrix products and short chunks', { contract: 'always', chunk: 4 }, 2, 9],
    ['as chosen', {}, 3, 31],
  ] as const)('%s', (_name, options, batch, tokens) => {
    const program = make();
    const { plan, errors, worst } = checkCase({
      program,
      batch,
      tokens,
      orders: tokens > 9 ? ['random'] : ['forward', 'reverse', 'random'],
      options: cpu({ ...options, gradients: realInputs(program) }),
    });
    expect(worst, JSON.stringify(errors)).toBeLessThan(tolerance);
    for (const { variants } of plan.kernels) expect(variants.map(({ body }) => body.workgroup)).toEqual([1]);
  });

  it.each([
    [1, 1],
    [2, 70],
  ])('as WebAssembly, %i x %i', (batch, tokens) => {
    const program = make();
    const { errors, worst } = checkCase({
      program,
      batch,
      tokens,
      orders: ['forward'],
      run: { execute: runWasm },
      options: cpu({ gradients: realInputs(program) }),
    });
    expect(worst, JSON.stringify(errors)).toBeLessThan(5e-6);
  });
});

describe('recurrence', () => {
  const kinds = [false, true].flatMap((reverse) =>
    [false, true].flatMap((exclusive) =>
      [false, true].flatMap((linear) => ([0, 1] as const).map((initial) => ({ reverse, exclusive, linear, initial }))),
    ),
  );
  it.each(kinds)('%j', (kind) => {
    for (const [chunk, tokens] of [
      [4, 9],
      [4, 1],
      [64, 9],
    ] as const) {
      const program = programs.recurrence(kind);
      const gradients = kind.linear ? ['x', 'decay'] : ['x'];
      const options = cpu({ chunk, gradients });
      const { errors, worst } = checkCase({ program, tokens, orders: ['random'], options });
      expect(worst, JSON.stringify(errors)).toBeLessThan(tolerance);
    }
  });
});

describe('matrix exponential', () => {
  it.each([2, 3, 4, 6, 8])('%i x %i', (side) => {
    const program = programs.exponentials(side);
    const { errors, worst } = checkCase({ program, orders: ['random'], options: cpu({ gradients: ['x'] }) });
    expect(worst, JSON.stringify(errors)).toBeLessThan(1e-5);
  });
});

describe('inverse', () => {
  it.each([1, 3, 4, 8, 17])('%i x %i', (side) => {
    const program = programs.inverses(side);
    for (const run of [{}, { execute: runWasm }]) {
      const options = cpu({ gradients: ['x'] });
      const { errors, worst } = checkCase({ program, orders: ['random'], options, run });
      expect(worst, JSON.stringify(errors)).toBeLessThan(1e-5);
    }
  });
});

it('adds to gradients instead of replacing them', () => {
  const program = programs.columnSums();
  const { worst } = checkCase({ program, options: cpu({ gradients: ['x'], accumulate: ['x'] }) });
  expect(worst).toBeLessThan(tolerance);
});
