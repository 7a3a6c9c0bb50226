// A matrix product for devices with workgroup memory: 64 lanes make a tile of 32 x 32 points, 4 x 4 a lane, from pieces of
// both factors that they load together, 16 steps at a time. Neighbouring lanes load and store neighbours.

import type { Axis, Scalar } from '../../src/ir/ir.ts';
import { axesOf, readsOf } from '../../src/ir/visit.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  and,
  assign,
  barrier,
  f32,
  i32,
  laneIndex,
  less,
  local,
  loop,
  minimum,
  multiply,
  quotient,
  remainder,
  select,
  shared,
  storeShared,
  subtract,
  when,
} from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import type { ContractionNest } from '../plan/nest.ts';
import type { Size } from '../plan/plan.ts';
import { ceilDivide, nominal, product } from '../plan/size.ts';
import { sizeExpression } from './columns.ts';
import type { Setting } from './draft.ts';
import { finishPoint } from './finish-point.ts';
import { countOf, groupNumber, lanesInGroup, pointsOf, takeApart } from './grid.ts';
import { indexAt, type Scope } from './scope.ts';

const tile = 32; // points of a workgroup along m, and along n
const steps = 16;
const across = 8; // lanes along n; as many along m
const each = tile / across;

const most = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);

/** Worth sharing: tiles are mostly full. */
export const isLarge = ({ m, n, over }: ContractionNest): boolean =>
  most(m) >= tile && most(n) >= tile && most(over) >= steps;

const tilesOf = (axes: readonly Axis[]): Size => ceilDivide(pointsOf(axes), tile);

export const sharedGroups = ({ batch, m, n }: ContractionNest): Size =>
  product([pointsOf(batch), tilesOf(m), tilesOf(n)]);

type Index = readonly (readonly [Axis, Expression])[];

/** The indices of a flat position along some axes. */
function apart(scope: Scope, axes: readonly Axis[], flat: Expression): Index {
  const { local: positions } = takeApart(scope, axes, flat);
  return axes.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, positions[n]!)]);
}

const last = (axes: readonly Axis[]): Expression => subtract(countOf(axes), i32(1));

export function writeShared(scope: Scope, nest: ContractionNest, setting: Setting): void {
  const rows = sizeExpression(tilesOf(nest.m));
  const columns = sizeExpression(tilesOf(nest.n));
  const group = groupNumber(scope, multiply(multiply(countOf(nest.batch), rows), columns), 'tile');
  const upper = quotient(group, columns);
  const row = scope.bind('row', multiply(remainder(upper, rows), i32(tile)));
  const column = scope.bind('column', multiply(remainder(group, columns), i32(tile)));
  const batch = nest.batch.length === 0 ? [] : apart(scope, nest.batch, quotient(upper, rows));
  const laneRow = scope.bind('lane_row', quotient(laneIndex, i32(across)));
  const laneColumn = scope.bind('lane_column', remainder(laneIndex, i32(across)));
  const lefts = scope.shared('left_piece', 'f32', tile * steps);
  const rights = scope.shared('right_piece', 'f32', tile * steps);
  const range = Array.from({ length: each }, (_, n) => n);
  const sums = range.map((a) => range.map((b) => scope.variable(`sum_${a}_${b}`, f32(0))));
  const count = countOf(nest.over);

  const from = scope.fresh('from');
  const body = scope.block(() => {
    loadPiece(scope, nest, lefts, nest.left, nest.m, row, batch, local(from, 'i32'));
    loadPiece(scope, nest, rights, nest.right, nest.n, column, batch, local(from, 'i32'));
    scope.emit(barrier);
    const step = scope.fresh('step');
    const multiplied = scope.block(() => {
      const start = multiply(local(step, 'i32'), i32(tile));
      const part = (piece: string, lane: Expression, n: number): Expression =>
        shared(piece, add(add(start, lane), i32(n * across)));
      const left = range.map((n) => scope.bind('left', part(lefts, laneRow, n)));
      const right = range.map((n) => scope.bind('right', part(rights, laneColumn, n)));
      sums.forEach((line, a) =>
        line.forEach((sum, b) => {
          if (sum.kind === 'local') scope.emit(assign(sum.name, add(sum, multiply(left[a]!, right[b]!))));
        }),
      );
    });
    scope.emit(loop(step, i32(0), i32(steps), multiplied), barrier);
  });
  scope.emit(loop(from, i32(0), count, body, { step: steps }));

  const point = (axes: readonly Axis[], start: Expression, lane: Expression, n: number) => {
    const flat = add(add(start, lane), i32(n * across));
    return { inside: less(flat, countOf(axes)), index: apart(scope, axes, minimum(flat, last(axes))) };
  };
  const atRow = range.map((n) => point(nest.m, row, laneRow, n));
  const atColumn = range.map((n) => point(nest.n, column, laneColumn, n));
  sums.forEach((line, a) =>
    line.forEach((sum, b) => {
      const stores = scope.block(() =>
        finishPoint(scope, nest, setting, sum, new Map([...batch, ...atRow[a]!.index, ...atColumn[b]!.index])),
      );
      scope.emit(...when(and(atRow[a]!.inside, atColumn[b]!.inside), stores));
    }),
  );
}

/** piece[step][point] of one factor; 0 past the end of what is summed. */
function loadPiece(
  scope: Scope,
  nest: ContractionNest,
  piece: string,
  factor: Scalar,
  axes: readonly Axis[],
  start: Expression,
  batch: Index,
  from: Expression,
): void {
  const name = scope.fresh('item');
  const item = local(name, 'i32');
  const along = runsAlong(factor, nest.over);
  const body = scope.block(() => {
    const step = along ? remainder(item, i32(steps)) : quotient(item, i32(tile));
    const at = along ? quotient(item, i32(steps)) : remainder(item, i32(tile));
    const k = add(from, step);
    const own = apart(scope, axes, minimum(add(start, at), last(axes)));
    const over = apart(scope, nest.over, minimum(k, last(nest.over)));
    const value = openPoint(scope, nest.root.hints)
      .with([...batch, ...own, ...over])
      .real(factor);
    const kept = select(less(k, countOf(nest.over)), value, f32(0));
    scope.emit(storeShared(piece, add(multiply(step, i32(tile)), at), kept));
  });
  scope.emit(loop(name, laneIndex, i32(tile * steps), body, { step: lanesInGroup }));
}

/** Whether neighbours in memory are neighbours in what is summed. */
function runsAlong(factor: Scalar, over: readonly Axis[]): boolean {
  const [first] = readsOf(factor);
  const index = first?.index.at(-1);
  if (index === undefined) return false;
  const used = axesOf(index);
  return over.some((axis) => used.has(axis));
}
