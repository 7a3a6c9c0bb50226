// Sums by id -> two kernels for a CPU. The places of each id stand side by side in `order`. First the sums of pieces of
// `order` that are of one id throughout; then each result: the places before the first whole piece of its row, the whole
// pieces, the places after. Totals of a row stand in private memory; each place is added in vectors along the row.

import type { Axis } from '../../src/ir/ir.ts';
import type { Expression, Statement } from '../kernel.ts';
import {
  add,
  element,
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
  storeElement,
  when,
  workgroupIndex,
} from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { SegmentsNest } from '../plan/nest.ts';
import { describe, variant, writeBody, type Draft, type Setting } from '../simt/draft.ts';
import { countOf, indicesAt, pointsOf, takeApart } from '../simt/grid.ts';
import type { Grid, Scope } from '../simt/scope.ts';
import {
  boundByPieces,
  boundByRows,
  openLowering,
  piece,
  pieceCount,
  type Lowering,
  type Scatter,
} from '../simt/pieces.ts';
import { storeInto } from '../simt/store.ts';
import { countItems, eachRow, itemsOf, pointsAt } from './items.ts';

export function lowerSegments(nest: SegmentsNest, setting: Setting): readonly Draft[] {
  const lowering = openLowering(nest, setting);
  return [pieces(lowering), rows(lowering)];
}

/** An item a piece whose places are all of one id; the sums of others stay as they are, and nobody reads them. */
function pieces(lowering: Lowering): Draft {
  const { nest, setting, definition, partial, buffer } = lowering;
  const name = setting.kernelName(`${definition.tensor.name}_partial`);
  const wanted = boundByPieces(lowering);
  const { body, buffers } = writeBody(setting, name, 1, wanted, (scope, nameOf) => {
    const order = nameOf(buffer(nest.order));
    const number = scope.bind('piece', workgroupIndex);
    const from = scope.bind('from', multiply(number, i32(piece)));
    const last = add(from, i32(piece - 1));
    const idAt = (place: Expression): Expression => load(nameOf(buffer(nest.ids)), load(order, place, 'i32'), 'i32');
    const whole = scope.block(() => {
      const total = openTotal(scope, nest, definition, order);
      total.clear();
      total.addPlaces(from, add(from, i32(piece)));
      const start = multiply(number, countOf(nest.inner));
      total.each((at) => [store(nameOf(partial), add(start, at), element(total.array, at))]);
    });
    scope.emit(...when(less(last, countOf(nest.places)), when(equal(idAt(from), idAt(last)), whole)));
  });
  return {
    name,
    comment: `${definition.tensor.name}: sums over ${piece} places of one of ${nest.ids.name}`,
    definitions: [definition],
    buffers,
    variants: [variant('software', pieceCount(nest), body)],
    flops: flopsOf([nest.root]),
  };
}

/** A row without places is left as it is where it is added to. */
function rows(lowering: Lowering): Draft {
  const { nest, setting, definition, partial, buffer } = lowering;
  const { tensor } = definition;
  const name = setting.kernelName(tensor.name);
  const wanted = boundByRows(lowering);
  const [ids, inner] = [tensor.axes.slice(0, 1), tensor.axes.slice(1)];
  const points = { ...itemsOf(ids, inner), piece: null };
  const { body, buffers } = writeBody(setting, name, 1, wanted, (scope, nameOf) => {
    const total = openTotal(scope, nest, definition, nameOf(buffer(nest.order)));
    eachRow(scope, points, scope.bind('item', workgroupIndex), (row) => {
      const id = row.local[0]!;
      const start = (at: Expression): Expression => load(nameOf(buffer(nest.start)), at, 'i32');
      const begin = scope.bind('begin', start(id));
      const end = scope.bind('end', start(add(id, i32(1))));
      const writeSum = (): void => {
        total.clear();
        addRow(scope, nest, total, nameOf(partial), begin, end);
        const at = scope.fresh('at');
        const each = scope.block(() => {
          const grid = pointsAt(scope, ids, inner, row, local(at, 'i32'));
          storeInto(scope, setting, tensor, grid.local, element(total.array, local(at, 'i32')));
        });
        scope.emit(loop(at, i32(0), countOf(inner), each, { mode: 'vector' }));
      };
      if (setting.accumulate.has(tensor)) scope.emit(...when(less(begin, end), scope.block(writeSum)));
      else writeSum();
    });
  });
  return {
    name,
    comment: `${describe([nest.root])}: the places of each row, whole pieces by their sums`,
    definitions: [definition],
    buffers,
    variants: [variant('software', countItems(points), body)],
    flops: flopsOf([nest.root]),
  };
}

/** Adds the places begin .. end of `order`: those before the first whole piece, the pieces' sums, those after the last. */
function addRow(
  scope: Scope,
  nest: SegmentsNest,
  total: Total,
  partial: string,
  begin: Expression,
  end: Expression,
): void {
  const firstPiece = quotient(add(begin, i32(piece - 1)), i32(piece));
  const head = scope.bind('head', minimum(end, multiply(firstPiece, i32(piece))));
  const tail = scope.bind('tail', maximum(head, multiply(quotient(end, i32(piece)), i32(piece))));
  total.addPlaces(begin, head);
  const number = scope.fresh('piece');
  const more = scope.block(() => {
    const start = multiply(local(number, 'i32'), countOf(nest.inner));
    total.each((at) => [storeElement(total.array, at, add(element(total.array, at), load(partial, add(start, at))))]);
  });
  scope.emit(loop(number, firstPiece, quotient(tail, i32(piece)), more));
  total.addPlaces(tail, end);
}

/** The sums of a row, in private memory. */
interface Total {
  readonly array: string;
  each(write: (at: Expression) => readonly Statement[]): void;
  clear(): void;
  /** Adds the body at the places order[from], ..., order[to - 1]. */
  addPlaces(from: Expression, to: Expression): void;
}

function openTotal(scope: Scope, nest: SegmentsNest, definition: Scatter, order: string): Total {
  const array = scope.scratch('total', 'f32', pointsOf(nest.inner));
  const inVectors = (wanted: string, write: (at: Expression) => void): void => {
    const name = scope.fresh(wanted);
    const body = scope.block(() => write(local(name, 'i32')));
    scope.emit(loop(name, i32(0), countOf(nest.inner), body, { mode: 'vector' }));
  };
  const each: Total['each'] = (write) => inVectors('at', (at) => scope.emit(...write(at)));
  const clear = (): void => each((at) => [storeElement(array, at, f32(0))]);
  const addPlaces: Total['addPlaces'] = (from, to) => {
    const slot = scope.fresh('slot');
    const body = scope.block(() => {
      const place = scope.bind('place', load(order, local(slot, 'i32'), 'i32'));
      const row = takeApart(scope, nest.places, place);
      inVectors('inner', (at) => {
        const grid = pointsAt(scope, nest.places, nest.inner, row, at);
        const value = valueAt(scope, nest, definition, grid);
        scope.emit(storeElement(array, at, add(element(array, at), value)));
      });
    });
    scope.emit(loop(slot, from, to, body));
  };
  return { array, each, clear, addPlaces };
}

function valueAt(scope: Scope, { root, places, inner }: SegmentsNest, { body }: Scatter, grid: Grid): Expression {
  const axes: readonly Axis[] = [...places, ...inner];
  return openPoint(scope, root.hints)
    .with(indicesAt(scope, axes, grid.local))
    .real(body);
}
