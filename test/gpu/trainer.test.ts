// The trainer end to end on SwiftShader: the examples' own text through the compiler, its kernels against PyTorch's
// numbers; and a run that is stopped and resumed ends in the same bits.
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { readSource } from '../../src/cli/source-file.ts';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assemble } from '../../src/trainer/assemble.ts';
import { output } from '../../src/trainer/call.ts';
import { readCheckpoint } from '../../src/trainer/checkpoint.ts';
import { runOne } from '../../src/trainer/compare.ts';
import { compileEncoding, programCompiler } from '../../src/trainer/compile-encoding.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { loadCorpus } from '../../src/trainer/corpus.ts';
import { prepareData } from '../../src/trainer/data.ts';
import { modelBackward, modelForward } from '../../src/trainer/model.ts';
import type { Model } from '../../src/trainer/model.ts';
import { sampleDefaults } from '../../src/trainer/sample.ts';
import { sampleFrom } from '../../src/trainer/sample-run.ts';
import { openTrainer, readAll } from '../../src/trainer/session.ts';
import { openShape, writeBatch } from '../../src/trainer/shape.ts';
import { wholeBuffer } from '../../src/trainer/store.ts';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { createLoader } from '../../src/load-module.ts';
import type { Device } from '../../targets/device.ts';
import { fixtureWeights, gradientErrors, lossesOf, readFixture, relativeError } from '../trainer/fixture.ts';
import type { Fixture } from '../trainer/fixture.ts';
import { openTestDevice } from './swiftshader.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device?.close());

const example = async (name: string) => ({
  source: { path: `${name}.pe`, text: await readFile(new URL(`../../examples/${name}.pe`, import.meta.url), 'utf8') },
  encoding: null,
  params: {},
});

async function fixtureModel(fixture: Fixture, name: string, contract: Contract, chunk: number): Promise<Model> {
  const load = createLoader();
  const { encoding, diagnostics } = await compileEncoding(await example(name), fixture.configuration, load, {
    contract,
  });
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  const { model } = await assemble(
    device,
    encoding!,
    fixture.configuration,
    fixture.vocabulary,
    programCompiler(load, { contract }),
    chunk,
  );
  model.store.write('weight', fixtureWeights(fixture));
  return model;
}

type Contract = PlanOptions['contract'];

describe.each([
  ['rope', 'always', 13],
  ['rope', 'never', 13],
  ['learned_absolute', 'auto', 4],
] as const)('GPT-2 with %s on WebGPU, matrix products: %s, %i words at a time', (name, contract, chunk) => {
  it('has the losses and gradients of PyTorch', async () => {
    const fixture = await readFixture(name);
    const model = await fixtureModel(fixture, name, contract, chunk);
    const { batch, context } = fixture.configuration;
    const shape = openShape(device, model, batch, context);
    writeBatch(device, shape, fixture);
    const buffer = (label: string, elements: number) => wholeBuffer(device.allocate(elements * 4, label));
    const [seed, loss] = [buffer('seed', 1), buffer('loss', 1)];
    const losses = buffer('losses', batch * context);
    device.write(seed.storage!, 0, Float32Array.of(1));
    const recorded = await device.record((tape) => {
      for (const pool of ['decayed', 'plain'] as const) tape.clear(model.store.pool('gradient', pool));
      const record = modelForward(tape, model, shape);
      tape.copy(output(record.head, 'losses'), losses);
      tape.copy(output(record.head, 'output'), loss);
      modelBackward(tape, model, shape, record, seed);
    }, shape.sizes);
    device.run(recorded);
    expect(relativeError(await readAll(device, losses), lossesOf(fixture))).toBeLessThan(1e-4);
    expect(relativeError(await readAll(device, loss), fixture.stored.get('loss')!.data)).toBeLessThan(1e-4);
    const errors = gradientErrors(fixture, await model.store.read('gradient'));
    expect(errors.filter(([, error]) => !(error < 1e-4))).toEqual([]);
  });

  it('has the losses of ten AdamW steps', async () => {
    const fixture = await readFixture(name);
    const model = await fixtureModel(fixture, name, contract, chunk);
    const trainer = await openTrainer(device, model, fixture.configuration);
    const losses: number[] = [];
    for (let step = 1; step <= 10; step += 1) {
      trainer.step(() => fixture, step);
      losses.push((await trainer.read(1)).loss);
    }
    const errors = losses.map((loss, n) => Math.abs(loss - fixture.losses[n]!));
    expect(Math.max(...errors)).toBeLessThan(1e-3);
  });
});

