// Points numbered by lanes: the flat index of a lane, taken apart into an index for each axis.

import type { Axis } from '../../src/ir/ir.ts';
import type { Expression, Statement } from '../kernel.ts';
import {
  add,
  i32,
  laneIndex,
  leave,
  less,
  local,
  loop,
  multiply,
  not,
  quotient,
  remainder,
  subtract,
  when,
  workgroupIndex,
} from '../kernel-build.ts';
import { ceilDivide, extentSize, product } from '../plan/size.ts';
import type { Size } from '../plan/plan.ts';
import { extentOf, indexAt, type Grid, type Scope } from './scope.ts';

/** Lanes of the kernels that are laid out for so many; the others take those of the options. */
export const lanesInGroup = 64;

export const countOf = (axes: readonly Axis[]): Expression =>
  axes.reduce((count: Expression, axis) => multiply(count, extentOf(axis.extent)), i32(1));

/** How many points there are, or groups of `width` along the last axis. */
export const pointsOf = (axes: readonly Axis[], width = 1): Size =>
  product((width === 1 ? axes : groupsAlong(axes, width)).map((axis) => extentSize(axis.extent)));

/** Takes a flat index apart. The grid is known to the scope, so that rows of it are addressed by the flat index. */
export function takeApart(scope: Scope, axes: readonly Axis[], flat: Expression): Grid {
  const local: Expression[] = [];
  const prefix: Expression[] = [];
  prefix[axes.length] = flat;
  for (let k = axes.length - 1; k >= 0; k -= 1) {
    const whole = prefix[k + 1]!;
    const axis = axes[k]!;
    const extent = extentOf(axis.extent);
    const rest = k === 0 ? i32(0) : quotient(whole, extent);
    local[k] = k === 0 ? whole : remainder(whole, extent);
    if (extent.kind === 'literal' && extent.value === 1) local[k] = i32(0);
    prefix[k] = rest;
    scope.hint(local[k]!, axis.name);
  }
  const grid: Grid = { axes, local, prefix };
  scope.grids.push(grid);
  return grid;
}

/** The flat index of a lane among all; lanes past the last one leave. */
export function laneNumber(scope: Scope, count: Expression, name = 'index'): Expression {
  const index = scope.bind(name, add(multiply(workgroupIndex, i32(scope.lanes)), laneIndex));
  scope.emit(...leaveUnless(less(index, count)));
  return index;
}

/** A lane a point. */
export const laneGrid = (scope: Scope, axes: readonly Axis[], name = 'index'): Grid =>
  takeApart(scope, axes, laneNumber(scope, countOf(axes), name));

/** The flat index of a workgroup among all; those past the last one leave. */
export function groupNumber(scope: Scope, count: Expression, name: string): Expression {
  const index = scope.bind(name, workgroupIndex);
  scope.emit(...leaveUnless(less(index, count)));
  return index;
}

/** The axes of points of which a lane takes `width` side by side: the last one counts groups of so many. */
function groupsAlong(axes: readonly Axis[], width: number): readonly Axis[] {
  const last = axes.at(-1)!;
  return [...axes.slice(0, -1), { ...last, name: `${last.name}_group`, extent: (last.extent as number) / width }];
}

/** How many lanes the points take. */
export const laneCount = (axes: readonly Axis[], width: number): Expression =>
  countOf(width === 1 ? axes : groupsAlong(axes, width));

/** The points of lane `flat`, one or several side by side along the last axis. */
export function eachPoint(
  scope: Scope,
  axes: readonly Axis[],
  flat: Expression,
  width: number,
  write: (grid: Grid) => void,
): void {
  if (width === 1) return write(takeApart(scope, axes, flat));
  const groups = takeApart(scope, groupsAlong(axes, width), flat);
  const last = axes.length - 1;
  const variable = scope.fresh('k');
  const point = (group: Expression): Expression => add(multiply(group, i32(width)), local(variable, 'i32'));
  const grid: Grid = {
    axes,
    local: [...groups.local.slice(0, last), scope.hint(point(groups.local[last]!), axes[last]!.name)],
    prefix: [...groups.prefix.slice(0, axes.length), point(flat)],
  };
  scope.grids.push(grid);
  scope.neighbours.add(variable);
  const body = scope.block(() => write(grid));
  scope.emit(loop(variable, i32(0), i32(width), body, { mode: 'unrolled' }));
}

/**
 * A loop along an axis, `width` steps at a time: neighbours where the extent is known, a multiple of the width (`bounds`
 * then count groups), else just their loads before what is done with them.
 */
export function alongAxis(
  scope: Scope,
  axis: Axis,
  width: number,
  bounds: { readonly from: Expression; readonly to: Expression } | null,
  write: (position: Expression) => void,
): void {
  const from = bounds?.from ?? i32(0);
  if (width > 1 && typeof axis.extent !== 'number') {
    return unrolledAlong(scope, axis, width, from, bounds?.to ?? extentOf(axis.extent), write);
  }
  const name = scope.fresh(width === 1 ? axis.name : `${axis.name}_group`);
  const at = local(name, 'i32');
  const body = scope.block(() => {
    if (width === 1) write(at);
    else eachPoint(scope, [axis], at, width, (grid) => write(grid.local[0]!));
  });
  scope.emit(loop(name, from, bounds?.to ?? laneCount([axis], width), body));
}

/** Straight code for `width` steps at a time, then the rest one by one. */
function unrolledAlong(
  scope: Scope,
  axis: Axis,
  width: number,
  from: Expression,
  to: Expression,
  write: (position: Expression) => void,
): void {
  const end = scope.bind('end', to);
  const [start, k, rest] = [scope.fresh(axis.name), scope.fresh('k'), scope.fresh(axis.name)];
  const steps = scope.block(() => write(add(local(start, 'i32'), local(k, 'i32'))));
  const group = loop(k, i32(0), i32(width), steps, { mode: 'unrolled' });
  scope.emit(loop(start, from, subtract(end, i32(width - 1)), [group], { step: width }));
  const done = add(from, multiply(quotient(subtract(end, from), i32(width)), i32(width)));
  scope.emit(
    loop(
      rest,
      done,
      end,
      scope.block(() => write(local(rest, 'i32'))),
    ),
  );
}

/** A workgroup a point. */
export const groupGrid = (scope: Scope, axes: readonly Axis[], name = 'row'): Grid =>
  takeApart(scope, axes, groupNumber(scope, countOf(axes), name));

const leaveUnless = (condition: Expression): readonly Statement[] => when(not(condition), [leave]);

export const laneGroups = (points: Size, lanes = lanesInGroup): Size => ceilDivide(points, lanes);

/** The indices of a definition's own axes at a point of a grid whose axes have the same extents in the same order. */
export function indicesAt(scope: Scope, own: readonly Axis[], local: readonly Expression[]): [Axis, Expression][] {
  return own.map((axis, n) => [axis, indexAt(scope, axis, local[n]!)]);
}
