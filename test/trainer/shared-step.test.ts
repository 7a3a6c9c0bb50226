// What reads shared learned tensors alone is computed once an optimizer step for all layers, and its gradient is pulled back
// once; what reads a layer's own is computed for each. Losses and gradients are those of a model that computes all of it in
// every layer.

import { describe, expect, it } from 'vitest';
import { createLoader } from '../../src/load-module.ts';
import { assemble } from '../../src/trainer/assemble.ts';
import { compileEncoding, programCompiler } from '../../src/trainer/compile-encoding.ts';
import { configure } from '../../src/trainer/configuration.ts';
import type { EncodingModules, LayerEncoding } from '../../src/trainer/encoding.ts';
import { openTrainer } from '../../src/trainer/session.ts';
import type { Buffers, Module, Tape } from '../../targets/device.ts';
import { openTestCpu } from '../wasm/open.ts';

/** P is read where all layers agree, with a layer's own g, and in a layer; `everywhere` is what differs between files. */
const text = (everywhere: string): string => `
encoding mixed {
  axis place = head_dim / 4, side = 4
  learn shared P[h: kv_head, b: place, r: side, c: side] ~ normal(0, 0.3)
  learn g[h: kv_head, b: place] ~ 1 + normal(0, 0.2)

  let A[h: kv_head, b: place, r: side, c: side] = P[h, b, r, c] - P[h, b, c, r]
  let E[h: kv_head, b: place, r: side, c: side] = expm[r, c](A[h, b, r, c])
  let B[h: kv_head, b: place, r: side, c: side] = g[h, b] * E[h, b, r, c] + ${everywhere} * g[h, b] * P[h, b, r, c]
  let F[h: kv_head, b: place, r: side, c: side] = expm[r, c](0.1 * B[h, b, r, c])

  transform query, key [t, h, b: place, r: side, c: side] by F[h, b, r, c]
  score[h, i, j] += sum[b: place, r: side, c: side](E[h, b, r, c] * P[h, b, r, c]) * (i - j) * 0.01
}`;

const configuration = configure({
  layers: 3,
  heads: 2,
  width: 16,
  context: 8,
  batch: 2,
  accumulate: 2,
  steps: 2,
  seed: 3,
});
const vocabulary = 11;

const counted = ['shared', 'step', 'finish', 'shared_finish'] as const;
type Counts = Record<(typeof counted)[number], number>;

/** The same encoding, which counts how often each entry is put on a list. */
function counting({ name, layers }: EncodingModules): { encoding: EncodingModules; counts: Counts } {
  const counts: Counts = { shared: 0, step: 0, finish: 0, shared_finish: 0 };
  const wrapped = new Map<LayerEncoding, LayerEncoding>();
  for (const layer of new Set(layers)) {
    const module: Record<string, unknown> = { ...layer.module };
    for (const entry of counted) {
      const run = layer.module[entry];
      if (run === undefined) continue;
      module[entry] = (tape: Tape, buffers: Buffers) => {
        counts[entry] += 1;
        return run(tape, buffers);
      };
    }
    wrapped.set(layer, { ...layer, module: module as unknown as Module });
  }
  return { encoding: { name, layers: layers.map((layer) => wrapped.get(layer)!) }, counts };
}

async function trained(source: string, once: boolean) {
  const device = await openTestCpu({ threads: 1 });
  try {
    const load = createLoader();
    const choice = { source: { path: 'mixed.pe', text: source }, encoding: null, params: {} };
    const compiled = await compileEncoding(choice, configuration, load, { once }, 'wasm');
    if (compiled.encoding === null) throw new Error(compiled.diagnostics.map(({ message }) => message).join('; '));
    const { encoding, counts } = counting(compiled.encoding);
    const compile = programCompiler(load, {}, { target: 'wasm', precision: 'f32' });
    const { model } = await assemble(device, encoding, configuration, vocabulary, compile);
    const trainer = await openTrainer(device, model, configuration);
    const { batch, context } = configuration;
    const batchAt = (micro: number) => {
      const ids = (shift: number) =>
        Int32Array.from({ length: batch * context }, (_, n) => (n * n + 3 * n + shift + 5 * micro) % vocabulary);
      return { tokens: ids(0), targets: ids(1) };
    };
    const losses: number[] = [];
    const gradients: (readonly [string, Float32Array])[] = [];
    for (let step = 1; step <= 2; step += 1) {
      trainer.step(batchAt, step);
      losses.push((await trainer.read(1)).loss);
      for (const [name, values] of await model.store.read('gradient')) gradients.push([`${name}, ${step}`, values]);
    }
    return { losses, gradients, counts, module: encoding.layers[0]!.module };
  } finally {
    await device.close();
  }
}

const largest = (values: Iterable<number>): number => [...values].reduce((most, v) => Math.max(most, Math.abs(v)), 0);

describe.each([
  ['one module for all layers', '0.5', 1],
  ['a module for each layer', '(0.5 + 0.1 * layer)', configuration.layers],
  ['one module for layers that are alike', '(if mod(layer, 2) == 0 then 0.5 else 0.7)', 2],
] as const)('shared learned tensors beside those of a layer: %s', (_, everywhere, modules) => {
  it('have the losses and gradients of what is computed in every layer', { timeout: 60_000 }, async () => {
    const [apart, plain] = [await trained(text(everywhere), true), await trained(text(everywhere), false)];
    for (const name of ['shared', 'step', 'finish', 'shared_finish'] as const) {
      expect(apart.module[name], name).toBeDefined();
      expect(plain.module[name], name).toBeUndefined();
    }
    apart.losses.forEach((loss, n) => expect(Math.abs(loss - plain.losses[n]!)).toBeLessThan(1e-5));
    expect(apart.gradients.length).toBe(plain.gradients.length);
    const errors = apart.gradients.map(([name, values], n) => {
      const wanted = plain.gradients[n]![1];
      const scale = largest(wanted);
      expect(scale, name).toBeGreaterThan(0);
      return [name, largest(values.map((value, k) => value - wanted[k]!)) / scale] as const;
    });
    expect(errors.filter(([, error]) => !(error < 2e-4))).toEqual([]);
    const { layers } = configuration;
    expect(apart.counts).toEqual({ shared: modules, step: layers, finish: layers, shared_finish: modules });
  });
});
