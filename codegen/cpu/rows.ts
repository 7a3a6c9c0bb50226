// A nest of rows -> one kernel for a CPU: points in vectors along the last axes of the grid, or rows one after the other with
// their passes in vectors along the inner axes, whichever lies side by side in memory.

import type { Axis, Definition } from '../../src/ir/ir.ts';
import { domainOf } from '../../src/ir/visit.ts';
import type { Expression } from '../kernel.ts';
import { i32, local, loop, subtract, workgroupIndex } from '../kernel-build.ts';
import { openPoint, type Point } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import { scalarsOfRoot, type Root, type RowsNest } from '../plan/nest.ts';
import type { Size } from '../plan/plan.ts';
import { nominal, numberSize } from '../plan/size.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting } from '../simt/draft.ts';
import { indicesAt, takeApart } from '../simt/grid.ts';
import { nameOf, writeRows } from '../simt/rows.ts';
import { loadAt, storeAt, type Grid, type Scope } from '../simt/scope.ts';
import { openAhead, rowValues } from './ahead.ts';
import { countItems, eachNeighbour, eachRow, itemsOf, type Items, type Range } from './items.ts';
import { openPowers, powersOf } from './powers.ts';
import { isFlat, jumps } from './strides.ts';
import { areFarSums, writeSums } from './sums.ts';

type Rotate = Extract<Definition, { kind: 'rotate' }>;

export function lowerRows(nest: RowsNest, setting: Setting): Draft {
  const name = setting.kernelName(nameOf(nest.members));
  const part = partOf(nest, setting);
  const { body, buffers } = writeBody(setting, name, 1, buffersOf(nest.members, setting), (scope) => {
    part.write(scope, scope.bind('item', workgroupIndex));
  });
  return {
    name,
    comment: describe(nest.members),
    definitions: nest.members.map((root) => root.definition),
    buffers,
    variants: [variant('software', part.items, body)],
    flops: flopsOf(nest.members),
  };
}

/** A nest of a kernel: how many items it has, and what is done for one of them. */
export interface Part {
  readonly items: Size;
  write(scope: Scope, item: Expression): void;
}

export function partOf(nest: RowsNest, setting: Setting): Part {
  const { items, along } = wayOf(nest, setting);
  const walk = { lanes: null, steps: 1 };
  return {
    items: countItems(items),
    write(scope, item) {
      if (along === 'grid' && areFarSums(nest)) return writeSums(scope, nest, setting, items, item);
      const once = openOnce(scope, nest, { items, along });
      const writeRow = (row: Grid, range: Range): void => {
        once.inRow(row);
        if (along === 'inner') return writeRows(scope, nest, setting, row, { ...walk, mode: 'vector' });
        const mode = nest.inner.length === 0 ? 'vector' : 'serial';
        eachNeighbour(scope, items, row, range, (grid) => writeRows(scope, nest, setting, grid, { ...walk, mode }));
        if (range.from.kind === 'literal') passOthers(scope, nest.members, row);
      };
      eachRow(scope, items, item, writeRow, once.before);
      scope.held.clear();
    },
  };
}

interface Once {
  /** Values of rows, for several of them. */
  before(rows: Range, row: Expression): void;
  /** Powers along what vectors run along. */
  inRow(row: Grid): void;
}

/** Rows that are worth vectors of their own. */
const manyRows = 8;

/** What depends on rows alone, or takes but a product from one point to the next. */
function openOnce(scope: Scope, nest: RowsNest, { items, along }: Way): Once {
  const made = new Set(nest.members.map(({ definition }) => definition.tensor));
  const count = items.rows.length;
  const rank = nest.grid.length + nest.inner.length;
  const single = along === 'inner' ? nest.inner.length === 1 : nest.inner.length === 0 && items.neighbours.length === 1;
  const parts = nest.members.map((root) => {
    const axes = Array.from({ length: rank }, (_, place) => axisAt(root, place)).filter((axis) => axis !== undefined);
    const last = axes[rank - 1];
    const powers = single && items.piece === null && last !== undefined ? powersOf(root, last, made) : [];
    const scalars = items.perItem < manyRows ? [] : rowValues(scalarsOfRoot(root), axes.slice(count), made);
    const pointIn = (row: Grid): Point =>
      openPoint(scope, root.hints).with(indicesAt(scope, axes.slice(0, count), row.local));
    const pointAt = (row: Expression): Point => pointIn(takeApart(scope, items.rows, row));
    return { scalars, pointAt, pointIn, fill: openPowers(scope, powers) };
  });
  const ahead = openAhead(scope, parts, numberSize(items.perItem));
  return {
    before(rows, row) {
      ahead.make(rows);
      ahead.hold(subtract(row, rows.from));
    },
    inRow(row) {
      for (const { fill, pointIn } of parts) fill(pointIn(row));
    },
  };
}

