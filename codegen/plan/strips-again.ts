// What backward reads of forward's strips is made again in backward: copies of the roots, under names of their own, before
// all others of that stage. What those read that is no strip is saved as ever.

import { defined } from '../../src/ir/build.ts';
import type { Tensor } from '../../src/ir/ir.ts';
import { mapScalars, replaceTensors } from '../../src/ir/visit.ts';
import { readBy, type Root } from './nest.ts';
import type { PlanOptions } from './plan.ts';
import { cutStrips, isStrips } from './strips.ts';
import { isQuadratic } from './strips-roles.ts';

export interface Again {
  readonly backward: readonly Root[];
  /** Tensors made again, by the tensor of forward. */
  readonly copies: ReadonlyMap<Tensor, Tensor>;
}

/** `outputs`: what forward returns. */
export function makeAgain(
  forward: readonly Root[],
  backward: readonly Root[],
  outputs: ReadonlySet<Tensor>,
  options: PlanOptions,
): Again {
  const steps = cutStrips(forward, outputs, options);
  const strips = new Set(
    steps.flatMap((step) => (isStrips(step) ? [...step.inside].filter((tensor) => isQuadratic(tensor)) : [])),
  );
  const wanted = new Set(backward.flatMap((root) => [...readBy(root)]));
  const again = forward
    .toReversed()
    .filter((root) => {
      const { tensor } = root.definition;
      if (!wanted.has(tensor) || !strips.has(tensor)) return false;
      for (const each of readBy(root)) wanted.add(each);
      return true;
    })
    .toReversed();
  const copies = new Map(
    again.map(({ definition: { tensor } }) => [tensor, defined(`${tensor.name}_again`, tensor.axes, tensor.type)]),
  );
  const renamed = (root: Root): Root => {
    if (![...readBy(root)].some((tensor) => copies.has(tensor))) return root;
    return { ...root, definition: mapScalars(root.definition, (s) => replaceTensors(s, copies)) };
  };
  const copied = again.map((root) => {
    const own = renamed(root);
    return { ...own, definition: { ...own.definition, tensor: copies.get(root.definition.tensor)! } };
  });
  return { backward: [...copied, ...backward.map(renamed)], copies };
}
