// A matrix product -> a register tile for each lane: it loads a few values of the left and of the right factor for each
// step and keeps their products in registers. Operands are any scalars of their axes, so transposes, heads shared by
// queries, and views need no copy. Where the points are few, chunks of what is summed are added up by a second kernel.

import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  and,
  assign,
  f32,
  i32,
  less,
  local,
  loop,
  minimum,
  multiply,
  quotient,
  remainder,
  store,
  subtract,
  toF32,
  when,
} from '../kernel-build.ts';
import { openPoint, type Point } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { ContractionNest, Root } from '../plan/nest.ts';
import { ceilDivide, nominal, product } from '../plan/size.ts';
import type { Size } from '../plan/plan.ts';
import { chunkCount, chunksIn, chunksOf, overChunk, partialBuffer, sizeExpression, sumPartials } from './columns.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting, type Wanted } from './draft.ts';
import { countOf, laneGroups, laneNumber, pointsOf, takeApart } from './grid.ts';
import { extentOf, indexAt, type Scope } from './scope.ts';
import { storeInto } from './store.ts';

/** Points of a lane along m and along n. */
interface Tile {
  readonly m: number;
  readonly n: number;
}

const side = 4;

function tileOf(nest: ContractionNest): Tile {
  const most = (axes: readonly Axis[]): number => {
    const points = axes.reduce((all, axis) => all * nominal(axis.extent), 1);
    return points >= side ? side : points;
  };
  return { m: most(nest.m), n: most(nest.n) };
}

const tilesOf = (axes: readonly Axis[], by: number): Size => ceilDivide(pointsOf(axes), by);

/** A lane's points along one group of axes: flat, clamped to the last point, and taken apart. */
interface Side {
  readonly flat: readonly Expression[];
  readonly inside: readonly Expression[];
  readonly index: readonly (readonly [Axis, Expression][])[];
}

function sideOf(scope: Scope, axes: readonly Axis[], count: number, tile: Expression): Side {
  const points = countOf(axes);
  const start = multiply(tile, i32(count));
  const flat = Array.from({ length: count }, (_, n) => add(start, i32(n)));
  const fits = points.kind === 'literal' && points.value % count === 0;
  const clamped = flat.map((each) => (fits ? each : minimum(each, subtract(points, i32(1)))));
  return {
    flat,
    inside: flat.map((each) => (fits ? less(i32(0), i32(1)) : less(each, points))),
    index: clamped.map((each) => {
      const { local: positions } = takeApart(scope, axes, each);
      return axes.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, positions[n]!)]);
    }),
  };
}

export function lowerContraction(nest: ContractionNest, setting: Setting): readonly Draft[] {
  return nest.split === null ? [whole(nest, setting)] : splitUp(nest, setting);
}

function whole(nest: ContractionNest, setting: Setting): Draft {
  const tile = tileOf(nest);
  const members = [nest.root, ...nest.epilogue];
  const name = setting.kernelName(
    members
      .map((root) => root.definition.tensor.name)
      .slice(0, 3)
      .join('_'),
  );
  const { body, buffers } = writeBody(setting, name, 64, buffersOf(members, setting), (scope) => {
    const sums = writeTile(scope, nest, tile, null, (write) => {
      const over = (k: number, index: readonly [Axis, Expression][]): void => {
        const axis = nest.over[k];
        if (axis === undefined) return write(index);
        const variable = scope.fresh(axis.name);
        const at = indexAt(scope, axis, local(variable, 'i32'));
        const inner = scope.block(() => over(k + 1, [...index, [axis, at]]));
        scope.emit(loop(variable, i32(0), extentOf(axis.extent), inner));
      };
      over(0, []);
    });
    sums.each((total, point, inside) => {
      const stores = scope.block(() => finishPoint(scope, nest, setting, total, point));
      scope.emit(...when(inside, stores));
    });
  });
  const lanes = product([pointsOf(nest.batch), tilesOf(nest.m, tile.m), tilesOf(nest.n, tile.n)]);
  return {
    name,
    comment: describe(members),
    definitions: members.map((root) => root.definition),
    buffers,
    variants: [variant('software', laneGroups(lanes), body)],
    flops: flopsOf(members),
  };
}

/** The factors that do not depend on the sum, and the maps that read it. */
function finishPoint(
  scope: Scope,
  nest: ContractionNest,
  setting: Setting,
  total: Expression,
  index: ReadonlyMap<Axis, Expression>,
): void {
  const { tensor } = nest.root.definition;
  const at = tensor.axes.map((axis) => index.get(axis)!);
  const point = openPoint(scope, nest.root.hints).with(index);
  const sum = nest.scale === null ? total : multiply(point.real(nest.scale), total);
  const values = new Map<Tensor, Expression>([[tensor, scope.hint(sum, tensor.name)]]);
  const stores: (() => void)[] = [];
  if (!setting.registers.has(tensor)) stores.push(() => storeInto(scope, setting, tensor, at, sum));
  for (const root of nest.epilogue) {
    const d = root.definition as Extract<Definition, { kind: 'map' }>;
    const own = openPoint(scope, root.hints).with(
      d.tensor.axes.map((axis, n): [Axis, Expression] => [axis, at[n]!]),
      values,
    );
    const raw = own.value(d.body);
    const value = scope.hint(d.tensor.type === 'real' ? toF32(raw) : raw, d.tensor.name);
    values.set(d.tensor, value);
    if (!setting.registers.has(d.tensor)) stores.push(() => storeInto(scope, setting, d.tensor, at, value));
  }
  for (const each of stores) each();
}