interface Way {
  readonly items: Items;
  /** What vectors run along: the last axes of the grid, or the last of the inner ones. */
  readonly along: 'grid' | 'inner';
}

const pointsIn = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);

/** Neighbours that are worth a loop of their own. */
const enough = 8;
const isShort = ({ extent }: Axis): boolean => nominal(extent) < enough && nominal(extent) % 4 !== 0;

function wayOf(nest: RowsNest, setting: Setting): Way {
  const { grid, inner, members } = nest;
  if (isFlat(members, setting) && inner.length === 0) return { items: itemsOf([], grid), along: 'grid' };
  if (inner.length === 0 || alongGrid(nest)) {
    const count = neighboursOf(nest);
    const [rows, neighbours] = [grid.slice(0, grid.length - count), grid.slice(grid.length - count)];
    return { items: itemsOf(rows, neighbours, pointsIn(inner)), along: 'grid' };
  }
  return { items: itemsOf(grid, [], pointsIn(inner)), along: 'inner' };
}

/** How many of the last axes of the grid are walked together: more than one where they are short. */
function neighboursOf({ grid, inner, members }: RowsNest): number {
  const turns = members.some(({ definition }) => definition.kind === 'rotate');
  let count = Math.min(1, grid.length);
  if (turns || inner.length > 0) return count;
  while (count < grid.length && isShort({ ...grid.at(-1)!, extent: pointsIn(grid.slice(-count)) })) count += 1;
  return count;
}

/** Whether rows lie side by side better than the points of each. */
function alongGrid({ grid, inner, members }: RowsNest): boolean {
  const [outside, inside] = [grid.at(-1), inner.at(-1)!];
  if (outside === undefined || isShort(outside)) return false;
  const jumpsAlong = (place: number): number =>
    members.reduce((all, root) => all + (axisAt(root, place) === undefined ? 0 : jumps(root, axisAt(root, place)!)), 0);
  const [far, farInside] = [jumpsAlong(grid.length - 1), jumpsAlong(grid.length + inner.length - 1)];
  return isShort(inside) ? far <= farInside : far < farInside;
}

/** A member's own axis in the place of one of the nest's. */
function axisAt({ definition: d }: Root, place: number): Axis | undefined {
  if (d.kind === 'reduce') return [...d.tensor.axes, ...d.over][place];
  if (d.kind === 'softmax') return [...d.tensor.axes.filter((axis) => axis !== d.over), d.over][place];
  return domainOf(d)[place];
}

/** The features of a row that rotations do not turn, where they do not lie there already. */
function passOthers(scope: Scope, members: readonly Root[], row: Grid): void {
  for (const { definition: d } of members) {
    if (d.kind !== 'rotate' || scope.storage.get(d.tensor) === scope.storage.get(d.input)) continue;
    const outer = indicesAt(scope, d.tensor.axes.slice(0, -1), row.local).map(([, index]) => index);
    const turnsTo = d.from + 2 * (d.pair.extent as number);
    const features = d.tensor.axes.at(-1)!.extent as number;
    copyFeatures(scope, d, outer, 0, d.from);
    copyFeatures(scope, d, outer, turnsTo, features);
  }
}

function copyFeatures(scope: Scope, d: Rotate, outer: readonly Expression[], from: number, to: number): void {
  if (from >= to) return;
  const name = scope.fresh('other');
  const body = scope.block(() => {
    const index = [...outer, local(name, 'i32')];
    storeAt(scope, d.tensor, index, loadAt(scope, d.input, index));
  });
  scope.emit(loop(name, i32(from), i32(to), body, { mode: 'vector' }));
}
