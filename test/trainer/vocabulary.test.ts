// Runs of an encoding that reads the embedding, on the CPU device: through a table over the vocabulary and without it they learn
// the same; a stopped run goes on to the same bits; what is sampled needs no more than the ids; its memory is foreseen.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bytesOfElement } from '../../targets/device.ts';
import type { Device, Tape } from '../../targets/device.ts';
import type { ScriptStore } from '../../src/load-module.ts';
import { defaultRewrites } from '../../src/passes/structure/rewrites.ts';
import { readCheckpoint } from '../../src/trainer/checkpoint.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { prepareData } from '../../src/trainer/data.ts';
import { evaluate } from '../../src/trainer/evaluate.ts';
import type { EncodingModules } from '../../src/trainer/encoding.ts';
import { estimate, inWords, refuseTooLarge } from '../../src/trainer/memory.ts';
import { prepareModelOn } from '../../src/trainer/prepare.ts';
import type { Prepared } from '../../src/trainer/prepare.ts';
import { openReader, openTrainer } from '../../src/trainer/session.ts';
import { sample, sampleDefaults } from '../../src/trainer/sample.ts';
import { train } from '../../src/trainer/train.ts';
import { openTestCpu } from '../wasm/open.ts';

const configuration = configure({
  layers: 2,
  heads: 2,
  width: 16,
  context: 16,
  batch: 2,
  accumulate: 2,
  steps: 6,
  warmup: 0,
  rate: 0.01,
  report: 1,
  evaluate: 2,
  checkpoint: 3,
});
const corpus = 'to be or not to be that is the question '.repeat(20);

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openTestCpu({ threads: 2 });
  folder = await mkdtemp(join(tmpdir(), 'pegen-vocabulary-'));
});
afterAll(async () => {
  await device.close();
  await rm(folder, { recursive: true, force: true });
});

const known = new Map<string, string>();
const scripts: ScriptStore = {
  find: async (key) => known.get(key) ?? null,
  keep: async (key, script) => void known.set(key, script),
};

const data = () => prepareData({ name: 'corpus', documents: [corpus] }, configuration);

async function prepared(withTable: boolean) {
  const path = 'examples/catalogue/rotary/carope_embedding.pe';
  const imports = { 'examples/carope.pe': await readFile('examples/carope.pe', 'utf8') };
  const source = { path, text: await readFile(path, 'utf8'), imports };
  const rewrites = defaultRewrites.filter((name) => withTable || name !== 'vocabulary');
  const choice = { source, encoding: null, params: {}, rewrites };
  return { choice, made: await prepareModelOn(device, choice, configuration, (await data()).tokenizer.size, scripts) };
}

async function run(withTable: boolean, to: string | null, stop: number | null = null) {
  const { choice, made } = await prepared(withTable);
  const controller = new AbortController();
  const trained = await train(device, made, {
    choice,
    configuration,
    data: await data(),
    folder: to,
    resume: null,
    signal: controller.signal,
    progress: (event) => {
      if (event.kind === 'step' && event.step === stop) controller.abort();
    },
  });
  return { made, choice, curve: trained.curve };
}

