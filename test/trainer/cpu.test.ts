// The trainer on the CPU device: the examples' own text as WebAssembly against PyTorch's numbers, with all words at once
// and with a few at a time; a run that is stopped goes on to the same bits, and threads change none.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createLoader } from '../../src/load-module.ts';
import { assemble } from '../../src/trainer/assemble.ts';
import { output } from '../../src/trainer/call.ts';
import { readCheckpoint } from '../../src/trainer/checkpoint.ts';
import { runOne } from '../../src/trainer/compare.ts';
import { compileEncoding, programCompiler } from '../../src/trainer/compile-encoding.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { prepareData } from '../../src/trainer/data.ts';
import { modelBackward, modelForward, modelNext } from '../../src/trainer/model.ts';
import { sampleDefaults } from '../../src/trainer/sample.ts';
import { openTrainer, readAll } from '../../src/trainer/session.ts';
import { openShape, writeBatch } from '../../src/trainer/shape.ts';
import { wholeBuffer } from '../../src/trainer/store.ts';
import type { Device } from '../../targets/device.ts';
import { openTestCpu } from '../wasm/open.ts';
import { fixtureWeights, gradientErrors, logitsAt, readFixture, relativeError } from './fixture.ts';

const example = async (name: string) => ({
  source: { path: `${name}.pe`, text: await readFile(new URL(`../../examples/${name}.pe`, import.meta.url), 'utf8') },
  encoding: null,
  params: {},
});

async function withCpu<Result>(threads: number, use: (device: Device) => Promise<Result>): Promise<Result> {
  const device = await openTestCpu({ threads });
  return use(device).finally(() => device.close());
}

describe.each([
  ['rope', 13, false],
  ['rope', 4, true], // as where a library does products
  ['learned_absolute', 8, false],
] as const)('GPT-2 with %s, %i words at a time, products apart: %s', (name, chunk, library) => {
  it('has the numbers of PyTorch: losses, logits, gradients, ten steps of AdamW', async () => {
    const fixture = await readFixture(name);
    const { batch, context } = fixture.configuration;
    await withCpu(2, async (device) => {
      const load = createLoader();
      const compiled = await compileEncoding(await example(name), fixture.configuration, load, { library }, 'wasm');
      const compile = programCompiler(load, { library }, { target: 'wasm', precision: 'f32' });
      const { configuration, vocabulary } = fixture;
      const { model } = await assemble(device, compiled.encoding!, configuration, vocabulary, compile, chunk);
      expect(model.operations.head.kind).toBe(chunk < 13 ? 'chunks' : 'whole');
      model.store.write('weight', fixtureWeights(fixture));
      const shape = openShape(device, model, batch, context);
      writeBatch(device, shape, fixture);
      const [seed, loss] = ['seed', 'loss'].map((label) => wholeBuffer(device.allocate(4, label)));
      const place = wholeBuffer(device.allocate(4, 'place'), 'i32');
      const next = wholeBuffer(device.allocate(vocabulary * 4, 'next'));
      device.write(seed!.storage!, 0, Float32Array.of(1));
      device.write(place.storage!, 0, Int32Array.of(6));
      const recorded = await device.record((tape) => {
        for (const pool of ['decayed', 'plain'] as const) tape.clear(model.store.pool('gradient', pool));
        const record = modelForward(tape, model, shape);
        tape.copy(output(record.head, 'output'), loss!);
        modelBackward(tape, model, shape, record, seed!);
        tape.copy(modelNext(tape, model, shape, place), next);
      }, shape.sizes);
      device.run(recorded);
      expect(relativeError(await readAll(device, loss!), fixture.stored.get('loss')!.data)).toBeLessThan(1e-5);
      expect(relativeError(await readAll(device, next), logitsAt(fixture, 6))).toBeLessThan(2e-5);
      const errors = gradientErrors(fixture, await model.store.read('gradient'));
      expect(errors.filter(([, error]) => !(error < 2e-5))).toEqual([]);

      const trainer = await openTrainer(device, model, configuration);
      for (let step = 1; step <= 10; step += 1) {
        trainer.step(() => fixture, step);
        const { loss: own } = await trainer.read(1);
        expect(Math.abs(own - fixture.losses[step - 1]!), `step ${step}`).toBeLessThan(1e-4);
      }
    });
  });
});

describe('a run', () => {
  const text = 'we the people of the united states, in order to form a more perfect union, '.repeat(60);
  const configuration = configure({
    layers: 1,
    heads: 2,
    width: 16,
    context: 16,
    batch: 3,
    accumulate: 2,
    steps: 6,
    report: 2,
    checkpoint: 3,
    evaluate: 4,
  });
  const folders: string[] = [];
  const folder = async (): Promise<string> => {
    folders.push(await mkdtemp(join(tmpdir(), 'pegen-cpu-')));
    return folders.at(-1)!;
  };
  afterAll(() => Promise.all(folders.map((place) => rm(place, { recursive: true }))));
  /** What is stored, without what says where it was computed. */
  const numbers = async (place: string) => {
    const { tensors } = (await readCheckpoint(place)).file;
    return new Map([...tensors].map(([name, { data }]) => [name, Buffer.from(data).toString('base64')]));
  };
  const requestOf = async (name: string) => ({
    choice: await example(name),
    configuration,
    data: await prepareData({ name: 'preamble', documents: [text] }, configuration),
    sample: { ...sampleDefaults, prompt: 'we ', tokens: 8 },
    lengths: [1, 2, 4],
    resume: false,
    folder: null,
  });

  it('has the same bits on any number of threads, and over a stop', async () => {
    const request = await requestOf('carope');
    const [one, three, parts] = [await folder(), await folder(), await folder()];
    const alone = await withCpu(1, (device) => runOne(device, { ...request, folder: one }));
    const shared = await withCpu(3, (device) => runOne(device, { ...request, folder: three }));
    expect(shared.summary!.sample).toBe(alone.summary!.sample);
    expect(shared.summary!.evaluations).toEqual(alone.summary!.evaluations);
    expect(await numbers(three)).toEqual(await numbers(one));
    const { curve } = alone.summary!;
    expect(curve.at(-1)!.loss).toBeLessThan(curve[0]!.loss);
    await withCpu(2, async (device) => {
      const stop = new AbortController();
      const progress = ({ kind }: { readonly kind: string }): void => void (kind === 'checkpoint' && stop.abort());
      const first = await runOne(device, { ...request, folder: parts, signal: stop.signal, progress });
      expect([first.trained.stopped, first.trained.step]).toEqual([true, 3]);
      await runOne(device, { ...request, folder: parts, resume: true });
    });
    expect(await numbers(parts)).toEqual(await numbers(one));
  });

  it('tells where a table of positions ends', async () => {
    const request = await requestOf('learned_absolute');
    const short = { ...request, configuration: { ...configuration, steps: 1 } };
    const { summary } = await withCpu(1, (device) => runOne(device, short));
    expect(summary!.evaluations.map(({ tokens, kind }) => [tokens, kind])).toEqual([
      [16, 'measured'],
      [32, 'out of reach'],
      [64, 'out of reach'],
    ]);
  });
});
