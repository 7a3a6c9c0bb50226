// A matrix product for devices with workgroup memory: the lanes of a workgroup make a tile of points, a square of them each,
// from pieces of both factors that they load together, 16 steps at a time. Neighbouring lanes load and store neighbours.

import type { Axis, Scalar } from '../../src/ir/ir.ts';
import { axesOf, readsOf } from '../../src/ir/visit.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  and,
  assign,
  barrier,
  element,
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
  storeElement,
  storeShared,
  subtract,
  when,
} from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import { sharedSide } from '../plan/contract.ts';
import type { ContractionNest } from '../plan/nest.ts';
import type { Size } from '../plan/plan.ts';
import { ceilDivide, nominal, product } from '../plan/size.ts';
import type { Setting } from './draft.ts';
import { finishPoint } from './finish-point.ts';
import { countOf, groupNumber, pointsOf, takeApart } from './grid.ts';
import { indexAt, type Scope } from './scope.ts';
import { sizeExpression } from './size-expression.ts';

const steps = 16;

export interface SharedTile {
  readonly points: number; // of a workgroup along m, and along n
  readonly stride: number; // from one step of a piece to the next; odd where it can be, so that lanes do not wait for one bank
  readonly across: number; // lanes along n; as many along m
  readonly each: number; // points of a lane along m, and along n
  /** A lane's sums: variables of their own, or an array that loops of a known length go through. */
  readonly sums: 'variables' | 'array';
}

const small: SharedTile = { points: sharedSide, stride: 32, across: 8, each: 4, sums: 'variables' };
const medium: SharedTile = { points: 64, stride: 65, across: 16, each: 4, sums: 'array' };
const large: SharedTile = { points: 128, stride: 129, across: 16, each: 8, sums: 'array' };

const most = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);

/** null: tiles would be mostly empty. `lanes`: of a workgroup, where the target has as many as it likes. */
export function sharedTile({ batch, m, n, over }: ContractionNest, lanes: number): SharedTile | null {
  const least = Math.min(most(m), most(n));
  if (least < small.points || most(over) < steps) return null;
  if (lanes < 256 || least < medium.points) return small;
  const tiles = (most(batch) * most(m) * most(n)) / large.points ** 2;
  return least >= large.points && tiles >= busy ? large : medium;
}

/** Workgroups that keep a large GPU busy. */
const busy = 128;

export const lanesOfTile = ({ across }: SharedTile): number => across * across;

const tilesOf = (axes: readonly Axis[], { points }: SharedTile): Size => ceilDivide(pointsOf(axes), points);

export const sharedGroups = ({ batch, m, n }: ContractionNest, tile: SharedTile): Size =>
  product([pointsOf(batch), tilesOf(m, tile), tilesOf(n, tile)]);

type Index = readonly (readonly [Axis, Expression])[];

/** The indices of a flat position along some axes. */
function apart(scope: Scope, axes: readonly Axis[], flat: Expression): Index {
  const { local: positions } = takeApart(scope, axes, flat);
  return axes.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, positions[n]!)]);
}

const last = (axes: readonly Axis[]): Expression => subtract(countOf(axes), i32(1));

export function writeShared(scope: Scope, nest: ContractionNest, setting: Setting, tile: SharedTile): void {
  const { points, stride, across, each } = tile;
  const rows = sizeExpression(tilesOf(nest.m, tile));
  const columns = sizeExpression(tilesOf(nest.n, tile));
  const group = groupNumber(scope, multiply(multiply(countOf(nest.batch), rows), columns), 'tile');
  const upper = quotient(group, columns);
  const row = scope.bind('row', multiply(remainder(upper, rows), i32(points)));
  const column = scope.bind('column', multiply(remainder(group, columns), i32(points)));
  const batch = nest.batch.length === 0 ? [] : apart(scope, nest.batch, quotient(upper, rows));
  const laneRow = scope.bind('lane_row', quotient(laneIndex, i32(across)));
  const laneColumn = scope.bind('lane_column', remainder(laneIndex, i32(across)));
  const lefts = scope.shared('left_piece', 'f32', stride * steps);
  const rights = scope.shared('right_piece', 'f32', stride * steps);
  const sums = openSums(scope, tile);

  const from = scope.fresh('from');
  const body = scope.block(() => {
    loadPiece(scope, nest, tile, lefts, nest.left, nest.m, row, batch, local(from, 'i32'));
    loadPiece(scope, nest, tile, rights, nest.right, nest.n, column, batch, local(from, 'i32'));
    scope.emit(barrier);
    const step = scope.fresh('step');
    const multiplied = scope.block(() => {
      const start = multiply(local(step, 'i32'), i32(stride));
      sums.add(
        (n) => shared(lefts, add(add(start, laneRow), multiply(n, i32(across)))),
        (n) => shared(rights, add(add(start, laneColumn), multiply(n, i32(across)))),
      );
    });
    scope.emit(loop(step, i32(0), i32(steps), multiplied), barrier);
  });
  scope.emit(loop(from, i32(0), countOf(nest.over), body, { step: steps }));

  const point = (axes: readonly Axis[], start: Expression, lane: Expression, n: Expression) => {
    const flat = add(add(start, lane), multiply(n, i32(across)));
    return { inside: less(flat, countOf(axes)), index: apart(scope, axes, minimum(flat, last(axes))) };
  };
  const numbers = Array.from({ length: each }, (_, n) => i32(n));
  const finish = (sum: Expression, atRow: ReturnType<typeof point>, atColumn: ReturnType<typeof point>): void => {
    const stores = scope.block(() =>
      finishPoint(scope, nest, setting, sum, new Map([...batch, ...atRow.index, ...atColumn.index])),
    );
    scope.emit(...when(and(atRow.inside, atColumn.inside), stores));
  };
  if (tile.sums === 'variables') {
    const atRow = numbers.map((n) => point(nest.m, row, laneRow, n));
    const atColumn = numbers.map((n) => point(nest.n, column, laneColumn, n));
    numbers.forEach((a, m) => numbers.forEach((b, n) => finish(sums.at(a, b), atRow[m]!, atColumn[n]!)));
    return;
  }
  unrolled(scope, 'down', each, (a) => {
    const atRow = point(nest.m, row, laneRow, a);
    unrolled(scope, 'along', each, (b) => finish(sums.at(a, b), atRow, point(nest.n, column, laneColumn, b)));
  });
}

