// A block of a matrix product, summed: both factors come into panels, whatever they are and however they lie, and tiles of sums
// are made from them, a number of steps at a time. The sums of the block are left in private memory.

import type { Axis } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  call,
  element,
  f32,
  i32,
  local,
  loop,
  minimum,
  multiply,
  quotient,
  splat,
  storeElement,
  subtract,
} from '../kernel-build.ts';
import type { ContractionNest } from '../plan/nest.ts';
import { numberSize } from '../plan/size.ts';
import { countOf } from '../simt/grid.ts';
import type { Scope } from '../simt/scope.ts';
import type { Blocks } from './contraction-blocks.ts';
import { blockOf, each, valueAt, type Block } from './contraction-points.ts';
import { formOf, panelAt, panelPoints, panelsFor, panelStride, writePanels, type Factor } from './panels.ts';
import { inSteps, tileColumns, tileRows, tileVectors, writeTile } from './tile.ts';

export interface Summed {
  readonly block: Block;
  /** The sum at a row and a column of the block. */
  at(row: Expression, column: Expression): Expression;
}

const roundUp = (count: number, by: number): number => Math.ceil(count / by) * by;

const upTo = (count: Expression, by: number): Expression =>
  count.kind === 'literal'
    ? i32(roundUp(count.value, by))
    : multiply(quotient(add(count, i32(by - 1)), i32(by)), i32(by));

/** What surely divides the points of every block. */
const divisor = (axes: readonly Axis[], size: number): number => {
  const all = countOf(axes);
  return all.kind === 'literal' && all.value % panelPoints === 0 && size % panelPoints === 0 ? panelPoints : 1;
};

/** The steps of a block's sums: all, or those of its chunk. */
interface Steps {
  readonly from: Expression;
  readonly to: Expression;
  /** They are taken at once: sums begin with zero. */
  readonly atOnce: boolean;
}

function stepsOf(scope: Scope, nest: ContractionNest, blocks: Blocks, { chunk }: Block): Steps {
  const all = countOf(nest.over);
  const atOnce = all.kind === 'literal' && all.value <= blocks.k;
  if (blocks.chunk === null) return { from: i32(0), to: all, atOnce };
  const from = multiply(chunk, i32(blocks.chunk));
  return { from, to: scope.bind('end', minimum(add(from, i32(blocks.chunk)), all)), atOnce };
}

/** Sums all steps of a block, or those of its chunk. */
export function writeBlock(scope: Scope, nest: ContractionNest, blocks: Blocks): Summed {
  const block = blockOf(scope, nest, blocks);
  const width = roundUp(blocks.n, panelPoints);
  const sums = scope.scratch('sums', 'f32', numberSize(roundUp(blocks.m, panelPoints) * width));
  const place = (row: Expression, column: Expression): Expression => add(multiply(row, i32(width)), column);
  const steps = stepsOf(scope, nest, blocks, block);
  const write = tilesFor(scope, nest, blocks, block, {
    start: (row, column) => (steps.atOnce ? null : element(sums, place(row, column), 'f32x4')),
    store: (row, column, sum) => scope.emit(storeElement(sums, place(row, column), sum)),
  });
  if (steps.atOnce) write(i32(0), steps.to);
  else {
    const area = multiply(upTo(block.rows, tileRows), i32(width));
    each(scope, 'point', area, 4, (at) => scope.emit(storeElement(sums, at, splat(f32(0)))));
    const first = scope.fresh('first');
    const at = local(first, 'i32');
    const all = countOf(nest.over);
    const fits = blocks.chunk === null && all.kind === 'literal' && all.value % blocks.k === 0;
    const body = scope.block(() =>
      write(at, fits ? i32(blocks.k) : scope.bind('steps', minimum(i32(blocks.k), subtract(steps.to, at)))),
    );
    scope.emit(loop(first, steps.from, steps.to, body, { step: blocks.k }));
  }
  return { block, at: (row, column) => element(sums, place(row, column)) };
}

/** Where the sums of a block are: four from a row and a column on. */
interface Sums {
  start(row: Expression, column: Expression): Expression | null;
  store(row: Expression, column: Expression, sum: Expression): void;
}

/** Adds `count` steps from `first` on to the sums. */
type WriteSteps = (first: Expression, count: Expression) => void;

