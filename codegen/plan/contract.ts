// Sums of products as matrix products: the factors of the body split into a left and a right group by the axes they
// depend on. batch: both; m: left only; n: right only; factors that do not depend on what is summed go after the sum.

import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { call, real } from '../../src/ir/scalar.ts';
import { axesOf } from '../../src/ir/visit.ts';
import type { StorageType } from '../kernel.ts';
import type { ContractionNest, Root } from './nest.ts';
import type { PlanOptions } from './plan.ts';
import { isLarge } from './options.ts';
import { productOf, type Lie } from './product.ts';
import { extentSize, nominal } from './size.ts';

type Reduce = Extract<Definition, { kind: 'reduce' }>;

/** The factors of a product, a sign and division by constants among them. */
export function factorsOf(body: Scalar): readonly Scalar[] {
  if (body.kind !== 'call') return [body];
  if (body.op === 'multiply') return body.args.flatMap(factorsOf);
  if (body.op === 'negate') return [real(-1), ...factorsOf(body.args[0]!)];
  if (body.op === 'divide' && body.args[1]!.kind === 'constant') {
    return [real(1 / body.args[1]!.value), ...factorsOf(body.args[0]!)];
  }
  return [body];
}

export const times = (factors: readonly Scalar[]): Scalar =>
  factors.reduce((all, factor) => call('multiply', all, factor));

const pointsIn = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);

/** Tiles, of a lane each, that keep a device busy; a large one. */
const busy = 1024;
const busyLarge = 2 ** 16;
/** Points of a lane along m and along n, at most. */
const tileSide = 4;
/** Points along m and along n from which the lanes of a workgroup share a tile. */
export const sharedSide = 32;
const steps = 16;
const work = 2 ** 20;
/** Points along m, n and k from which on a library's product is worth a launch of its own. */
const librarySide = 16;
/** Products that a library may make of one sum, to be added up. */
const libraryParts = 32;

export type TypeOf = (tensor: Tensor) => StorageType;

const ordinary: TypeOf = ({ type }) => (type === 'real' ? 'f32' : 'i32');

export function asContraction(root: Root, options: PlanOptions, typeOf: TypeOf = ordinary): ContractionNest | null {
  const d = root.definition;
  if (options.contract === 'never' || d.kind !== 'reduce' || d.op !== 'sum') return null;
  const over = new Set(d.over);
  const out = new Set(d.tensor.axes);
  const all = factorsOf(d.body);
  const depends = (factor: Scalar, on: ReadonlySet<Axis>): boolean => [...axesOf(factor)].some((axis) => on.has(axis));
  const scale = all.filter((factor) => !depends(factor, over));
  const summed = all.filter((factor) => depends(factor, over));
  const groups = twoGroups(summed, out);
  if (groups === null) return null;
  const [left, right] = groups.map(times) as [Scalar, Scalar];
  const byLeft = axesOf(left);
  const byRight = axesOf(right);
  const batch = d.tensor.axes.filter((axis) => byLeft.has(axis) && byRight.has(axis));
  const m = d.tensor.axes.filter((axis) => byLeft.has(axis) && !byRight.has(axis));
  const n = d.tensor.axes.filter((axis) => !byLeft.has(axis) && byRight.has(axis));
  if (batch.length + m.length + n.length !== d.tensor.axes.length) return null;
  if (pointsIn(m) === 1 || pointsIn(n) === 1) return null;
  const k = pointsIn(d.over);
  if (options.contract === 'auto' && (k < steps || pointsIn(d.tensor.axes) * k < work)) return null;
  // The group of the last axis of the output stands right, so that neighbouring lanes store neighbours.
  const flip = m.includes(d.tensor.axes.at(-1)!);
  const nest: ContractionNest = {
    kind: 'contraction',
    root,
    batch,
    m: flip ? n : m,
    n: flip ? m : n,
    over: d.over,
    left: flip ? right : left,
    right: flip ? left : right,
    scale: scale.length === 0 ? null : times(scale),
    split: splitOf(d, batch, m, n, options),
    library: false,
    epilogue: [],
  };
  return options.library ? forLibrary(nest, options, typeOf) : nest;
}

