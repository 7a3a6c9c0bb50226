// Tables over the vocabulary as kernels, in the simulator against the interpreter: forward, backward, whose sums by id take the
// caller's sorted places, and decode.

import { describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { targetPlan } from '../../src/options.ts';
import type { Vocabulary } from '../../src/passes/structure/rewrites.ts';
import { seeStructure } from '../../src/passes/structure/see.ts';
import { dead } from '../../src/passes/dead.ts';
import { segmentsOf } from '../../src/trainer/segments.ts';
import { loadFile, loadText } from '../lower/load.ts';
import { decodeError, geometry } from './check-decode.ts';
import { checkCase } from './check-plan.ts';

const [words, batch, tokens] = [5, 2, 9];
const vocabulary: Vocabulary = { kind: 'known', words, tokens: batch * tokens };
const ids = Int32Array.from({ length: batch * tokens }, (_, n) => (n * n + 1) % 4); // one word is nowhere
const { order, start } = segmentsOf(ids, words);
const inputs = { tokens: ids, tokens_order: order, tokens_start: start };

const text = `encoding made {
  learn u[m: model, h: head] ~ normal(0, 1)
  learn W[m: model, h: kv_head] ~ normal(0, 1)
  let gate[t: token, h: kv_head] = log_sigmoid(sum[m: model](embedding[t, m] * W[m, h]))
  score[h, i, j] += sum[m: model](u[m, h] * embedding[j, m])
  score[h, i, j] += sum[s: token where j < s <= i](gate[s, h])
}`;
const attend = {
  carope_embedding: loadFile('examples/catalogue/rotary/carope_embedding.pe', { geometry }),
  'scores of keys and gates': loadText(text, 'made.pe', { geometry }),
};

const targets: readonly (readonly [string, Partial<PlanOptions>])[] = [
  ['portable', {}],
  ['short chunks, matrix products', { contract: 'always', chunk: 4 }],
  ['strips', targetPlan('wasm', 'f32')],
  ['large accesses', targetPlan('cuda', 'f32')],
];

describe.each(Object.entries(attend))('%s', (_, { lowered }) => {
  const output = lowered!.attend.results.get('output')!;
  const program = dead({ ...lowered!.attend, sites: [], results: new Map([['output', output]]) });
  const gradients = program.inputs.filter(({ type }) => type === 'real').map(({ name }) => name);

  it.each(targets)('%s', (_target, more) => {
    const options = { gradients, accumulate: ['embedding'], vocabulary, ...more };
    const { plan, worst, errors } = checkCase({ program, options, batch, tokens, inputs, orders: ['random'] });
    expect(plan.seen.filter(({ rewrite }) => rewrite === 'vocabulary').every(({ applied }) => applied)).toBe(true);
    expect(Object.keys(errors)).toContain('d_vocabulary');
    expect(worst, JSON.stringify(errors)).toBeLessThan(5e-6);
    const backward = plan.entries.find(({ name }) => name === 'backward')!;
    const names = backward.inputs.map(({ buffer }) => buffer.name);
    expect(names).toEqual(expect.arrayContaining(['tokens_order', 'tokens_start', 'd_vocabulary']));
    expect(names).not.toContain('embedding');
  });

  it('decode', () => {
    const wanted = new Set(program.inputs);
    const context = { wanted, context: 16, blockwise: false, vocabulary };
    const { program: changed } = seeStructure(program, ['vocabulary'], context, true);
    expect(changed.inputs.map(({ name }) => name)).toContain('vocabulary');
    for (const steps of [
      [1, 1, 1, 1, 1],
      [4, 1, 2],
    ])
      expect(decodeError(changed, steps, { rewrites: [] })).toBeLessThan(1e-5);
  });
});
