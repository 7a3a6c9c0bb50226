// How a matrix product is cut into items of work: blocks of m and of n that fit a core's cache together with the panels they are
// made of, steps of k at a time, and chunks of k for several items where there are few blocks. From the plan's sizes alone.

import type { Axis } from '../../src/ir/ir.ts';
import type { ContractionNest } from '../plan/nest.ts';
import type { Size } from '../plan/plan.ts';
import { ceilDivide, nominal, product } from '../plan/size.ts';
import { pointsOf } from '../simt/grid.ts';
import { panelPoints } from './panels.ts';

export interface Blocks {
  /** Points of a block, and steps whose panels are in the cache at once. */
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Steps that are summed by themselves, to be added up by another kernel. */
  readonly chunk: number | null;
  /** So few columns that rows of the left factor are read where they lie, if their steps lie side by side. */
  readonly narrow: boolean;
}

/** Panels of a block take 128 KiB and half of that, of a core's 512 KiB; a panel takes 8 of 32. */
const most = { m: 64, n: 128, k: 256 } as const;
/** Columns of a product that is narrow, and its rows: the same panels are made for each block. */
const narrow = { n: 16, m: 128 } as const;
/** Rows of the left factor for which a panel of the right one is still worth making. */
const fewest = 32;
/** Items that keep the cores of a processor busy. */
const busy = 12;
/** Steps of a chunk, of which small products have more. */
const chunks = { small: 256, large: 512 } as const;
const smallProduct = 128 * 128;

const pointsIn = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);
const isStatic = (axes: readonly Axis[]): boolean => axes.every(({ extent }) => typeof extent === 'number');

/** Equal blocks, but for rounding, of known extents. */
function evenly(axes: readonly Axis[], limit: number): number {
  if (!isStatic(axes)) return limit;
  const blocks = Math.ceil(pointsIn(axes) / limit);
  return Math.ceil(pointsIn(axes) / blocks / panelPoints) * panelPoints;
}

export function blocksOf(nest: ContractionNest): Blocks {
  const n = evenly(nest.n, most.n);
  const k = evenly(nest.over, most.k);
  const itemsOf = (m: number): number =>
    pointsIn(nest.batch) * Math.ceil(pointsIn(nest.m) / m) * Math.ceil(pointsIn(nest.n) / n);
  const isNarrow = isStatic(nest.n) && pointsIn(nest.n) <= narrow.n;
  const large = evenly(nest.m, isNarrow && !isStatic(nest.m) ? narrow.m : most.m);
  const whole: Blocks = { m: large, n, k, chunk: null, narrow: isNarrow };
  if (nest.library || !isStatic(nest.m) || itemsOf(large) >= busy) return whole;
  const m = evenly(nest.m, fewest);
  const chunk = pointsIn(nest.m) * pointsIn(nest.n) <= smallProduct ? chunks.small : chunks.large;
  const isLong = pointsIn(nest.over) > 2 * chunk;
  return { ...whole, m, chunk: isLong && itemsOf(m) < busy && isStatic(nest.n) ? chunk : null };
}

export const chunksOf = (nest: ContractionNest, { chunk }: Blocks): Size =>
  chunk === null ? product([]) : ceilDivide(pointsOf(nest.over), chunk);

/** Items, those of a chunk after those of the one before. */
export const itemsOf = (nest: ContractionNest, blocks: Blocks): Size =>
  product([
    chunksOf(nest, blocks),
    pointsOf(nest.batch),
    ceilDivide(pointsOf(nest.n), blocks.n),
    ceilDivide(pointsOf(nest.m), blocks.m),
  ]);
