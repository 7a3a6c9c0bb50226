// Stages -> entry points: which buffers each takes and returns, which it needs only while it runs, and its launches.

import type { Tensor } from '../../src/ir/ir.ts';
import { tensorsOf } from '../../src/ir/visit.ts';
import type { Draft, Setting } from '../simt/draft.ts';
import { lowerNest } from '../simt/lower.ts';
import { lowerForCpu } from '../cpu/lower.ts';
import type { Mode, Place } from '../simt/scope.ts';
import { bytesOf } from './cost.ts';
import { staysInside } from './group.ts';
import { inPlace } from './in-place.ts';
import { madeBy, membersOf, readBy, type Nest } from './nest.ts';
import type { BufferPlan, EntryName, EntryPlan, KernelPlan, LaunchPlan, PlanOptions } from './plan.ts';

export interface EntryInput {
  readonly name: EntryName;
  readonly mode: Mode;
  readonly nests: readonly Nest[];
  /** What the caller asked for, by the name of the result. */
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** What later entries read. */
  readonly saved: ReadonlySet<Tensor>;
  /** Gradients that are added to a buffer of the caller's. */
  readonly accumulate: ReadonlySet<Tensor>;
  /** Made in buffers of the caller's, which keep what other calls left there. */
  readonly state: ReadonlySet<Tensor>;
  /** The buffer of a tensor by itself. */
  readonly buffer: (tensor: Tensor) => BufferPlan;
  /** Where in its buffer it lies, if with others. */
  readonly place: (tensor: Tensor) => Place | null;
  readonly options: PlanOptions;
  readonly kernelName: (wanted: string) => string;
  readonly temporaryName: (wanted: string) => string;
}

export interface BuiltEntry {
  readonly plan: EntryPlan;
  readonly kernels: readonly KernelPlan[];
  /** Tensors made in the place of one of several in a buffer: later entries find them there. */
  readonly settled: ReadonlyMap<Tensor, Tensor>;
  /** Tensors that have a buffer here. */
  readonly stored: ReadonlySet<Tensor>;
}

export function buildEntry(entry: EntryInput): BuiltEntry {
  const { nests, outputs, saved, accumulate, state, options } = entry;
  const made = new Set(nests.flatMap((nest) => madeBy(nest)));
  const needed = new Set<Tensor>([...outputs.values(), ...saved, ...state]);
  const registers = inRegisters(nests, needed);
  const mayTake = (tensor: Tensor): boolean => options.inPlace.includes(tensor.name);
  const fixed = new Set([...accumulate, ...state]);
  const taken = inPlace({
    nests,
    needed,
    mayTake,
    accumulate: fixed,
    registers,
    typeOf: (tensor) => entry.buffer(tensor).type,
  });
  const storage = new Map<Tensor, BufferPlan>();
  const read = new Set(nests.flatMap((nest) => membersOf(nest).flatMap((root) => [...readBy(root)])));
  for (const nest of nests) if (nest.kind === 'scan' && nest.carry !== null) read.add(nest.carry);
  for (const nest of nests) if (nest.kind === 'segments') [nest.order, nest.start].forEach((one) => read.add(one));
  for (const tensor of [...read, ...made]) storage.set(tensor, entry.buffer(tensor));
  const places = new Map<Tensor, Place>();
  const settle = (tensor: Tensor, home: Tensor): void => {
    const place = entry.place(home);
    if (place !== null) places.set(tensor, place);
  };
  for (const tensor of storage.keys()) settle(tensor, tensor);
  const settled = new Map<Tensor, Tensor>();
  const aliases = new Map<Tensor, string>();
  for (const chain of chainsOf(taken)) {
    const first = chain[0]!;
    const kept = chain.find((tensor) => needed.has(tensor));
    const home = made.has(first) && kept !== undefined ? kept : first;
    for (const tensor of chain) {
      storage.set(tensor, entry.buffer(home));
      settle(tensor, home);
      if (entry.place(home) !== null) settled.set(tensor, home);
    }
    if (!made.has(first)) for (const tensor of chain.slice(1)) aliases.set(tensor, entry.buffer(first).name);
  }
  for (const tensor of registers) storage.delete(tensor);

  const temporaries: BufferPlan[] = [];
  const setting: Setting = {
    mode: entry.mode,
    storage,
    places,
    accumulate,
    registers,
    options,
    kernelName: entry.kernelName,
    temporary(name, shape, comment) {
      const unique = entry.temporaryName(name);
      const buffer: BufferPlan = { name: unique, tensor: null, shape, type: 'f32', rows: 'window', comment };
      temporaries.push(buffer);
      return buffer;
    },
  };
  const kernels: KernelPlan[] = [];
  const launches: LaunchPlan[] = [];
  for (const nest of nests) {
    const own = new Set(madeBy(nest));
    const before = new Set(
      [...own].flatMap((tensor) => (accumulate.has(tensor) || taken.has(tensor) ? [storage.get(tensor)!] : [])),
    );
    const rewritten = new Set([...own].filter((tensor) => taken.has(tensor)));
    const lower = options.machine === 'cpu' ? lowerForCpu : lowerNest;
    for (const draft of lower(nest, setting)) {
      const kernel = kernelOf(draft, before, (buffer) => rowsMoved(draft, buffer, setting, rewritten));
      kernels.push(kernel);
      launches.push({ kernel, buffers: draft.buffers.map(({ buffer }) => buffer) });
    }
  }

  const outputPlans: EntryPlan['outputs'][number][] = [];
  const addResult = (tensor: Tensor, wanted: string | null, isSaved: boolean): void => {
    const isPlaced = places.has(tensor);
    const own = isPlaced ? storage.get(tensor)! : entry.buffer(tensor);
    const name = isPlaced ? own.name : (wanted ?? own.name);
    const given = made.has(tensor) ? (aliases.get(tensor) ?? null) : own.name;
    const known = outputPlans.findIndex(({ buffer }) => isPlaced && buffer === own);
    const plan = { buffer: own.name === name ? own : { ...own, name }, saved: isSaved, aliases: given };
    if (known < 0) outputPlans.push(plan);
    else outputPlans[known] = { ...outputPlans[known]!, saved: outputPlans[known]!.saved || isSaved };
  };
  const returned = [...outputs].filter(([, tensor]) => !fixed.has(tensor));
  for (const [name, tensor] of returned) addResult(tensor, name, saved.has(tensor));
  const listed = new Set(outputs.values());
  for (const tensor of made) {
    const isSaved = saved.has(tensor) && !fixed.has(tensor);
    // A buffer of several that changes is said to, whoever reads it afterwards.
    const isChanged = places.has(tensor) && aliases.has(tensor);
    if ((isSaved && !listed.has(tensor)) || isChanged) addResult(tensor, null, isSaved);
  }
  const passed = returned.map(([, tensor]) => tensor).filter((tensor) => !made.has(tensor));
  const kept = [...made].filter((tensor) => fixed.has(tensor)).map((tensor) => entry.buffer(tensor));
  const given = [...read, ...passed].filter((tensor) => !made.has(tensor)).map((tensor) => entry.buffer(tensor));
  const taking = [...new Set(given)].filter((buffer) => !kept.includes(buffer));
  const inputs = [
    ...taking.map((buffer) => ({ buffer, accumulate: false })),
    ...kept.map((buffer) => ({ buffer, accumulate: true })),
  ];
  const outside = new Set([...inputs, ...outputPlans].map(({ buffer }) => buffer.name));
  const used = new Set(launches.flatMap(({ buffers }) => buffers));
  for (const buffer of used) {
    if (buffer.tensor !== null && !outside.has(buffer.name)) temporaries.push(buffer);
  }
  const plan = { name: entry.name, inputs, outputs: outputPlans, temporaries, launches };
  return { plan, kernels, settled, stored: new Set(storage.keys()) };
}

