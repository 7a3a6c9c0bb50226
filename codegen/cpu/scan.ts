// A first-order recurrence along one axis -> one kernel for a CPU: an item walks all tokens for a group of neighbouring
// channels, whose values it carries in private memory; or for a single channel, with the terms of a piece made first.
// Sums are carried by piece: what the pieces before add up to, and the sum of this one, so that little is rounded away.

import type { Axis } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import { add, element, f32, local, loop, multiply, storeElement, subtract, workgroupIndex } from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { ScanNest } from '../plan/nest.ts';
import { numberSize } from '../plan/size.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting, type Wanted } from '../simt/draft.ts';
import { indicesAt } from '../simt/grid.ts';
import { wrapped } from '../simt/scan.ts';
import { extentOf, type Grid, type Scope } from '../simt/scope.ts';
import { storeInto } from '../simt/store.ts';
import { setTo } from '../simt/variable.ts';
import { countItems, eachRow, itemsOf } from './items.ts';
import { channelItems, walkChannels } from './scan-channels.ts';
import { carryIn, eachPiece, isSum, positionOf, type Scan } from './scan-pieces.ts';

export function lowerScan(nest: ScanNest, setting: Setting): readonly Draft[] {
  const d = nest.root.definition as Scan;
  const { tensor, along } = d;
  const place = tensor.axes.indexOf(along);
  const [before, after] = [tensor.axes.slice(0, place), tensor.axes.slice(place + 1)];
  const carried = nest.carry === null ? [] : [{ buffer: setting.storage.get(nest.carry)!, write: false }];
  const wanted: Wanted[] = [...buffersOf([nest.root], setting), ...carried];
  const name = setting.kernelName(tensor.name);
  const channels = channelItems(nest, before, after);
  const lines = { ...itemsOf(before, []), perItem: 1 };
  const { body, buffers } = writeBody(setting, name, 1, wanted, (scope) => {
    const item = scope.bind('item', workgroupIndex);
    if (after.length > 0) walkChannels(scope, nest, setting, channels, item);
    else eachRow(scope, lines, item, (row) => walkLine(scope, nest, setting, row));
  });
  return [
    {
      name,
      comment: `${describe([nest.root])}, in order`,
      definitions: [d],
      buffers,
      variants: [variant('software', after.length > 0 ? channels.count : countItems(lines), body)],
      flops: flopsOf([nest.root]),
    },
  ];
}

/** A single channel, the last axis: terms in vectors along the axis, then added up one by one. */
function walkLine(scope: Scope, nest: ScanNest, setting: Setting, row: Grid): void {
  const d = nest.root.definition as Scan;
  const sums = isSum(d);
  const terms = scope.scratch('term', 'f32', numberSize(nest.chunk));
  const factors = sums ? null : scope.scratch('factor', 'f32', numberSize(nest.chunk));
  const carry = scope.variable('carry', carryIn(scope, nest, row.local));
  const pointAt = (step: Expression): readonly [Axis, Expression][] => {
    const position = positionOf(d, step);
    const flat = add(multiply(row.prefix.at(-1)!, extentOf(d.along.extent)), position);
    const grid: Grid = { axes: d.tensor.axes, local: [...row.local, position], prefix: [...row.prefix, flat] };
    scope.grids.push(grid);
    return indicesAt(scope, d.tensor.axes, grid.local);
  };
  eachPiece(scope, nest, (from, to) => {
    const ahead = scope.fresh('ahead');
    const made = scope.block(() => {
      const point = openPoint(scope, nest.root.hints).with(pointAt(local(ahead, 'i32')));
      const at = subtract(local(ahead, 'i32'), from);
      scope.emit(storeElement(terms, at, point.real(d.term)));
      if (factors !== null) scope.emit(storeElement(factors, at, point.real(d.factor)));
    });
    scope.emit(loop(ahead, from, to, made, { mode: 'vector' }));
    const sum = sums ? scope.variable('sum', f32(0)) : null;
    const step = scope.fresh('step');
    const body = scope.block(() => {
      const index = pointAt(local(step, 'i32')).map(([, each]) => each);
      const at = subtract(local(step, 'i32'), from);
      const state = sum ?? carry;
      const kept = factors === null ? state : multiply(element(factors, at), state);
      const next = scope.bind('next', add(kept, element(terms, at)));
      const value = d.exclusive ? state : next;
      storeInto(scope, setting, d.tensor, index, sum === null ? value : add(carry, value));
      scope.emit(setTo(state, next));
    });
    scope.emit(loop(step, from, to, body));
    if (sum !== null) {
      const next = add(carry, sum);
      scope.emit(setTo(carry, nest.periodic ? wrapped(scope, next) : next));
    }
  });
}
