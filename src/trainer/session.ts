// A model on a device, ready to run: lists recorded once a shape, then nothing but writes, runs and rare readings.
// No step waits for the device; what the host needs is read when it asks.

import { fromBf16 } from '../../codegen/bf16.ts';
import { bytesOfElement } from '../../targets/device.ts';
import type { Buffer, Device, DeviceBuffer, Recorded, Tape } from '../../targets/device.ts';
import type { Batch } from './batches.ts';
import { callEntry, output, settle } from './call.ts';
import type { Configuration } from './configuration.ts';
import { kernelsOf, operationModules } from './modules.ts';
import { modelBackward, modelForward, modelNext } from './model.ts';
import type { Model, ShapeBuffers } from './model.ts';
import { updateScalars } from './ops/optimizer.ts';
import { afterStep, finishStep, openShape, writeBatch } from './shape.ts';
import type { Keep, Shape } from './shape.ts';
import { wholeBuffer } from './store.ts';
import { optimizerStep, stepScalars } from './update.ts';

/** All pipelines of a model, compiled side by side. */
export const prepareModel = (device: Device, model: Model): Promise<void> =>
  device.prepare(kernelsOf([...operationModules(model.operations), ...model.encoding.layers.map((one) => one.module)]));

export interface Trainer {
  readonly launches: number; // a step
  readonly bytes: number; // of temporaries
  /** Enqueues optimizer step `step` (from 1) on these micro-batches. */
  step(batches: (micro: number) => Batch, step: number): void;
  /** Mean loss over the `steps` steps since the last reading, and the last gradient's norm. */
  read(steps: number): Promise<StepReading>;
  /** The lists of a step, for profiling. */
  readonly recorded: readonly Recorded[];
  free(): void;
}

export interface StepReading {
  readonly loss: number; // of the model: without what the encoding adds
  readonly added: number; // what the encoding adds to it
  readonly norm: number;
}

interface Scratch {
  readonly seed: Buffer; // what the loss is multiplied by: 1 / micro-batches
  readonly sum: Buffer; // of losses since the last reading
  readonly added: Buffer; // the same of what the encoding adds
  readonly norm: Buffer;
  readonly limit: Buffer;
  readonly scalars: { readonly decayed: Buffer; readonly plain: Buffer };
}

export async function openTrainer(device: Device, model: Model, configuration: Configuration): Promise<Trainer> {
  const { batch, context, accumulate } = configuration;
  const shape = openShape(device, model, batch, context, { share: 1 / (batch * accumulate) });
  const owned: DeviceBuffer[] = [];
  const buffer = (name: string, values: Float32Array): Buffer => {
    const made = device.allocate(values.byteLength, name);
    owned.push(made);
    device.write(made, 0, values);
    return wholeBuffer(made);
  };
  const one = (name: string, value: number): Buffer => buffer(name, Float32Array.of(value));
  const scratch: Scratch = {
    seed: one('seed', 1 / accumulate),
    sum: one('sum', 0),
    added: one('added', 0),
    norm: one('norm', 0),
    limit: one('limit', configuration.clip > 0 ? configuration.clip : 3e38),
    scalars: {
      decayed: buffer('scalars_decayed', new Float32Array(updateScalars.length)),
      plain: buffer('scalars_plain', new Float32Array(updateScalars.length)),
    },
  };
  const keep: Keep = (tape, result) => {
    const kept = wholeBuffer(device.allocate(result.elements * bytesOfElement[result.type], result.name), result.type);
    owned.push(kept.storage!);
    tape.copy(result, kept);
    return kept;
  };
  const lists = await recordLists(device, model, shape, scratch, accumulate > 1 ? keep : null);
  return {
    launches: lists.begin.launches + accumulate * lists.micro.launches + lists.end.launches,
    bytes: Math.max(lists.begin.bytes, lists.micro.bytes, lists.end.bytes),
    recorded: [lists.begin, lists.micro, lists.end],
    step(batches, step) {
      for (const pool of ['decayed', 'plain'] as const) {
        const decay = pool === 'decayed' ? configuration.decay : 0;
        device.write(scratch.scalars[pool].storage!, 0, stepScalars(configuration, step, decay));
      }
      device.run(lists.begin);
      for (let micro = 0; micro < accumulate; micro += 1) {
        writeBatch(device, shape, batches(micro));
        shape.draws.write({ seed: configuration.seed, step, sequence: micro * batch });
        device.run(lists.micro);
      }
      device.run(lists.end);
    },
    async read(steps) {
      const from = [scratch.sum, scratch.norm, scratch.added];
      const [sum, norm, added] = await Promise.all(from.map(async (one) => (await readAll(device, one))[0]!));
      for (const { storage } of [scratch.sum, scratch.added]) device.write(storage!, 0, Float32Array.of(0));
      return { loss: sum! / (steps * accumulate), added: added! / (steps * accumulate), norm: norm! };
    },
    free() {
      [lists.begin, lists.micro, lists.end].forEach((recorded) => device.release(recorded));
      owned.forEach((one) => device.free(one));
      shape.free();
    },
  };
}

