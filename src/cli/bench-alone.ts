// Times of an encoding's own kernels at one size: its forward, its backward, and all of it in a training step, beside the
// time that the device needs to copy the bytes that rotating must move. Between runs of a GPU's kernels a buffer larger
// than its caches is overwritten, and the time of that taken off.

import type { EntryName } from '../../codegen/plan/plan.ts';
import { evaluateSize, product } from '../../codegen/plan/size.ts';
import { bytesOfElement, wholeSequence } from '../../targets/device.ts';
import type { Buffer, Buffers, Device, Module, Sizes, Tape } from '../../targets/device.ts';
import { callEntry } from '../trainer/call.ts';
import type { EntryFunction } from '../trainer/call.ts';
import type { EncodingAlone } from './bench-encoding.ts';
import type { Rows } from './bench-sizes.ts';
import type { Stopwatch } from './bench-time.ts';
import { emptyBuffer, filledBuffer, initialValues, positions } from './bench-values.ts';

export type Part = 'forward' | 'backward' | 'whole';

export interface AloneRow extends Rows {
  readonly part: Part;
  readonly microseconds: number;
  /** What rotating alone must move, whatever the implementation. */
  readonly floorBytes: number;
  /** What these kernels move, by their plan. */
  readonly bytes: number;
  readonly gigabytesPerSecond: number; // floorBytes over the time
  readonly ofCopy: number; // that, as a share of what a copy reaches
  readonly kernels: number; // launches
}

const entriesOf: Readonly<Record<Part, readonly EntryFunction[]>> = {
  forward: ['forward'],
  backward: ['backward'],
  whole: ['shared', 'step', 'forward', 'backward', 'finish', 'shared_finish'],
};

/** `copy`: bytes a second that the device copies. */
export async function benchAlone(
  device: Device,
  alone: EncodingAlone,
  rows: Rows,
  { time }: Stopwatch,
  copy: number,
): Promise<readonly AloneRow[]> {
  const { module, plan } = alone;
  await device.prepare(Object.values(module.kernels));
  const sizes = wholeSequence(rows.batch, rows.tokens);
  const held = holdInputs(device, alone, sizes);
  try {
    Object.assign(held, await runOnce(device, alone, sizes, held));
    const made: AloneRow[] = [];
    for (const part of ['forward', 'backward', 'whole'] as const) {
      const names = entriesOf[part].filter((name) => module.entries[name] !== undefined);
      const seconds = await time((tape) => void runEntries(tape, module, names, held), sizes);
      const launches = plan.entries.filter(({ name }) => contains(names, name)).flatMap((entry) => entry.launches);
      const floorBytes = floorOf(alone, part, sizes);
      made.push({
        ...rows,
        part,
        microseconds: seconds * 1e6,
        floorBytes,
        bytes: launches.reduce((sum, { kernel }) => sum + evaluateSize(kernel.cost.bytes, sizes), 0),
        gigabytesPerSecond: floorBytes / seconds / 1e9,
        ofCopy: floorBytes / seconds / copy,
        kernels: launches.length,
      });
    }
    return made;
  } finally {
    for (const storage of new Set(Object.values(held).map((buffer) => buffer.storage!))) device.free(storage);
  }
}

const contains = (names: readonly string[], name: EntryName): boolean => names.includes(name);

/**
 * Query and key read and written; backward, their cotangents read and their gradients written, and the encoded query and
 * key read besides where an angle has a gradient.
 */
function floorOf({ plan, results, learns }: EncodingAlone, part: Part, sizes: Sizes): number {
  const outputs = plan.entries.find(({ name }) => name === 'forward')!.outputs;
  const once = outputs
    .filter(({ buffer }) => results.includes(buffer.name))
    .reduce((sum, { buffer }) => sum + bytesOfElement[buffer.type] * evaluateSize(product(buffer.shape), sizes), 0);
  const backward = learns ? 3 : 2;
  return once * { forward: 2, backward, whole: 2 + backward }[part];
}

/** What no entry makes: tensors of the model, learned ones, tables, cotangents. */
function holdInputs(device: Device, { module, plan }: EncodingAlone, sizes: Sizes): Record<string, Buffer> {
  const given = Object.fromEntries(
    plan.program.inputs
      .filter(({ origin }) => origin.kind === 'given' && (origin.given === 'position' || origin.given === 'user'))
      .map(({ name, axes }) => [name, positions(sizes, Number(axes[1]?.extent ?? 1))]),
  );
  const values: Readonly<Record<string, ArrayLike<number>>> = {
    ...given,
    ...module.tables(sizes, given),
    ...Object.fromEntries(module.learned.map((learned) => [learned.name, initialValues(learned, module.learned)])),
  };
  const entries = Object.entries(module.entries).filter(([name]) => contains(entriesOf.whole, name as EntryName));
  const makes = new Set(entries.flatMap(([, { outputs }]) => outputs.map(({ name }) => name)));
  const held: Record<string, Buffer> = {};
  for (const [, { inputs }] of entries) {
    for (const { name, type, elements } of inputs) {
      if (makes.has(name) || held[name] !== undefined) continue;
      held[name] = filledBuffer(device, { name, type, elements: elements(sizes) }, values[name] ?? null);
    }
  }
  return held;
}

const givenUp = ['query', 'key'];

/** Query and key are encoded where they lie. */
function runEntries(tape: Tape, module: Module, names: readonly EntryFunction[], held: Buffers): Buffers {
  let atHand = held;
  for (const name of names) atHand = { ...atHand, ...callEntry(tape, module, name, atHand, givenUp) };
  return atHand;
}

/** What backward reads of step and forward, in buffers of its own. */
async function runOnce(device: Device, { module }: EncodingAlone, sizes: Sizes, held: Buffers): Promise<Buffers> {
  const kept: Record<string, Buffer> = {};
  const before = (['shared', 'step', 'forward'] as const).filter((name) => module.entries[name] !== undefined);
  const recorded = await device.record((tape) => {
    for (const [name, made] of Object.entries(runEntries(tape, module, before, held))) {
      if (made.storage !== null) {
        kept[name] = made; // made in place
        continue;
      }
      kept[name] = emptyBuffer(device, made);
      tape.copy(made, kept[name]);
    }
  }, sizes);
  device.run(recorded);
  device.release(recorded);
  return kept;
}
