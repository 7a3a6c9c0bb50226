// A matrix product -> one kernel for a CPU, whose items are blocks of its result: both factors are brought into panels, whatever
// they are and however they lie, tiles of the block are summed from them, and the block is finished while it is in the cache.
// Long sums of few results take two kernels: sums of chunks, and their sums in order.

import type { Axis, Definition, Scalar } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  call,
  element,
  f32,
  i32,
  load,
  local,
  loop,
  minimum,
  multiply,
  quotient,
  remainder,
  splat,
  store,
  storeElement,
  subtract,
  workgroupIndex,
} from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { ContractionNest, Root } from '../plan/nest.ts';
import type { BufferPlan } from '../plan/plan.ts';
import { ceilDivide, nominal, numberSize, product } from '../plan/size.ts';
import { describedProduct } from '../simt/contraction.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting, type Wanted } from '../simt/draft.ts';
import { finishPoint } from '../simt/finish-point.ts';
import { countOf, pointsOf, takeApart } from '../simt/grid.ts';
import { partialBuffer } from '../simt/partial-sums.ts';
import { indexAt, type Grid, type Scope } from '../simt/scope.ts';
import { sizeExpression } from '../simt/size-expression.ts';
import { blocksOf, chunksOf, itemsOf, type Blocks } from './contraction-blocks.ts';
import { panelAt, panelPoints, panelsFor, panelStride, writePanels, type Factor } from './panels.ts';
import { tileColumns, tileRows, tileVectors, writeTile } from './tile.ts';

export function lowerContraction(nest: ContractionNest, setting: Setting): readonly Draft[] {
  const blocks = blocksOf(nest);
  return blocks.chunk === null ? [inOne(nest, setting, blocks)] : inChunks(nest, setting, blocks);
}

const nameFor = (setting: Setting, members: readonly Root[]): string =>
  setting.kernelName(
    members
      .map((root) => root.definition.tensor.name)
      .slice(0, 3)
      .join('_'),
  );

function inOne(nest: ContractionNest, setting: Setting, blocks: Blocks): Draft {
  const members = [nest.root, ...nest.epilogue];
  const name = nameFor(setting, members);
  const { body, buffers } = writeBody(setting, name, 1, buffersOf(members, setting), (scope) => {
    const { block, at } = writeBlock(scope, nest, blocks);
    eachPoint(scope, nest, block, (row, column, index) => finishPoint(scope, nest, setting, at(row, column), index));
  });
  return {
    name,
    comment: describe(members),
    definitions: members.map((root) => root.definition),
    buffers,
    variants: [variant('software', itemsOf(nest, blocks), body)],
    flops: flopsOf(members),
    product: nest.library ? describedProduct(nest, setting, buffers, null) : null,
  };
}

/** What an item has to do: its points along batch, m and n, and its steps along k, in flat indices. */
interface Block {
  readonly batch: Grid;
  readonly chunk: Expression;
  readonly row: Expression;
  readonly rows: Expression;
  readonly column: Expression;
  readonly columns: Expression;
}