/** Of a buffer of several tensors, the rows that a kernel reads or writes; those written over count twice. */
function rowsMoved(
  draft: Draft,
  buffer: BufferPlan,
  { storage, places }: Setting,
  rewritten: ReadonlySet<Tensor>,
): number | null {
  const rows = new Map<number, number>(); // by where they begin
  for (const d of draft.definitions) {
    for (const tensor of [d.tensor, ...tensorsOf(d)]) {
      const place = storage.get(tensor) === buffer ? places.get(tensor) : undefined;
      const { extent } = tensor.axes[2] ?? {};
      if (place === undefined || typeof extent !== 'number') continue;
      rows.set(place.offset, rows.get(place.offset) === 2 * extent || rewritten.has(tensor) ? 2 * extent : extent);
    }
  }
  return rows.size === 0 ? null : [...rows.values()].reduce((all, each) => all + each, 0);
}

function kernelOf(
  draft: Draft,
  before: ReadonlySet<BufferPlan>,
  rowsIn: (buffer: BufferPlan) => number | null,
): KernelPlan {
  return {
    name: draft.name,
    span: draft.definitions.find((d) => d.span !== null)?.span ?? null,
    comment: draft.comment,
    bindings: draft.buffers.map(({ binding }) => binding),
    variants: draft.variants,
    definitions: draft.definitions,
    product: draft.product ?? null,
    cost: { bytes: bytesOf(draft.buffers, before, rowsIn), flops: draft.flops },
  };
}

/** Values of a row, or of a point, that only their own nest reads. */
function inRegisters(nests: readonly Nest[], needed: ReadonlySet<Tensor>): ReadonlySet<Tensor> {
  const result = new Set<Tensor>();
  for (const nest of nests) {
    for (const tensor of madeBy(nest)) {
      if (needed.has(tensor) || !staysInside(nest, tensor)) continue;
      const others = nests.filter((other) => other !== nest);
      if (!others.some((other) => membersOf(other).some((root) => readBy(root).has(tensor)))) result.add(tensor);
    }
  }
  return result;
}

/** Tensors that share a buffer, the one that had it first in front. */
function chainsOf(taken: ReadonlyMap<Tensor, Tensor>): readonly (readonly Tensor[])[] {
  const next = new Map([...taken].map(([tensor, from]) => [from, tensor]));
  const starts = [...taken.values()].filter((tensor) => !taken.has(tensor));
  return starts.map((start) => {
    const chain = [start];
    for (let tensor = next.get(start); tensor !== undefined; tensor = next.get(tensor)) chain.push(tensor);
    return chain;
  });
}
