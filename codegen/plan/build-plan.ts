// A program of the tensor IR -> the kernel plan: gradients, slots, tables, roots, nests, kernels, entries. Pure.

import type { Definition, Program, Tensor } from '../../src/ir/ir.ts';
import { tensorsOf } from '../../src/ir/visit.ts';
import { assignSlots } from '../../src/passes/slots.ts';
import { createNames } from '../names.ts';
import { asDecode, decodeBuffer } from './decode.ts';
import { differentiate } from './differentiate.ts';
import { buildEntry } from './entries.ts';
import { group } from './group.ts';
import { withinLimit } from './limit.ts';
import { readBy, type Root } from './nest.ts';
import { planOptions } from './options.ts';
import { pack } from './pack.ts';
import type { BufferPlan, EntryPlan, HostTable, KernelPlan, LearnedPlan, Plan, PlanOptions, Slot } from './plan.ts';
import { assignStages, kernelStages, type Stage } from './stages.ts';
import { makeAgain } from './strips-again.ts';
import { bufferOf, storageTypes } from './storage.ts';
import { tabulate } from './tabulate.ts';

export function buildPlan(program: Program, given: Partial<PlanOptions> = {}): Plan {
  const options = planOptions(program, given);
  const alone: PlanOptions = { ...options, library: false }; // where token rows may start at any token
  const { all, wanted, seen } = differentiate(program, options);
  const slots = assignSlots(all, { late: wanted, once: options.once });
  const stageOf = assignStages(all, slots);
  const { tables: turns, turns: turnOf } = tabulate(all.definitions, hostTensors(all, stageOf));
  const { roots: within, parts } = withinLimit({ program: all, stages: stageOf, turns: turnOf, options });
  // Where values are written out, what they were read from may be needed no more: the place of a constant's maximum.
  const placed = liveRoots(within, new Set(all.results.values()));
  const stageOfRoot = (root: Root): Stage => stageByTensor.get(root.definition.tensor)!;
  const stageByTensor = new Map([...stageOf].map(([d, stage]) => [d.tensor, stage]));
  for (const [part, whole] of parts) stageByTensor.set(part, stageByTensor.get(whole)!);
  const inStage = (stage: Stage): readonly Root[] => placed.filter((root) => stageOfRoot(root) === stage);
  const returned = new Set(resultsOf(all, 'forward', stageByTensor, options).values());
  const again = makeAgain(inStage('forward'), inStage('backward'), returned, options);
  const others = placed.filter((root) => !['backward', 'finish', 'shared_finish'].includes(stageOfRoot(root)));
  const inOrder = [...others, ...again.backward, ...inStage('finish'), ...inStage('shared_finish')];
  // What backward makes again may have been made for it alone.
  const roots = again.copies.size === 0 ? placed : liveRoots(inOrder, new Set(all.results.values()));
  for (const copy of again.copies.values()) stageByTensor.set(copy, 'backward');

  const typeOf = storageTypes({ program: all, roots, stageOf: (tensor) => stageByTensor.get(tensor), options });

  const names = createNames();
  const kernelNames = createNames();
  const packs = new Map(pack(all, (tensor) => stageByTensor.get(tensor) === 'backward', typeOf, options));
  const shared = new Set([...packs.values()].map((packed) => packed.buffer.name));
  const named = new Set([...all.inputs, ...all.definitions.map((d) => d.tensor), ...parts.keys()]);
  // A result that took the place of an equal tensor is called as the caller knows it.
  const madeHere = new Set(all.definitions.map((d) => d.tensor));
  const calledAs = new Map([...all.results].flatMap(([name, t]) => (madeHere.has(t) ? [[t, name] as const] : [])));
  const nameOf = (tensor: Tensor): string =>
    shared.has(tensor.name) || (tensor.origin.kind === 'defined' && !named.has(tensor))
      ? names.allocate(tensor.name)
      : (calledAs.get(tensor) ?? tensor.name);
  const buffers = new Map<Tensor, BufferPlan>();
  const buffer = (tensor: Tensor): BufferPlan => {
    const known = packs.get(tensor)?.buffer ?? buffers.get(tensor) ?? bufferOf(tensor, nameOf(tensor), typeOf(tensor));
    buffers.set(tensor, known);
    return known;
  };
  for (const tensor of named) names.allocate(calledAs.get(tensor) ?? tensor.name);

  const accumulate = accumulated(all, slots.boundaries, stageByTensor, options);
  const narrow = new Set<Tensor>();
  const kernels: KernelPlan[] = [];
  const entries: EntryPlan[] = [];
  for (const stage of kernelStages) {
    const own = roots.filter((root) => stageOfRoot(root) === stage);
    const outputs = resultsOf(all, stage, stageByTensor, options);
    const isEmpty = own.length === 0 && outputs.size === 0;
    if (isEmpty && (stage !== 'forward' || wanted.length === 0) && stage !== 'forward') continue;
    // A step may run at any first token.
    const before = stage === 'shared' || stage === 'step';
    const later = kernelStages.slice(kernelStages.indexOf(stage) + 1);
    const saved = new Set(
      roots.filter((root) => later.some((each) => each === stageOfRoot(root))).flatMap((root) => [...readBy(root)]),
    );
    const {
      plan,
      kernels: made,
      settled,
      stored,
    } = buildEntry({
      name: stage,
      mode: before ? 'decode' : 'whole',
      state: new Set(),
      nests: group(own, new Set([...saved, ...outputs.values()]), before ? alone : options, typeOf),
      outputs,
      saved,
      accumulate,
      buffer,
      place: (tensor) => packs.get(tensor)?.place ?? null,
      options,
      kernelName: (wish) => kernelNames.allocate(wish),
      temporaryName: (wish) => names.allocate(wish),
    });
    kernels.push(...made);
    entries.push(plan);
    for (const tensor of stored) if (typeOf(tensor) === 'bf16') narrow.add(tensor);
    for (const [tensor, home] of settled) packs.set(tensor, packs.get(home)!);
  }
  const isHost = (tensor: Tensor): boolean => stageByTensor.get(tensor) === 'host' || isPosition(tensor);
  const isTable = (tensor: Tensor): boolean => isHost(tensor) || turns.some((d) => d.tensor === tensor);
  const decoded = new Map(
    [...all.results].filter(([name, tensor]) => options.outputs.includes(name) && !isOfSequence(tensor)),
  );
  const ofForward = liveRoots(
    roots.filter((root) => stageOfRoot(root) === 'forward'),
    new Set(decoded.values()),
  );
  const asked = new Set(all.results.values());
  const host = [...all.definitions.filter((d) => stageOf.get(d) === 'host'), ...turns];
  const before = { host, step: [...inStage('shared'), ...inStage('step')] };
  const decode = options.packed || !options.decode ? null : asDecode(program, ofForward, before, isTable);
  const decodeTables = decodeEntry();
  const hostSlots = new Map<Definition, Slot>([
    ...slots.of,
    ...turns.map((d): [Definition, Slot] => [d, tableSlot(d)]),
  ]);
  return {
    name: program.name,
    program,
    gradients: wanted.length === 0 ? null : all,
    slots: hostSlots,
    learned: learnedOf(program),
    host,
    tables: [...tablesOf(host, roots, asked, buffer, hostSlots), ...decodeTables(host, hostSlots)],
    kernels,
    entries,
    seen,
    narrow,
  };

  /** Adds the entry; gives the tables that only it reads. */
  function decodeEntry(): (host: readonly Definition[], slots: ReadonlyMap<Definition, Slot>) => readonly HostTable[] {
    if (decode === null) return () => [];
    const own = decodeBuffer(decode, isHost, typeOf);
    const wantedHere = new Set([...decoded.values(), ...decode.state]);
    const nests = group(liveRoots(decode.roots, wantedHere), wantedHere, alone);
    const { plan, kernels: made } = buildEntry({
      name: 'decode',
      mode: 'decode',
      nests: nests.map((nest) =>
        nest.kind === 'scan' ? { ...nest, carry: decode.carries.get(nest.root.definition.tensor) ?? null } : nest,
      ),
      outputs: decoded,
      saved: new Set(),
      accumulate: new Set(),
      state: decode.state,
      buffer: own,
      place: () => null,
      options,
      kernelName: (wish) => kernelNames.allocate(`decode_${wish}`),
      temporaryName: (wish) => names.allocate(wish),
    });
    kernels.push(...made);
    entries.push(plan);
    return (host, slots) => {
      const kept = new Set([...decode.history].filter((tensor) => !decode.state.has(tensor)));
      return tablesOf(
        host.filter((d) => kept.has(d.tensor)),
        decode.roots,
        new Set(),
        own,
        slots,
      );
    };
  }
}

