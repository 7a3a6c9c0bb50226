// A matrix product -> one kernel for a CPU, whose items are blocks of its result: both factors are brought into panels, whatever
// they are and however they lie, tiles of the block are summed from them, and the block is finished while it is in the cache.
// Long sums of few results take two kernels: sums of chunks, and their sums in order.

import type { Axis, Definition, Scalar } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  element,
  i32,
  load,
  local,
  loop,
  minimum,
  multiply,
  quotient,
  remainder,
  store,
  storeElement,
  subtract,
  workgroupIndex,
} from '../kernel-build.ts';
import { flopsOf } from '../plan/cost.ts';
import type { ContractionNest, Root } from '../plan/nest.ts';
import type { BufferPlan } from '../plan/plan.ts';
import { ceilDivide, nominal, numberSize, product } from '../plan/size.ts';
import { describedProduct } from '../simt/contraction.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting, type Wanted } from '../simt/draft.ts';
import { finishPoint } from '../simt/finish-point.ts';
import { countOf, pointsOf, takeApart } from '../simt/grid.ts';
import { partialBuffer } from '../simt/partial-sums.ts';
import type { Scope } from '../simt/scope.ts';
import { sizeExpression } from '../simt/size-expression.ts';
import { blocksOf, chunksOf, itemsOf, type Blocks } from './contraction-blocks.ts';
import { each, eachPoint } from './contraction-points.ts';
import { writeBlock } from './contraction-sums.ts';

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
