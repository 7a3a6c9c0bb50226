// How far a pass along an axis needs to go: `where` conditions of the form `j <= e` and `j < e`, with e the same for the
// whole row, become the end of the loop.

import type { Axis, Definition, Scalar } from '../../src/ir/ir.ts';
import { axesOf } from '../../src/ir/visit.ts';
import type { Expression } from '../kernel.ts';
import { add, and, bool, i32, minimum, subtract } from '../kernel-build.ts';
import type { Point } from '../point.ts';
import { extentOf, startOf, type Scope } from './scope.ts';

/** The conditions that must all hold. */
function conjuncts(condition: Scalar): readonly Scalar[] {
  return condition.kind === 'call' && condition.op === 'and' ? condition.args.flatMap(conjuncts) : [condition];
}

/** e + offset where the condition says `axis < e + offset`; null: it says something else. */
function endOf(condition: Scalar, axis: Axis): { readonly end: Scalar; readonly offset: number } | null {
  if (condition.kind !== 'call' || (condition.op !== 'less_equal' && condition.op !== 'less')) return null;
  const [left, right] = condition.args as [Scalar, Scalar];
  if (left.kind !== 'axis' || left.axis !== axis || right.type !== 'integer') return null;
  if (axesOf(right).has(axis)) return null;
  return { end: right, offset: condition.op === 'less_equal' ? 1 : 0 };
}

/** The number of steps along `over` after which `where` is false, at a point of the row; null: not known. */
export function causalBound(scope: Scope, where: Scalar, over: Axis, row: Point): Expression | null {
  const ends = conjuncts(where).flatMap((each) => endOf(each, over) ?? []);
  if (ends.length === 0) return null;
  const start = startOf(scope, over);
  return ends.reduce<Expression>(
    (bound, { end, offset }) => minimum(bound, subtract(add(row.value(end), i32(offset)), start)),
    extentOf(over.extent),
  );
}

/** What is left of the condition inside the bound. */
export function withoutBound(point: Point, where: Scalar, over: Axis, bounded: boolean): Expression {
  const left = conjuncts(where).filter((each) => !bounded || endOf(each, over) === null);
  return left.reduce<Expression>((all, each) => and(all, point.value(each)), bool(true));
}

/** A sum whose body is 0 unless a condition holds. */
export function boundOfSum(scope: Scope, d: Extract<Definition, { kind: 'reduce' }>, row: Point): Expression | null {
  const { body, over } = d;
  if (over.length !== 1 || body.kind !== 'call' || body.op !== 'select') return null;
  const otherwise = body.args[2]!;
  if (otherwise.kind !== 'constant' || otherwise.value !== 0) return null;
  return causalBound(scope, body.args[0]!, over[0]!, row);
}
