// A matrix product of plain reads -> what a library may do in its place: sizes, and strides of each factor in its buffer;
// null where the factors are more than reads at sums of indices, or where the axes of m, n or k have no one stride.

import type { Axis, Scalar, Tensor } from '../../src/ir/ir.ts';
import { at } from '../../src/ir/scalar.ts';
import type { Read } from '../../src/ir/visit.ts';
import type { StorageType } from '../kernel.ts';
import type { ContractionNest } from './nest.ts';
import type { OperandPlan, ProductPlan, Size } from './plan.ts';
import { extentSize, numberSize, printSize, product, sum } from './size.ts';

/** Where a tensor lies: the shape of its buffer (that of the tensor but for the third axis), and where its rows begin. */
export interface Lie {
  readonly shape: readonly Size[];
  readonly type: StorageType;
  readonly row: number;
  readonly binding: number;
}

type Factors = Pick<ContractionNest, 'batch' | 'm' | 'n' | 'over' | 'left' | 'right' | 'scale'>;

/** A whole axis, or one part of an axis that is read as `axis / inner`: the quotient, or the remainder. */
interface Part {
  readonly axis: Axis;
  readonly part: 'whole' | 'quotient' | 'remainder';
  readonly extent: Size;
}

/** An index as a sum: constant + the sum of factor * part. */
interface Linear {
  readonly constant: number;
  readonly terms: readonly { readonly part: Part; readonly factor: number }[];
}

/** Strides of an operand by part, in elements. */
interface Strides {
  readonly lie: Lie;
  readonly offset: Size;
  readonly of: ReadonlyMap<Part, Size>;
}

/** The buffer that the product is stored to, over these axes. */
export interface Result {
  readonly axes: readonly Axis[];
  readonly lie: Lie;
  readonly accumulate: boolean;
}

/** `liesAt`: the same for every tensor of one buffer but for the row. */
export function productOf(nest: Factors, result: Result, liesAt: (tensor: Tensor) => Lie): ProductPlan | null {
  const { left, right } = nest;
  if (left.kind !== 'read' || right.kind !== 'read') return null;
  const scale = nest.scale === null ? 1 : nest.scale.kind === 'constant' ? nest.scale.value : null;
  if (scale === null || !typesFit(liesAt(left.tensor), liesAt(right.tensor), result.lie)) return null;
  const parts = partsOf([...nest.batch, ...nest.m, ...nest.n, ...nest.over], [left, right]);
  if (parts === null) return null;
  const a = left.outside === null ? stridesOf(left.index, liesAt(left.tensor), parts) : null;
  const b = right.outside === null ? stridesOf(right.index, liesAt(right.tensor), parts) : null;
  const c = stridesOf(result.axes.map(at), result.lie, parts);
  if (a === null || b === null || c === null) return null;
  const m = merged(nest.m, parts, [a, c]);
  const n = merged(nest.n, parts, [b, c]);
  const k = merged(nest.over, parts, [a, b]);
  const batches = merged(nest.batch, parts, [a, b, c]);
  if (m.length > 1 || n.length > 1 || k.length > 1) return null;
  const [along, across, summed] = [m[0] ?? single(2), n[0] ?? single(2), k[0] ?? single(2)];
  const operand = (strides: Strides, which: number, rows: Size, columns: Size): OperandPlan => ({
    binding: strides.lie.binding,
    offset: strides.offset,
    rows,
    columns,
    batches: batches.map((each) => each.strides[which]!),
  });
  const made: ProductPlan = {
    scale,
    accumulate: result.accumulate,
    m: along.extent,
    n: across.extent,
    k: summed.extent,
    batches: batches.map(({ extent }) => extent),
    left: operand(a, 0, along.strides[0]!, summed.strides[0]!),
    right: operand(b, 1, across.strides[0]!, summed.strides[1]!),
    out: operand(c, 2, along.strides[1]!, across.strides[1]!),
  };
  return [made.left, made.right, made.out].every(({ rows, columns }) => isOne(rows) || isOne(columns)) ? made : null;
}

const isOne = (size: Size): boolean => size.kind === 'number' && size.value === 1;

/** Both factors of one type, the result in any. */
const typesFit = (left: Lie, right: Lie, out: Lie): boolean =>
  left.type === right.type && left.type !== 'i32' && out.type !== 'i32';

/** In a whole sequence there are as many keys as tokens. */
const extentOf = (axis: Axis): Size => extentSize(axis.extent === 'keys' ? 'tokens' : axis.extent);

