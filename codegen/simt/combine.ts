// A value of each lane -> one value of the workgroup, the same bits on every lane: a tree in workgroup memory, or two
// levels of subgroups of any size. The order of additions depends on the numbers of lanes only.

import type { Expression } from '../kernel.ts';
import {
  add,
  and,
  assign,
  barrier,
  equal,
  f32,
  i32,
  laneIndex,
  less,
  local,
  loop,
  maximum,
  multiply,
  or,
  quotient,
  shared,
  storeShared,
  subgroup,
  subgroupLane,
  subgroupSize,
  when,
} from '../kernel-build.ts';
import type { Scope } from './scope.ts';

/** The lanes of a workgroup that work on one row. */
export interface Lanes {
  readonly count: number;
  readonly subgroups: boolean;
}

/** Below every value: rows start from it. */
export const lowest = f32(-3.4028234663852886e38);

export const greaterThan = (a: Expression, b: Expression): Expression => less(b, a);

export type Combination = 'sum' | 'prod' | 'max' | 'argmax';

/** For argmax `value` is the largest and `where` its index; the index comes back, the first of equal ones. */
export function combine(
  scope: Scope,
  lanes: Lanes,
  op: Combination,
  value: Expression,
  where: Expression | null = null,
): Expression {
  if (lanes.subgroups && (op === 'sum' || op === 'max')) return bySubgroups(scope, lanes, op, value);
  return byTree(scope, lanes, op, value, where);
}

const together = (op: Combination): ((a: Expression, b: Expression) => Expression) =>
  op === 'sum' ? add : op === 'prod' ? multiply : maximum;

function byTree(scope: Scope, lanes: Lanes, op: Combination, value: Expression, where: Expression | null): Expression {
  const values = scope.shared('lane_values', 'f32', lanes.count);
  const places = where === null ? null : scope.shared('lane_places', 'i32', lanes.count);
  const at = (index: Expression): Expression => shared(values, index);
  const placeAt = (index: Expression): Expression => shared(places!, index, 'i32');
  scope.emit(storeShared(values, laneIndex, value));
  if (places !== null) scope.emit(storeShared(places, laneIndex, where!));
  scope.emit(barrier);
  for (let half = lanes.count / 2; half >= 1; half /= 2) {
    const other = add(laneIndex, i32(half));
    const step = scope.block(() => {
      if (places === null) {
        scope.emit(storeShared(values, laneIndex, together(op)(at(laneIndex), at(other))));
        return;
      }
      const theirs = scope.bind('theirs', at(other));
      const mine = scope.bind('mine', at(laneIndex));
      const first = less(placeAt(other), placeAt(laneIndex));
      const better = or(less(mine, theirs), and(equal(mine, theirs), first));
      const take = [storeShared(values, laneIndex, theirs), storeShared(places, laneIndex, placeAt(other))];
      scope.emit(...when(better, take));
    });
    scope.emit(...when(less(laneIndex, i32(half)), step), barrier);
  }
  return scope.bind('combined', places === null ? at(i32(0)) : placeAt(i32(0)));
}

/** Every lane adds up the totals of the subgroups in the same order. */
function bySubgroups(scope: Scope, lanes: Lanes, op: 'sum' | 'max', value: Expression): Expression {
  const smallest = 4; // lanes in a subgroup, at least
  const totals = scope.shared('subgroup_totals', 'f32', lanes.count / smallest);
  const own = scope.bind('own', subgroup(op === 'sum' ? 'add' : 'max', value));
  const index = quotient(laneIndex, subgroupSize);
  scope.emit(...when(equal(subgroupLane, i32(0)), [storeShared(totals, index, own)]), barrier);
  const result = scope.variable('combined', shared(totals, i32(0)));
  const name = scope.fresh('other');
  const step = together(op)(result, shared(totals, local(name, 'i32')));
  const count = quotient(add(i32(lanes.count - 1), subgroupSize), subgroupSize);
  if (result.kind !== 'local') throw new Error('a variable is a local');
  scope.emit(loop(name, i32(1), count, [assign(result.name, step)]));
  return result;
}
