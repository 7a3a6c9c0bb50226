// Sums of many rows into few numbers, for a CPU, in two kernels: an item sums a chunk of rows, into private memory in vectors
// along the results, or one result after the other in vectors along the rows; then the partial sums are added up in order.

import type { Axis, Definition } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
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
  store,
  storeElement,
  workgroupIndex,
} from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { ColumnsNest, Root } from '../plan/nest.ts';
import type { BufferPlan } from '../plan/plan.ts';
import { nominal } from '../plan/size.ts';
import { chunkCount, chunksOf, type Chunks } from '../simt/chunks.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting, type Wanted } from '../simt/draft.ts';
import { countOf, pointsOf, takeApart } from '../simt/grid.ts';
import { partialBuffer } from '../simt/partial-sums.ts';
import { extentOf, indexAt, type Grid, type Scope } from '../simt/scope.ts';
import { addTo } from '../simt/variable.ts';
import { pointsAt } from './items.ts';
import { sumPartials } from './partial-sums.ts';
import { jumps } from './strides.ts';

type Sum = Extract<Definition, { kind: 'reduce' }>;

const pointsIn = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);

/** Chunks are longer where there are fewer results. */
const usualResults = 128;

export function lowerColumns(nest: ColumnsNest, setting: Setting): readonly Draft[] {
  const results = pointsIn(nest.axes);
  const rows = nest.chunk * Math.max(1, Math.floor(usualResults / results));
  const perPoint = pointsIn(nest.over.slice(nest.split + 1));
  const chunks = chunksOf(nest.over, nest.split, Math.max(1, Math.round(rows / Math.min(perPoint, rows))));
  const count = chunkCount(chunks);
  const name = setting.kernelName(`${nest.members[0]!.definition.tensor.name}_partial`);
  const partials = nest.members.map((root) => partialBuffer(setting, root.definition.tensor, count));
  const made = new Set(nest.members.map((root) => root.definition.tensor));
  const wanted: Wanted[] = [
    ...buffersOf(nest.members, setting).filter(({ buffer, write }) => !write && !made.has(buffer.tensor!)),
    ...partials.map((buffer) => ({ buffer, write: true })),
  ];
  const write = alongResults(nest) ? sumTogether : sumOneByOne;
  const { body, buffers } = writeBody(setting, name, 1, wanted, (scope, nameOf) => {
    const names = partials.map((buffer: BufferPlan) => nameOf(buffer));
    write(scope, nest, chunks, scope.bind('chunk', workgroupIndex), names);
  });
  const first: Draft = {
    name,
    comment: `partial sums of ${describe(nest.members)}`,
    definitions: nest.members.map((root) => root.definition),
    buffers,
    variants: [variant('software', count, body)],
    flops: flopsOf(nest.members),
  };
  const parts = nest.members.map((root, n) => ({ root, partial: partials[n]!, scale: null }));
  return [first, ...sumPartials(setting, parts, count)];
}

/** Whether neighbouring results lie side by side better than the rows that are summed. */
function alongResults({ axes, over, members }: ColumnsNest): boolean {
  if (pointsIn(axes) < 4) return false;
  const far = (axisOf: (d: Sum) => Axis): number =>
    members.reduce((all, root) => all + jumps(root, axisOf(root.definition as Sum)), 0);
  const [across, along] = [far((d) => d.tensor.axes.at(-1)!), far((d) => d.over.at(-1)!)];
  return across <= along || nominal(over.at(-1)!.extent) < 4;
}

/** Totals of all results in private memory; a row after the other is added to them. */
function sumTogether(
  scope: Scope,
  nest: ColumnsNest,
  chunks: Chunks,
  chunk: Expression,
  partials: readonly string[],
): void {
  const { axes, members } = nest;
  const results = countOf(axes);
  const totals = members.map(({ definition: { tensor } }) =>
    scope.scratch(`${tensor.name}_sum`, 'f32', pointsOf(axes)),
  );
  const each = (write: (at: Expression) => readonly ReturnType<typeof store>[]): void => {
    const name = scope.fresh('result');
    scope.emit(loop(name, i32(0), results, write(local(name, 'i32')), { mode: 'vector' }));
  };
  each((at) => totals.map((total) => storeElement(total, at, f32(0))));
  overChunk(scope, chunks, chunk, 'serial', (row) => {
    eachResult(scope, axes, (out) => {
      const at = out.prefix.at(-1)!;
      const values = members.map((root) => valueAt(scope, root, out.local, row));
      totals.forEach((total, n) => scope.emit(storeElement(total, at, add(element(total, at), values[n]!))));
    });
  });
  const from = multiply(chunk, results);
  each((at) => totals.map((total, n) => store(partials[n]!, add(from, at), element(total, at))));
}

