// Partial sums -> the sums: a lane a result, or a few of a workgroup, add them up in an order that depends on the shape
// only. Where the partial sums of a single number are many, they are summed in chunks first.

import type { Axis, Scalar, Tensor } from '../../src/ir/ir.ts';
import { readsOf } from '../../src/ir/visit.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  and,
  barrier,
  f32,
  i32,
  laneIndex,
  less,
  load,
  local,
  loop,
  minimum,
  multiply,
  quotient,
  remainder,
  shared,
  store,
  storeShared,
  subtract,
  when,
} from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import type { Root } from '../plan/nest.ts';
import { isLarge } from '../plan/options.ts';
import type { BufferPlan, Size } from '../plan/plan.ts';
import { ceilDivide, extentSize, nominal, nominalSize, numberSize, product } from '../plan/size.ts';
import { describe, variant, writeBody, type Draft, type Setting, type Wanted } from './draft.ts';
import { countOf, groupNumber, indicesAt, laneGrid, laneGroups, laneNumber, pointsOf, takeApart } from './grid.ts';
import type { Grid, Scope } from './scope.ts';
import { sizeExpression } from './size-expression.ts';
import { storeInto } from './store.ts';
import { addTo } from './variable.ts';

export function partialBuffer(setting: Setting, tensor: Tensor, count: Size): BufferPlan {
  const shape = [count, ...tensor.axes.map((axis) => extentSize(axis.extent))];
  const name = `${tensor.name}_partial`;
  return setting.temporary(name, shape, `partial sums of ${tensor.name}`);
}

function bufferFor(setting: Setting, tensor: Tensor): BufferPlan {
  const buffer = setting.storage.get(tensor);
  if (buffer === undefined) throw new Error(`'${tensor.name}' has no buffer`);
  return buffer;
}

/** More partial sums of a single number than a lane should add. */
const manyPartials = 4096;

/** Partial sums of a root, and what multiplies the sum. */
export interface Part {
  readonly root: Root;
  readonly partial: BufferPlan;
  readonly scale: Scalar | null;
}

/** The second kernel: a lane a result, or a few of a workgroup, add the partial sums. All parts have the same results. */
export function sumPartials(setting: Setting, parts: readonly Part[], count: Size, chunk: number): readonly Draft[] {
  const { tensor } = parts[0]!.root.definition;
  const few = tensor.axes.reduce((all, axis) => all * nominal(axis.extent), 1) <= 16;
  if (!few || nominalSize(count) <= manyPartials)
    return inGroups(parts).map((group) => lastStep(setting, group, count));
  const fewer = ceilDivide(count, chunk);
  const next = parts.map((part) => ({ ...part, partial: partialBuffer(setting, part.root.definition.tensor, fewer) }));
  return [
    ...parts.map((part, n) => partialStep(setting, part.root, part.partial, next[n]!.partial, count, fewer, chunk)),
    ...inGroups(next).map((group) => lastStep(setting, group, fewer)),
  ];
}

/** Two buffers a part: four parts a kernel. */
function inGroups(parts: readonly Part[]): readonly (readonly Part[])[] {
  const groups: Part[][] = [];
  for (const part of parts) {
    const last = groups.at(-1);
    if (last !== undefined && last.length < 4 && part.scale === null) last.push(part);
    else groups.push([part]);
  }
  return groups;
}

function lastStep(setting: Setting, parts: readonly Part[], count: Size): Draft {
  const roots = parts.map((part) => part.root);
  const { axes } = roots[0]!.definition.tensor;
  const name = setting.kernelName(roots.map((root) => root.definition.tensor.name).join('_'));
  const wanted: Wanted[] = parts.flatMap(({ root, partial, scale }) => [
    { buffer: partial, write: false },
    ...readsOf(scale === null ? [] : [scale]).map((read) => ({
      buffer: bufferFor(setting, read.tensor),
      write: false,
    })),
    { buffer: bufferFor(setting, root.definition.tensor), write: true },
  ]);
  const finish = (scope: Scope, { root, scale }: Part, total: Expression, local: readonly Expression[]): void => {
    const { tensor } = root.definition;
    const at = indicesAt(scope, tensor.axes, local);
    const value = scale === null ? total : multiply(openPoint(scope, root.hints).with(at).real(scale), total);
    storeInto(
      scope,
      setting,
      tensor,
      at.map(([, index]) => index),
      value,
    );
  };
  const { body, buffers } = writeBody(setting, name, 64, wanted, (scope, nameOf) => {
    const grid = laneGrid(scope, axes);
    for (const part of parts) {
      const from = grid.prefix[axes.length]!;
      finish(scope, part, addUp(scope, nameOf(part.partial), sizeExpression(count), countOf(axes), from), grid.local);
    }
  });
  const variants = [variant('software', laneGroups(pointsOf(axes)), body)];
  const slices = slicesOf(axes, count, setting);
  if (slices > 1) {
    const { lanes } = setting.options;
    const together = writeBody(setting, name, lanes, wanted, (scope, nameOf) => {
      const { grid, totals, first } = sumSlices(scope, axes, lanes / slices, slices, (from, slice) =>
        parts.map(({ partial }) =>
          addUp(scope, nameOf(partial), sizeExpression(count), countOf(axes), from, slice, slices),
        ),
      );
      const stores = scope.block(() => parts.forEach((part, n) => finish(scope, part, totals[n]!, grid.local)));
      scope.emit(...when(first, stores));
    });
    variants.push(variant('portable', laneGroups(pointsOf(axes), lanes / slices), together.body));
  }
  return {
    name,
    comment: `${describe(roots)}: sums of the partial sums`,
    definitions: roots.map((root) => root.definition),
    buffers,
    variants,
    flops: product([count, pointsOf(axes), numberSize(parts.length)]),
  };
}

