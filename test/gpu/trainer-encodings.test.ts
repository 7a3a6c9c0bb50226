// Encodings with learned tensors inside a model: the gradients and losses of WebGPU against the float64 interpreter's, over
// two layers and two micro-batches. So what is computed once a step, summed over layers and pulled back at its end agrees.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { assemble } from '../../src/trainer/assemble.ts';
import { trainingBatch } from '../../src/trainer/batches.ts';
import { compileEncoding, programCompiler } from '../../src/trainer/compile-encoding.ts';
import { configure } from '../../src/trainer/configuration.ts';
import type { EncodingModules, LayerEncoding } from '../../src/trainer/encoding.ts';
import { openTrainer } from '../../src/trainer/session.ts';
import type { Device } from '../../targets/device.ts';
import { relativeError } from '../trainer/fixture.ts';
import { exactly, interpretedDevice, interpretedModule, sideBySide } from '../trainer/interpreted.ts';
import { openTestDevice } from './swiftshader.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device?.close());

const configuration = configure({
  layers: 2,
  heads: 2,
  width: 16,
  context: 8,
  batch: 1,
  accumulate: 2,
  steps: 3,
  rate: 0.01,
  warmup: 0,
});
const vocabulary = 11;
const corpus = Uint16Array.from({ length: 400 }, (_, n) => (n * n + 3 * n) % vocabulary);

/** The same encoding, run by the interpreter. */
function interpreted({ module, attend }: LayerEncoding): LayerEncoding {
  const read = attend.inputs.filter(
    ({ origin }) =>
      origin.kind === 'learned' || (origin.kind === 'given' && origin.given !== 'position' && origin.given !== 'user'),
  );
  const learned = read.filter(({ origin }) => origin.kind === 'learned').map(({ name }) => name);
  const options = {
    outputs: ['output'],
    seeds: ['output'],
    gradients: read.map(({ name }) => name),
    accumulate: learned,
  };
  const own = interpretedModule(attend, options, { learned: module.learned });
  const { heads, kv_heads, width } = configuration;
  return { attend, embed: null, input: null, module: sideBySide(own, { heads, kv_heads, head_dim: width / heads }) };
}

it.each(['carope', 'rope_learned', 'comrope_ld', 'comrope_ap'])('%s', async (name) => {
  const text = await readFile(new URL(`../../examples/${name}.pe`, import.meta.url), 'utf8');
  const choice = {
    source: { path: `${name}.pe`, text },
    encoding: null,
    params: name.startsWith('comrope') ? { block: 4 } : {},
  };
  const { encoding } = await compileEncoding(choice, configuration);
  const reference = interpretedDevice();
  const same: EncodingModules = { name, layers: encoding!.layers.map(interpreted) };
  const compile = async (...args: Parameters<typeof interpretedModule>) => interpretedModule(...args);
  const ours = await assemble(device, encoding!, configuration, vocabulary, programCompiler());
  const theirs = await assemble(reference, same, configuration, vocabulary, compile);
  const trainers = [
    await openTrainer(device, ours.model, configuration),
    await openTrainer(reference, theirs.model, configuration),
  ] as const;
  for (let step = 1; step <= 3; step += 1) {
    for (const trainer of trainers) {
      trainer.step((micro) => trainingBatch(corpus, { seed: 1, step, micro }, { batch: 1, context: 8 }), step);
    }
    const [one, two] = await Promise.all(trainers.map((trainer) => trainer.read(1)));
    expect(Math.abs(one!.loss - two!.loss), `loss of step ${step}`).toBeLessThan(1e-4);
    if (step > 1) continue;
    const gradients = await ours.model.store.read('gradient');
    const wrong = [...gradients].flatMap(([key, values]) => {
      const error = relativeError(values, exactly(theirs.model.store.view('gradient', key)));
      return error < 1e-4 ? [] : [[key, error]];
    });
    expect(wrong).toEqual([]);
    const own = [...gradients].filter(([key]) => key.includes('encoding.'));
    expect(own.length).toBeGreaterThan(0);
    expect(own.every(([, values]) => values.some((value) => value !== 0))).toBe(true);
  }
});
