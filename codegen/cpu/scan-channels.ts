// A scan over rows of neighbouring channels: an item walks all tokens for some of the rows, which lie side by side in memory, and
// carries their channels in private memory. Vectors run along a row.

import type { Axis } from '../../src/ir/ir.ts';
import type { Expression, Size } from '../kernel.ts';
import {
  add,
  element,
  f32,
  i32,
  local,
  loop,
  minimum,
  multiply,
  quotient,
  remainder,
  storeElement,
  subtract,
} from '../kernel-build.ts';
import { openPoint, type Point } from '../point.ts';
import type { ScanNest } from '../plan/nest.ts';
import { ceilDivide, nominal, numberSize, product } from '../plan/size.ts';
import type { Setting } from '../simt/draft.ts';
import { countOf, indicesAt, pointsOf, takeApart } from '../simt/grid.ts';
import { wrapped } from '../simt/scan.ts';
import { extentOf, type Grid, type Scope } from '../simt/scope.ts';
import { storeInto } from '../simt/store.ts';
import { openAhead, rowValues } from './ahead.ts';
import { eachNeighbour, type Range } from './items.ts';
import { openPowers, powersOf } from './powers.ts';
import { carryIn, eachPiece, isSum, positionOf, type Scan } from './scan-pieces.ts';

/** An item has some of the rows, or of a single row some of the neighbours, at one point of `before`. */
export interface ChannelItems {
  readonly before: readonly Axis[];
  readonly rows: readonly Axis[];
  readonly neighbours: readonly Axis[];
  readonly rowsOfItem: number;
  readonly neighboursOfItem: number | null;
  readonly count: Size;
}

/** Rows are a cache line at least. */
const shortest = 16;
/** Channels that an item walks: what memory gives as a stream. */
const together = 512;

const pointsIn = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);

export function channelItems({ root }: ScanNest, before: readonly Axis[], after: readonly Axis[]): ChannelItems {
  const last = after.slice(-1);
  const outer = after.slice(0, -1);
  const length = pointsIn(last);
  const inRows = length >= shortest || last.some((axis) => powersOf(root, axis).length > 0);
  if (outer.length > 0 && inRows && outer.every(({ extent }) => typeof extent === 'number')) {
    const groups = Math.ceil((pointsIn(outer) * length) / together);
    const rowsOfItem = Math.ceil(pointsIn(outer) / Math.min(groups, pointsIn(outer)));
    const count = product([pointsOf(before), ceilDivide(pointsOf(outer), rowsOfItem)]);
    return { before, rows: outer, neighbours: last, rowsOfItem, neighboursOfItem: null, count };
  }
  const isLong = pointsIn(after) > together && !(outer.length === 0 && powersOf(root, last[0]!).length > 0);
  const neighboursOfItem = isLong ? together : null;
  const pieces = isLong ? ceilDivide(pointsOf(after), together) : numberSize(1);
  const count = product([pointsOf(before), pieces]);
  return { before, rows: [], neighbours: after, rowsOfItem: 1, neighboursOfItem, count };
}

/** What an item has: rows from `first` to `end`, of each the neighbours in `range`. */
interface Own {
  readonly start: Grid; // over `before`
  readonly first: Expression;
  readonly end: Expression;
  readonly range: Range;
}

function ownOf(scope: Scope, items: ChannelItems, item: Expression): Own {
  const { before, rows, neighbours, rowsOfItem, neighboursOfItem } = items;
  const length = neighboursOfItem ?? rowsOfItem;
  const all = countOf(neighboursOfItem === null ? rows : neighbours);
  const groups = quotient(add(all, i32(length - 1)), i32(length));
  const start = takeApart(scope, before, before.length === 0 ? i32(0) : quotient(item, groups));
  const first = scope.bind('first', multiply(before.length === 0 ? item : remainder(item, groups), i32(length)));
  const end = scope.bind('end', minimum(add(first, i32(length)), all));
  return neighboursOfItem === null
    ? { start, first, end, range: { from: i32(0), to: countOf(neighbours) } }
    : { start, first: i32(0), end: i32(1), range: { from: first, to: end } };
}