it('learns the same with a table, which the steps use, and without', async () => {
  const [table, plain] = [await run(true, null), await run(false, null)];
  const inputs = ({ made }: typeof table) =>
    made.model.encoding.layers[0]!.module.entries['forward']!.inputs.map(({ name }) => name);
  expect(inputs(table)).toContain('vocabulary');
  expect(inputs(table)).not.toContain('embedding');
  expect(inputs(plain)).toContain('embedding');
  expect(table.curve).toHaveLength(6);
  table.curve.forEach(({ loss, norm }, n) => {
    expect(Math.abs(loss - plain.curve[n]!.loss), `loss of step ${n + 1}`).toBeLessThan(1e-5);
    expect(Math.abs(norm - plain.curve[n]!.norm), `norm of step ${n + 1}`).toBeLessThan(1e-4);
  });
  expect(table.curve.at(-1)!.loss).toBeLessThan(table.curve[0]!.loss - 0.1);

  const { tokens, tokenizer } = await data();
  const measured = async ({ made }: typeof table) =>
    (await evaluate(device, made.model, configuration, tokens.heldOut, 16)).loss;
  expect(await measured(table)).toBeCloseTo(await measured(plain), 4);
  const text = async ({ made }: typeof table): Promise<string> => {
    const reader = openReader(device, made.model, 1, configuration.context);
    const said = await sample(reader, tokenizer, { ...sampleDefaults, prompt: 'to be', tokens: 20, temperature: 0 });
    reader.free();
    return said;
  };
  expect(await text(table)).toBe(await text(plain));
  for (const { made } of [table, plain]) made.model.store.free();
});

it('goes on to the same bits after a stop', async () => {
  const whole = await run(true, null);
  const stopped = await run(true, folder, 3);
  const resume = await readCheckpoint(folder);
  expect(resume.state.step).toBe(3);
  const { choice, made } = await prepared(true);
  await train(device, made, { choice, configuration, data: await data(), folder: null, resume });
  const bits = async ({ model }: typeof made): Promise<string> =>
    JSON.stringify([...(await model.store.read('weight'))].map(([name, values]) => [name, [...values]]));
  expect(await bits(made)).toBe(await bits(whole.made));
  for (const one of [whole.made, stopped.made, made]) one.model.store.free();
});

/** Bytes of the temporaries of a training step, by name. */
async function temporaries({ model }: Prepared): Promise<ReadonlyMap<string, number>> {
  const bytes = new Map<string, number>();
  const listening = (tape: Tape): Tape => ({
    ...tape,
    at: (sizes) => listening(tape.at(sizes)),
    temporary(name, elements, type = 'f32') {
      bytes.set(name, (bytes.get(name) ?? 0) + elements * bytesOfElement[type]);
      return tape.temporary(name, elements, type);
    },
  });
  const record: Device['record'] = (build, sizes) => device.record((tape) => build(listening(tape)), sizes);
  const trainer = await openTrainer({ ...device, record }, model, configuration);
  trainer.free();
  return bytes;
}

it.each([true, false])('counts what the encoding takes of memory as a step allocates it (table: %s)', async (table) => {
  const { made } = await prepared(table);
  const { model, layout, vocabulary } = made;
  const room = { language: 'wasm', description: 'a machine', maxBufferBytes: 4e6 } as const;
  const of = (encoding: EncodingModules | null) => estimate(configuration, vocabulary, layout, room, encoding);
  const allocated = await temporaries(made);
  const taken = (names: readonly string[]): number => names.reduce((sum, name) => sum + (allocated.get(name) ?? 0), 0);
  // Both layers' tables and the gradient of one, or the gradient of the embedding, which layers share.
  const kept = taken(['f_sum_of_word', 'f', 'f_sum', 'phase', 'd_embedding']) + taken(['d_f_of_word']) / 2;
  expect(of(model.encoding).activations - of(null).activations).toBe(kept);
  expect(of(model.encoding).parameters).toBe(of(null).parameters);
  expect([allocated.has('f_sum_of_word'), allocated.has('d_embedding')]).toEqual([table, !table]);

  const wide = 4 * configuration.width * vocabulary; // the embedding table is the largest
  const narrow = () =>
    refuseTooLarge(configuration, vocabulary, layout, { ...room, maxBufferBytes: 64 }, model.encoding);
  expect(narrow).toThrow(`the embedding table [${vocabulary}, ${configuration.width}]: ${inWords(wide)}`);
  if (table)
    expect(narrow).toThrow(`the table f_sum_of_word of the encoding [${vocabulary}, 2]: ${inWords(8 * vocabulary)}`);
  else expect(narrow).not.toThrow('of the encoding');
  model.store.free();
});
