// Every form of kernel in the simulator, against the float64 interpreter: forward and backward, in every order of lanes,
// with each kind of row reduction, with matrix products forced on and off, and with chunks shorter than the sequence.

import { describe, expect, it } from 'vitest';
import type { Profile } from '../../codegen/plan/plan.ts';
import { checkCase } from './check-plan.ts';
import * as programs from './programs.ts';

const tolerance = 3e-6;
const { realInputs, single } = programs;

describe.each(single.map((make) => [make().name, make] as const))('%s', (_, make) => {
  it.each([
    ['products by loops', { contract: 'never', chunk: 64 }, 1, 1],
    ['matrix products and short chunks', { contract: 'always', chunk: 4 }, 2, 9],
    ['as chosen', {}, 3, 31],
  ] as const)('%s', (_name, options, batch, tokens) => {
    const program = make();
    const { errors, worst } = checkCase({
      program,
      batch,
      tokens,
      options: { ...options, gradients: realInputs(program) },
    });
    expect(worst, JSON.stringify(errors)).toBeLessThan(tolerance);
  });

  it.each([
    ['workgroup', 'portable', 4],
    ['subgroup', 'subgroups', 8],
    ['subgroup', 'subgroups', 64],
    ['thread', 'software', 4],
  ] as const)('rows by %s (%s, %i lanes)', (rows, profile: Profile, subgroup) => {
    const program = make();
    const { errors, worst } = checkCase({
      program,
      tokens: 5,
      profile,
      run: { subgroup },
      orders: ['random'],
      options: { rows, gradients: realInputs(program) },
    });
    expect(worst, JSON.stringify(errors)).toBeLessThan(tolerance);
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
      const { errors, worst } = checkCase({ program, tokens, orders: ['random'], options: { chunk, gradients } });
      expect(worst, JSON.stringify(errors)).toBeLessThan(tolerance);
    }
  });
});

describe('matrix products in workgroup memory', () => {
  it.each([1, 9, 40])('%i tokens', (tokens) => {
    const { plan, errors, worst } = checkCase({
      program: programs.largeProduct(),
      tokens,
      profile: 'portable',
      orders: tokens === 40 ? ['forward'] : ['forward', 'random'],
      options: { contract: 'always', gradients: ['x', 'w', 'bias'] },
    });
    expect(worst, JSON.stringify(errors)).toBeLessThan(tolerance);
    const forward = plan.kernels[0]!.variants.find(({ profile }) => profile === 'portable')!;
    expect(forward.body.shared).toHaveLength(2);
  });

  it.each([
    [70, 64],
    [136, 128],
  ] as const)('of %i columns, by 256 lanes in tiles of %i points', (columns, points) => {
    for (const tokens of [3, 67]) {
      const { plan, errors, worst } = checkCase({
        program: programs.largeProduct(columns),
        tokens,
        profile: 'portable',
        orders: ['reverse'],
        options: { contract: 'always', lanes: 256, gradients: ['x', 'w', 'bias'] },
      });
      expect(worst, JSON.stringify(errors)).toBeLessThan(tolerance);
      const forward = plan.kernels[0]!.variants.find(({ profile }) => profile === 'portable')!;
      expect(forward.body.workgroup).toBe(256);
      expect(forward.body.shared.map(({ size }) => size)).toEqual([16 * (points + 1), 16 * (points + 1)]);
    }
  });
});

describe('matrix exponential', () => {
  it.each([
    [2, 'thread', 'software'],
    [3, 'workgroup', 'portable'],
    [6, 'workgroup', 'portable'],
    [8, 'thread', 'software'],
    [8, 'workgroup', 'portable'],
    [16, 'thread', 'software'],
  ] as const)('%i x %i by %s', (side, rows, profile) => {
    const program = programs.exponentials(side);
    const { errors, worst } = checkCase({
      program,
      profile,
      orders: ['random'],
      options: { rows, gradients: ['x'] },
    });
    expect(worst, JSON.stringify(errors)).toBeLessThan(1e-5);
  });
});

describe('inverse', () => {
  it.each([
    [1, 'thread', 'software'],
    [3, 'workgroup', 'portable'],
    [6, 'workgroup', 'portable'],
    [8, 'thread', 'software'],
    [8, 'workgroup', 'portable'],
    [17, 'workgroup', 'portable'],
  ] as const)('%i x %i by %s', (side, rows, profile) => {
    const { errors, worst } = checkCase({
      program: programs.inverses(side),
      profile,
      orders: ['random'],
      options: { rows, gradients: ['x'] },
    });
    expect(worst, JSON.stringify(errors)).toBeLessThan(1e-5);
  });
});

it('adds to gradients instead of replacing them', () => {
  const program = programs.columnSums();
  const { worst } = checkCase({ program, options: { gradients: ['x'], accumulate: ['x'] } });
  expect(worst).toBeLessThan(tolerance);
});
