// A tensor that changes with the length of the sequence must not be read at other tokens: rows of earlier calls stay
// as they were computed then. Reports each such tensor, once.

import { operandsOf, readsOf, scalarsOf, visit } from '../ir/visit.ts';
import type { Definition, Scalar, Tensor } from '../ir/ir.ts';
import type { Lowering } from './context.ts';

export function cachedLength(lowering: Lowering): void {
  const changing = new Map<Tensor, Definition>();
  const reported = new Set<Tensor>();
  const refuse = (tensor: Tensor): void => {
    const made = changing.get(tensor);
    if (made === undefined || reported.has(tensor)) return;
    reported.add(tensor);
    lowering.refuse('length in cache', made.span ?? lowering.encoding.span, tensor.name);
  };
  for (const definition of lowering.definitions) {
    const scalars = scalarsOf(definition);
    const reads = readsOf(scalars);
    for (const read of reads) if (leavesItsRow(read.tensor, read.index, definition)) refuse(read.tensor);
    const changes =
      usesLength(scalars) ||
      reads.some((read) => changing.has(read.tensor)) ||
      operandsOf(definition).some((tensor) => changing.has(tensor));
    if (!changes) continue;
    changing.set(definition.tensor, definition);
    // A scan along tokens goes on from what it was at the end of the last call.
    if (definition.kind === 'scan' && definition.along.extent === 'tokens') refuse(definition.tensor);
  }
}

function usesLength(scalars: readonly Scalar[]): boolean {
  const found = { value: false };
  visit(scalars, (scalar) => {
    if (scalar.kind === 'size' && scalar.size === 'keys') found.value = true;
  });
  return found.value;
}

/** Whether a tensor of tokens is read at another token than the one being made. */
function leavesItsRow(tensor: Tensor, index: readonly Scalar[], reader: Definition): boolean {
  return tensor.axes.some((axis, k) => {
    if (axis.extent !== 'tokens') return false;
    const at = index[k];
    const own = at?.kind === 'axis' && at.axis.extent === 'tokens' && reader.tensor.axes.includes(at.axis);
    return !own;
  });
}
