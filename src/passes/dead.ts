// Drops definitions that no result needs.

import type { Tensor } from '../ir/ir.ts';
import { tensorsOf } from '../ir/visit.ts';
import { withDefinitions } from './pass.ts';
import type { Pass } from './pass.ts';

export const dead: Pass = (program) => {
  const live = new Set<Tensor>(program.results.values());
  const kept = program.definitions.toReversed().filter((d) => {
    if (!live.has(d.tensor)) return false;
    for (const tensor of tensorsOf(d)) live.add(tensor);
    return true;
  });
  return kept.length === program.definitions.length ? program : withDefinitions(program, kept.reverse());
};
