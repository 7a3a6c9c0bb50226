// Kernels of rewritten programs, forward and backward in the simulator, against the float64 interpreter on the program as it
// was written; and what the rewrites save, by the plan's own costs.

import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { Plan, PlanOptions } from '../../codegen/plan/plan.ts';
import { evaluateSize } from '../../codegen/plan/size.ts';
import { verifyPlan } from '../../codegen/plan/verify.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program } from '../../src/ir/ir.ts';
import { targetPlan } from '../../src/options.ts';
import { loadFile, loadText } from '../lower/load.ts';
import { inputsOf } from './check-plan.ts';
import { runPlan, wholeSizes, worstError } from './run-plan.ts';

const geometry = { heads: 2, kv_heads: 2, head_dim: 8, model_dim: 12, context: 16, layers: 1, layer: 0 };

const content = `encoding content {
  axis  channel = 12
  learn A[m: model, h: head, r: channel] ~ normal(0, 1)

  let a[t: token, h: head, r: channel] = sum[m: model](x[t, m] * A[m, h, r])

  score[h, i, j] += sum[r: channel](a[i, h, r] * a[j, h, r]) / 3
}`;

const sizesOf = (large: boolean) =>
  large ? { ...geometry, heads: 12, kv_heads: 12, head_dim: 64, model_dim: 768 } : geometry;

const programs: Readonly<Record<string, (large: boolean) => Program>> = {
  alibi: (large) => loadFile('examples/alibi.pe', { geometry: sizesOf(large) }).lowered!.attend,
  fox: (large) => loadFile('test/fixtures/programs/fox.pe', { geometry: sizesOf(large) }).lowered!.attend,
  comrope_ld_1d: (large) =>
    loadFile('examples/comrope_ld_1d.pe', { geometry: sizesOf(large), params: { block: 2 } }).lowered!.attend,
  content: (large) => loadText(content, 'content.pe', { geometry: sizesOf(large) }).lowered!.attend,
};

const optionsOf = (program: Program): Partial<PlanOptions> => {
  const read = program.inputs.filter(
    ({ origin }) => origin.kind === 'learned' || ('given' in origin && origin.given !== 'position'),
  );
  return { gradients: read.map(({ name }) => name), context: 16 };
};

const targets: readonly (readonly [string, Partial<PlanOptions>])[] = [
  ['portable', {}],
  ['short chunks, matrix products', { contract: 'always', chunk: 4 }],
  ['strips', targetPlan('wasm', 'f32')],
  ['large accesses', targetPlan('cuda', 'f32')],
];

describe.each(Object.keys(programs))('%s', (name) => {
  const program = programs[name]!(false);
  const own = optionsOf(program);
  it.each(targets)('%s', (target, more) => {
    const options = { ...own, ...more };
    const plan = buildPlan(program, options);
    expect(verifyPlan(plan, options.maxBindings ?? 8)).toEqual([]);
    const applied = plan.seen.some((one) => one.applied);
    expect(applied).toBe(!(name === 'content' && target === 'strips'));
    const plain = buildPlan(program, { ...options, rewrites: [] }).gradients!;
    const [batch, tokens] = [2, 7];
    const inputs = inputsOf(plain, batch, tokens);
    const expected = interpret(plain, { batch, tokens }, inputs as Record<string, ArrayLike<number>>);
    const found = runPlan(plan, wholeSizes(batch, tokens), inputs, { order: 'random' });
    for (const [result, tensor] of plain.results) {
      const now = plan.gradients!.results.get(result)!;
      const data = found.get(result) ?? found.get(now.name)!;
      expect(worstError(data, expected.get(tensor.name)!), result).toBeLessThan(5e-6);
    }
  });

  it('costs no more bytes and operations than what is written', () => {
    const large = programs[name]!(true);
    const sizes = { batch: 8, tokens: 1024, keys: 1024, first: 0, capacity: 1024 };
    const total = (plan: Plan, of: 'bytes' | 'flops'): number =>
      plan.entries
        .filter((entry) => entry.name !== 'decode')
        .flatMap(({ launches }) => launches)
        .reduce((sum, { kernel }) => sum + evaluateSize(kernel.cost[of], sizes), 0);
    const options = { ...optionsOf(large), maxBindings: 64 };
    const [after, before] = [buildPlan(large, options), buildPlan(large, { ...options, rewrites: [] })];
    expect(total(after, 'bytes')).toBeLessThan(total(before, 'bytes') * (name === 'alibi' ? 1.001 : 1));
    expect(total(after, 'flops')).toBeLessThanOrEqual(total(before, 'flops'));
  });
});
