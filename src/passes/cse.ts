// Common subexpressions: of two definitions that make the same tensor one stays, and equal scalars in a body become one
// object, which is computed once.

import type { Definition, Scalar, Tensor } from '../ir/ir.ts';
import { makeKeys } from '../ir/key.ts';
import { mapScalars, replaceIn, scalarMapper } from '../ir/visit.ts';
import { withDefinitions } from './pass.ts';
import type { Pass } from './pass.ts';
import { assignSlots } from './slots.ts';
import type { Slot } from './slots.ts';

export const cse: Pass = (program) => {
  const keys = makeKeys();
  const slots = assignSlots(program).of;
  const kept = new Map<string, { definition: Definition; slot: Slot | undefined }>();
  const replaced = new Map<Tensor, Tensor>();
  const now = new Map<Tensor, Definition>(); // what stands for each definition
  const definitions: Definition[] = [];
  for (const old of program.definitions) {
    const d = replaceIn(old, replaced);
    const key = keys.definition(d);
    const same = kept.get(key);
    // What is added up over layers must not become what is computed once a step.
    if (same !== undefined && (same.definition.adjointOf === null || same.slot === slots.get(old))) {
      replaced.set(old.tensor, same.definition.tensor);
      now.set(old.tensor, same.definition);
      continue;
    }
    const adjointOf = d.adjointOf === null ? null : (now.get(d.adjointOf.tensor) ?? d.adjointOf);
    const { cotangentOf } = d;
    const of = cotangentOf === undefined ? {} : { cotangentOf: replaced.get(cotangentOf) ?? cotangentOf };
    const shared = Object.freeze({ ...mapScalars(d, sharer(keys.scalar)), adjointOf, ...of });
    now.set(old.tensor, shared);
    kept.set(key, { definition: shared, slot: slots.get(old) });
    definitions.push(shared);
  }
  if (replaced.size === 0) return withDefinitions(program, definitions);
  const known = (tensor: Tensor): Tensor => replaced.get(tensor) ?? tensor;
  return Object.freeze({
    ...withDefinitions(program, definitions),
    results: new Map([...program.results].map(([name, tensor]) => [name, known(tensor)])),
    sites: program.sites.map((site) => ({ ...site, reads: known(site.reads), makes: known(site.makes) })),
  });
};

/** The first object seen of each structure stands for all. */
function sharer(key: (s: Scalar) => number): (s: Scalar) => Scalar {
  const first = new Map<number, Scalar>();
  return scalarMapper((s) => {
    const id = key(s);
    const known = first.get(id);
    if (known !== undefined) return known;
    first.set(id, s);
    return null;
  });
}
