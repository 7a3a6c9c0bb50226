// The points of a matrix product as flat indices along batch, m, n and k: the block of an item, the value of a factor, and the
// loops over a block's points. Tensors whose axes follow each other are addressed by one flat index.

import type { Axis, Scalar } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  i32,
  local,
  loop,
  minimum,
  multiply,
  quotient,
  remainder,
  subtract,
  workgroupIndex,
} from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import type { ContractionNest } from '../plan/nest.ts';
import { ceilDivide } from '../plan/size.ts';
import { countOf, pointsOf, takeApart } from '../simt/grid.ts';
import { indexAt, type Grid, type Scope } from '../simt/scope.ts';
import { sizeExpression } from '../simt/size-expression.ts';
import type { Blocks } from './contraction-blocks.ts';

/** What an item has to do: its points along batch, m and n, and its steps along k, in flat indices. */
export interface Block {
  readonly batch: Grid;
  readonly chunk: Expression;
  readonly row: Expression;
  readonly rows: Expression;
  readonly column: Expression;
  readonly columns: Expression;
}

/** Where a block begins, and how many points of `all` it has; both known where blocks divide them. */
function extentOfBlock(
  scope: Scope,
  name: string,
  axes: readonly Axis[],
  size: number,
  at: Expression,
): readonly [Expression, Expression] {
  const all = countOf(axes);
  if (all.kind === 'literal' && all.value <= size) return [i32(0), all];
  const first = scope.bind(name, multiply(at, i32(size)));
  if (all.kind === 'literal' && all.value % size === 0) return [first, i32(size)];
  return [first, scope.bind(`${name}s`, minimum(i32(size), subtract(all, first)))];
}

const blocksAlong = (axes: readonly Axis[], size: number): Expression =>
  sizeExpression(ceilDivide(pointsOf(axes), size));

/** The block of an item. */
export function blockOf(scope: Scope, nest: ContractionNest, blocks: Blocks): Block {
  const item = scope.bind('item', workgroupIndex);
  const [across, along] = [blocksAlong(nest.m, blocks.m), blocksAlong(nest.n, blocks.n)];
  const upper = quotient(item, across);
  const rest = quotient(upper, along);
  const batches = countOf(nest.batch);
  const isPlain = nest.batch.length === 0;
  const batch = takeApart(scope, nest.batch, isPlain ? i32(0) : scope.bind('batch_point', remainder(rest, batches)));
  const chunk = blocks.chunk === null ? i32(0) : scope.bind('chunk', quotient(rest, batches));
  const [row, rows] = extentOfBlock(scope, 'row', nest.m, blocks.m, remainder(item, across));
  const [column, columns] = extentOfBlock(scope, 'column', nest.n, blocks.n, remainder(upper, along));
  return { batch, chunk, row, rows, column, columns };
}

/** A loop from 0. */
export function each(scope: Scope, name: string, to: Expression, step: number, write: (at: Expression) => void): void {
  const variable = scope.fresh(name);
  const body = scope.block(() => write(local(variable, 'i32')));
  scope.emit(loop(variable, i32(0), to, body, { step }));
}

/** Points of one grid and of another behind it: tensors with such axes are addressed by one flat index. */
function joined(scope: Scope, outer: Grid, inner: Grid): Grid {
  if (outer.axes.length === 0) return inner;
  const flat = outer.prefix[outer.axes.length]!;
  const prefix = inner.axes.map((_, n) =>
    add(multiply(flat, countOf(inner.axes.slice(0, n + 1))), inner.prefix[n + 1]!),
  );
  const grid: Grid = {
    axes: [...outer.axes, ...inner.axes],
    local: [...outer.local, ...inner.local],
    prefix: [...outer.prefix, ...prefix],
  };
  scope.grids.push(grid);
  return grid;
}

/** Two groups of axes at flat indices, in whichever order a tensor has them, alone and behind the axes of the batch. */
function joinAll(scope: Scope, batch: Grid, a: Grid, b: Grid): void {
  for (const [outer, inner] of [
    [a, b],
    [b, a],
  ] as const) {
    joined(scope, outer, inner);
    joined(scope, joined(scope, batch, outer), inner);
  }
}

const indicesOf = (scope: Scope, { axes, local: positions }: Grid): [Axis, Expression][] =>
  axes.map((axis, n) => [axis, indexAt(scope, axis, positions[n]!)]);

/** A factor at a point along m or n and a step along k. */
export function valueAt(
  scope: Scope,
  nest: ContractionNest,
  batch: Grid,
  scalar: Scalar,
  [axes, point]: readonly [readonly Axis[], Expression],
  step: Expression,
): Expression {
  const [own, over] = [takeApart(scope, axes, point), takeApart(scope, nest.over, step)];
  joinAll(scope, batch, own, over);
  const index = [batch, own, over].flatMap((grid) => indicesOf(scope, grid));
  return openPoint(scope, nest.root.hints).with(index).real(scalar);
}

type Finish = (row: Expression, column: Expression, index: ReadonlyMap<Axis, Expression>) => void;

/** The points of a block, row by row, with neighbours in vectors. */
export function eachPoint(scope: Scope, nest: ContractionNest, block: Block, finish: Finish): void {
  const { batch, row, rows, column, columns } = block;
  each(scope, 'line', rows, 1, (line) => {
    const m = takeApart(scope, nest.m, add(row, line));
    const name = scope.fresh('at');
    const at = local(name, 'i32');
    const body = scope.block(() => {
      const n = takeApart(scope, nest.n, add(column, at));
      joinAll(scope, batch, m, n);
      finish(line, at, new Map([batch, m, n].flatMap((grid) => indicesOf(scope, grid))));
    });
    scope.emit(loop(name, i32(0), columns, body, { mode: 'vector' }));
  });
}
