// One tensor that changes the embedding and stands in the encoding's loss: its gradient is the sum of both.

import { expect, it } from 'vitest';
import { createLoader } from '../../src/load-module.ts';
import { assemble } from '../../src/trainer/assemble.ts';
import { compileEncoding, programCompiler } from '../../src/trainer/compile-encoding.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { modelBackward, modelForward } from '../../src/trainer/model.ts';
import type { Model } from '../../src/trainer/model.ts';
import { encodingParameterName } from '../../src/trainer/parameters.ts';
import { segmentsOf } from '../../src/trainer/segments.ts';
import { openReader, readAll } from '../../src/trainer/session.ts';
import { afterStep, finishStep, openShape, writeBatch } from '../../src/trainer/shape.ts';
import { wholeBuffer } from '../../src/trainer/store.ts';
import type { Device } from '../../targets/device.ts';
import { openTestCpu } from '../wasm/open.ts';

const configuration = configure({ layers: 3, heads: 2, width: 8, context: 5, batch: 2 });
const vocabulary = 7;
const tokens = Int32Array.from({ length: 10 }, (_, n) => (n * 5 + 3) % vocabulary);
const batch = { tokens, targets: tokens.map((token) => (token + 2) % vocabulary), ...segmentsOf(tokens, vocabulary) };

async function modelOf(device: Device, loss: string): Promise<Model> {
  const text = `encoding both {
  learn shared w[m: model] ~ 0.25 * (m + 1)
  embedding[t, m] += w[m] * sin(position[t])
  ${loss}
}`;
  const load = createLoader();
  const choice = { source: { path: 'both.pe', text }, encoding: null, params: {} };
  const { encoding } = await compileEncoding(choice, configuration, load, {}, 'wasm');
  const compile = programCompiler(load, {}, { target: 'wasm', precision: 'f32' });
  return (await assemble(device, encoding!, configuration, vocabulary, compile, vocabulary)).model;
}

async function gradientOfW(device: Device, loss: string): Promise<readonly number[]> {
  const model = await modelOf(device, loss);
  const shape = openShape(device, model, 2, 5, { share: 1 / 2 });
  writeBatch(device, shape, batch);
  const seed = wholeBuffer(device.allocate(4, 'seed'));
  device.write(seed.storage!, 0, Float32Array.of(1));
  const recorded = await device.record((tape) => {
    for (const pool of ['decayed', 'plain'] as const) tape.clear(model.store.pool('gradient', pool));
    shape.sums.forEach((sum) => tape.clear(sum));
    const at = afterStep(tape, model, shape, (_, result) => result);
    modelBackward(tape, model, at, modelForward(tape, model, at), seed);
    finishStep(tape, model, at);
  }, shape.sizes);
  device.run(recorded);
  const gradient = await readAll(device, model.store.view('gradient', encodingParameterName('w', null)));
  shape.free();
  model.store.free();
  return [...gradient];
}

it('is that of both', async () => {
  const device = await openTestCpu({ threads: 1 });
  const without = await gradientOfW(device, '');
  const both = await gradientOfW(device, 'loss += sum[m: model](w[m] ^ 2)');
  await device.close();
  expect(Math.max(...without.map(Math.abs))).toBeGreaterThan(1e-3);
  // a mean over sequences and a sum over the three layers of w ^ 2
  both.forEach((value, m) => expect(value - without[m]!).toBeCloseTo(3 * 2 * 0.25 * (m + 1), 4));
});

it('is no part of what is measured: the same losses from the same kernels', async () => {
  const device = await openTestCpu({ threads: 1 });
  const measured = async (loss: string) => {
    let launches = 0;
    const record: Device['record'] = async (...given) => {
      const recorded = await device.record(...given);
      launches += recorded.launches;
      return recorded;
    };
    const model = await modelOf(device, loss);
    const reader = openReader({ ...device, record }, model, 2, 5);
    const losses = [...(await reader.losses(batch))];
    reader.free();
    model.store.free();
    return { losses, launches };
  };
  const without = await measured('');
  const both = await measured('loss += sum[t: token](sin(sum[m: model](x[t, m] * w[m])))');
  await device.close();
  expect(without.losses.every((value) => value > 0)).toBe(true);
  expect(both).toEqual(without);
});
