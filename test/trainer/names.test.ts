// Names of an encoding's tensors as the trainer meets them: a module takes each learned tensor by its name and gives its
// gradient as `d_` and that, whatever else has a name there; names for which that cannot be are refused when checking.

import { describe, expect, it } from 'vitest';
import { compileEncoding } from '../../src/trainer/compile-encoding.ts';
import { configure } from '../../src/trainer/configuration.ts';
import type { Entry } from '../../targets/device.ts';

const configuration = configure({ layers: 1, heads: 2, kv_heads: 2, width: 16, context: 8, batch: 1 });

/** Learned tensors in every place that a module has: read by forward, by step, by embed; and a `let` beside them. */
const places: Readonly<Record<string, (name: string) => string>> = {
  forward: (name) => `learn ${name}[h: head] ~ normal(0, 1)\nscore[h, i, j] += ${name}[h] * (i - j)`,
  'forward, beside a learned W': (name) =>
    `learn W[h: head] ~ normal(0, 1)\nlearn ${name}[h: head] ~ normal(0, 1)\nscore[h, i, j] += W[h] * ${name}[h] * (i - j)`,
  step: (name) =>
    `learn ${name}[h: head, p: pair] ~ normal(0, 1)\nrotate query, key [t, h, p] by ${name}[h, p] * position[t]`,
  embed: (name) => `learn ${name}[m: model] ~ normal(0, 1)\nembedding[t, m] += ${name}[m] * position[t]`,
  'a let of x': (name) =>
    `learn W[m: model] ~ normal(0, 1)\nlet ${name}[t: token] = sum[m: model](x[t, m] * W[m])\nscore[h, i, j] += ${name}[i] * ${name}[j]`,
};

const compiled = async (lines: string) => {
  const choice = { source: { path: 'names.pe', text: `encoding names {\n${lines}\n}\n` }, encoding: null, params: {} };
  return compileEncoding(choice, configuration);
};

const all = (entries: Readonly<Record<string, Entry>>, part: 'inputs' | 'outputs'): string[] =>
  Object.values(entries).flatMap((entry) => entry[part].map(({ name }) => name));

const kept = ['d_output', 'd_x', 'embedding_encoded', '__proto__'];
const inModel = ['qkv', 'd_qkv'];
const free = 'hidden tokens sizes toString d_V qkv_1 θ'.split(' ');

describe.each(Object.entries(places))('%s', (place, lines) => {
  const isLet = place === 'a let of x';

  it.each(isLet ? [...free, ...inModel] : free)('%s', async (name) => {
    const { encoding, diagnostics } = await compiled(lines(name));
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    const { module } = encoding!.layers[0]!;
    const [inputs, outputs] = [all(module.entries, 'inputs'), all(module.entries, 'outputs')];
    for (const learned of module.learned) {
      expect(inputs).toContain(learned.name);
      expect(inputs).toContain(`d_${learned.name}`); // what backward adds to
    }
    for (const own of ['qkv', 'd_output']) expect(inputs).toContain(own);
    for (const own of ['output', 'd_qkv']) expect(outputs).toContain(own);
    expect(inputs.includes('embedding')).toBe(place === 'embed');
  });

  it.each(isLet ? kept : [...kept, ...inModel])('%s is refused', async (name) => {
    const { encoding, diagnostics } = await compiled(lines(name));
    expect(encoding).toBeNull();
    expect(diagnostics.map(({ code }) => code)).toEqual(['PE0218']);
  });
});

it('the gradient of another learned tensor is refused', async () => {
  const { diagnostics } = await compiled(places['forward, beside a learned W']!('d_W'));
  expect(diagnostics.map(({ code, hint }) => [code, hint])).toEqual([
    ['PE0218', 'rename it, to `delta_W` for example'],
  ]);
});
