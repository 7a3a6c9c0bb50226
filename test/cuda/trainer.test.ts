// The trainer on CUDA kernels that run on this CPU: in float32 against PyTorch's numbers, in bf16 against those of float32;
// a run that is stopped and resumed ends in the same bits; what stays on the device is float32 besides a copy as bf16.
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { roundToBf16 } from '../../codegen/bf16.ts';
import { createLoader } from '../../src/load-module.ts';
import { assemble } from '../../src/trainer/assemble.ts';
import { output } from '../../src/trainer/call.ts';
import { readCheckpoint } from '../../src/trainer/checkpoint.ts';
import { runOne } from '../../src/trainer/compare.ts';
import { compileEncoding, programCompiler } from '../../src/trainer/compile-encoding.ts';
import { configure } from '../../src/trainer/configuration.ts';
import type { Configuration } from '../../src/trainer/configuration.ts';
import { prepareData } from '../../src/trainer/data.ts';
import { modelBackward, modelForward } from '../../src/trainer/model.ts';
import type { Model } from '../../src/trainer/model.ts';
import { sampleDefaults } from '../../src/trainer/sample.ts';
import { sampleFrom } from '../../src/trainer/sample-run.ts';
import { openTrainer, readAll } from '../../src/trainer/session.ts';
import { openShape, writeBatch } from '../../src/trainer/shape.ts';
import { wholeBuffer } from '../../src/trainer/store.ts';
import { openCuda } from '../../targets/cuda/device/index.ts';
import type { CudaDevice } from '../../targets/cuda/device/index.ts';
import { bytesOfElement } from '../../targets/device.ts';
import type { Buffer } from '../../targets/device.ts';
import { fixtureWeights, gradientErrors, readFixture, relativeError } from '../trainer/fixture.ts';
import type { Fixture } from '../trainer/fixture.ts';
import { compiler } from './emulated.ts';

type Precision = Configuration['precision'];

const example = async (name: string) => ({
  source: { path: `${name}.pe`, text: await readFile(new URL(`../../examples/${name}.pe`, import.meta.url), 'utf8') },
  encoding: null,
  params: {},
});

/** The length of the difference over the length. */
function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let [difference, length] = [0, 0];
  for (let n = 0; n < expected.length; n += 1) {
    difference += (actual[n]! - expected[n]!) ** 2;
    length += expected[n]! ** 2;
  }
  return Math.sqrt(difference / Math.max(length, 1e-30));
}

