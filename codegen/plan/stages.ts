// Where each definition is computed: on the host, or by kernels of one of the module's entries.

import type { Definition, Program, Tensor } from '../../src/ir/ir.ts';
import { tensorsOf } from '../../src/ir/visit.ts';
import type { Slots } from '../../src/passes/slots.ts';

export type Stage = 'host' | 'step' | 'forward' | 'backward' | 'finish';

/** Gradients are what depends on a cotangent; those of what is computed before the layers run after them. */
export function assignStages(program: Program, slots: Slots): ReadonlyMap<Definition, Stage> {
  const backward = new Set<Tensor>(
    program.inputs.filter(({ origin }) => origin.kind === 'given' && origin.given === 'cotangent'),
  );
  const finished = new Set<Tensor>();
  const stageOf = new Map<Definition, Stage>();
  for (const d of program.definitions) {
    const slot = slots.of.get(d) ?? 'layer';
    const reads = [...tensorsOf(d)];
    if (reads.some((tensor) => backward.has(tensor))) {
      backward.add(d.tensor);
      const late = slot !== 'layer' || reads.some((tensor) => finished.has(tensor));
      if (late) finished.add(d.tensor);
      stageOf.set(d, late ? 'finish' : 'backward');
    } else {
      stageOf.set(d, slot === 'layer' ? 'forward' : slot === 'step' ? 'step' : 'host');
    }
  }
  return stageOf;
}
