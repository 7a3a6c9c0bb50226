// A model whose encoding changes x between the layer norm and the projection: its gradients against central differences in
// float64, and the same model as WebAssembly against it.

import { expect, it } from 'vitest';
import { compileEncoding, programCompiler } from '../../src/trainer/compile-encoding.ts';
import { assemble } from '../../src/trainer/assemble.ts';
import { output } from '../../src/trainer/call.ts';
import { configure } from '../../src/trainer/configuration.ts';
import type { EncodingModules } from '../../src/trainer/encoding.ts';
import { modelBackward, modelForward } from '../../src/trainer/model.ts';
import type { Model } from '../../src/trainer/model.ts';
import { normals, uniformFrom } from '../../src/laws/random.ts';
import { readAll } from '../../src/trainer/session.ts';
import { segmentsOf } from '../../src/trainer/segments.ts';
import { afterStep, finishStep, openShape, writeBatch } from '../../src/trainer/shape.ts';
import { wholeBuffer } from '../../src/trainer/store.ts';
import { createLoader } from '../../src/load-module.ts';
import type { Device } from '../../targets/device.ts';
import { openTestCpu } from '../wasm/open.ts';
import { relativeError } from './fixture.ts';
import { exactly, interpretedDevice, interpretedModule, sideBySide } from './interpreted.ts';

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
const vocabulary = 7;
const tokens = Int32Array.from({ length: 10 }, (_, n) => (n * 5 + 3) % vocabulary);
const batch = { tokens, targets: tokens.map((token) => (token + 2) % vocabulary), ...segmentsOf(tokens, vocabulary) };
const choice = { source: { path: 'changed.pe', text }, encoding: null, params: {} };

/** The loss and every gradient, for the given weights. */
async function run(device: Device, model: Model, read: (device: Device, name: string) => Promise<ArrayLike<number>>) {
  const shape = openShape(device, model, configuration.batch, configuration.context);
  writeBatch(device, shape, batch);
  const [seed, loss] = ['seed', 'loss'].map((label) => wholeBuffer(device.allocate(4, label)));
  device.write(seed!.storage!, 0, Float32Array.of(1));
  const recorded = await device.record((tape) => {
    for (const pool of ['decayed', 'plain'] as const) tape.clear(model.store.pool('gradient', pool));
    shape.sums.forEach((sum) => tape.clear(sum));
    const at = afterStep(tape, model, shape, (_, result) => result);
    const record = modelForward(tape, model, at);
    tape.copy(output(record.head, 'output'), loss!);
    modelBackward(tape, model, at, record, seed!);
    finishStep(tape, model, at);
  }, shape.sizes);
  device.run(recorded);
  const gradients = new Map<string, ArrayLike<number>>();
  for (const name of model.store.layout.parameters.keys()) gradients.set(name, await read(device, name));
  return { loss: loss!, gradients };
}

