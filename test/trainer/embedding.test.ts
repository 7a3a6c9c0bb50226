// A model whose encoding reads the embedding inside attention: every layer's gradient of it joins what comes through the blocks.
// Against central differences in float64, and as WebAssembly.

import { expect, it } from 'vitest';
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

it('without a site on it', async () => {
  const text = `encoding shortcut {
    learn W[m: model, h: head] ~ normal(0, 1)
    rotate query, key [t, h, p] by sum[s: token where s <= t](sin(sum[m: model](embedding[s, m] * W[m, h]) + p))
  }`;
  const { layers } = await checkModel({ text, configuration: { ...configuration, layers: 1 }, vocabulary: 7 });
  expect(layers[0]!.attend.inputs.map(({ name }) => name)).not.toContain('x');
});
