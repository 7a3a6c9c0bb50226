// A block of queries of an item while its members are written: where it stands, loops over its rows, keys and other axes,
// and the point at which scalars are evaluated.

import type { Axis } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import { add, i32, local, loop, minimum, multiply } from '../kernel-build.ts';
import { openPoint, type Point } from '../point.ts';
import type { StripMember, StripsNest } from '../plan/nest.ts';
import type { Setting } from '../simt/draft.ts';
import { extentOf, indexAt, loadAt, startOf, storeAt, type Scope } from '../simt/scope.ts';
import { storeInto } from '../simt/store.ts';

export interface Block {
  readonly scope: Scope;
  readonly nest: StripsNest;
  readonly setting: Setting;
  /** Where the item stands. */
  readonly fixed: readonly (readonly [Axis, Expression])[];
  /** The first row, how many there are, and the index of the last one's query. */
  readonly start: Expression;
  readonly count: Expression;
  readonly last: Expression;
}

export type At = readonly (readonly [Axis, Expression])[];

export const pointAt = ({ scope, fixed }: Block, where: At): Point =>
  openPoint(scope, new Map()).with([...fixed, ...where]);

type Mode = 'serial' | 'vector';

/** The row `r` of the block as a point of its queries. */
export function rowAt({ scope, nest, start }: Block, r: Expression): At {
  const index = indexAt(scope, nest.frame.query, add(start, r));
  scope.rowOf.set(index, r);
  return [[nest.frame.query, index]];
}

export function overRows(block: Block, mode: Mode, write: (at: At) => void): void {
  const { scope, count } = block;
  const name = scope.fresh('row');
  const body = scope.block(() => write(rowAt(block, local(name, 'i32'))));
  scope.emit(loop(name, i32(0), count, body, { mode }));
}

/** How many steps along an axis a member takes: of keys, none after the block's last query where it is causal. */
export function stepsAlong({ scope, last }: Block, member: StripMember, axis: Axis): Expression {
  const extent = extentOf(axis.extent);
  if (axis !== member.keys || !member.causal) return extent;
  const end = add(last, i32(1));
  const start = startOf(scope, axis);
  return minimum(extent, start.kind === 'literal' ? end : add(end, multiply(start, i32(-1))));
}

/** A loop over an axis of a member's own. */
export function overAxis(block: Block, member: StripMember, axis: Axis, mode: Mode, write: (at: At) => void): void {
  const { scope, nest } = block;
  if (axis === nest.frame.query) return overRows(block, mode, write);
  const name = scope.fresh(axis.name);
  const body = scope.block(() => write([[axis, indexAt(scope, axis, local(name, 'i32'))]]));
  scope.emit(loop(name, i32(0), boundSteps(block, member, axis), body, { mode }));
}

function boundSteps(block: Block, member: StripMember, axis: Axis): Expression {
  const steps = stepsAlong(block, member, axis);
  return steps.kind === 'call' ? block.scope.bind('end', steps) : steps;
}

/** Loops over several axes, the first outermost. */
export function overAxes(
  block: Block,
  member: StripMember,
  axes: readonly Axis[],
  modeOf: (axis: Axis) => Mode,
  write: (at: At) => void,
): void {
  const nested = (n: number, before: At): void => {
    const axis = axes[n];
    if (axis === undefined) return write(before);
    overAxis(block, member, axis, modeOf(axis), (here) => nested(n + 1, [...before, ...here]));
  };
  nested(0, []);
}

/** Where a member's result lies. */
export const resultAt = (block: Block, member: StripMember, where: At): Expression[] =>
  pointAt(block, where).index(member.index);

/** set: a result's first value; add: more of it. */
export function put(
  { scope, setting }: Block,
  member: StripMember,
  index: readonly Expression[],
  value: Expression,
  how: 'set' | 'add',
): void {
  const { tensor } = member.root.definition;
  if (how === 'add') return storeAt(scope, tensor, index, add(loadAt(scope, tensor, index), value));
  if (scope.strips.has(tensor)) return storeAt(scope, tensor, index, value);
  storeInto(scope, setting, tensor, index, value);
}

/** The axes of the points at which a member is evaluated: the queries' and its own. */
export function axesIn({ nest }: Block, { axes, over }: StripMember): readonly Axis[] {
  return [nest.frame.query, ...axes, ...over];
}
