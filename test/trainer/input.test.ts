// A model whose encoding changes x between the layer norm and the projection: its gradients against central differences in
// float64, and the same model as WebAssembly against it.

import { expect, it } from 'vitest';
import { configure } from '../../src/trainer/configuration.ts';
import { checkModel } from './differences.ts';

/** `before` is read above the change and below it; the last layer leaves x alone. */
const text = `encoding changed {
  axis tap = 3
  learn a[k: tap, m: model] ~ uniform(-1, 1)
  learn w[m: model, h: head] ~ normal(0, 1)
  learn gain[m: model] ~ 1
  let weight[k: tap, m: model] = softmax[k](a[k, m])
  x[t, m] += sum[k: tap](weight[k, m] * gain[m] * x[t - k, m]) when layer < 1
  score[h, i, j] += sum[m: model](w[m, h] * x[j, m])
}`;

const configuration = configure({ layers: 2, heads: 2, width: 8, context: 5, batch: 2 });

it('has the gradients of its differences, and the same numbers as WebAssembly', async () => {
  const { layers, moved } = await checkModel({ text, configuration, vocabulary: 7 });
  expect(layers.map(({ input }) => input !== null)).toEqual([true, false]);
  const ofEncoding = moved.flatMap((name) => {
    const [, layer, tensor] = /h\.(\d)\.attn\.encoding\.(\w+)/.exec(name) ?? [];
    return tensor === undefined ? [] : [`${layer}.${tensor}`];
  });
  expect(ofEncoding.toSorted()).toEqual(['0.a', '0.gain', '0.w', '1.w']);
});