describe.skipIf(compiler === null)('GPT-2 on emulated CUDA', () => {
  let device: CudaDevice;
  beforeAll(async () => {
    device = await openCuda({ emulate: true });
  });
  afterAll(() => device?.close());

  async function fixtureModel(fixture: Fixture, name: string, precision: Precision): Promise<Model> {
    const load = createLoader();
    const configuration = { ...fixture.configuration, precision };
    const { encoding, diagnostics } = await compileEncoding(await example(name), configuration, load, {}, 'cuda');
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    const compile = programCompiler(load, {}, { target: 'cuda', precision });
    const { model } = await assemble(device, encoding!, configuration, fixture.vocabulary, compile);
    model.store.write('weight', fixtureWeights(fixture));
    return model;
  }

  /** Logits, loss and gradients of the fixture's batch. */
  async function once(fixture: Fixture, model: Model) {
    const { batch, context } = fixture.configuration;
    const shape = openShape(device, model, batch, context);
    writeBatch(device, shape, fixture);
    const buffer = (like: Pick<Buffer, 'name' | 'elements' | 'type'>): Buffer =>
      wholeBuffer(device.allocate(like.elements * bytesOfElement[like.type], like.name), like.type);
    const seed = buffer({ name: 'seed', elements: 1, type: 'f32' });
    device.write(seed.storage!, 0, Float32Array.of(1));
    let [logits, loss] = [seed, seed];
    const recorded = await device.record((tape) => {
      for (const pool of ['decayed', 'plain'] as const) tape.clear(model.store.pool('gradient', pool));
      const record = modelForward(tape, model, shape);
      [logits, loss] = [buffer(output(record.head, 'logits')), buffer(output(record.head, 'output'))];
      tape.copy(output(record.head, 'logits'), logits);
      tape.copy(output(record.head, 'output'), loss);
      modelBackward(tape, model, shape, record, seed);
    }, shape.sizes);
    device.run(recorded);
    const gradients = await model.store.read('gradient');
    return { logits: await readAll(device, logits), type: logits.type, loss: await readAll(device, loss), gradients };
  }

  async function lossesOf(fixture: Fixture, model: Model): Promise<number[]> {
    const trainer = await openTrainer(device, model, fixture.configuration);
    const losses: number[] = [];
    for (let step = 1; step <= 10; step += 1) {
      trainer.step(() => fixture, step);
      losses.push((await trainer.read(1)).loss);
    }
    trainer.free();
    return losses;
  }

  it.each(['rope', 'learned_absolute'])('has with %s the numbers of PyTorch', async (name) => {
    const fixture = await readFixture(name);
    const model = await fixtureModel(fixture, name, 'f32');
    const made = await once(fixture, model);
    expect(relativeError(made.logits, fixture.stored.get('logits')!.data)).toBeLessThan(1e-4);
    expect(relativeError(made.loss, fixture.stored.get('loss')!.data)).toBeLessThan(1e-4);
    expect(gradientErrors(fixture, made.gradients).filter(([, error]) => !(error < 1e-4))).toEqual([]);
    const losses = await lossesOf(fixture, model);
    const errors = losses.map((loss, n) => Math.abs(loss - fixture.losses[n]!));
    expect(Math.max(...errors)).toBeLessThan(1e-3);
    model.store.free();
  });

  it.each(['rope', 'learned_absolute'])('has with %s in bf16 nearly these numbers', async (name) => {
    const fixture = await readFixture(name);
    const model = await fixtureModel(fixture, name, 'bf16');
    const made = await once(fixture, model);
    expect(made.type).toBe('bf16');
    expect(distance(made.logits, fixture.stored.get('logits')!.data)).toBeLessThan(0.02);
    expect(Math.abs(made.loss[0]! - fixture.stored.get('loss')!.data[0]!)).toBeLessThan(0.01);
    for (const [key, { data }] of fixture.stored) {
      if (!key.startsWith('gradient.')) continue;
      expect(distance(made.gradients.get(key.replace('gradient.', ''))!, data), key).toBeLessThan(0.05);
    }
    const losses = await lossesOf(fixture, model);
    losses.forEach((loss, n) => expect(Math.abs(loss / fixture.losses[n]! - 1), `step ${n + 1}`).toBeLessThan(0.02));
    await bf16CopyIs(model);
    model.store.free();
  });

  /** What products read is what the optimizer keeps, rounded. */
  async function bf16CopyIs(model: Model): Promise<void> {
    const copies = await readAll(device, model.store.narrow!);
    const kept = await readAll(device, model.store.pool('weight', 'decayed'));
    expect(copies).toEqual(kept.map(roundToBf16));
    expect(copies).not.toEqual(kept);
  }

  const tiny = (more: Partial<Configuration>): Configuration =>
    configure({
      layers: 1,
      heads: 2,
      width: 16,
      context: 16,
      batch: 2,
      steps: 6,
      report: 2,
      checkpoint: 3,
      evaluate: 2,
      rate: 0.02,
      ...more,
    });
  const corpus = { name: 'fox.txt', documents: ['the quick brown fox jumps over the lazy dog. '.repeat(40)] };

  it.each([
    ['f32', 'rope', 1],
    ['bf16', 'carope', 2],
  ] as const)('learns in %s with %s, and resumes to the same bits', async (precision, name, accumulate) => {
    const configuration = tiny({ precision, accumulate });
    const data = await prepareData(corpus, configuration);
    const request = {
      choice: await example(name),
      configuration,
      data,
      sample: { ...sampleDefaults, prompt: 'the', tokens: 3 },
    };
    const folder = () => mkdtemp(join(tmpdir(), 'pegen-cuda-'));
    const [whole, parts] = [await folder(), await folder()];
    const { summary } = await runOne(device, { ...request, folder: whole, resume: false });
    expect(summary!.finalLoss).toBeLessThan(summary!.curve[0]!.loss);
    const stop = new AbortController();
    const progress = (event: { readonly kind: string }): void => void (event.kind === 'checkpoint' && stop.abort());
    const first = await runOne(device, { ...request, folder: parts, resume: false, signal: stop.signal, progress });
    expect([first.trained.stopped, first.trained.step]).toEqual([true, 3]);
    await runOne(device, { ...request, folder: parts, resume: true });
    const bytes = async (place: string) => readFile((await readCheckpoint(place)).path);
    expect((await bytes(parts)).equals(await bytes(whole))).toBe(true);
    const checkpoint = await readCheckpoint(whole);
    expect(new Set([...checkpoint.file.tensors.values()].map(({ type }) => type))).toEqual(new Set(['F32']));
    expect(await sampleFrom(device, checkpoint, request.sample)).toBe(summary!.sample);
  });
});