/** Partial sums that a lane adds up alone, and about as many where several lanes share those of a result. */
const alone = 32;
const inSlice = 16;
/** Neighbouring results that a workgroup sums, at least: what memory moves at once. */
const neighbours = 8;

/** Lanes that share the partial sums of a result. */
function slicesOf(axes: readonly Axis[], count: Size, { options }: Setting): number {
  const terms = nominalSize(count);
  if (!isLarge(options) || terms <= alone) return 1;
  const results = 2 ** Math.ceil(Math.log2(axes.reduce((all, axis) => all * nominal(axis.extent), 1)));
  const wanted = 2 ** Math.ceil(Math.log2(terms / inSlice));
  return Math.min(wanted, options.lanes / Math.min(results, neighbours));
}

interface SlicesSummed {
  readonly grid: Grid;
  readonly totals: readonly Expression[];
  /** A lane that has the totals of its result. */
  readonly first: Expression;
}

/** `across` results a workgroup, and a lane for each of them and each slice; the sums of slices are added up in a tree. */
function sumSlices(
  scope: Scope,
  axes: readonly Axis[],
  across: number,
  slices: number,
  sum: (result: Expression, slice: Expression) => readonly Expression[],
): SlicesSummed {
  const results = countOf(axes);
  const groups = quotient(add(results, i32(across - 1)), i32(across));
  const group = groupNumber(scope, groups, 'results');
  const slice = scope.bind('slice', quotient(laneIndex, i32(across)));
  const result = scope.bind('result', add(multiply(group, i32(across)), remainder(laneIndex, i32(across))));
  const inside = scope.bind('inside', less(result, results));
  const at = scope.bind('at', minimum(result, subtract(results, i32(1))));
  const grid = takeApart(scope, axes, at);
  const arrays = sum(at, slice).map((total) => {
    const array = scope.shared('slice_totals', 'f32', across * slices);
    scope.emit(storeShared(array, laneIndex, total));
    return array;
  });
  scope.emit(barrier);
  for (let half = slices / 2; half >= 1; half /= 2) {
    const other = add(laneIndex, i32(half * across));
    const steps = arrays.map((array) =>
      storeShared(array, laneIndex, add(shared(array, laneIndex), shared(array, other))),
    );
    scope.emit(...when(less(laneIndex, i32(half * across)), steps), barrier);
  }
  const totals = arrays.map((array) => shared(array, laneIndex));
  return { grid, totals, first: and(less(laneIndex, i32(across)), inside) };
}

/** The partial sums of a result, of which there are `terms`; every `step`th from `first` on. */
function addUp(
  scope: Scope,
  buffer: string,
  terms: Expression,
  stride: Expression,
  from: Expression,
  first: Expression = i32(0),
  step = 1,
): Expression {
  const total = scope.variable('total', f32(0));
  const name = scope.fresh('chunk');
  const at = add(multiply(local(name, 'i32'), stride), from);
  scope.emit(loop(name, first, terms, [addTo(total, load(buffer, at))], { step }));
  return total;
}

function partialStep(
  setting: Setting,
  root: Root,
  from: BufferPlan,
  to: BufferPlan,
  terms: Size,
  fewer: Size,
  chunk: number,
): Draft {
  const { tensor } = root.definition;
  const name = setting.kernelName(`${tensor.name}_partial`);
  const wanted: Wanted[] = [
    { buffer: from, write: false },
    { buffer: to, write: true },
  ];
  const { body, buffers } = writeBody(setting, name, 64, wanted, (scope, nameOf) => {
    const results = countOf(tensor.axes);
    const index = laneNumber(scope, multiply(sizeExpression(fewer), results));
    const piece = quotient(index, results);
    const result = remainder(index, results);
    const total = scope.variable('total', f32(0));
    const start = multiply(piece, i32(chunk));
    const end = minimum(add(start, i32(chunk)), sizeExpression(terms));
    const term = scope.fresh('chunk');
    const at = add(multiply(local(term, 'i32'), results), result);
    scope.emit(loop(term, start, end, [addTo(total, load(nameOf(from), at))]));
    scope.emit(store(nameOf(to), index, total));
  });
  return {
    name,
    comment: `partial sums of ${tensor.name}, fewer`,
    definitions: [root.definition],
    buffers,
    variants: [variant('software', laneGroups(product([fewer, pointsOf(tensor.axes)])), body)],
    flops: product([terms, pointsOf(tensor.axes)]),
  };
}
