// Encodings that read scores which a query does not see: what kernels make of them is what the interpreter makes of them, forward
// and backward, and nothing of a hidden place comes back. They once overflowed float32.

import { expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import { targetPlan } from '../../src/options.ts';
import { loadText } from '../lower/load.ts';
import { gradientsAreSlopes, kernelsAgree, withGradients } from '../fuzz/properties.ts';
import { differentiated } from '../kernels/differentiated.ts';
import { inputsOf } from '../kernels/check-plan.ts';
import { runPlan, wholeSizes } from '../kernels/run-plan.ts';
import { runWasm } from './run-kernel.ts';

const geometry = { heads: 2, kv_heads: 2, head_dim: 4, model_dim: 6, context: 32, layers: 1, layer: 0 };
const window = 'visible[h, i, j] = i - j < 3';
const network = [
  'axis unit = 3',
  'learn a[g: head, k: unit] ~ normal(0, 9)',
  'learn b[k: unit, n: unit] ~ normal(0, 9)',
  'learn c[n: unit, h: head] ~ normal(0, 1)',
  'fn first(i, j, k) = sum[g: head](a[g, k] * score[g, i, j])',
  'fn second(i, j, n) = sum[k: unit](b[k, n] * first(i, j, k) * first(i, j, k))',
];
const correction = 'score[h, i, j] += sum[n: unit](c[n, h] * lit[i, j, n])';
const lit = 'let lit[i: token, j: token, n: unit] =';

const programs: Readonly<Record<string, readonly string[]>> = {
  'scores of neighbours': [
    'learn c[h: head] ~ normal(0, 1)',
    'score[h, i, j] += c[h] * sum[k: token where j <= k <= min(i, j + 2)](score[h, i, k])',
  ],
  'a network over the scores that a window leaves': [
    window,
    ...network,
    `${lit} if visible[0, i, j] then tanh(second(i, j, n)) else 0`,
    correction,
  ],
  'squashed scores, rates learned twice': [
    window,
    'learn a[h: head] ~ 1',
    'learn b[h: head] ~ 1',
    'let gate[h: head, i: token, j: token] = sigmoid((score[h, i, j] * exp(2 + a[h]) + a[h]) * exp(b[h]))',
    'attention[h, i, j] *= 1 + sum[k: token](a[h] * gate[h, i, k] * relu(score[h, i, k]))',
  ],
  'a softmax of scores and their largest': [
    window,
    'learn a[h: head] ~ 1',
    'let m[h: head, i: token] = softplus(max[j: token](score[h, i, j]) + erf(a[h] ^ 2 * score[h, i, 0]))',
    'let soft[h: head, i: token, j: token] = softmax[j](a[h] ^ 2 * 3 * score[h, i, j])',
    'attention[h, i, j] = m[h, i] * soft[h, i, j] * silu(score[h, i, j])',
  ],
};

function programOf(lines: readonly string[]) {
  const { lowered, diagnostics } = loadText(`encoding made {\n${lines.join('\n')}\n}\n`, 'made.pe', { geometry });
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  return lowered!.attend;
}

const options = targetPlan('wasm', 'f32');

it.each(Object.entries(programs))('%s', (_, lines) => {
  kernelsAgree(programOf(lines), { batch: 1, tokens: 20 }, options, { execute: runWasm });
});

it.each(['wgsl', 'cuda'] as const)('a network on %s, simulated', (target) => {
  const program = programOf(Object.values(programs)[1]!);
  kernelsAgree(program, { batch: 1, tokens: 7 }, targetPlan(target, 'f32'));
});

it.each(Object.entries(programs).slice(1, 3))('%s: slopes, and exactly 0 where nothing is seen', (_, lines) => {
  const program = programOf(lines);
  gradientsAreSlopes(program, { batch: 1, tokens: 6 });
  const tokens = 20;
  const row = geometry.heads * geometry.head_dim;
  const d_output = Float64Array.from({ length: tokens * row }, (_value, n) => (n < 2 * row ? 1 : 0)); // two queries
  const plan = buildPlan(program, { ...differentiated(program, 'output'), ...options });
  const inputs = inputsOf(withGradients(program), 1, tokens, { d_output });
  const made = runPlan(plan, wholeSizes(1, tokens), inputs, { execute: runWasm });
  for (const name of ['d_query', 'd_key', 'd_value']) {
    expect([...made.get(name)!].some((value) => value !== 0)).toBe(true);
    const later = [...made.get(name)!].slice(2 * row);
    expect(later.filter((value) => value !== 0)).toEqual([]);
  }
  for (const [name, values] of made)
    if (name.startsWith('d_')) expect([...values].filter(Number.isNaN), name).toEqual([]);
});