/** The parts of each axis: axes that some index divides fall apart, all by one divisor. */
function partsOf(axes: readonly Axis[], reads: readonly Read[]): ReadonlyMap<Axis, readonly Part[]> | null {
  const divisors = new Map<Axis, number>();
  for (const each of reads) {
    for (const index of each.index) {
      if (index.kind !== 'call' || index.op !== 'div') continue;
      const [of, by] = index.args as [Scalar, Scalar];
      if (of.kind !== 'axis' || by.kind !== 'constant' || typeof of.axis.extent !== 'number') return null;
      if (of.axis.extent % by.value !== 0 || (divisors.get(of.axis) ?? by.value) !== by.value) return null;
      divisors.set(of.axis, by.value);
    }
  }
  const entries = axes.map((axis): [Axis, Part[]] => {
    const by = divisors.get(axis);
    if (by === undefined) return [axis, [{ axis, part: 'whole', extent: extentOf(axis) }]];
    const quotient: Part = { axis, part: 'quotient', extent: numberSize((axis.extent as number) / by) };
    return [axis, [quotient, { axis, part: 'remainder', extent: numberSize(by) }]];
  });
  return new Map(entries);
}

type Parts = ReadonlyMap<Axis, readonly Part[]>;

function stridesOf(indices: readonly Scalar[], lie: Lie, parts: Parts): Strides | null {
  const of = new Map<Part, Size>();
  let offset: Size = numberSize(0);
  for (const [n, index] of indices.entries()) {
    const linear = linearOf(index, parts);
    if (linear === null || !fits(linear)) return null;
    const stride = product(lie.shape.slice(n + 1).map(inTokens));
    const first = linear.constant + (n === 2 ? lie.row : 0);
    offset = sum([offset, product([stride, numberSize(first)])]);
    for (const { part, factor } of linear.terms)
      of.set(part, sum([of.get(part) ?? numberSize(0), product([stride, numberSize(factor)])]));
  }
  return { lie, offset, of };
}

const inTokens = (size: Size): Size =>
  size.kind === 'size' && size.size === 'keys' ? { kind: 'size', size: 'tokens' } : size;

function linearOf(index: Scalar, parts: Parts): Linear | null {
  switch (index.kind) {
    case 'constant':
      return { constant: index.value, terms: [] };
    case 'axis': {
      const own = parts.get(index.axis);
      if (own === undefined) return null;
      const inner = own.at(-1)!.extent;
      const by = own.length === 2 && inner.kind === 'number' ? inner.value : 1;
      return { constant: 0, terms: own.map((part) => ({ part, factor: part.part === 'quotient' ? by : 1 })) };
    }
    case 'call': {
      const [a, b] = index.args as [Scalar, Scalar];
      if (index.op === 'div' && a.kind === 'axis') {
        const [quotient] = parts.get(a.axis) ?? [];
        return quotient?.part === 'quotient' ? { constant: 0, terms: [{ part: quotient, factor: 1 }] } : null;
      }
      if (index.op === 'add') return added(linearOf(a, parts), linearOf(b, parts));
      if (index.op === 'multiply' && a.kind === 'constant') return scaled(linearOf(b, parts), a.value);
      if (index.op === 'multiply' && b.kind === 'constant') return scaled(linearOf(a, parts), b.value);
      return null;
    }
    default:
      return null;
  }
}

const added = (a: Linear | null, b: Linear | null): Linear | null =>
  a === null || b === null ? null : { constant: a.constant + b.constant, terms: [...a.terms, ...b.terms] };

const scaled = (a: Linear | null, by: number): Linear | null =>
  a === null || by < 1
    ? null
    : { constant: a.constant * by, terms: a.terms.map(({ part, factor }) => ({ part, factor: factor * by })) };

/** No two points are one element: each term begins where those before it end, as digits of a number do. */
function fits({ terms }: Linear): boolean {
  let reached: number | null = 1;
  for (const { part, factor } of terms.toSorted((x, y) => x.factor - y.factor)) {
    if (reached === null || factor < reached) return false;
    reached = part.extent.kind === 'number' ? factor * part.extent.value : null;
  }
  return true;
}

interface Merged {
  readonly extent: Size;
  readonly strides: readonly Size[];
}

const single = (operands: number): Merged => ({
  extent: numberSize(1),
  strides: Array.from({ length: operands }, () => numberSize(1)),
});

/** The axes, those that follow each other in all operands made one; what has one point is left out. */
function merged(axes: readonly Axis[], parts: Parts, operands: readonly Strides[]): readonly Merged[] {
  let rest = axes
    .flatMap((axis) => parts.get(axis)!)
    .filter(({ extent }) => !isOne(extent))
    .map((part): Merged => {
      return { extent: part.extent, strides: operands.map(({ of }) => of.get(part) ?? numberSize(0)) };
    });
  for (;;) {
    const pair = rest
      .flatMap((outer) => rest.map((inner) => [outer, inner] as const))
      .find(([outer, inner]) => outer !== inner && follows(outer, inner));
    if (pair === undefined) return rest;
    const [outer, inner] = pair;
    const one: Merged = { extent: product([outer.extent, inner.extent]), strides: inner.strides };
    rest = rest.flatMap((each) => (each === outer ? [one] : each === inner ? [] : [each]));
  }
}

const follows = (outer: Merged, inner: Merged): boolean =>
  outer.strides.every((stride, n) => keyOf(stride) === keyOf(product([inner.strides[n]!, inner.extent])));

/** The same for products in any order. */
const keyOf = (size: Size): string => printSize(size).split(' * ').toSorted().join(' * ');
