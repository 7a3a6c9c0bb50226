// Sums of many rows into few numbers, in two kernels: partial sums, a lane for each result and chunk of rows, here, and the
// sums of the partial sums (partial-sums.ts). The order of additions depends on the shape only.

import type { Axis, Definition } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import { add, f32, i32, multiply, quotient, remainder, store } from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { ColumnsNest, Root } from '../plan/nest.ts';
import { isLarge } from '../plan/options.ts';
import { nominal, nominalSize, product } from '../plan/size.ts';
import { chunkCount, chunksIn, chunksOf, overChunk } from './chunks.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting, type Wanted } from './draft.ts';
import { countOf, eachPoint, laneCount, laneGroups, laneNumber, pointsOf } from './grid.ts';
import { partialBuffer, sumPartials } from './partial-sums.ts';
import { indexAt, type Scope } from './scope.ts';
import { addTo } from './variable.ts';
import { busy, widest, widthOf } from './width.ts';

type Sum = Extract<Definition, { kind: 'reduce' }>;

/** Rows whose loads a lane has under way together. */
const rowsTogether = 4;

export function lowerColumns(nest: ColumnsNest, setting: Setting): readonly Draft[] {
  const perPoint = nest.over.slice(nest.split + 1).reduce((all, axis) => all * nominal(axis.extent), 1);
  const length = Math.max(1, Math.round(nest.chunk / Math.min(perPoint, nest.chunk)));
  const chunks = chunksOf(nest.over, nest.split, length);
  const count = chunkCount(chunks);
  const name = setting.kernelName(`${nest.members[0]!.definition.tensor.name}_partial`);
  const partials = nest.members.map((root) => partialBuffer(setting, root.definition.tensor, count));
  const made = new Set(nest.members.map((root) => root.definition.tensor));
  const wanted: Wanted[] = [
    ...buffersOf(nest.members, setting).filter(({ buffer, write }) => !write && !made.has(buffer.tensor!)),
    ...partials.map((buffer) => ({ buffer, write: true })),
  ];
  const { lanes } = setting.options;
  const rowsAhead = isLarge(setting.options) && typeof nest.over.at(-1)!.extent !== 'number' ? rowsTogether : 1;
  const { way: width, written } = widest(widthsOf(nest, setting, nominalSize(count)), (points) =>
    writeBody(setting, name, lanes, wanted, (scope, nameOf) => {
      const results = laneCount(nest.axes, points);
      const index = laneNumber(scope, multiply(chunksIn(chunks), results));
      const chunk = scope.hint(nest.axes.length === 0 ? index : quotient(index, results), 'chunk');
      const result = nest.axes.length === 0 ? i32(0) : remainder(index, results);
      eachPoint(scope, nest.axes, result, points, (out) => {
        const totals = nest.members.map((root) => scope.variable(`${root.definition.tensor.name}_sum`, f32(0)));
        const write = (row: readonly [Axis, Expression][]): void => {
          const values = nest.members.map((root) => valueAt(scope, root, out.local, row));
          values.forEach((value, n) => scope.emit(addTo(totals[n]!, value)));
        };
        overChunk(scope, chunks, chunk, write, rowsAhead);
        const at = points === 1 ? index : add(multiply(chunk, countOf(nest.axes)), out.prefix.at(-1)!);
        partials.forEach((buffer, n) => scope.emit(store(nameOf(buffer), at, totals[n]!)));
      });
    }),
  );
  const first: Draft = {
    name,
    comment: `partial sums of ${describe(nest.members)}`,
    definitions: nest.members.map((root) => root.definition),
    buffers: written.buffers,
    variants: [variant('software', laneGroups(product([count, pointsOf(nest.axes, width)]), lanes), written.body)],
    flops: flopsOf(nest.members),
  };
  const parts = nest.members.map((root, n) => ({ root, partial: partials[n]!, scale: null }));
  return [first, ...sumPartials(setting, parts, count, nest.chunk)];
}

/** Neighbouring results that a lane sums, as long as enough lanes are left. */
function widthsOf(nest: ColumnsNest, setting: Setting, chunks: number): readonly number[] {
  const width = widthOf(nest.axes, nest.members, setting, busy / chunks);
  return width > 1 ? [width, 1] : [1];
}

function valueAt(scope: Scope, root: Root, out: readonly Expression[], row: readonly [Axis, Expression][]): Expression {
  const d = root.definition as Sum;
  const axes = d.tensor.axes.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, out[n]!)]);
  const over = d.over.map((axis, n): [Axis, Expression] => [axis, row[n]![1]]);
  return openPoint(scope, root.hints)
    .with([...axes, ...over])
    .real(d.body);
}
