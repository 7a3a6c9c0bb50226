// Where each definition is computed: on the host, or by kernels of one of the module's entries.

import type { Definition, Program, Tensor } from '../../src/ir/ir.ts';
import { tensorsOf } from '../../src/ir/visit.ts';
import type { Slot, Slots } from '../../src/passes/slots.ts';

export type Stage = 'host' | 'shared' | 'step' | 'forward' | 'backward' | 'finish' | 'shared_finish';

/** Those that kernels do, in their order. shared and shared_finish: once for all layers. */
export const kernelStages = ['shared', 'step', 'forward', 'backward', 'finish', 'shared_finish'] as const;

const laterOf = (a: Stage, b: Stage): Stage => {
  const order: readonly Stage[] = kernelStages;
  return order.indexOf(a) < order.indexOf(b) ? b : a;
};

const forwardStage: Record<Slot, Stage> = {
  static: 'host',
  table: 'host',
  shared: 'shared',
  step: 'step',
  layer: 'forward',
};

const backwardStage: Record<Slot, Stage> = {
  static: 'shared_finish',
  table: 'shared_finish',
  shared: 'shared_finish',
  step: 'finish',
  layer: 'backward',
};

/** Gradients are what depends on a cotangent; those of what is computed before the layers run after them. */
export function assignStages(program: Program, slots: Slots): ReadonlyMap<Definition, Stage> {
  const backward = new Map<Tensor, Stage>();
  for (const input of program.inputs)
    if (input.origin.kind === 'given' && input.origin.given === 'cotangent') backward.set(input, 'backward');
  const stageOf = new Map<Definition, Stage>();
  for (const d of program.definitions) {
    const slot = slots.of.get(d) ?? 'layer';
    const after = [...tensorsOf(d)].map((tensor) => backward.get(tensor)).filter((stage) => stage !== undefined);
    const stage = after.length === 0 ? forwardStage[slot] : after.reduce(laterOf, backwardStage[slot]);
    if (after.length > 0) backward.set(d.tensor, stage);
    stageOf.set(d, stage);
  }
  return stageOf;
}
