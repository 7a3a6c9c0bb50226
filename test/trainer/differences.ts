// A model with an encoding: its gradients against central differences along a random direction of all weights, by the float64
// interpreter, and the same model as WebAssembly against it.

import { expect } from 'vitest';
import { compileEncoding, programCompiler } from '../../src/trainer/compile-encoding.ts';
import { assemble } from '../../src/trainer/assemble.ts';
import { output } from '../../src/trainer/call.ts';
import type { Configuration } from '../../src/trainer/configuration.ts';
import type { EncodingModules, LayerEncoding } from '../../src/trainer/encoding.ts';
import { modelBackward, modelForward } from '../../src/trainer/model.ts';
import type { Model } from '../../src/trainer/model.ts';
import { hasGradient } from '../../src/compile.ts';
import type { Program } from '../../src/ir/ir.ts';
import { normals, uniformFrom } from '../../src/laws/random.ts';
import { readAll } from '../../src/trainer/session.ts';
import { afterStep, finishStep, openShape, writeBatch } from '../../src/trainer/shape.ts';
import { wholeBuffer } from '../../src/trainer/store.ts';
import { createLoader } from '../../src/load-module.ts';
import type { Device, Module } from '../../targets/device.ts';
import { openTestCpu } from '../wasm/open.ts';
import { relativeError } from './fixture.ts';
import { exactly, interpretedDevice, interpretedModule, sideBySide } from './interpreted.ts';

export interface ModelCase {
  readonly text: string;
  readonly configuration: Configuration;
  readonly vocabulary: number;
  /** Whether the compiler is told how many words there are. */
  readonly isKnown?: boolean;
}

type Read = (device: Device, name: string) => Promise<ArrayLike<number>>;

/** The loss and every gradient, for the weights that the model has. */
async function run(device: Device, model: Model, { configuration, vocabulary }: ModelCase, read: Read) {
  const tokens = Int32Array.from(
    { length: configuration.batch * configuration.context },
    (_, n) => (n * 5 + 3) % vocabulary,
  );
  const shape = openShape(device, model, configuration.batch, configuration.context);
  writeBatch(device, shape, { tokens, targets: tokens.map((token) => (token + 2) % vocabulary) });
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

/** Backward's sums as the generated module has them. */
function part(
  program: Program | null,
  result: string,
  names: Parameters<typeof interpretedModule>[3],
  added: string[],
) {
  if (program === null) return null;
  const learned = program.inputs.filter(({ origin }) => origin.kind === 'learned').map(({ name }) => name);
  const gradients = program.inputs.filter(hasGradient).map(({ name }) => name);
  return interpretedModule(
    program,
    { outputs: [result], seeds: [result], gradients, accumulate: [...learned, ...added] },
    {},
    names,
  );
}

/** The layer's programs run by the interpreter. */
function interpretedLayer({ attend, embed, input, module }: LayerEncoding, { heads, kv_heads, width }: Configuration) {
  const parts = [
    part(embed, 'embedding_encoded', { forward: 'embed', backward: 'embed_backward' }, []),
    part(input, 'x_encoded', { forward: 'input', backward: 'input_backward' }, ['x', 'embedding']),
  ].filter((made) => made !== null);
  const entries = Object.assign({}, ...parts.map((made) => made.entries)) as Module['entries'];
  const functions = Object.assign(
    {},
    ...parts.map((made) => Object.fromEntries(Object.entries(made).filter(([name]) => name in made.entries))),
  ) as Partial<Module>;
  const own = part(attend, 'output', { forward: 'forward', backward: 'backward' }, ['embedding'])!;
  const whole = { ...own, ...functions, learned: module.learned, entries: { ...own.entries, ...entries } };
  return { attend, embed, input, module: sideBySide(whole, { heads, kv_heads, head_dim: width / heads }) };
}

export interface ModelChecked {
  readonly layers: readonly LayerEncoding[];
  /** Weights whose gradient is not 0 everywhere. */
  readonly moved: readonly string[];
  /** What forward of each layer takes. */
  readonly inputs: readonly (readonly string[])[];
}

export async function checkModel(given: ModelCase): Promise<ModelChecked> {
  const { text, configuration, vocabulary, isKnown = false } = given;
  const load = createLoader();
  const choice = { source: { path: 'given.pe', text }, encoding: null, params: {} };
  const { encoding, diagnostics } = await compileEncoding(
    choice,
    configuration,
    load,
    {},
    'wasm',
    isKnown ? vocabulary : null,
  );
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  const layers = encoding!.layers.map((layer) => interpretedLayer(layer, configuration));
  const interpreted: EncodingModules = { name: encoding!.name, layers };
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
    return run(exact, model, given, readExactly);
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

  const device = await openTestCpu({ threads: 2 });
  try {
    const compileWasm = programCompiler(load, {}, { target: 'wasm', precision: 'f32' });
    const own = await assemble(device, encoding!, configuration, vocabulary, compileWasm, vocabulary);
    // What a layer does not read is kept once for the model, and 0 here.
    const unread = [...own.layout.parameters].filter(([name]) => !start.has(name));
    const others = unread.map(([name, { shape }]) => [name, new Float32Array(shape.reduce((a, b) => a * b))] as const);
    own.model.store.write('weight', new Map([...start, ...others]));
    const read = async (_: Device, name: string) => (await own.model.store.read('gradient')).get(name)!;
    const made = await run(device, own.model, given, read);
    expect((await readAll(device, made.loss))[0]).toBeCloseTo(loss, 5);
    for (const [name, gradient] of made.gradients) {
      if (!start.has(name)) continue;
      expect(relativeError(gradient, centre.gradients.get(name)!), name).toBeLessThan(5e-5);
    }
  } finally {
    await device.close();
  }
  return {
    layers,
    moved: moved.map(([name]) => name),
    inputs: encoding!.layers.map(({ module }) => module.entries['forward']!.inputs.map(({ name }) => name)),
  };
}