describe('a run', () => {
  const configuration = configure({
    layers: 1,
    heads: 2,
    width: 16,
    context: 16,
    batch: 2,
    steps: 8,
    report: 2,
    checkpoint: 4,
    evaluate: 4,
    accumulate: 2,
  });

  it.each(['rope', 'carope'])('with %s learns, and resumes to the same bits', async (name) => {
    const data = await prepareData(await loadCorpus(null), configuration);
    const choice = await example(name);
    const request = { choice, configuration, data, sample: { ...sampleDefaults, tokens: 8 } };
    const folder = () => mkdtemp(join(tmpdir(), 'pegen-gpu-'));
    const [whole, parts] = [await folder(), await folder()];
    const { summary } = await runOne(device, { ...request, folder: whole, resume: false });
    expect(summary!.finalLoss).toBeLessThan(summary!.curve[0]!.loss);
    expect(summary!.evaluations.map(({ tokens }) => tokens)).toEqual([16, 32]);
    expect(summary!.sample.startsWith('The ')).toBe(true);
    const stop = new AbortController();
    const first = await runOne(device, {
      ...request,
      folder: parts,
      resume: false,
      signal: stop.signal,
      progress: (event) => event.kind === 'checkpoint' && stop.abort(),
    });
    expect([first.trained.stopped, first.trained.step]).toEqual([true, 4]);
    await runOne(device, { ...request, folder: parts, resume: true });
    const bytes = async (place: string) => readFile((await readCheckpoint(place)).path);
    expect((await bytes(parts)).equals(await bytes(whole))).toBe(true);
    const text = await sampleFrom(device, await readCheckpoint(whole), request.sample);
    expect(text).toBe(summary!.sample);
  });
});

it('a device lost in the middle of training is told, and leaves nothing half-written', async () => {
  const own = await openTestDevice();
  const configuration = configure({
    layers: 1,
    width: 16,
    heads: 2,
    context: 16,
    batch: 2,
    steps: 50,
    evaluate: 2,
    report: 2,
  });
  const data = await prepareData(await loadCorpus(null), configuration);
  const folder = await mkdtemp(join(tmpdir(), 'pegen-lost-'));
  const request = {
    choice: await example('rope'),
    configuration,
    data,
    sample: { ...sampleDefaults, tokens: 4 },
    folder,
    resume: false,
    progress: (event: { readonly kind: string }) => event.kind === 'step' && own.gpu.destroy(),
  };
  await expect(runOne(own, request)).rejects.toMatchObject({ name: 'DeviceError', kind: 'lost' });
  expect((await readdir(folder)).filter((name) => name.includes('.tmp'))).toEqual([]);
  await own.close();
});

const examples = (await readdir(new URL('../../examples', import.meta.url))).filter((name) => name.endsWith('.pe'));

it.each(examples)('%s trains: its loss falls', async (name) => {
  const sizes = { layers: 1, width: 32, heads: 2, context: 16, batch: 4 };
  const configuration = configure({ ...sizes, steps: 12, evaluate: 2, report: 4, checkpoint: 0 });
  const data = await prepareData(await loadCorpus(null), configuration);
  const source = await readSource(fileURLToPath(new URL(`../../examples/${name}`, import.meta.url)));
  const choice = { source, encoding: null, params: {} };
  const folder = await mkdtemp(join(tmpdir(), 'pegen-example-'));
  const request = { choice, configuration, data, sample: { ...sampleDefaults, tokens: 2 }, folder, resume: false };
  const { summary } = await runOne(device, request);
  expect(summary!.finalLoss).toBeLessThan(summary!.curve[0]!.loss);
});