it('has the gradients of its differences, and the same numbers as WebAssembly', async () => {
  const load = createLoader();
  const { encoding, diagnostics } = await compileEncoding(choice, configuration, load, {}, 'wasm');
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  const { heads, kv_heads, width } = configuration;
  const layers = encoding!.layers.map((layer) => {
    const { attend, input, module } = layer;
    const gradientsOf = (program: typeof attend) =>
      program.inputs.flatMap(({ name, origin }) =>
        origin.kind === 'given' && origin.given === 'position' ? [] : [name],
      );
    const learned = module.learned.map(({ name }) => name);
    const parts = {
      outputs: ['x_encoded'],
      seeds: ['x_encoded'],
      gradients: input === null ? [] : gradientsOf(input),
      accumulate: [...learned, 'x'],
    };
    const changing =
      input === null ? null : interpretedModule(input, parts, {}, { forward: 'input', backward: 'input_backward' });
    const { input: forward, input_backward: backward } = changing ?? {};
    const entries = changing?.entries ?? {};
    const more = { ...(forward && { input: forward }), ...(backward && { input_backward: backward }), entries };
    const own = interpretedModule(
      attend,
      { outputs: ['output'], seeds: ['output'], gradients: gradientsOf(attend), accumulate: learned },
      { learned: module.learned, ...more },
    );
    return { attend, embed: null, input, module: sideBySide(own, { heads, kv_heads, head_dim: width / heads }) };
  });
  expect(layers.map(({ input }) => input !== null)).toEqual([true, false]);
  const interpreted: EncodingModules = { name: 'changed', layers };
  const exact = interpretedDevice();
  const compile = async (...args: Parameters<typeof interpretedModule>) => interpretedModule(...args);
  const { model } = await assemble(exact, interpreted, configuration, vocabulary, compile, vocabulary);
  const random = uniformFrom(5);
  const start = new Map<string, Float32Array>();
  const along = new Map<string, Float64Array>();
  for (const [name, { shape }] of model.store.layout.parameters) {
    const count = shape.reduce((all, one) => all * one, 1);
    start.set(name, Float32Array.from(normals(random, count, 0.5)));
    along.set(
      name,
      Float64Array.from(normals(random, count)).map((value) => Math.round(value * 1024) / 1024),
    );
  }
  const readExactly = async (_: Device, name: string) => exactly(model.store.view('gradient', name));
  const at = async (h: number) => {
    const moved = [...start].map(
      ([name, values]) => [name, values.map((v, n) => v + h * along.get(name)![n]!)] as const,
    );
    model.store.write('weight', new Map(moved));
    return run(exact, model, readExactly);
  };
  const centre = await at(0);
  const loss = exactly(centre.loss)[0]!;
  // Weights are written as float32: a step that keeps their rounding small.
  const h = 2 ** -8;
  const value = async (step: number) => exactly((await at(step)).loss)[0]!;
  const difference =
    (8 * ((await value(h)) - (await value(-h))) - ((await value(2 * h)) - (await value(-2 * h)))) / (12 * h);
  let slope = 0;
  for (const [name, direction] of along) direction.forEach((v, n) => (slope += v * centre.gradients.get(name)![n]!));
  expect(Math.abs(slope - difference) / Math.max(1, Math.abs(slope))).toBeLessThan(1e-4);
  const moved = [...centre.gradients].filter(([, gradient]) => Array.from(gradient).some((one) => one !== 0));
  const ofEncoding = moved.flatMap(([name]) => {
    const [, layer, tensor] = /h\.(\d)\.attn\.encoding\.(\w+)/.exec(name) ?? [];
    return tensor === undefined ? [] : [`${layer}.${tensor}`];
  });
  expect(ofEncoding.toSorted()).toEqual(['0.a', '0.gain', '0.w', '1.w']);

  const device = await openTestCpu({ threads: 2 });
  try {
    const compileWasm = programCompiler(load, {}, { target: 'wasm', precision: 'f32' });
    const own = await assemble(device, encoding!, configuration, vocabulary, compileWasm, vocabulary);
    // What a layer without the site does not read is kept once for the model.
    const unread = [...own.layout.parameters].filter(([name]) => !start.has(name));
    expect(unread.map(([name]) => name)).toEqual(['transformer.encoding.a']);
    const others = unread.map(([name, { shape }]) => [name, new Float32Array(shape.reduce((a, b) => a * b))] as const);
    own.model.store.write('weight', new Map([...start, ...others]));
    const read = async (_: Device, name: string) => (await own.model.store.read('gradient')).get(name)!;
    const made = await run(device, own.model, read);
    expect((await readAll(device, made.loss))[0]).toBeCloseTo(loss, 5);
    for (const [name, gradient] of made.gradients) {
      if (!start.has(name)) continue;
      expect(relativeError(gradient, centre.gradients.get(name)!), name).toBeLessThan(5e-5);
    }
  } finally {
    await device.close();
  }
});
