// Which tensors look ahead. A tensor over tokens is causal if its value at its tokens depends on nothing that is later
// than the latest of them; one without tokens may not read any. Proved from ranges and masks, so `ahead` may also mean
// that no proof was found.

import { eachRead, supportIn, supportOfBody } from '../ir/conditions.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../ir/ir.ts';
import { assume, axisRange, makeContext, proveAtMost } from '../ir/ranges.ts';
import type { Context } from '../ir/ranges.ts';
import { at } from '../ir/scalar.ts';
import { operandsOf, tensorsOf, type Read } from '../ir/visit.ts';

const isTokens = ({ extent }: Axis): boolean => extent === 'tokens' || extent === 'keys';

/** Tensors that may depend on later tokens, each with the definition in which that begins. */
export function lookAhead(program: Program): ReadonlyMap<Tensor, Definition> {
  const support = supportIn(program.definitions);
  const ahead = new Map<Tensor, Definition>();
  const tensors = new Map<Tensor, ReturnType<typeof axisRange>>();
  for (const d of program.definitions) {
    if (d.kind === 'reduce' && d.op === 'argmax') tensors.set(d.tensor, axisRange(d.over[0]!));
    const source = [...tensorsOf(d)].map((tensor) => ahead.get(tensor)).find((one) => one !== undefined);
    if (source !== undefined) ahead.set(d.tensor, source);
    else if (looksAhead(d, assume(makeContext({ tensors }), ...supportOfBody(d, support)))) ahead.set(d.tensor, d);
  }
  return ahead;
}

function looksAhead(d: Definition, context: Context): boolean {
  if ((d.kind === 'scan' || d.kind === 'triangular') && d.reverse && isTokens(d.along)) return true;
  // A softmax at one key depends on the whole row.
  const own = d.tensor.axes.filter((axis) => isTokens(axis) && !(d.kind === 'softmax' && axis === d.over));
  const known = (index: Scalar, inner: Context): boolean => own.some((t) => proveAtMost(index, at(t), inner));
  let found = false;
  const see = (read: Read, inner: Context): void => {
    found ||= read.tensor.axes.some((axis, n) => isTokens(axis) && !known(read.index[n]!, inner));
  };
  eachRead(d, context, see, 'value');
  return found || (own.length === 0 && operandsOf(d).some((tensor) => tensor.axes.some(isTokens)));
}