/** A loop of `count` steps that becomes straight code. */
function unrolled(scope: Scope, wanted: string, count: number, write: (n: Expression) => void): void {
  const name = scope.fresh(wanted);
  const body = scope.block(() => write(local(name, 'i32')));
  scope.emit(loop(name, i32(0), i32(count), body, { mode: 'unrolled' }));
}

interface Sums {
  /** sum[a][b] += left(a) * right(b) */
  add(left: (n: Expression) => Expression, right: (n: Expression) => Expression): void;
  at(a: Expression, b: Expression): Expression;
}

function openSums(scope: Scope, { each, sums }: SharedTile): Sums {
  const numbers = Array.from({ length: each }, (_, n) => n);
  if (sums === 'variables') {
    const all = numbers.map((a) => numbers.map((b) => scope.variable(`sum_${a}_${b}`, f32(0))));
    return {
      add(left, right) {
        const lefts = numbers.map((n) => scope.bind('left', left(i32(n))));
        const rights = numbers.map((n) => scope.bind('right', right(i32(n))));
        all.forEach((line, a) =>
          line.forEach((sum, b) => {
            if (sum.kind === 'local') scope.emit(assign(sum.name, add(sum, multiply(lefts[a]!, rights[b]!))));
          }),
        );
      },
      at: (a, b) => all[literalOf(a)]![literalOf(b)]!,
    };
  }
  const [array, lefts, rights] = [
    scope.array('sums', 'f32', each * each),
    scope.array('lefts', 'f32', each),
    scope.array('rights', 'f32', each),
  ];
  const place = (a: Expression, b: Expression): Expression => add(multiply(a, i32(each)), b);
  unrolled(scope, 'item', each * each, (n) => scope.emit(storeElement(array, n, f32(0))));
  return {
    add(left, right) {
      unrolled(scope, 'item', each, (n) => {
        scope.emit(storeElement(lefts, n, left(n)), storeElement(rights, n, right(n)));
      });
      unrolled(scope, 'down', each, (a) =>
        unrolled(scope, 'along', each, (b) => {
          const product = multiply(element(lefts, a), element(rights, b));
          scope.emit(storeElement(array, place(a, b), add(element(array, place(a, b)), product)));
        }),
      );
    },
    at: (a, b) => element(array, place(a, b)),
  };
}

const literalOf = (index: Expression): number => {
  if (index.kind !== 'literal') throw new Error('variables are told apart by numbers');
  return index.value;
};

/** piece[step][point] of one factor; 0 past the end of what is summed. */
function loadPiece(
  scope: Scope,
  nest: ContractionNest,
  tile: SharedTile,
  piece: string,
  factor: Scalar,
  axes: readonly Axis[],
  start: Expression,
  batch: Index,
  from: Expression,
): void {
  const { points, stride } = tile;
  const name = scope.fresh('item');
  const item = local(name, 'i32');
  const along = runsAlong(factor, nest.over);
  const body = scope.block(() => {
    const step = along ? remainder(item, i32(steps)) : quotient(item, i32(points));
    const at = along ? quotient(item, i32(steps)) : remainder(item, i32(points));
    const k = add(from, step);
    const own = apart(scope, axes, minimum(add(start, at), last(axes)));
    const over = apart(scope, nest.over, minimum(k, last(nest.over)));
    const value = openPoint(scope, nest.root.hints)
      .with([...batch, ...own, ...over])
      .real(factor);
    const kept = select(less(k, countOf(nest.over)), value, f32(0));
    scope.emit(storeShared(piece, add(multiply(step, i32(stride)), at), kept));
  });
  scope.emit(loop(name, laneIndex, i32(points * steps), body, { step: lanesOfTile(tile) }));
}

/** Whether neighbours in memory are neighbours in what is summed. */
function runsAlong(factor: Scalar, over: readonly Axis[]): boolean {
  const [first] = readsOf(factor);
  const index = first?.index.at(-1);
  if (index === undefined) return false;
  const used = axesOf(index);
  return over.some((axis) => used.has(axis));
}
