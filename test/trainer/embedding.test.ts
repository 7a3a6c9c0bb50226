// A model whose encoding reads the embedding inside attention: every layer's gradient of it joins what comes through the blocks.
// Against central differences in float64, and as WebAssembly.

import { expect, it } from 'vitest';
import { createLoader } from '../../src/load-module.ts';
import { compileEncoding } from '../../src/trainer/compile-encoding.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { checkModel } from './differences.ts';

const configuration = configure({ layers: 2, heads: 2, width: 8, context: 5, batch: 2 });

it('in scores, phases and x, behind a site on it', async () => {
  const text = `encoding shortcut {
    learn P[m: model] ~ normal(0, 1)
    learn c[m: model] ~ 1
    learn w[m: model, h: head] ~ normal(0, 1)
    learn W[m: model, h: head] ~ normal(0, 1)
    embedding[t, m] += P[m] * sin(position[t] + 1) * embedding[t, m]
    let f[t: token, h: head] = sigmoid(sum[m: model](embedding[t, m] * W[m, h]))
    x[t, m] += c[m] * embedding[t - 1, m] when layer < 1
    rotate query, key [t, h, p] by sum[s: token where s <= t](f[s, h] ^ p)
    score[h, i, j] += sum[m: model](w[m, h] * embedding[j, m])
  }`;
  const { layers, moved } = await checkModel({ text, configuration, vocabulary: 7 });
  expect(layers.map(({ embed, input }) => [embed !== null, input !== null])).toEqual([
    [true, true],
    [true, false],
  ]);
  const ofEncoding = moved.filter((name) => name.includes('encoding')).map((name) => name.split('.').at(-1)!);
  expect([...new Set(ofEncoding)].toSorted()).toEqual(['P', 'W', 'c', 'w']);
});

const byWord = `encoding shortcut {
    learn c[m: model] ~ 1
    learn W[m: model, h: head] ~ normal(0, 1)
    learn u[m: model, h: head] ~ normal(0, 1)
    let g[t: token] = sum[m: model](sin(embedding[t, m]) * c[m])
    x[t, m] *= 1 + g[t] when layer < 1
    rotate query, key [t, h, p] by sum[s: token where s <= t](sin(sum[m: model](embedding[s, m] * W[m, h]) + p))
    score[h, i, j] += sum[m: model](u[m, h] * embedding[j, m])
  }`;

it('by tables over the vocabulary, where it has fewer words than a step has tokens', async () => {
  const { inputs, moved } = await checkModel({ text: byWord, configuration, vocabulary: 7, isKnown: true });
  for (const names of inputs) {
    expect(names).toEqual(expect.arrayContaining(['tokens', 'vocabulary']));
    expect(names).not.toContain('embedding');
  }
  expect(moved.filter((name) => /encoding/.test(name))).toHaveLength(5); // W and u of both layers, c of one
});

it.each([9, 10])('with %i words and 10 tokens a step, a table only where words are fewer', async (words) => {
  const choice = { source: { path: 'given.pe', text: byWord }, encoding: null, params: {} };
  const { encoding } = await compileEncoding(choice, configuration, createLoader(), {}, 'wasm', words);
  const { module } = encoding!.layers[1]!;
  const takes = (entry: string, name: string): boolean =>
    module.entries[entry]!.inputs.some((input) => input.name === name);
  expect(takes('forward', 'vocabulary')).toBe(words < 10);
  expect(takes('backward', 'd_vocabulary')).toBe(words < 10);
  expect(takes('backward', 'd_embedding')).toBe(words >= 10);
});
