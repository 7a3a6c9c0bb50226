// Decode against the whole sequence: the rows that come out of calls of a few tokens each, with the state that calls leave
// to each other, are the rows of the float64 interpreter on the whole sequence.

import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import { verifyPlan } from '../../codegen/plan/verify.ts';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { KernelSizes } from '../../codegen/kernel.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program, Tensor } from '../../src/ir/ir.ts';
import { targetPlan } from '../../src/options.ts';
import { loadFile, loadText } from '../lower/load.ts';
import { inputsOf } from './check-plan.ts';
import { hostTables, runEntry, worstError, type Values } from './run-plan.ts';

const geometry: Geometry = {
  heads: 2,
  kv_heads: 2,
  head_dim: 8,
  model_dim: 6,
  context: 12,
  layers: 1,
  layer: 0,
};
const tokens = 9;
const batch = 2;
const capacity = 12;

/** The rows from `first` on of a tensor over tokens. */
function rows(tensor: Tensor, data: ArrayLike<number>, first: number, count: number): number[] {
  const at = tensor.axes.findIndex(({ extent }) => extent === 'tokens');
  if (at < 0) return Array.from(data);
  const sizes = tensor.axes.map(({ extent }) =>
    extent === 'batch' ? batch : typeof extent === 'number' ? extent : tokens,
  );
  const inner = sizes.slice(at + 1).reduce((all, size) => all * size, 1);
  const outer = sizes.slice(0, at).reduce((all, size) => all * size, 1);
  const chosen: number[] = [];
  for (let o = 0; o < outer; o += 1) {
    for (let n = (o * tokens + first) * inner; n < (o * tokens + first + count) * inner; n += 1) chosen.push(data[n]!);
  }
  return chosen;
}

function decodeError(program: Program, steps: readonly number[], options: Partial<PlanOptions>): number {
  const plan = buildPlan(program, { gradients: ['query', 'key'], ...options });
  expect(verifyPlan(plan, options.maxBindings ?? 8)).toEqual([]);
  const decode = plan.entries.find(({ name }) => name === 'decode')!;
  const step = plan.entries.find(({ name }) => name === 'step');
  const inputs = inputsOf(program, batch, tokens);
  const expected = interpret(program, { batch, tokens }, inputs as Record<string, ArrayLike<number>>);
  const output = program.results.get('output')!;
  const state = new Map<string, Float32Array | Int32Array>();
  let first = 0;
  let worst = 0;
  for (const count of steps) {
    const sizes: KernelSizes = { batch, tokens: count, keys: first + count, first, capacity };
    const given: Values = Object.fromEntries(
      program.inputs.map((tensor) => [tensor.name, rows(tensor, inputs[tensor.name]!, first, count)]),
    );
    const values = new Map(state);
    const all = { ...given, ...hostTables(plan, sizes, given) };
    if (step !== undefined) runEntry(step, sizes, values, all);
    runEntry(decode, sizes, values, all, { order: 'random' });
    for (const { buffer, accumulate } of decode.inputs)
      if (accumulate) state.set(buffer.name, values.get(buffer.name)!);
    const wanted = rows(output, expected.get(output.name)!, first, count);
    worst = Math.max(worst, worstError(values.get('output')!, wanted));
    first += count;
  }
  return worst;
}

const examples = ['rope', 'alibi', 'nope', 'rope_learned', 'carope', 'comrope_ld_1d', 'rope_partial'];

describe.each(examples)('%s', (name) => {
  const { lowered } = loadFile(`examples/${name}.pe`, { geometry });
  it.each([
    ['one by one', [1, 1, 1, 1, 1, 1, 1, 1, 1]],
    ['a prompt, then one by one', [6, 1, 1, 1]],
    ['all at once', [9]],
  ])('%s', (_, steps) => {
    expect(decodeError(lowered!.attend, steps, { chunk: 4 })).toBeLessThan(3e-6);
  });
});

it.each([[[1, 1, 1, 1, 1, 1, 1, 1, 1]], [[5, 1, 2, 1]], [[9]]])('sums in parts, %j', (steps) => {
  const { lowered } = loadFile('examples/carope.pe', { geometry: { ...geometry, model_dim: 64 } });
  const options: Partial<PlanOptions> = { ...targetPlan('cuda', 'f32'), chunk: 4, contract: 'always' };
  const { kernels } = buildPlan(lowered!.attend, options);
  expect(kernels.map(({ name }) => name)).toContain('decode_f_sum_partial');
  expect(decodeError(lowered!.attend, steps, options)).toBeLessThan(5e-6);
});

const inline: Record<string, string> = {
  // A forget gate: a sum over tokens read at both tokens of a pair.
  forget: `encoding forget {
    learn g[m: model, h: head] ~ normal(0, 0.1)
    let log_f[t: token, h: head] = log_sigmoid(sum[m: model](x[t, m] * g[m, h]))
    score[h, i, j] += sum[s: token where j < s <= i](log_f[s, h])
  }`,
  // A causal convolution before the keys.
  shifted: `encoding shifted {
    learn c[h: kv_head, d: dim] ~ normal(0, 1)
    key[t, h, d] += c[h, d] * key[t - 1, h, d]
  }`,
};

describe.each(Object.entries(inline))('%s', (_, text) => {
  it.each([[[1, 1, 1, 1, 1, 1, 1, 1, 1]], [[5, 1, 2, 1]]])('%j', (steps) => {
    const { lowered, diagnostics } = loadText(text, 'examples/test.pe', { geometry });
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(decodeError(lowered!.attend, steps, { chunk: 4 })).toBeLessThan(3e-6);
  });
});