interface Sums {
  each(use: (total: Expression, point: ReadonlyMap<Axis, Expression>, inside: Expression) => void): void;
}

/** Sums of a lane's tile. `chunk`: the number of chunks, whose index then is the slowest part of the lane's number. */
function writeTile(
  scope: Scope,
  nest: ContractionNest,
  tile: Tile,
  chunk: { readonly count: Expression; use(index: Expression): void } | null,
  overAll: (write: (index: readonly [Axis, Expression][]) => void) => void,
): Sums {
  const columns = sizeExpression(tilesOf(nest.n, tile.n));
  const rows = sizeExpression(tilesOf(nest.m, tile.m));
  const batches = countOf(nest.batch);
  const lanes = multiply(multiply(batches, rows), columns);
  const index = laneNumber(scope, chunk === null ? lanes : multiply(chunk.count, lanes));
  const column = scope.bind('column', remainder(index, columns));
  const upper = quotient(index, columns);
  const row = scope.bind('row', remainder(upper, rows));
  const rest = quotient(upper, rows);
  const batch = takeApart(scope, nest.batch, nest.batch.length === 0 ? i32(0) : remainder(rest, batches));
  chunk?.use(quotient(rest, batches));
  const fixed = nest.batch.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, batch.local[n]!)]);
  const left = sideOf(scope, nest.m, tile.m, row);
  const right = sideOf(scope, nest.n, tile.n, column);
  const totals = left.flat.map((_, a) => right.flat.map((__, b) => scope.variable(`sum_${a}_${b}`, f32(0))));
  overAll((k) => {
    const at = (own: readonly [Axis, Expression][]): Point =>
      openPoint(scope, nest.root.hints).with([...fixed, ...own, ...k]);
    const operand = (name: string, scalar: Scalar, points: Side): Expression[] =>
      points.index.map((own) => scope.bind(name, at(own).real(scalar)));
    const ls = operand('left', nest.left, left);
    const rs = operand('right', nest.right, right);
    ls.forEach((l, a) =>
      rs.forEach((r, b) => {
        const total = totals[a]![b]!;
        if (total.kind === 'local') scope.emit(assign(total.name, add(total, multiply(l, r))));
      }),
    );
  });
  return {
    each(use) {
      totals.forEach((line, a) =>
        line.forEach((total, b) => {
          const point = new Map([...fixed, ...left.index[a]!, ...right.index[b]!]);
          use(total, point, and(left.inside[a]!, right.inside[b]!));
        }),
      );
    },
  };
}

/** Partial sums by chunk, then their sums. */
function splitUp(nest: ContractionNest, setting: Setting): readonly Draft[] {
  const tile = tileOf(nest);
  const { tensor } = nest.root.definition;
  const chunks = chunksOf(nest.over, nest.split!.axis, nest.split!.chunk);
  const count = chunkCount(chunks);
  const name = setting.kernelName(`${tensor.name}_partial`);
  const partial = partialBuffer(setting, tensor, count);
  const wanted: Wanted[] = [
    ...buffersOf([withoutScale(nest)], setting).filter(({ write }) => !write),
    { buffer: partial, write: true },
  ];
  const { body, buffers } = writeBody(setting, name, 64, wanted, (scope, nameOf) => {
    let chunk: Expression = i32(0);
    const use = (index: Expression): void => {
      chunk = scope.bind('chunk', index);
    };
    const sums = writeTile(scope, nest, tile, { count: chunksIn(chunks), use }, (write) =>
      overChunk(scope, chunks, chunk, write),
    );
    sums.each((total, point, inside) => {
      const flat = tensor.axes.reduce(
        (all: Expression, axis) => add(multiply(all, extentOf(axis.extent)), positionOf(point, axis)),
        chunk,
      );
      scope.emit(...when(inside, [store(nameOf(partial), flat, total)]));
    });
  });
  const lanes = product([count, pointsOf(nest.batch), tilesOf(nest.m, tile.m), tilesOf(nest.n, tile.n)]);
  const first: Draft = {
    name,
    comment: `partial sums of ${describe([nest.root])}`,
    definitions: [nest.root.definition],
    buffers,
    variants: [variant('software', laneGroups(lanes), body)],
    flops: flopsOf([nest.root]),
  };
  return [first, ...sumPartials(setting, [{ root: nest.root, partial, scale: nest.scale }], count, nest.split!.chunk)];
}

/** Partial sums are stored by position; gradients, which alone are split, have no window of tokens. */
const positionOf = (point: ReadonlyMap<Axis, Expression>, axis: Axis): Expression => point.get(axis)!;

/** What the first of two kernels reads. */
function withoutScale(nest: ContractionNest): Root {
  const d = nest.root.definition as Extract<Definition, { kind: 'reduce' }>;
  const body: Scalar = { kind: 'call', type: 'real', op: 'multiply', args: [nest.left, nest.right] };
  return { ...nest.root, definition: { ...d, body } };
}