export async function readAll(device: Device, from: Buffer): Promise<Float32Array> {
  const bytes = bytesOfElement[from.type];
  const data = await device.read(from.storage!, from.offset * bytes, from.elements * bytes);
  return from.type === 'bf16' ? fromBf16(new Uint16Array(data)) : new Float32Array(data);
}

/** An optimizer step as three lists: clear and `step`; forward and backward of a micro-batch; `finish` and update. */
async function recordLists(device: Device, model: Model, shape: Shape, scratch: Scratch, keep: Keep | null) {
  const { operations, store } = model;
  let at: ShapeBuffers = shape;
  const begin = (tape: Tape): void => {
    for (const pool of ['decayed', 'plain'] as const) tape.clear(store.pool('gradient', pool));
    shape.sums.forEach((sum) => tape.clear(sum));
    at = afterStep(tape, model, shape, keep ?? ((_, result) => result));
  };
  const micro = (tape: Tape): void => {
    const record = modelForward(tape, model, at);
    const given = { sum: scratch.sum, loss: output(record.head, 'output') };
    settle(tape, output(callEntry(tape, operations.tally, 'forward', given, ['sum']), 'sum_after'), scratch.sum);
    for (const added of record.added) {
      const made = callEntry(tape, operations.tallyAdded!, 'forward', { sum: scratch.added, added }, ['sum']);
      settle(tape, output(made, 'sum_after'), scratch.added);
    }
    modelBackward(tape, model, at, record, scratch.seed);
  };
  const end = (tape: Tape): void => {
    finishStep(tape, model, at);
    optimizerStep(tape, operations, store, scratch);
  };
  if (keep !== null) {
    return {
      begin: await device.record(begin, shape.sizes),
      micro: await device.record(micro, shape.sizes),
      end: await device.record(end, shape.sizes),
    };
  }
  const nothing = await device.record(() => undefined, shape.sizes);
  const whole = (tape: Tape): void => [begin, micro, end].forEach((part) => part(tape));
  return { begin: nothing, micro: await device.record(whole, shape.sizes), end: nothing };
}

/** The model forward only, at one shape. */
export interface Reader {
  readonly batch: number;
  readonly tokens: number;
  /** -log probability of each target, [batch, tokens]. `sequence`: the number of the first row, for what is drawn. */
  losses(batch: Batch, sequence?: number): Promise<Float32Array>;
  /** Logits after token `at` of row 0, [V]. */
  logits(tokens: Int32Array, at: number): Promise<Float32Array>;
  free(): void;
}

export function openReader(device: Device, model: Model, batch: number, tokens: number): Reader {
  const shape = openShape(device, model, batch, tokens);
  const still = { seed: model.seed, step: 0 };
  const place = wholeBuffer(device.allocate(bytesOfElement.i32, 'place'), 'i32');
  const lists = new Map<string, ReadingList>();
  /** What is never asked for takes no memory. */
  const run = async (name: 'losses' | 'logits'): Promise<Buffer> => {
    const list =
      lists.get(name) ??
      (await recordReading(device, model, shape, (tape, at) =>
        name === 'losses' ? output(modelForward(tape, model, at).head, 'losses') : modelNext(tape, model, at, place),
      ));
    lists.set(name, list);
    device.run(list.recorded);
    return list.result;
  };
  return {
    batch,
    tokens,
    async losses(windows, sequence = 0) {
      writeBatch(device, shape, windows);
      shape.draws.write({ ...still, sequence });
      return readAll(device, await run('losses'));
    },
    async logits(ids, at) {
      device.write(shape.tokens.storage!, 0, ids);
      device.write(place.storage!, 0, Int32Array.of(at));
      shape.draws.write({ ...still, sequence: 0 });
      return readAll(device, await run('logits'));
    },
    free() {
      for (const { recorded, result } of lists.values()) {
        device.release(recorded);
        device.free(result.storage!);
      }
      device.free(place.storage!);
      shape.free();
    },
  };
}

interface ReadingList {
  readonly recorded: Recorded;
  readonly result: Buffer;
}

async function recordReading(
  device: Device,
  model: Model,
  shape: Shape,
  read: (tape: Tape, at: ShapeBuffers) => Buffer,
): Promise<ReadingList> {
  const made: Buffer[] = [];
  const recorded = await device.record(
    (tape) => {
      const at = afterStep(tape, model, shape, (_, result) => result);
      const from = read(tape, at);
      const result = wholeBuffer(device.allocate(from.elements * bytesOfElement[from.type], from.name), from.type);
      made.push(result);
      tape.copy(from, result);
    },
    shape.sizes,
    'needed', // not what the encoding adds to the loss
  );
  return { recorded, result: made[0]! };
}