interface Summed {
  readonly block: Block;
  /** The sum at a row and a column of the block. */
  at(row: Expression, column: Expression): Expression;
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

function blockOf(scope: Scope, nest: ContractionNest, blocks: Blocks): Block {
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

const isMultiple = (axes: readonly Axis[], size: number): boolean => {
  const all = countOf(axes);
  return all.kind === 'literal' && all.value % panelPoints === 0 && size % panelPoints === 0;
};

/** Sums all steps of a block, or those of its chunk. */
function writeBlock(scope: Scope, nest: ContractionNest, blocks: Blocks): Summed {
  const block = blockOf(scope, nest, blocks);
  const stride = panelStride(blocks.k);
  const scratch = (name: string, size: number): string => scope.scratch(name, 'f32', numberSize(size));
  const lefts = scratch('left_panels', panelsFor(blocks.m, blocks.k));
  const rights = scratch('right_panels', panelsFor(blocks.n, blocks.k));
  const width = Math.ceil(blocks.n / panelPoints) * panelPoints;
  const sums = scratch('sums', Math.ceil(blocks.m / panelPoints) * panelPoints * width);

  const steps = countOf(nest.over);
  const from = blocks.chunk === null ? i32(0) : multiply(block.chunk, i32(blocks.chunk));
  const to = blocks.chunk === null ? steps : scope.bind('end', minimum(add(from, i32(blocks.chunk)), steps));
  const isOne = steps.kind === 'literal' && steps.value <= blocks.k;
  const upTo = (count: Expression, by: number): Expression =>
    count.kind === 'literal'
      ? i32(Math.ceil(count.value / by) * by)
      : multiply(quotient(add(count, i32(by - 1)), i32(by)), i32(by));

  const inPanels = (first: Expression, count: Expression): void => {
    const factor = (scalar: Scalar, axes: readonly Axis[], start: Expression): Factor['value'] => {
      return (point, step) => valueAt(scope, nest, block.batch, scalar, [axes, add(start, point)], add(first, step));
    };
    const shape = { stride, steps: count };
    writePanels(scope, {
      ...shape,
      array: lefts,
      points: block.rows,
      multiple: isMultiple(nest.m, blocks.m) ? panelPoints : 1,
      value: factor(nest.left, nest.m, block.row),
    });
    writePanels(scope, {
      ...shape,
      array: rights,
      points: block.columns,
      multiple: isMultiple(nest.n, blocks.n) ? panelPoints : 1,
      value: factor(nest.right, nest.n, block.column),
    });
    each(scope, 'panel', upTo(block.columns, tileColumns), tileColumns, (panel) =>
      each(scope, 'tile', upTo(block.rows, tileRows), tileRows, (tile) => {
        const inPanel = call('bit_and', tile, i32(panelPoints - 1));
        const left = scope.bind('left_at', add(panelAt(subtract(tile, inPanel), stride), inPanel));
        const right = scope.bind('right_at', panelAt(panel, stride));
        const sum = (row: number, vector: number): Expression =>
          add(multiply(add(tile, i32(row)), i32(width)), add(panel, i32(4 * vector)));
        writeTile(scope, {
          rows: tileRows,
          vectors: tileVectors,
          lanes: 4,
          from: i32(0),
          step: panelPoints,
          to: multiply(count, i32(panelPoints)),
          left: (row, k) => element(lefts, add(add(left, k), i32(row))),
          right: (k, vector) => element(rights, add(add(right, k), i32(4 * vector)), 'f32x4'),
          start: (row, vector) => (isOne ? null : element(sums, sum(row, vector), 'f32x4')),
          store: (row, vector, value) => scope.emit(storeElement(sums, sum(row, vector), value)),
        });
      }),
    );
  };

  if (isOne) inPanels(i32(0), steps);
  else {
    const area = multiply(upTo(block.rows, tileRows), i32(width));
    each(scope, 'point', area, 4, (at) => scope.emit(storeElement(sums, at, splat(f32(0)))));
    const first = scope.fresh('first');
    const body = scope.block(() => {
      const at = local(first, 'i32');
      const fits = steps.kind === 'literal' && steps.value % blocks.k === 0;
      inPanels(at, fits ? i32(blocks.k) : scope.bind('steps', minimum(i32(blocks.k), subtract(to, at))));
    });
    scope.emit(loop(first, from, to, body, { step: blocks.k }));
  }
  return { block, at: (row, column) => element(sums, add(multiply(row, i32(width)), column)) };
}

function each(scope: Scope, name: string, to: Expression, step: number, write: (at: Expression) => void): void {
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
function valueAt(
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
function eachPoint(scope: Scope, nest: ContractionNest, block: Block, finish: Finish): void {
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

const pointsIn = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);
/** Results that an item adds up. */
const resultsOfItem = 4096;

function inChunks(nest: ContractionNest, setting: Setting, blocks: Blocks): readonly Draft[] {
  const { tensor } = nest.root.definition;
  const count = chunksOf(nest, blocks);
  const partial = partialBuffer(setting, tensor, count);
  const first = chunkSums(nest, setting, blocks, partial);
  const members = [withBody(nest, nest.scale ?? { kind: 'constant', type: 'real', value: 1 }), ...nest.epilogue];
  const name = nameFor(setting, members);
  const wanted: Wanted[] = [{ buffer: partial, write: false }, ...buffersOf(members, setting)];
  const length = pointsIn(nest.n);
  const rows = Math.max(1, Math.floor(resultsOfItem / length));
  const { body, buffers } = writeBody(setting, name, 1, wanted, (scope, nameOf) => {
    const item = scope.bind('item', workgroupIndex);
    const all = multiply(countOf(nest.batch), countOf(nest.m));
    const totals = scope.scratch('totals', 'f32', numberSize(length));
    const from = scope.bind('first_row', multiply(item, i32(rows)));
    const count = scope.bind('rows', minimum(i32(rows), subtract(all, from)));
    each(scope, 'row', count, 1, (row) => {
      const flat = scope.bind('line', add(from, row));
      const batch = takeApart(scope, nest.batch, nest.batch.length === 0 ? i32(0) : quotient(flat, countOf(nest.m)));
      const m = nest.batch.length === 0 ? flat : remainder(flat, countOf(nest.m));
      addUp(scope, totals, length, sizeExpression(chunksOf(nest, blocks)), (chunk, at) =>
        load(nameOf(partial), add(multiply(add(multiply(chunk, all), flat), i32(length)), at)),
      );
      const block = { batch, chunk: i32(0), row: m, rows: i32(1), column: i32(0), columns: i32(length) };
      eachPoint(scope, nest, block, (_, column, index) =>
        finishPoint(scope, nest, setting, element(totals, column), index),
      );
    });
  });
  const second: Draft = {
    name,
    comment: `${describe([nest.root, ...nest.epilogue])}: sums of the partial sums`,
    definitions: members.map((root) => root.definition),
    buffers,
    variants: [variant('software', ceilDivide(product([pointsOf(nest.batch), pointsOf(nest.m)]), rows), body)],
    flops: product([chunksOf(nest, blocks), pointsOf(tensor.axes)]),
  };
  return [first, second];
}

/** totals[at] = the sum of the terms by chunk, in order. */
function addUp(
  scope: Scope,
  totals: string,
  length: number,
  count: Expression,
  term: (chunk: Expression, at: Expression) => Expression,
): void {
  const inVectors = (write: (at: Expression) => Expression): void => {
    const name = scope.fresh('at');
    const at = local(name, 'i32');
    const body = scope.block(() => scope.emit(storeElement(totals, at, write(at))));
    scope.emit(loop(name, i32(0), i32(length), body, { mode: 'vector' }));
  };
  inVectors((at) => term(i32(0), at));
  const chunk = scope.fresh('chunk');
  const body = scope.block(() => inVectors((at) => add(element(totals, at), term(local(chunk, 'i32'), at))));
  scope.emit(loop(chunk, i32(1), count, body));
}

/** The first kernel: [chunk, batch, m, n] in order. */
function chunkSums(nest: ContractionNest, setting: Setting, blocks: Blocks, partial: BufferPlan): Draft {
  const name = setting.kernelName(`${nest.root.definition.tensor.name}_partial`);
  const factors = withBody(nest, { kind: 'call', type: 'real', op: 'multiply', args: [nest.left, nest.right] });
  const wanted: Wanted[] = [
    ...buffersOf([factors], setting).filter(({ write }) => !write),
    { buffer: partial, write: true },
  ];
  const { body, buffers } = writeBody(setting, name, 1, wanted, (scope, nameOf) => {
    const { block, at } = writeBlock(scope, nest, blocks);
    const batch = nest.batch.length === 0 ? i32(0) : block.batch.prefix[nest.batch.length]!;
    const batches = add(multiply(block.chunk, countOf(nest.batch)), batch);
    eachPoint(scope, nest, block, (row, column) => {
      const line = add(multiply(batches, countOf(nest.m)), add(block.row, row));
      const to = add(multiply(line, countOf(nest.n)), add(block.column, column));
      scope.emit(store(nameOf(partial), to, at(row, column)));
    });
  });
  return {
    name,
    comment: `partial sums of ${describe([nest.root])}`,
    definitions: [nest.root.definition],
    buffers,
    variants: [variant('software', itemsOf(nest, blocks), body)],
    flops: flopsOf([nest.root]),
  };
}

function withBody(nest: ContractionNest, body: Scalar): Root {
  const d = nest.root.definition as Extract<Definition, { kind: 'reduce' }>;
  return { ...nest.root, definition: { ...d, body } };
}
