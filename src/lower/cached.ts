// A tensor that changes with the length of the sequence must not be read at other tokens: rows of earlier calls stay
// as they were computed then. Reports each such tensor, once.

import { operandsOf, readsOf, scalarsOf, visit } from '../ir/visit.ts';
import type { Definition, Scalar, Tensor } from '../ir/ir.ts';
import type { Lowering } from './context.ts';

export function cachedLength(lowering: Lowering): void {
  const changing = new Map<Tensor, Definition>(); // each with the definition in which that begins
  const reported = new Set<Tensor>();
  const refuse = (tensor: Tensor): void => {
    const made = changing.get(tensor);
    if (made === undefined || reported.has(tensor)) return;
    reported.add(tensor);
    lowering.refuse('length in cache', made.span ?? lowering.encoding.span, written(tensor));
  };
  for (const definition of lowering.definitions) {
    const scalars = scalarsOf(definition);
    const reads = readsOf(scalars);
    for (const read of reads) if (leavesItsRow(read.tensor, read.index, definition)) refuse(read.tensor);
    const sources = [...reads.map((read) => read.tensor), ...operandsOf(definition)];
    const source = sources.map((tensor) => changing.get(tensor)).find((one) => one !== undefined);
    if (source === undefined && !usesLength(scalars)) continue;
    changing.set(definition.tensor, source ?? definition);
    // A scan along tokens goes on from what it was at the end of the last call.
    if (definition.kind === 'scan' && definition.along.extent === 'tokens') refuse(definition.tensor);
  }
}

/** A version of one of attention's tensors by its name in the language. */
const written = ({ name }: Tensor): string => /^(x|query|key|value)_(?:encoded|\d+)$/.exec(name)?.[1] ?? name;

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
