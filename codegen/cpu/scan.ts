// A first-order recurrence along one axis -> one kernel for a CPU: an item walks all tokens for a group of neighbouring
// channels, whose values it carries in private memory; or for a single channel, with the terms of a piece made first.
// Sums are carried by piece: what the pieces before add up to, and the sum of this one, so that little is rounded away.

import type { Axis, Definition } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  element,
  equal,
  f32,
  i32,
  local,
  loop,
  minimum,
  multiply,
  quotient,
  select,
  sizeOf,
  storeElement,
  subtract,
  workgroupIndex,
} from '../kernel-build.ts';
import { openPoint, type Point } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { ScanNest } from '../plan/nest.ts';
import { nominal, numberSize } from '../plan/size.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting, type Wanted } from '../simt/draft.ts';
import { indicesAt, pointsOf } from '../simt/grid.ts';
import { extentOf, loadAt, type Grid, type Scope } from '../simt/scope.ts';
import { wrapped } from '../simt/scan.ts';
import { storeInto } from '../simt/store.ts';
import { setTo } from '../simt/variable.ts';
import { openAhead, rowValues } from './ahead.ts';
import { openPowers, powersOf } from './powers.ts';
import { countItems, eachNeighbour, eachRow, type Items, type Range } from './items.ts';

type Scan = Extract<Definition, { kind: 'scan' }>;

const isSum = (d: Scan): boolean => d.factor.kind === 'constant' && d.factor.value === 1;

/** Channels of an item: a few cache lines a token. */
const fewest = 16;
const most = 64;

export function lowerScan(nest: ScanNest, setting: Setting): readonly Draft[] {
  const d = nest.root.definition as Scan;
  const { tensor, along } = d;
  const place = tensor.axes.indexOf(along);
  const [before, after] = [tensor.axes.slice(0, place), tensor.axes.slice(place + 1)];
  const items = channelsOf(nest, before, after);
  const carried = nest.carry === null ? [] : [{ buffer: setting.storage.get(nest.carry)!, write: false }];
  const wanted: Wanted[] = [...buffersOf([nest.root], setting), ...carried];
  const name = setting.kernelName(tensor.name);
  const { body, buffers } = writeBody(setting, name, 1, wanted, (scope) => {
    eachRow(scope, items, scope.bind('item', workgroupIndex), (row, range) => {
      const channels = { before, after: items.rows.slice(place), neighbours: items.neighbours, row, range };
      if (items.neighbours.length === 0) walkOne(scope, nest, setting, channels);
      else walkChannels(scope, nest, setting, channels, items);
    });
  });
  return [
    {
      name,
      comment: `${describe([nest.root])}, in order`,
      definitions: [d],
      buffers,
      variants: [variant('software', countItems(items), body)],
      flops: flopsOf([nest.root]),
    },
  ];
}

const pointsIn = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);

/** The last axes together, until they fill a cache line; an item has a piece of them. */
function channelsOf({ root }: ScanNest, before: readonly Axis[], after: readonly Axis[]): Items {
  let count = Math.min(1, after.length);
  // Powers along the last axis are made for all of it.
  if (after.length > 0 && powersOf(root, after.at(-1)!).length > 0)
    return { rows: [...before, ...after.slice(0, -1)], neighbours: after.slice(-1), perItem: 1, piece: null };
  while (count < after.length && pointsIn(after.slice(-count)) < fewest) count += 1;
  const neighbours = after.slice(after.length - count);
  const piece = pointsIn(neighbours) > most ? most : null;
  return { rows: [...before, ...after.slice(0, after.length - count)], neighbours, perItem: 1, piece };
}

/** `before` and `after` the axis of the scan, `row` over both; then the neighbours that an item has. */
interface Channels {
  readonly before: readonly Axis[];
  readonly after: readonly Axis[];
  readonly neighbours: readonly Axis[];
  readonly row: Grid;
  readonly range: Range;
}

/** All tokens in pieces, in the order of the scan. */
function eachPiece(
  scope: Scope,
  { chunk: length }: ScanNest,
  d: Scan,
  write: (from: Expression, to: Expression) => void,
) {
  const extent = extentOf(d.along.extent);
  const name = scope.fresh('piece');
  const body = scope.block(() => {
    const from = scope.bind('from', multiply(local(name, 'i32'), i32(length)));
    write(from, scope.bind('to', minimum(add(from, i32(length)), extent)));
  });
  scope.emit(loop(name, i32(0), quotient(add(extent, i32(length - 1)), i32(length)), body));
}

/** The position of a step. */
function positionOf(d: Scan, step: Expression): Expression {
  return d.reverse ? subtract(subtract(extentOf(d.along.extent), i32(1)), step) : step;
}

