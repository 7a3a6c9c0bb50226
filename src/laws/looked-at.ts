// Where the values of each tensor are looked at by one that is asked for: of a score only where the key stands at or before
// its query. What comes out for each tensor are conditions over its own axes, which hold wherever it is read.

import { eachRead } from '../ir/conditions.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../ir/ir.ts';
import { assume, makeContext, proveAtMost, type Context } from '../ir/ranges.ts';
import { at, call } from '../ir/scalar.ts';
import { operandsOf } from '../ir/visit.ts';
import { isTokens } from './renumber.ts';

/** A condition that holds where a tensor is looked at: one of its axes is at or before another. */
type Order = readonly [earlier: number, later: number];

/** Whether an element is made of what its own indices say; elements of a scan or a softmax are made of each other. */
export const isByPoint = ({ kind }: Definition): boolean => kind === 'map' || kind === 'reduce' || kind === 'rotate';

/** Conditions for each tensor that `result` is made of; tensors that it is not made of have none. */
export function lookedAt(program: Program, result: Tensor): (tensor: Tensor) => readonly Scalar[] {
  const orders = new Map<Tensor, readonly Order[]>([[result, []]]);
  const conditions = (tensor: Tensor): readonly Scalar[] =>
    (orders.get(tensor) ?? []).map(([a, b]) => call('less_equal', at(tensor.axes[a]!), at(tensor.axes[b]!)));
  for (const d of program.definitions.toReversed()) {
    if (!orders.has(d.tensor)) continue;
    const context = assume(makeContext(), ...(isByPoint(d) ? conditions(d.tensor) : []));
    eachRead(d, context, ({ tensor, index }, inner) => {
      const here = ordersOf(tensor.axes, index, inner);
      const before = orders.get(tensor);
      const isIn = ([a, b]: Order): boolean => here.some(([c, e]) => a === c && b === e);
      orders.set(tensor, before === undefined ? here : before.filter(isIn));
    });
    for (const tensor of operandsOf(d)) orders.set(tensor, []);
  }
  return conditions;
}

/** Which of the indices over tokens that a tensor is read at are at or before which others. */
function ordersOf(axes: readonly Axis[], index: readonly Scalar[], context: Context): readonly Order[] {
  const tokens = axes.flatMap((axis, n) => (isTokens(axis) ? [n] : []));
  return tokens.flatMap((a) =>
    tokens.flatMap((b): Order[] => (a !== b && proveAtMost(index[a]!, index[b]!, context) ? [[a, b]] : [])),
  );
}
