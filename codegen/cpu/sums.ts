// Sums over axes far apart in memory, sequences say, at neighbouring points of a row: what is summed comes row by row, added to
// totals in private memory, so that memory is read in streams however many sequences there are.

import type { Axis, Definition } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import { add, element, f32, i32, local, loop, multiply, storeElement, subtract } from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import { readBy, type Root, type RowsNest } from '../plan/nest.ts';
import { numberSize, product } from '../plan/size.ts';
import type { Setting } from '../simt/draft.ts';
import { countOf, indicesAt, pointsOf } from '../simt/grid.ts';
import { extentOf, type Grid, type Scope } from '../simt/scope.ts';
import { storeInto } from '../simt/store.ts';
import { eachNeighbour, eachRow, type Items } from './items.ts';

type Sum = Extract<Definition, { kind: 'reduce' }>;

/** Sums alone, none of another, over axes whose extent only the call says; one with a condition may end early instead. */
export function areFarSums({ inner, members }: RowsNest): boolean {
  const made = new Set(members.map(({ definition }) => definition.tensor));
  const isPlain = ({ definition: d }: Root): boolean =>
    d.kind === 'reduce' && d.op === 'sum' && !(d.body.kind === 'call' && d.body.op === 'select');
  const isOfAnother = (root: Root): boolean => [...readBy(root)].some((tensor) => made.has(tensor));
  return inner.some(({ extent }) => typeof extent !== 'number') && members.every(isPlain) && !members.some(isOfAnother);
}

/** All sums of an item: the rows of one sequence after the other. */
export function writeSums(
  scope: Scope,
  { inner, members }: RowsNest,
  setting: Setting,
  items: Items,
  item: Expression,
): void {
  const { rows, neighbours, perItem, piece } = items;
  const size = piece === null ? product([numberSize(perItem), pointsOf(neighbours)]) : numberSize(piece);
  const totals = members.map(({ definition: { tensor } }) => scope.scratch(`${tensor.name}_sum`, 'f32', size));
  const first = multiply(item, i32(perItem));
  const along = (write: (at: Expression, grid: Grid) => void): void =>
    eachRow(scope, items, item, (row, range) => {
      const place = piece === null && rows.length > 0 ? subtract(row.prefix[rows.length]!, first) : i32(0);
      const start = subtract(multiply(place, countOf(neighbours)), range.from);
      eachNeighbour(scope, items, row, range, (grid, at) => write(add(start, at), grid));
    });
  along((at) => totals.forEach((total) => scope.emit(storeElement(total, at, f32(0)))));
  const nested = (k: number, positions: readonly Expression[]): void => {
    const axis = inner[k];
    if (axis === undefined) {
      return along((at, grid) => {
        const values = members.map((root) => valueAt(scope, root, grid, positions));
        values.forEach((value, n) => scope.emit(storeElement(totals[n]!, at, add(element(totals[n]!, at), value))));
      });
    }
    const name = scope.fresh(axis.name);
    const body = scope.block(() => nested(k + 1, [...positions, local(name, 'i32')]));
    scope.emit(loop(name, i32(0), extentOf(axis.extent), body));
  };
  nested(0, []);
  along((at, grid) => {
    members.forEach(({ definition: { tensor } }, n) => {
      const index = indicesAt(scope, tensor.axes, grid.local).map(([, each]) => each);
      storeInto(scope, setting, tensor, index, element(totals[n]!, at));
    });
  });
}

function valueAt(scope: Scope, root: Root, grid: Grid, inner: readonly Expression[]): Expression {
  const d = root.definition as Sum;
  const own: readonly [readonly Axis[], readonly Expression[]][] = [
    [d.tensor.axes, grid.local],
    [d.over, inner],
  ];
  const at = own.flatMap(([axes, positions]) => indicesAt(scope, axes, positions));
  return openPoint(scope, root.hints).with(at).real(d.body);
}
