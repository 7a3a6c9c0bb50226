// Sums by id -> two kernels. The places of each id stand side by side in `order`. First the sums of pieces of `order` that
// are of one id throughout; then a lane a result: the places before the first whole piece of its row, the whole pieces,
// the places after. The order of additions depends on the ids only.

import type { Axis } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  equal,
  f32,
  i32,
  less,
  load,
  local,
  loop,
  maximum,
  minimum,
  multiply,
  quotient,
  store,
  when,
} from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { SegmentsNest } from '../plan/nest.ts';
import { product } from '../plan/size.ts';
import { describe, variant, writeBody, type Draft, type Setting } from './draft.ts';
import { countOf, eachPoint, indicesAt, laneCount, laneGroups, laneNumber, pointsOf, takeApart } from './grid.ts';
import { extentOf, type Grid, type Scope } from './scope.ts';
import { boundByPieces, boundByRows, openLowering, piece, pieceCount, type Lowering, type Scatter } from './pieces.ts';
import { storeInto } from './store.ts';
import { addTo } from './variable.ts';
import { widest, widthOf } from './width.ts';

export function lowerSegments(nest: SegmentsNest, setting: Setting): readonly Draft[] {
  const lowering = openLowering(nest, setting);
  return [pieces(lowering), rows(lowering)];
}

/** The sum of each piece whose places are all of one id; the others stay as they are, and nobody reads them. */
function pieces(lowering: Lowering): Draft {
  const { nest, setting, definition, partial, buffer } = lowering;
  const name = setting.kernelName(`${definition.tensor.name}_partial`);
  const wanted = boundByPieces(lowering);
  const { lanes } = setting.options;
  const { way, written } = widest(waysOf(lowering), (width) =>
    writeBody(setting, name, lanes, wanted, (scope, nameOf) => {
      const order = nameOf(buffer(nest.order));
      const placeCount = countOf(nest.places);
      const count = quotient(add(placeCount, i32(piece - 1)), i32(piece));
      const index = laneNumber(scope, multiply(count, laneCount(nest.inner, width)));
      eachPoint(scope, [pieceAxis, ...nest.inner], index, width, (grid) => {
        const point = innerPoint(scope, nest, grid);
        const from = scope.bind('from', multiply(grid.local[0]!, i32(piece)));
        const last = add(from, i32(piece - 1));
        const idAt = (place: Expression): Expression =>
          load(nameOf(buffer(nest.ids)), load(order, place, 'i32'), 'i32');
        const whole = scope.block(() => {
          const total = scope.variable('total', f32(0));
          addPlaces(scope, { nest, definition, order, point, total }, from, add(from, i32(piece)));
          scope.emit(store(nameOf(partial), partialAt(nest, grid.local[0]!, point), total));
        });
        scope.emit(...when(less(last, placeCount), when(equal(idAt(from), idAt(last)), whole)));
      });
    }),
  );
  const groups = laneGroups(product([pieceCount(nest), pointsOf(nest.inner, way)]), lanes);
  return {
    name,
    comment: `${definition.tensor.name}: sums over ${piece} places of one of ${nest.ids.name}`,
    definitions: [definition],
    buffers: written.buffers,
    variants: [variant('software', groups, written.body)],
    flops: flopsOf([nest.root]),
  };
}

/** A lane a result, or a few neighbours. A row without places is left as it is where it is added to. */
function rows(lowering: Lowering): Draft {
  const { nest, setting, definition, partial, buffer } = lowering;
  const { tensor } = definition;
  const name = setting.kernelName(tensor.name);
  const wanted = boundByRows(lowering);
  const { lanes } = setting.options;
  const { way, written } = widest(waysOf(lowering), (width) =>
    writeBody(setting, name, lanes, wanted, (scope, nameOf) => {
      const index = laneNumber(scope, laneCount(tensor.axes, width));
      eachPoint(scope, tensor.axes, index, width, (grid) => {
        const point = innerPoint(scope, nest, grid);
        const start = (row: Expression): Expression => load(nameOf(buffer(nest.start)), row, 'i32');
        const begin = scope.bind('begin', start(grid.local[0]!));
        const end = scope.bind('end', start(add(grid.local[0]!, i32(1))));
        const names = { order: nameOf(buffer(nest.order)), partial: nameOf(partial) };
        const writeSum = (): void => {
          const total = scope.variable('total', f32(0));
          addRow(scope, { nest, definition, order: names.order, point, total }, names.partial, begin, end);
          storeInto(scope, setting, tensor, grid.local, total);
        };
        if (setting.accumulate.has(tensor)) scope.emit(...when(less(begin, end), scope.block(writeSum)));
        else writeSum();
      });
    }),
  );
  return {
    name,
    comment: `${describe([nest.root])}: the places of each row, whole pieces by their sums`,
    definitions: [definition],
    buffers: written.buffers,
    variants: [variant('software', laneGroups(pointsOf(tensor.axes, way), lanes), written.body)],
    flops: flopsOf([nest.root]),
  };
}

/** Neighbouring results that a lane may take. */
function waysOf({ nest, setting }: Lowering): readonly number[] {
  const width = nest.inner.length === 0 ? 1 : widthOf(nest.inner, [nest.root], setting, 1);
  return width > 1 ? [width, 1] : [1];
}

/** Adds the places begin .. end of `order`: those before the first whole piece, the pieces' sums, those after the last. */
function addRow(scope: Scope, sum: Sum, partial: string, begin: Expression, end: Expression): void {
  const firstPiece = quotient(add(begin, i32(piece - 1)), i32(piece));
  const head = scope.bind('head', minimum(end, multiply(firstPiece, i32(piece))));
  const tail = scope.bind('tail', maximum(head, multiply(quotient(end, i32(piece)), i32(piece))));
  addPlaces(scope, sum, begin, head);
  const number = scope.fresh('piece');
  const more = addTo(sum.total, load(partial, partialAt(sum.nest, local(number, 'i32'), sum.point)));
  scope.emit(loop(number, firstPiece, quotient(tail, i32(piece)), [more]));
  addPlaces(scope, sum, tail, end);
}

/** Numbers pieces; how many there are is known where kernels run. */
const pieceAxis: Axis = { name: 'piece', extent: 'tokens', role: 'user' };

/** The indices along the axes that a row has besides. */
const innerPoint = (scope: Scope, { inner }: SegmentsNest, grid: Grid): readonly [Axis, Expression][] =>
  indicesAt(scope, inner, grid.local.slice(1));

/** Where a piece's sum lies at a point of the inner axes. */
const partialAt = ({ inner }: SegmentsNest, number: Expression, point: readonly [Axis, Expression][]): Expression =>
  point.reduce((flat, [, position], n) => add(multiply(flat, extentOf(inner[n]!.extent)), position), number);

interface Sum {
  readonly nest: SegmentsNest;
  readonly definition: Scatter;
  readonly order: string;
  readonly point: readonly [Axis, Expression][];
  readonly total: Expression;
}

/** Adds the body at the places order[from], ..., order[to - 1]. */
function addPlaces(
  scope: Scope,
  { nest, definition, order, point, total }: Sum,
  from: Expression,
  to: Expression,
): void {
  const slot = scope.fresh('slot');
  const body = scope.block(() => {
    const place = scope.bind('place', load(order, local(slot, 'i32'), 'i32'));
    const at = indicesAt(scope, nest.places, takeApart(scope, nest.places, place).local);
    const value = openPoint(scope, nest.root.hints)
      .with([...at, ...point])
      .real(definition.body);
    scope.emit(addTo(total, value));
  });
  scope.emit(loop(slot, from, to, body));
}
