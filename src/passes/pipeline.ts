// The passes in their order: a program in, an equal one that is cheaper out.

import type { Program } from '../ir/ir.ts';
import { verify } from '../ir/verify.ts';
import { cse } from './cse.ts';
import { dead } from './dead.ts';
import { factorScatter } from './factor-scatter.ts';
import { fold } from './fold.ts';
import { mergeSums } from './merge-sums.ts';
import type { Pass } from './pass.ts';
import { pullFactors } from './pull-factors.ts';

export const passes: Readonly<Record<string, Pass>> = { dead, fold, cse, mergeSums, pullFactors, factorScatter };

const order = [dead, fold, cse, mergeSums, pullFactors, factorScatter, cse, dead] as const;

/** Runs the passes; results keep their names and values. `check` verifies after each one and throws. */
export function simplify(program: Program, check = false): Program {
  let current = program;
  for (const pass of order) {
    current = pass(current);
    const wrong = check ? verify(current) : [];
    if (wrong.length > 0) throw new Error(`after a pass over ${program.name}: ${wrong.join('; ')}`);
  }
  return current;
}