export function walkChannels(
  scope: Scope,
  nest: ScanNest,
  setting: Setting,
  items: ChannelItems,
  item: Expression,
): void {
  const d = nest.root.definition as Scan;
  const { rows, neighbours, rowsOfItem, neighboursOfItem } = items;
  const own = ownOf(scope, items, item);
  const length = neighboursOfItem === null ? pointsOf(neighbours) : numberSize(neighboursOfItem);
  const size = product([numberSize(rowsOfItem), length]);
  const carried = scope.scratch(`${d.tensor.name}_carry`, 'f32', size);
  const sum = isSum(d) ? scope.scratch(`${d.tensor.name}_sum`, 'f32', size) : null;
  const inRow = neighboursOfItem === null ? countOf(neighbours) : i32(neighboursOfItem);

  /** `place`: among the rows of the item. */
  const eachRow = (write: (row: Expression, place: Expression) => void): void => {
    if (rows.length === 0) return write(i32(0), i32(0));
    const name = scope.fresh(rows.length === 1 ? rows[0]!.name : 'row');
    const row = local(name, 'i32');
    const body = scope.block(() => write(row, subtract(row, own.first)));
    scope.emit(loop(name, own.first, own.end, body));
  };
  const along = (axes: readonly Axis[], row: Grid, place: Expression, write: (at: Expression, grid: Grid) => void) =>
    eachNeighbour(scope, { rows: axes, neighbours }, row, own.range, (grid, at) =>
      write(add(multiply(place, inRow), subtract(at, own.range.from)), grid),
    );
  /** Every channel of the item. */
  const each = (write: (at: Expression, grid: Grid) => void): void =>
    eachRow((row, place) => along([...items.before, ...rows], rowAt(scope, items, own, null, row), place, write));

  const tokenAt = (position: Expression, row: Expression): Grid =>
    rowAt(scope, items, own, { axis: d.along, position }, row);
  const pointAt = (token: Grid): Point =>
    openPoint(scope, nest.root.hints).with(indicesAt(scope, token.axes, token.local));
  const scalars = rowValues([d.term, d.factor], neighbours, new Set());
  let aheadOf: Expression = i32(0);
  const values = { scalars, pointAt: (step: Expression) => pointAt(tokenAt(positionOf(d, step), aheadOf)) };
  const ahead = openAhead(scope, [values], numberSize(rowsOfItem * nest.chunk));
  const isWhole = neighbours.length === 1 && neighboursOfItem === null;
  const fillPowers = openPowers(scope, isWhole ? powersOf(nest.root, neighbours[0]!) : []);

  each((at, grid) => scope.emit(storeElement(carried, at, carryIn(scope, nest, grid.local))));
  eachPiece(scope, nest, (from, to) => {
    if (sum !== null) each((at) => scope.emit(storeElement(sum, at, f32(0))));
    if (scalars.length > 0)
      eachRow((row, place) => {
        aheadOf = row;
        ahead.make({ from, to }, multiply(place, i32(nest.chunk)));
      });
    const step = scope.fresh(d.reverse ? 'step' : d.along.name);
    const body = scope.block(() => {
      const position = positionOf(d, local(step, 'i32'));
      const token = d.reverse ? scope.bind(d.along.name, position) : position;
      eachRow((row, place) => {
        ahead.hold(add(multiply(place, i32(nest.chunk)), subtract(local(step, 'i32'), from)));
        const grid = tokenAt(token, row);
        fillPowers(pointAt(grid));
        along(grid.axes, grid, place, (at, point) => writeStep(scope, nest, setting, point, at, carried, sum));
      });
    });
    scope.emit(loop(step, from, to, body));
    if (sum !== null) {
      each((at) => {
        const next = add(element(carried, at), element(sum, at));
        scope.emit(storeElement(carried, at, nest.periodic ? wrapped(scope, next) : next));
      });
    }
  });
  scope.held.clear();
}

/** A row of the item, at a position along the scan. */
function rowAt(
  scope: Scope,
  { before, rows }: ChannelItems,
  { start }: Own,
  token: { readonly axis: Axis; readonly position: Expression } | null,
  row: Expression,
): Grid {
  const inRows = takeApart(scope, rows, row);
  const prefix = [...start.prefix];
  if (token !== null) prefix.push(add(multiply(prefix.at(-1)!, extentOf(token.axis.extent)), token.position));
  const flat = prefix.at(-1)!;
  rows.forEach((_, n) => prefix.push(add(multiply(flat, countOf(rows.slice(0, n + 1))), inRows.prefix[n + 1]!)));
  const [axes, positions] = token === null ? [[], []] : [[token.axis], [token.position]];
  return {
    axes: [...before, ...axes, ...rows],
    local: [...start.local, ...positions, ...inRows.local],
    prefix,
  };
}

/** One step of one channel: `at`, where its values are carried. */
function writeStep(
  scope: Scope,
  { root }: ScanNest,
  setting: Setting,
  grid: Grid,
  at: Expression,
  carried: string,
  sum: string | null,
): void {
  const d = root.definition as Scan;
  const indices = indicesAt(scope, d.tensor.axes, grid.local);
  const point = openPoint(scope, root.hints).with(indices);
  const start = scope.bind('carry', element(carried, at));
  const old = sum === null ? start : scope.bind('sum', element(sum, at));
  const term = point.real(d.term);
  const next = scope.bind('next', add(isSum(d) ? old : multiply(point.real(d.factor), old), term));
  const value = d.exclusive ? old : next;
  const index = indices.map(([, each]) => each);
  storeInto(scope, setting, d.tensor, index, sum === null ? value : add(start, value));
  scope.emit(storeElement(sum ?? carried, at, next));
}