/** Roots that some tensor needs. */
function liveRoots(roots: readonly Root[], wanted: ReadonlySet<Tensor>): readonly Root[] {
  const live = new Set(wanted);
  return roots
    .toReversed()
    .filter((root) => {
      if (!live.has(root.definition.tensor)) return false;
      for (const tensor of readBy(root)) live.add(tensor);
      return true;
    })
    .toReversed();
}

/** One value a sequence, such as a share of the loss: of no token, so decode does not make it. */
const isOfSequence = ({ axes }: Tensor): boolean =>
  axes.some(({ extent }) => extent === 'batch') && axes.every(({ extent }) => extent !== 'tokens' && extent !== 'keys');

const isPosition = ({ origin }: Tensor): boolean =>
  origin.kind === 'given' && (origin.given === 'position' || origin.given === 'user');

function hostTensors(program: Program, stageOf: ReadonlyMap<Definition, Stage>): (tensor: Tensor) => boolean {
  const late = new Map([...stageOf].map(([d, stage]) => [d.tensor, stage !== 'host']));
  const slots = assignSlots(program).tensors;
  return (tensor) => {
    const known = late.get(tensor);
    if (known !== undefined) return !known;
    const slot = slots.get(tensor);
    return slot === 'static' || slot === 'table';
  };
}

