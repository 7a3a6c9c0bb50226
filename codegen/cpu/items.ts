// Points of a grid -> items of work for threads: rows of neighbouring points, several rows an item or several items a long
// row. How many points an item has depends on the plan alone, so that results never depend on the number of threads.

import type { Axis } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import { add, i32, local, loop, minimum, multiply, quotient, remainder } from '../kernel-build.ts';
import type { Size } from '../plan/plan.ts';
import { ceilDivide, nominal, product } from '../plan/size.ts';
import { countOf, pointsOf, takeApart } from '../simt/grid.ts';
import { extentOf, type Grid, type Scope } from '../simt/scope.ts';

/** rows: taken one after the other; neighbours: walked together, in vectors, by one flat index. */
export interface Items {
  readonly rows: readonly Axis[];
  readonly neighbours: readonly Axis[];
  /** Rows of an item. */
  readonly perItem: number;
  /** Neighbours of an item, where a row is too long for one. */
  readonly piece: number | null;
}

/** Points of an item: enough that taking one costs nothing, few enough that threads share them evenly. */
const pointsOfItem = 8192;
/** Pieces of a row are whole cache lines. */
const line = 16;

const pointsIn = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);

/** `work`: how much is done at a point, in loads. */
export function itemsOf(rows: readonly Axis[], neighbours: readonly Axis[], work = 1): Items {
  const length = pointsIn(neighbours) * work;
  const perItem = Math.max(1, Math.floor(pointsOfItem / length));
  const longRow = perItem === 1 && length > 2 * pointsOfItem && neighbours.length > 0;
  const piece = longRow ? Math.max(line, Math.floor(pointsOfItem / work / line) * line) : null;
  return { rows, neighbours, perItem, piece };
}

export function countItems({ rows, neighbours, perItem, piece }: Items): Size {
  if (piece !== null) return product([pointsOf(rows), ceilDivide(pointsOf(neighbours), piece)]);
  return ceilDivide(pointsOf(rows), perItem);
}

/** The neighbours of a row that an item walks. */
export interface Range {
  readonly from: Expression;
  readonly to: Expression;
}

/** All rows of an item, with the neighbours that are the item's. `before`: what is done once for several rows. */
export function eachRow(
  scope: Scope,
  { rows, neighbours, perItem, piece }: Items,
  item: Expression,
  write: (row: Grid, range: Range) => void,
  before: (rows: Range, row: Expression) => void = () => {},
): void {
  const all = countOf(neighbours);
  if (piece !== null) {
    const pieces = quotient(add(all, i32(piece - 1)), i32(piece));
    const row = rows.length === 0 ? i32(0) : scope.bind('row', quotient(item, pieces));
    const from = scope.bind('from', multiply(rows.length === 0 ? item : remainder(item, pieces), i32(piece)));
    const to = scope.bind('to', minimum(add(from, i32(piece)), all));
    return write(takeApart(scope, rows, row), { from, to });
  }
  const range = { from: i32(0), to: all };
  if (rows.length === 0) return write(takeApart(scope, rows, i32(0)), range);
  if (perItem === 1) return write(takeApart(scope, rows, item), range);
  const first = scope.bind('first_row', multiply(item, i32(perItem)));
  const end = scope.bind('end_row', minimum(add(first, i32(perItem)), countOf(rows)));
  const name = scope.fresh('row');
  before({ from: first, to: end }, local(name, 'i32'));
  const body = scope.block(() => write(takeApart(scope, rows, local(name, 'i32')), range));
  scope.emit(loop(name, first, end, body));
}

/** The vector loop over neighbours of a row; `write` gets points of rows and neighbours together, and the neighbour's flat index. */
export function eachNeighbour(
  scope: Scope,
  { rows, neighbours }: Pick<Items, 'rows' | 'neighbours'>,
  row: Grid,
  { from, to }: Range,
  write: (grid: Grid, at: Expression) => void,
): void {
  if (neighbours.length === 0) return write(row, i32(0));
  const name = scope.fresh(neighbours.length === 1 ? neighbours[0]!.name : 'point');
  const at = local(name, 'i32');
  const body = scope.block(() => write(pointsAt(scope, rows, neighbours, row, at), at));
  scope.emit(loop(name, from, to, body, { mode: 'vector' }));
}

/** Points of a row and the neighbour of flat index `at`. Addresses over all axes are the row's and that index. */
export function pointsAt(
  scope: Scope,
  rows: readonly Axis[],
  neighbours: readonly Axis[],
  row: Grid,
  at: Expression,
): Grid {
  const axes = [...rows, ...neighbours];
  const own: Expression[] = [];
  const prefix: Expression[] = [...row.prefix];
  let rest = at;
  for (let k = neighbours.length - 1; k >= 0; k -= 1) {
    const flat = rows.length === 0 ? i32(0) : row.prefix[rows.length]!;
    prefix[rows.length + k + 1] = add(multiply(flat, countOf(neighbours.slice(0, k + 1))), rest);
    const extent = extentOf(neighbours[k]!.extent);
    own[k] = k === 0 ? rest : remainder(rest, extent);
    rest = k === 0 ? i32(0) : quotient(rest, extent);
    scope.hint(own[k]!, neighbours[k]!.name);
  }
  const grid: Grid = { axes, local: [...row.local, ...own], prefix };
  scope.grids.push(grid);
  return grid;
}
