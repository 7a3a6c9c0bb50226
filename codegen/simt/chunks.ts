// Chunks of the rows of a sum: how many there are, and the loops of a kernel over the points of one.

import type { Axis } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import { add, i32, minimum, multiply, quotient, remainder } from '../kernel-build.ts';
import type { Size } from '../plan/plan.ts';
import { ceilDivide, extentSize, product } from '../plan/size.ts';
import { alongAxis, countOf, laneCount, takeApart } from './grid.ts';
import { extentOf, indexAt, type Scope } from './scope.ts';

/** Chunks of rows: every point of the axes before the one that is cut, and pieces of that one. */
export interface Chunks {
  readonly outer: readonly Axis[];
  readonly cut: Axis;
  readonly inner: readonly Axis[];
  readonly length: number;
}

export function chunksOf(over: readonly Axis[], split: number, length: number): Chunks {
  return { outer: over.slice(0, split), cut: over[split]!, inner: over.slice(split + 1), length };
}

export const chunkCount = ({ outer, cut, length }: Chunks): Size =>
  product([...outer.map((axis) => extentSize(axis.extent)), ceilDivide(extentSize(cut.extent), length)]);

const piecesOf = ({ cut, length }: Chunks): Expression =>
  quotient(add(extentOf(cut.extent), i32(length - 1)), i32(length));

/** The number of chunks, in a kernel. */
export const chunksIn = (chunks: Chunks): Expression => multiply(countOf(chunks.outer), piecesOf(chunks));

/** Loops over the points of one chunk, `width` along the last axis at a time; indices in the order of the axes summed over. */
export function overChunk(
  scope: Scope,
  chunks: Chunks,
  chunk: Expression,
  write: (index: readonly [Axis, Expression][]) => void,
  width = 1,
): void {
  const pieces = piecesOf(chunks);
  const outer = chunks.outer.length === 0 ? [] : takeApart(scope, chunks.outer, quotient(chunk, pieces)).local;
  const piece = chunks.outer.length === 0 ? chunk : remainder(chunk, pieces);
  const axes = [chunks.cut, ...chunks.inner];
  const last = axes.length - 1;
  const inGroups = last === 0 && typeof chunks.cut.extent === 'number' ? width : 1;
  const length = i32(chunks.length / inGroups);
  const from = multiply(piece, length);
  const bounds = { from, to: minimum(add(from, length), laneCount([chunks.cut], inGroups)) };
  const fixed = chunks.outer.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, outer[n]!)]);
  const nested = (k: number, index: readonly [Axis, Expression][]): void => {
    const axis = axes[k];
    if (axis === undefined) return write(index);
    alongAxis(scope, axis, k === last ? width : 1, k === 0 ? bounds : null, (position) =>
      nested(k + 1, [...index, [axis, indexAt(scope, axis, position)]]),
    );
  };
  nested(0, fixed);
}
