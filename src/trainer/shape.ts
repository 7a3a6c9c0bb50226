// Buffers that belong to one recorded shape (batch, tokens): token ids, tables of the encoding, positions, and the sums
// that its `backward` adds to and its `finish` takes once an optimizer step.

import { bytesOfElement, wholeSequence } from '../../targets/device.ts';
import type { Buffer, Buffers, Device, DeviceBuffer, Module, Sizes, StorageType, Tape } from '../../targets/device.ts';
import type { Batch } from './batches.ts';
import { callEntry, inputOf, wants } from './call.ts';
import { openDraws } from './draws.ts';
import type { Draws } from './draws.ts';
import { learnedNames, positionValues } from './encoding.ts';
import type { LayerEncoding } from './encoding.ts';
import type { Model, ShapeBuffers } from './model.ts';
import { parameter } from './parameters.ts';
import { segmentsOf } from './segments.ts';
import { weightsAs, wholeBuffer } from './store.ts';
import { sharedTables } from './tables.ts';

export interface Shape extends ShapeBuffers {
  readonly sizes: Sizes;
  readonly vocabulary: number; // rows of the embedding table
  /** Sums over layers and micro-batches, to clear before each optimizer step. */
  readonly sums: readonly Buffer[];
  /** What the encoding draws, and whether this is training. */
  readonly draws: Draws;
  free(): void;
}

type Allocate = (label: string, elements: number, type?: StorageType) => DeviceBuffer;

/** `training`: what a sequence's share of the loss counts in an optimizer step; null: only forward, outside training. */
export function openShape(
  device: Device,
  model: Model,
  batch: number,
  tokens: number,
  training: { readonly share: number } | null = null,
): Shape {
  const sizes = wholeSequence(batch, tokens);
  const [vocabulary] = parameter(model.store.layout, 'transformer.wte.weight').shape as [number, number];
  const owned: DeviceBuffer[] = [];
  const allocate: Allocate = (label, elements, type = 'f32') => {
    const buffer = device.allocate(Math.max(4, elements * bytesOfElement[type]), label);
    owned.push(buffer);
    return buffer;
  };
  const integers = (name: string, elements: number): Buffer => {
    const buffer = allocate(name, elements);
    device.write(buffer, 0, new Int32Array(elements));
    return wholeBuffer(buffer, 'i32');
  };
  const hostValues = new Map<Module, Buffers>();
  const upload = sharedTables((label, data) => {
    const buffer = allocate(label, data.length);
    if (data.length > 0) device.write(buffer, 0, data);
    return wholeBuffer(buffer, data instanceof Int32Array ? 'i32' : 'f32');
  });
  const tablesOf = (layer: LayerEncoding): Buffers => {
    const known = hostValues.get(layer.module) ?? uploadTables(layer, sizes, upload);
    hostValues.set(layer.module, known);
    return known;
  };
  const { layers } = model.encoding;
  const modules = layers.map(({ module }) => module);
  const draws = openDraws(device, modules, sizes, training !== null, allocate);
  const seedOfLoss = training === null ? {} : lossSeed(device, modules, batch, training.share, allocate);
  const sums: Buffer[] = [];
  const allocateSums = (module: Module, ofAll: boolean): Buffers => {
    const made = boundarySums(module, ofAll, sizes, allocate);
    sums.push(...Object.values(made));
    return made;
  };
  const sumsOfAll = new Map([...new Set(modules)].map((module) => [module, allocateSums(module, true)]));
  const atLayer = layers.map((layer, n): Buffers => ({
    ...weightsAs(model.store, learnedNames(layer.module, n, 'layer')),
    ...tablesOf(layer),
    ...draws.of(layer.module),
    ...seedOfLoss,
    ...allocateSums(layer.module, false),
    ...sumsOfAll.get(layer.module),
  }));
  return {
    sizes,
    vocabulary,
    tokens: integers('tokens', batch * tokens),
    tokens_order: integers('tokens_order', batch * tokens),
    tokens_start: integers('tokens_start', vocabulary + 1),
    targets: integers('targets', batch * tokens),
    firsts: firstWords(device, model, integers),
    layers: atLayer,
    embed: {
      ...weightsAs(model.store, learnedNames(layers[0]!.module, 0, 'embed')),
      ...tablesOf(layers[0]!),
      ...draws.of(layers[0]!.module),
    },
    draws,
    sums,
    free: () => owned.forEach((buffer) => device.free(buffer)),
  };
}