/** The rows of the tensor at a position along the scan: all its axes but the neighbours. */
function rowAt({ before, after, row }: Channels, d: Scan, position: Expression): Grid {
  const axes = [...before, d.along, ...after];
  const prefix: Expression[] = row.prefix.slice(0, before.length + 1);
  const flat = prefix.at(-1)!;
  prefix.push(add(multiply(flat, extentOf(d.along.extent)), position));
  const own = row.local.slice(before.length);
  own.forEach((index, n) => prefix.push(add(multiply(prefix.at(-1)!, extentOf(after[n]!.extent)), index)));
  return { axes, local: [...row.local.slice(0, before.length), position, ...own], prefix };
}

function walkChannels(scope: Scope, nest: ScanNest, setting: Setting, channels: Channels, items: Items): void {
  const d = nest.root.definition as Scan;
  const sums = isSum(d);
  const size = items.piece === null ? pointsOf(items.neighbours) : numberSize(items.piece);
  const carried = scope.scratch(`${d.tensor.name}_carry`, 'f32', size);
  const sum = sums ? scope.scratch(`${d.tensor.name}_sum`, 'f32', size) : null;
  const { row, range } = channels;
  const each = (write: (at: Expression, grid: Grid) => void): void =>
    eachNeighbour(scope, items, row, range, (grid, at) => write(subtract(at, range.from), grid));
  const last = channels.neighbours.at(-1)!;
  const isWhole = channels.neighbours.length === 1 && items.piece === null;
  const pointAt = (token: Grid): Point =>
    openPoint(scope, nest.root.hints).with(indicesAt(scope, token.axes, token.local));
  const dear = {
    scalars: rowValues([d.term, d.factor], channels.neighbours, new Set()),
    pointAt: (step: Expression) => pointAt(rowAt(channels, d, positionOf(d, step))),
  };
  const ahead = openAhead(scope, [dear], numberSize(nest.chunk));
  const fill = openPowers(scope, isWhole ? powersOf(nest.root, last) : []);
  each((at, grid) => scope.emit(storeElement(carried, at, carryIn(scope, nest, grid.local))));
  eachPiece(scope, nest, d, (from, to) => {
    if (sum !== null) each((at) => scope.emit(storeElement(sum, at, f32(0))));
    const step = scope.fresh(d.reverse ? 'step' : d.along.name);
    ahead({ from, to }, local(step, 'i32'));
    const body = scope.block(() => {
      const position = positionOf(d, local(step, 'i32'));
      const token = rowAt(channels, d, d.reverse ? scope.bind(d.along.name, position) : position);
      fill(pointAt(token));
      eachNeighbour(scope, { rows: token.axes, neighbours: items.neighbours }, token, range, (grid, neighbour) => {
        const at = subtract(neighbour, range.from);
        const point = openPoint(scope, nest.root.hints).with(indicesAt(scope, d.tensor.axes, grid.local));
        const index = indicesAt(scope, d.tensor.axes, grid.local).map(([, each]) => each);
        const start = scope.bind('carry', element(carried, at));
        const old = sum === null ? start : scope.bind('sum', element(sum, at));
        const next = scope.bind('next', nextOf(d, point, old));
        const value = d.exclusive ? old : next;
        storeInto(scope, setting, d.tensor, index, sum === null ? value : add(start, value));
        scope.emit(storeElement(sum ?? carried, at, next));
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
}

const nextOf = (d: Scan, point: Point, before: Expression): Expression =>
  isSum(d) ? add(before, point.real(d.term)) : add(multiply(point.real(d.factor), before), point.real(d.term));

/** A single channel: terms in vectors along the axis, then added up one by one. */
function walkOne(scope: Scope, nest: ScanNest, setting: Setting, channels: Channels): void {
  const d = nest.root.definition as Scan;
  const sums = isSum(d);
  const terms = scope.scratch('term', 'f32', numberSize(nest.chunk));
  const factors = sums ? null : scope.scratch('factor', 'f32', numberSize(nest.chunk));
  const carry = scope.variable('carry', carryIn(scope, nest, channels.row.local));
  const pointAt = (step: Expression): readonly [Axis, Expression][] => {
    const grid = rowAt(channels, d, positionOf(d, step));
    scope.grids.push(grid);
    return indicesAt(scope, d.tensor.axes, grid.local);
  };
  eachPiece(scope, nest, d, (from, to) => {
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

/** The value before the first token: of the recurrence's beginning, or what the call before left. */
function carryIn(scope: Scope, { root, carry }: ScanNest, index: readonly Expression[]): Expression {
  const initial = f32((root.definition as Scan).initial);
  if (carry === null) return initial;
  return select(equal(sizeOf('first'), i32(0)), initial, loadAt(scope, carry, index));
}