/** All results, in vectors along the last axis. */
function eachResult(scope: Scope, axes: readonly Axis[], write: (grid: Grid) => void): void {
  const [rows, last] = [axes.slice(0, -1), axes.slice(-1)];
  const inRow = (row: Grid): void => {
    const name = scope.fresh(last[0]!.name);
    const body = scope.block(() => write(pointsAt(scope, rows, last, row, local(name, 'i32'))));
    scope.emit(loop(name, i32(0), extentOf(last[0]!.extent), body, { mode: 'vector' }));
  };
  if (rows.length === 0) return inRow(takeApart(scope, [], i32(0)));
  const name = scope.fresh('row');
  const body = scope.block(() => inRow(takeApart(scope, rows, local(name, 'i32'))));
  scope.emit(loop(name, i32(0), countOf(rows), body));
}

/** A result after the other, each in vectors along the last axis that is summed over. */
function sumOneByOne(
  scope: Scope,
  nest: ColumnsNest,
  chunks: Chunks,
  chunk: Expression,
  partials: readonly string[],
): void {
  const { axes, members } = nest;
  const sum = (out: Grid): void => {
    const totals = members.map(({ definition: { tensor } }) => scope.variable(`${tensor.name}_sum`, f32(0)));
    overChunk(scope, chunks, chunk, 'vector', (row) => {
      const values = members.map((root) => valueAt(scope, root, out.local, row));
      values.forEach((value, n) => scope.emit(addTo(totals[n]!, value)));
    });
    const at = add(multiply(chunk, countOf(axes)), out.prefix.at(-1)!);
    partials.forEach((partial, n) => scope.emit(store(partial, at, totals[n]!)));
  };
  if (axes.length === 0) return sum(takeApart(scope, [], i32(0)));
  const name = scope.fresh('result');
  const body = scope.block(() => sum(takeApart(scope, axes, local(name, 'i32'))));
  scope.emit(loop(name, i32(0), countOf(axes), body));
}

/** Loops over the points of a chunk; `mode`: of the one along the last axis. */
function overChunk(
  scope: Scope,
  { outer, cut, inner, length }: Chunks,
  chunk: Expression,
  mode: 'serial' | 'vector',
  write: (index: readonly [Axis, Expression][]) => void,
): void {
  const pieces = quotient(add(extentOf(cut.extent), i32(length - 1)), i32(length));
  const before = outer.length === 0 ? [] : takeApart(scope, outer, quotient(chunk, pieces)).local;
  const from = multiply(outer.length === 0 ? chunk : remainder(chunk, pieces), i32(length));
  const axes = [cut, ...inner];
  const nested = (k: number, index: readonly [Axis, Expression][]): void => {
    const axis = axes[k];
    if (axis === undefined) return write(index);
    const name = scope.fresh(axis.name);
    const body = scope.block(() => nested(k + 1, [...index, [axis, indexAt(scope, axis, local(name, 'i32'))]]));
    const [start, end] =
      k === 0 ? [from, minimum(add(from, i32(length)), extentOf(axis.extent))] : [i32(0), extentOf(axis.extent)];
    scope.emit(loop(name, start, end, body, { mode: k === axes.length - 1 ? mode : 'serial' }));
  };
  nested(
    0,
    outer.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, before[n]!)]),
  );
}

function valueAt(scope: Scope, root: Root, out: readonly Expression[], row: readonly [Axis, Expression][]): Expression {
  const d = root.definition as Sum;
  const axes = d.tensor.axes.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, out[n]!)]);
  const over = d.over.map((axis, n): [Axis, Expression] => [axis, row[n]![1]]);
  return openPoint(scope, root.hints)
    .with([...axes, ...over])
    .real(d.body);
}