function tilesFor(scope: Scope, nest: ContractionNest, blocks: Blocks, block: Block, sums: Sums): WriteSteps {
  const stride = panelStride(blocks.k);
  const factor = (side: 'left' | 'right', first: Expression, steps: Expression): Omit<Factor, 'array'> => {
    const [scalar, axes, size] = side === 'left' ? [nest.left, nest.m, blocks.m] : [nest.right, nest.n, blocks.n];
    const [start, points] = side === 'left' ? [block.row, block.rows] : [block.column, block.columns];
    const value: Factor['value'] = (point, step) =>
      valueAt(scope, nest, block.batch, scalar, [axes, add(start, point)], add(first, step));
    return { stride, points, steps, multiple: divisor(axes, size), value };
  };
  const panels = (name: string, points: number): string =>
    scope.scratch(name, 'f32', numberSize(panelsFor(points, blocks.k)));
  const rights = panels('right_panels', blocks.n);
  if (blocks.narrow && formOf(scope, factor('left', i32(0), i32(1))) === 'steps')
    return (first, count) => {
      writePanels(scope, { ...factor('right', first, count), array: rights });
      fromRows(scope, factor('left', first, count), { ...factor('right', first, count), array: rights }, sums);
    };
  const lefts = panels('left_panels', blocks.m);
  return (first, count) => {
    const [a, b] = [
      { ...factor('left', first, count), array: lefts },
      { ...factor('right', first, count), array: rights },
    ];
    writePanels(scope, a);
    writePanels(scope, b);
    fromPanels(scope, a, b, sums);
  };
}

const vectorsFrom = (rights: string, at: Expression) => (k: Expression, vector: number) =>
  element(rights, add(add(at, k), i32(4 * vector)), 'f32x4');

/** Tiles of sums, all rows of a panel of the right factor one after the other: the panel stays in the first cache. */
function fromPanels(scope: Scope, left: Factor, right: Factor, sums: Sums): void {
  each(scope, 'panel', upTo(right.points, tileColumns), tileColumns, (panel) =>
    each(scope, 'tile', upTo(left.points, tileRows), tileRows, (tile) => {
      const inPanel = call('bit_and', tile, i32(panelPoints - 1));
      const leftAt = scope.bind('left_at', add(panelAt(subtract(tile, inPanel), left.stride), inPanel));
      const rightAt = scope.bind('right_at', panelAt(panel, right.stride));
      const at = (row: number, vector: number): readonly [Expression, Expression] => [
        add(tile, i32(row)),
        add(panel, i32(4 * vector)),
      ];
      writeTile(scope, {
        rows: tileRows,
        vectors: tileVectors,
        lanes: 4,
        from: i32(0),
        to: multiply(right.steps, i32(panelPoints)),
        step: panelPoints,
        left: (row, k) => element(left.array, add(add(leftAt, k), i32(row))),
        right: vectorsFrom(right.array, rightAt),
        start: (row, vector) => sums.start(...at(row, vector)),
        store: (row, vector, sum) => sums.store(...at(row, vector), sum),
      });
    }),
  );
}

/** Few columns: rows of the left factor are read where they lie, once or twice, and all columns are made of them. */
function fromRows(scope: Scope, left: Omit<Factor, 'array'>, right: Factor, sums: Sums): void {
  if (right.points.kind !== 'literal') throw new Error('few columns are known columns');
  const all = right.points.value;
  inSteps(scope, 'tile', i32(0), left.points, [tileRows, 1], (tile, rows) => {
    for (let column = 0; column < all; column += tileColumns) {
      const rightAt = panelAt(i32(column), right.stride);
      const at = (row: number, vector: number): readonly [Expression, Expression] => [
        add(tile, i32(row)),
        i32(column + 4 * vector),
      ];
      writeTile(scope, {
        rows,
        vectors: Math.min(tileVectors, Math.ceil((all - column) / 4)),
        lanes: 4,
        from: i32(0),
        to: right.steps,
        step: 1,
        left: (row, k) => left.value(add(tile, i32(row)), k),
        right: (k, vector) => vectorsFrom(right.array, rightAt)(multiply(k, i32(panelPoints)), vector),
        start: (row, vector) => sums.start(...at(row, vector)),
        store: (row, vector, sum) => sums.store(...at(row, vector), sum),
      });
    }
  });
}