/** Each chunk's first word, in one buffer; none where the head takes all words at once. */
function firstWords(device: Device, { operations }: Model, integers: (name: string, elements: number) => Buffer) {
  if (operations.head.kind === 'whole') return [];
  const { chunks } = operations.head;
  const apart = 64; // views begin at multiples of 256 bytes
  const all = integers('first_words', chunks.length * apart);
  return chunks.map(({ first }, n): Buffer => {
    device.write(all.storage!, n * apart * bytesOfElement.i32, Int32Array.of(first));
    return { ...all, offset: n * apart, elements: 1 };
  });
}

/** The next lists run on this batch. */
export function writeBatch(device: Device, shape: Shape, batch: Batch): void {
  const { order, start } = segmentsOf(batch.tokens, shape.vocabulary);
  device.write(shape.tokens.storage!, 0, batch.tokens);
  device.write(shape.tokens_order.storage!, 0, order);
  device.write(shape.tokens_start.storage!, 0, start);
  device.write(shape.targets.storage!, 0, batch.targets);
}

/** Tables computed in float64, and `position` itself where a kernel reads it. */
function uploadTables(layer: LayerEncoding, sizes: Sizes, upload: ReturnType<typeof sharedTables>): Buffers {
  const { module } = layer;
  const positions = positionValues(layer, sizes.keys);
  const uploaded: Record<string, Buffer> = {};
  for (const [name, data] of Object.entries(module.tables(sizes, positions))) uploaded[name] = upload(name, data);
  for (const [name, values] of Object.entries(positions)) {
    const input = inputOf(module, name);
    if (input === null) continue;
    uploaded[name] = upload(name, input.type === 'i32' ? Int32Array.from(values) : Float32Array.from(values));
  }
  return uploaded;
}

/** The gradient that comes in at what layers add to the loss, one for each sequence; none where none adds to it. */
function lossSeed(
  device: Device,
  modules: readonly Module[],
  batch: number,
  share: number,
  allocate: Allocate,
): Buffers {
  if (!modules.some((module) => inputOf(module, 'd_loss') !== null)) return {};
  const seed = allocate('d_loss', batch);
  device.write(seed, 0, new Float32Array(batch).fill(share));
  return { d_loss: wholeBuffer(seed) };
}

/**
 * What `backward` and `finish` add to besides gradients of learned tensors, of the embedding and of its table: where `shared_finish` takes it, a sum of all
 * layers, else each layer has its own.
 */
function boundarySums(module: Module, ofAll: boolean, sizes: Sizes, allocate: Allocate): Buffers {
  const others = new Set(
    ['embedding', 'vocabulary', ...module.learned.map(({ name }) => name)].map((name) => `d_${name}`),
  );
  const sums = (['backward', 'finish'] as const)
    .flatMap((entry) => module.entries[entry]?.inputs ?? [])
    .filter(({ name, accumulate }) => accumulate && !others.has(name))
    .filter(({ name }) => wants(module, 'shared_finish', name) === ofAll);
  return Object.fromEntries(
    sums.map(({ name, type, elements }) => [name, wholeBuffer(allocate(name, elements(sizes), type), type)]),
  );
}

/** Keeps a result of `step` for lists recorded later; the identity where one list holds the whole step. */
export type Keep = (tape: Tape, result: Buffer) => Buffer;

/**
 * The shape with what `shared` and `step` compute out of learned tensors alone, once an optimizer step: `shared` for all
 * layers of a module, `step` for each.
 */
export function afterStep(tape: Tape, model: Model, shape: Shape, keep: Keep): ShapeBuffers {
  const make = (module: Module, name: 'shared' | 'step', given: Buffers): Buffers => {
    if (module[name] === undefined) return {};
    const results = Object.entries(callEntry(tape, module, name, given));
    return Object.fromEntries(results.map(([result, buffer]) => [result, keep(tape, buffer)]));
  };
  const ofAll = new Map<Module, Buffers>();
  const layers = model.encoding.layers.map(({ module }, n): Buffers => {
    const shared = ofAll.get(module) ?? make(module, 'shared', shape.layers[n]!);
    ofAll.set(module, shared);
    const given = { ...shape.layers[n]!, ...shared };
    return { ...given, ...make(module, 'step', given) };
  });
  return { ...shape, layers };
}

/** Pulls the sums back to the learned tensors, once an optimizer step: each layer's, then what they all added to. */
export function finishStep(tape: Tape, model: Model, at: ShapeBuffers): void {
  const modules = model.encoding.layers.map(({ module }) => module);
  modules.forEach((module, n) => {
    if (module.finish !== undefined) callEntry(tape, module, 'finish', at.layers[n]!);
  });
  for (const module of new Set(modules)) {
    const first = at.layers[modules.indexOf(module)]!;
    if (module.shared_finish !== undefined) callEntry(tape, module, 'shared_finish', first);
  }
}