const tableSlot = (d: Definition): Slot =>
  d.tensor.axes.some(({ extent }) => extent === 'tokens' || extent === 'keys') ? 'table' : 'static';

/** Gradients the caller adds up, and what every layer adds for the part that runs once a step. */
function accumulated(
  program: Program,
  boundaries: ReadonlySet<Definition>,
  stages: ReadonlyMap<Tensor, Stage>,
  options: PlanOptions,
): ReadonlySet<Tensor> {
  const result = new Set<Tensor>();
  for (const name of options.accumulate) {
    const gradient = program.results.get(`d_${name}`);
    if (gradient !== undefined && gradient.origin.kind === 'defined') result.add(gradient);
  }
  const crossing = new Set<Tensor>();
  for (const d of program.definitions) {
    const stage = stages.get(d.tensor);
    if (stage !== 'finish' && stage !== 'shared_finish') continue;
    for (const tensor of tensorsOf(d)) {
      const from = stages.get(tensor);
      if (from !== stage && (from === 'backward' || from === 'finish')) crossing.add(tensor);
    }
  }
  for (const d of boundaries) if (crossing.has(d.tensor)) result.add(d.tensor);
  for (const tensor of crossing) result.add(tensor);
  return result;
}

/** Results asked for that are made in this stage; one that is an input or a table is handed through. */
function resultsOf(
  program: Program,
  stage: Stage,
  stages: ReadonlyMap<Tensor, Stage>,
  options: PlanOptions,
): ReadonlyMap<string, Tensor> {
  return new Map(
    [...program.results].filter(([name, tensor]) => {
      const made = stages.get(tensor);
      if (made !== undefined && made !== 'host') return made === stage;
      return stage === (options.outputs.includes(name) ? 'forward' : 'backward');
    }),
  );
}

function learnedOf(program: Program): readonly LearnedPlan[] {
  return program.inputs.flatMap((tensor) => {
    const { origin, axes } = tensor;
    if (origin.kind !== 'learned') return [];
    const shape = axes.map(({ extent, name }) => {
      if (typeof extent !== 'number') throw new Error(`axis '${name}' of '${tensor.name}' has no fixed size`);
      return extent;
    });
    const { shared, trained, initial, axes: own } = origin;
    return [{ tensor, shape, shared, trained, axes: own, initial }];
  });
}

/** What kernels read, and what was asked for. */
function tablesOf(
  host: readonly Definition[],
  roots: readonly Root[],
  asked: ReadonlySet<Tensor>,
  buffer: (tensor: Tensor) => BufferPlan,
  slots: ReadonlyMap<Definition, Slot>,
): readonly HostTable[] {
  const read = new Set([...asked, ...roots.flatMap((root) => [...readBy(root)])]);
  return host.flatMap((definition): HostTable[] => {
    if (!read.has(definition.tensor)) return [];
    const slot = slots.get(definition) === 'static' ? 'static' : 'table';
    return [{ buffer: buffer(definition.tensor), slot, definition }];
  });
}
