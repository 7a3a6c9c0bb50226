// What a plan of an encoding's part is asked for in tests: its output, and the gradients of all that it reads.

import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Program } from '../../src/ir/ir.ts';

/** All that is read besides positions and what the caller supplies has a gradient; what is learned is added up. */
export function differentiated(program: Program, output: string): Partial<PlanOptions> {
  const read = program.inputs.filter(({ origin }) =>
    origin.kind === 'learned'
      ? origin.trained
      : origin.kind === 'given' && !['position', 'user'].includes(origin.given),
  );
  const learned = read.filter(({ origin }) => origin.kind === 'learned');
  return {
    outputs: [output],
    seeds: [output],
    gradients: read.map(({ name }) => name),
    accumulate: learned.map(({ name }) => name),
  };
}
