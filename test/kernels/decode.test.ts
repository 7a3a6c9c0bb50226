// Decode against the whole sequence: calls of a few tokens each, with the state that calls leave to each other.

import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { targetPlan } from '../../src/options.ts';
import { loadFile, loadText } from '../lower/load.ts';
import { decodeError, geometry } from './check-decode.ts';

const examples = [
  'rope',
  'alibi',
  'nope',
  'rope_learned',
  'carope',
  'comrope_ld_1d',
  'rope_partial',
  'path',
  'path_fox',
];

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
  // A sum down the columns of the scores, as in selective attention: a value for each key is carried.
  columns: `encoding columns {
    let kept[i: token, j: token] = if 0 < j < i then relu(score[0, i, j]) else 0
    score[h, i, j] += -sum[k: token where k < i](kept[k, j])
  }`,
  // A causal convolution before the keys.
  shifted: `encoding shifted {
    learn c[h: kv_head, d: dim] ~ normal(0, 1)
    key[t, h, d] += c[h, d] * key[t - 1, h, d]
  }`,
  // Scores of the query before: rows of another call, though nothing but a product of them is kept.
  before: `encoding before {
    score[h, i, j] += tanh(score[0, i - 1, j])
  }`,
  // The row of an earlier token at a later one, which there was not when that row was made.
  across: `encoding across {
    let near[t: token, s: token] = sum[m: model](x[t, m] * x[s, m])
    score[h, i, j] += near[j, i]
  }`,
  // As many terms as there are tokens behind a key.
  behind: `encoding behind {
    key[t, h, d] += sum[s: token where t <= s](sin(key[t, h, 0]))
  }`,
  // No token is read but the one before, at a feature that is another for each.
  replaced: `encoding replaced {
    output[i, h, d] = x[i - 1, mod(i + 2, 3)]
  }`,
  // Of learned numbers and the token before: not made once a step, which is given the tokens of a call alone.
  learned: `encoding learned {
    learn w[d: dim, e: dim] ~ normal(0, 1)
    output[i, h, d] += sum[e: dim](position[i - 1] * w[d, e])
  }`,
  // Attention without a query of the model.
  unasked: `encoding unasked {
    query[t, h, d] = key[t, h: kv_head, d]
  }`,
};

describe.each(Object.entries(inline))('%s', (_, text) => {
  it.each([[[1, 1, 1, 1, 1, 1, 1, 1, 1]], [[5, 1, 2, 1]]])('%j', (steps) => {
    const { lowered, diagnostics } = loadText(text, 'examples/test.pe', { geometry });
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(decodeError(lowered!.attend, steps, { chunk: 4 })).toBeLessThan(3e-6);
  });
});
