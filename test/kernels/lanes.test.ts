// A large GPU is busy with tens of thousands of lanes: those of the kernels of an encoding whose sums have few results each,
// and that sums cut in parts, several terms at a time, still are what the float64 interpreter says.

import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { Plan, PlanOptions } from '../../codegen/plan/plan.ts';
import { evaluateSize } from '../../codegen/plan/size.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { targetPlan } from '../../src/options.ts';
import { loadFile } from '../lower/load.ts';
import { checkCase } from './check-plan.ts';
import { wholeSizes } from './run-plan.ts';

const results = ['query_encoded', 'key_encoded'];

function carope(geometry: Partial<Geometry>, context = 1024) {
  const whole = { heads: 32, kv_heads: 8, head_dim: 128, model_dim: 4096, context, layers: 2, layer: 0, ...geometry };
  const { attend } = loadFile('examples/carope.pe', { geometry: whole }).lowered!;
  return { ...attend, results: new Map(results.map((name) => [name, attend.results.get(name)!])) };
}

const alone: Partial<PlanOptions> = { outputs: results, seeds: results, gradients: ['query', 'key', 'x', 'W'] };

describe.each([
  ['bf16', 7, 1024],
  ['f32', 7, 1024],
  ['bf16', 1, 8192],
] as const)('carope in %s, %i x %i tokens', (precision, batch, tokens) => {
  const plan: Plan = buildPlan(carope({}), { ...targetPlan('cuda', precision), ...alone });
  const sizes = wholeSizes(batch, tokens);
  const launches = plan.entries.filter(({ name }) => name !== 'decode').flatMap((entry) => entry.launches);
  const large = launches.filter(({ kernel }) => evaluateSize(kernel.cost.bytes, sizes) > 1e6);
  it('has many lanes in each kernel that moves a megabyte', () => {
    const lanes = large.map(({ kernel }): [string, number] => {
      const { groups, body } = kernel.variants.at(-1)!;
      return [kernel.name, evaluateSize(groups, sizes) * body.workgroup];
    });
    expect(lanes.length).toBeGreaterThan(6);
    expect(lanes.filter(([, count]) => count < 30_000)).toEqual([]);
  });
  it('moves little besides what it reads and makes', () => {
    const bytes = (name: string): number =>
      large
        .filter(({ kernel }) => kernel.name === name)
        .reduce((all, { kernel }) => all + evaluateSize(kernel.cost.bytes, sizes), 0);
    const x = batch * tokens * 4096 * (precision === 'bf16' ? 2 : 4);
    for (const [parts, whole] of [
      ['f_sum_partial', 'f_sum'],
      ['d_W_partial', 'd_W'],
    ] as const)
      expect(bytes(parts) + bytes(whole)).toBeLessThan(1.35 * x);
  });
});

describe.each([
  ['as long as they are', {}],
  ['short', { chunk: 4 }],
] as const)('parts %s', (_, options) => {
  it.each([
    [2, 9],
    [1, 35],
  ])('of sums over features and tokens, %i x %i tokens', (batch, tokens) => {
    const program = carope({ heads: 4, kv_heads: 2, head_dim: 8, model_dim: 256 }, 64);
    const { plan, errors, worst } = checkCase({
      program,
      batch,
      tokens,
      orders: ['random'],
      profile: 'portable',
      options: { ...targetPlan('cuda', 'f32'), ...alone, ...options },
    });
    const kernel = (name: string) => plan.kernels.find((each) => each.name === name);
    expect(kernel('f_sum_partial')).toBeDefined();
    expect(JSON.stringify(kernel('f_sum_partial')!.variants)).toContain('load-elements');
    expect(kernel('d_W')!.variants.map(({ profile }) => profile)).toEqual(['software', 'portable']);
    expect(worst, JSON.stringify(errors)).toBeLessThan(5e-6);
  });
});