/** A library splits long sums by itself, and adds nothing to a point. Axes summed over that lie apart it sums one by one. */
function forLibrary(nest: ContractionNest, options: PlanOptions, typeOf: TypeOf): ContractionNest {
  const isWorth = (over: readonly Axis[]): boolean =>
    options.contract !== 'auto' || [nest.m, nest.n, over].every((axes) => pointsIn(axes) >= librarySide);
  if (!isWorth(nest.over)) return nest;
  const { tensor } = nest.root.definition;
  if (canBeDescribed(nest, tensor.axes, typeOf(tensor), typeOf)) return { ...nest, split: null, library: true };
  if (options.machine === 'cpu') return nest;
  for (const axis of nest.over) {
    const rest = nest.over.filter((other) => other !== axis);
    if (typeof axis.extent !== 'number' || axis.extent > libraryParts || rest.length === 0 || !isWorth(rest)) continue;
    const apart: ContractionNest = { ...nest, over: [axis, ...rest], split: { axis: 0, chunk: 1 }, library: true };
    if (canBeDescribed(partsOfSum(apart), [axis, ...tensor.axes], 'f32', typeOf)) return apart;
  }
  return nest;
}

/** The product whose results are the terms of a sum over its first axis, which is cut in pieces of one. */
export function partsOfSum(nest: ContractionNest): ContractionNest {
  const [axis, ...over] = nest.over;
  return { ...nest, batch: [axis!, ...nest.batch], over, scale: null };
}

function canBeDescribed(nest: ContractionNest, axes: readonly Axis[], type: StorageType, typeOf: TypeOf): boolean {
  const lie = (over: readonly Axis[], stored: StorageType): Lie => ({
    shape: over.map(({ extent }) => extentSize(extent)),
    type: stored,
    row: 0,
    binding: 0,
  });
  const result = { axes, lie: lie(axes, type), accumulate: false };
  return productOf(nest, result, (tensor) => lie(tensor.axes, typeOf(tensor))) !== null;
}

/** Two groups of factors such that each group has axes of the output that the other lacks. */
function twoGroups(factors: readonly Scalar[], out: ReadonlySet<Axis>): [Scalar[], Scalar[]] | null {
  const axes = (factor: Scalar): Set<Axis> => new Set([...axesOf(factor)].filter((axis) => out.has(axis)));
  const within = (a: Set<Axis>, b: Set<Axis>): boolean => [...a].every((axis) => b.has(axis));
  const sorted = factors
    .map((factor) => ({ factor, axes: axes(factor) }))
    .toSorted((a, b) => b.axes.size - a.axes.size);
  const groups: { factors: Scalar[]; axes: Set<Axis> }[] = [];
  for (const { factor, axes: own } of sorted) {
    const home = groups.find((group) => within(own, group.axes));
    if (home !== undefined) home.factors.push(factor);
    else groups.push({ factors: [factor], axes: own });
  }
  return groups.length === 2 ? [groups[0]!.factors, groups[1]!.factors] : null;
}

type Axes = readonly Axis[];

/** Too few tiles for the lanes of a device, and many terms to add: partial sums. */
function splitOf(d: Reduce, batch: Axes, m: Axes, n: Axes, options: PlanOptions): ContractionNest['split'] {
  if (options.machine === 'cpu') return null; // codegen/cpu/contraction-blocks.ts
  if (isLarge(options) && Math.min(pointsIn(m), pointsIn(n)) < sharedSide) {
    const along = (axes: Axes): number => Math.ceil(pointsIn(axes) / Math.min(pointsIn(axes), tileSide));
    return inParts(d.over, pointsIn(batch) * along(m) * along(n), options.chunk);
  }
  const tiles = pointsIn(d.tensor.axes) / tileSide ** 2;
  const axis = d.over.findIndex(({ extent }) => typeof extent !== 'number');
  if (axis < 0 || tiles >= busy) return null;
  return { axis: splitAxis(d.over), chunk: options.chunk };
}

/** As many parts of a sum as make a large device busy, of a power of two of terms each, and of `least` or more. */
function inParts(over: Axes, tiles: number, least: number): ContractionNest['split'] {
  // Loads of several terms at once need half as many lanes.
  const wanted = typeof over.at(-1)!.extent === 'number' ? busyLarge : 2 * busyLarge;
  if (2 * tiles > busyLarge) return null;
  const axis = splitAxis(over);
  const inner = pointsIn(over.slice(axis + 1));
  const terms = Math.max(least, (pointsIn(over) * tiles) / wanted);
  const chunk = Math.max(1, 2 ** Math.floor(Math.log2(terms / inner)));
  return pointsIn(over) > chunk * inner ? { axis, chunk } : null;
}

/** The axis whose chunks are summed apart: the tokens, where they are among what is summed. */
export function splitAxis(over: readonly Axis[]): number {
  const tokens = over.findIndex(({ extent }) => extent === 'tokens' || extent === 'keys');
  if (tokens >= 0) return tokens;
  const largest = Math.max(...over.map((axis) => nominal(axis.extent)));
  return over.findIndex((axis) => nominal(axis.extent) === largest);
}
