// Whether a sum over tokens has no more terms than a number that the program names, however long the sequence is: a window.

import { affine } from '../ir/affine.ts';
import type { Axis, Scalar } from '../ir/ir.ts';
import { assume, conjuncts, proveAtMost, type Context } from '../ir/ranges.ts';
import { at, call, integer } from '../ir/scalar.ts';

/** `term` is 0 but where `axis` lies between two ends that are no further apart than `most`. */
export function hasFewTerms(term: Scalar, axis: Axis, most: Scalar, context: Context): boolean {
  if (term.kind !== 'call' || term.op !== 'select') return false;
  const [condition, , otherwise] = term.args as [Scalar, Scalar, Scalar];
  if (otherwise.kind !== 'constant' || otherwise.value !== 0) return false;
  const known = assume(context, condition);
  const rooms = [at(axis), ...conjuncts(condition).flatMap(roomOf)]; // each is at least 0
  const grows = (room: Scalar): number => Math.sign(slope(room, axis, context));
  const [lower, upper] = [rooms.filter((room) => grows(room) > 0), rooms.filter((room) => grows(room) < 0)];
  return lower.some((a) => upper.some((b) => proveAtMost(call('add', a, b), most, known)));
}

/** What is not below 0 where a comparison of whole numbers holds. */
function roomOf(condition: Scalar): readonly Scalar[] {
  if (condition.kind !== 'call' || condition.args[0]!.type !== 'integer') return [];
  const [a, b] = condition.args as [Scalar, Scalar];
  switch (condition.op) {
    case 'less':
      return [call('subtract', call('subtract', b, a), integer(1))];
    case 'less_equal':
      return [call('subtract', b, a)];
    case 'equal':
      return [call('subtract', b, a), call('subtract', a, b)];
    default:
      return [];
  }
}

/** By how much a whole number grows along an axis; 0 where it is not linear. */
function slope(s: Scalar, axis: Axis, { keys }: Context): number {
  return affine(s, keys).terms.get(keys.scalar(at(axis)))?.coefficient ?? 0;
}
