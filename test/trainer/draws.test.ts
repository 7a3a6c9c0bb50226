// What an encoding draws, `training` and its share of the loss, in runs on the CPU device.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wholeSequence } from '../../targets/device.ts';
import type { Device, Module } from '../../targets/device.ts';
import { createLoader } from '../../src/load-module.ts';
import { readCheckpoint } from '../../src/trainer/checkpoint.ts';
import { compileEncoding } from '../../src/trainer/compile-encoding.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { prepareData } from '../../src/trainer/data.ts';
import { drawnValues } from '../../src/trainer/draws.ts';
import { evaluate } from '../../src/trainer/evaluate.ts';
import { prepareModelOn } from '../../src/trainer/prepare.ts';
import type { Prepared } from '../../src/trainer/prepare.ts';
import { readAll } from '../../src/trainer/session.ts';
import { openShape } from '../../src/trainer/shape.ts';
import { train } from '../../src/trainer/train.ts';
import { openTestCpu } from '../wasm/open.ts';

/** The loss pulls w, which is drawn at, to 0: from 4 * 9 on, it must fall. */
const text = `encoding drawing {
  learn w[h: head]   ~ 3
  draw u[t: token]   ~ uniform(-1, 1)
  draw n             ~ floor(uniform(0, 1000))
  embedding[t, m]   += if training then 1e-3 * u[t] + 1e-6 * n else 0
  score[h, i, j]    += if training then 1e-3 * w[h] * u[j] else 0
  loss              += sum[h: head](w[h] ^ 2)
}`;
const choice = { source: { path: 'drawing.pe', text }, encoding: null, params: {} };
const configuration = configure({
  layers: 2,
  heads: 4,
  kv_heads: 4,
  width: 16,
  context: 8,
  batch: 2,
  accumulate: 2,
  steps: 4,
  warmup: 0,
  rate: 0.02,
  report: 1,
  evaluate: 2,
});
const corpus = 'to be or not to be that is the question '.repeat(20);

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openTestCpu({ threads: 2 });
  folder = await mkdtemp(join(tmpdir(), 'pegen-draws-'));
});
afterAll(async () => {
  await device.close();
  await rm(folder, { recursive: true, force: true });
});

const data = () => prepareData({ name: 'corpus', documents: [corpus] }, configuration);

async function prepared(): Promise<Prepared> {
  return prepareModelOn(device, choice, configuration, (await data()).tokenizer.size);
}

describe('draws', () => {
  it('are functions of seed, name, step, sequence and index, for all layers, however long the sequence is', async () => {
    const { encoding } = await compileEncoding(choice, configuration, createLoader(), {}, 'wasm');
    const module: Module = encoding!.layers[0]!.module;
    const [u] = module.draws!.filter(({ name }) => name === 'u');
    const place = { seed: 1, step: 1, sequence: 0 };
    const values = (change: Partial<typeof place>, sizes = wholeSequence(2, 8)) => [
      ...drawnValues(u!, sizes, { ...place, ...change }),
    ];
    expect(values({})).toHaveLength(8);
    expect(values({}).every((value) => value >= -1 && value < 1)).toBe(true);
    const others = [{}, { seed: 2 }, { step: 2 }, { sequence: 1 }].map((change) => values(change).join());
    expect(new Set(others).size).toBe(4);
    expect(values({}, wholeSequence(2, 5))).toEqual(values({}).slice(0, 5));
    expect(values({}, { batch: 1, tokens: 2, keys: 7, first: 5, capacity: 8 })).toEqual(values({}).slice(5, 7));
  });

  it('are written once for all layers, whole numbers as such; outside training the step stands still', async () => {
    const { model } = await prepared();
    const shape = openShape(device, model, 2, 8, { share: 0.5 });
    const reading = openShape(device, model, 2, 8);
    expect(shape.layers[0]!['u']).toBe(shape.layers[1]!['u']);
    expect(shape.embed['u']).toBe(shape.layers[1]!['u']);
    shape.draws.write({ seed: 1, step: 3, sequence: 4 });
    const rows = await readAll(device, shape.layers[0]!['u']!);
    const [u] = model.encoding.layers[0]!.module.draws!.filter(({ name }) => name === 'u');
    const expected = [4, 5].flatMap((sequence) => [...drawnValues(u!, shape.sizes, { seed: 1, step: 3, sequence })]);
    expect(rows).toEqual(Float32Array.from(expected));
    const flags = async (from: typeof shape) =>
      new Int32Array(await device.read(from.embed['training']!.storage!, 0, 4));
    expect([...(await flags(shape)), ...(await flags(reading))]).toEqual([1, 0]);
    const whole = new Int32Array(await device.read(shape.embed['n']!.storage!, 0, 8));
    expect(whole.every((n) => n >= 0 && n < 1000) && whole[0] !== whole[1]).toBe(true);
    [shape, reading].forEach((one) => one.free());
    model.store.free();
  });
});

describe('a run', () => {
  const request = async (steps: number, to: string | null) => ({
    choice,
    configuration: { ...configuration, checkpoint: 2 },
    data: await data(),
    folder: to,
    resume: null,
    ...(steps < configuration.steps ? { signal: stopAfter(steps) } : {}),
  });
  const stops = new Map<AbortSignal, AbortController>();
  function stopAfter(_: number): AbortSignal {
    const controller = new AbortController();
    stops.set(controller.signal, controller);
    return controller.signal;
  }
  const weights = async ({ model }: Prepared): Promise<string> =>
    JSON.stringify([...(await model.store.read('weight'))].map(([name, values]) => [name, [...values]]));

  it('has the same bits again and after a stop, adds its loss, and reports it apart', async () => {
    const first = await prepared();
    const whole = await train(device, first, await request(4, null));
    const [bits, curve] = [await weights(first), whole.curve];
    expect(curve.map(({ added }) => added !== undefined && added > 0)).toEqual([true, true, true, true]);
    expect(curve[0]!.added).toBeCloseTo(2 * 4 * 9, 4); // two layers
    // Of a mean over sequences and a sum over layers: 6 for each of 8 numbers, besides the model's own.
    expect(curve[0]!.norm).toBeGreaterThan(6 * Math.sqrt(8) - 0.1);
    expect(curve[0]!.norm).toBeLessThan(6 * Math.sqrt(8) + 1);
    expect(curve[3]!.added!).toBeLessThan(curve[0]!.added! - 0.5);
    expect(curve[0]!.loss).toBeLessThan(5);

    const stopped = await prepared();
    const half = await request(2, folder);
    await train(device, stopped, {
      ...half,
      progress: (event) => {
        if (event.kind === 'step' && event.step === 2) stops.get(half.signal!)!.abort();
      },
    });
    const again = await prepared();
    const resume = await readCheckpoint(folder);
    expect(resume.state.step).toBe(2);
    const rest = await train(device, again, { ...(await request(4, null)), resume });
    expect(await weights(again)).toBe(bits);
    expect(rest.curve).toEqual(curve);

    const { heldOut } = (await data()).tokens;
    const measured = await evaluate(device, again.model, configuration, heldOut, 8);
    expect(measured.loss).toBeLessThan(5); // without the 72 of the encoding
    expect(await evaluate(device, again.model, configuration, heldOut, 8)).toEqual(measured);
    [first, stopped, again].forEach(({ model }) => model.store.free());
  });
});
