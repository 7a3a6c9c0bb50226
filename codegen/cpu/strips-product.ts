// Terms of sums that are matrix products over a block: scores of queries and keys, values by weights, and sums over queries.
// The factor with a value for each query and key is read as it lies, a number at a time; the other one in vectors.

import type { Axis, Scalar, Tensor } from '../../src/ir/ir.ts';
import { real } from '../../src/ir/scalar.ts';
import { axesOf } from '../../src/ir/visit.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  element,
  extract,
  f32,
  i32,
  load,
  local,
  loop,
  maximum,
  minimum,
  multiply,
  quotient,
  splat,
  store,
  storeElement,
  subtract,
} from '../kernel-build.ts';
import type { StripMember } from '../plan/nest.ts';
import { factorsOf, times } from '../plan/contract.ts';
import { numberSize } from '../plan/size.ts';
import { indexAt, loadAt, type Scope } from '../simt/scope.ts';
import { overAxis, overRows, pointAt, put, resultAt, rowAt, stepsAlong, type At, type Block } from './strips-block.ts';
import { tileColumns, writeProduct, type Lanes } from './tile.ts';

type Read = Extract<Scalar, { kind: 'read' }>;

/**
 * out[m, n] = scale * sum over k of left * right. scores: keys, queries, features; rows: queries, features, keys; columns:
 * keys, features, queries.
 */
export interface StripProduct {
  readonly form: 'scores' | 'rows' | 'columns';
  /** Features of the result, or those summed over. */
  readonly feature: Axis;
  readonly left: Read;
  readonly right: Scalar;
  /** Depends on nothing but the item and m. */
  readonly scale: Scalar;
}

export function asProduct(block: Block, member: StripMember, term: Scalar): StripProduct | null {
  const { scope, nest } = block;
  const { query } = nest.frame;
  const { keys, axes, over, place } = member;
  const tensor = member.root.definition.tensor;
  if (keys === null || member.where !== null || tensor.type !== 'real') return null;
  const factors = factorsOf(term).map((factor) => ({ factor, used: axesOf(factor) }));
  const split = (isLeft: (used: ReadonlySet<Axis>) => boolean, isRight: (used: ReadonlySet<Axis>) => boolean) => {
    const left = factors.filter(({ used }) => isLeft(used)).map(({ factor }) => factor);
    const right = factors.filter(({ used }) => !isLeft(used) && isRight(used)).map(({ factor }) => factor);
    const scale = factors.filter(({ used }) => !isLeft(used) && !isRight(used));
    return { left, right, scale };
  };
  const made = (
    form: StripProduct['form'],
    feature: Axis,
    parts: ReturnType<typeof split>,
    forbidden: readonly Axis[],
  ): StripProduct | null => {
    const [left] = parts.left;
    if (parts.left.length !== 1 || left?.kind !== 'read' || left.outside !== null || parts.right.length === 0)
      return null;
    if (parts.scale.some(({ used }) => forbidden.some((axis) => used.has(axis)))) return null;
    const scale = parts.scale.reduce<Scalar>((all, { factor }) => times([all, factor]), real(1));
    return { form, feature, left, right: times(parts.right), scale };
  };
  const isStrip = (left: Read | null): boolean => left !== null && scope.strips.has(left.tensor);
  const has = (one: Axis) => (used: ReadonlySet<Axis>) => used.has(one);
  const only = (list: readonly Axis[], wanted: readonly Axis[]): boolean =>
    list.length === wanted.length && wanted.every((one) => list.includes(one));
  if (place === 'strip') {
    const feature = over[0];
    if (feature === undefined || over.length > 1 || !only(axes, [keys]) || !scope.strips.has(tensor)) return null;
    if (typeof feature.extent !== 'number') return null; // the block's rows would not fit private memory
    const found = made(
      'scores',
      feature,
      split(
        (used) => used.has(keys) && used.has(feature),
        (used) => used.has(query),
      ),
      [feature, query],
    );
    if (found === null || axesOf(found.left).has(query) || axesOf(found.right).has(keys)) return null;
    return isPlain(found.left) ? found : null;
  }
  const feature = axes.find((axis) => axis !== keys);
  if (feature === undefined || typeof feature.extent !== 'number' || feature.extent < 4) return null;
  const isLeft = (used: ReadonlySet<Axis>): boolean => used.has(keys) && used.has(query);
  const form =
    place === 'row' && only(over, [keys]) && only(axes, [feature])
      ? 'rows'
      : place === 'sum' && over.length === 0 && only(axes, [keys, feature])
        ? 'columns'
        : null;
  if (form === null) return null;
  const found = made(form, feature, split(isLeft, has(feature)), form === 'rows' ? [keys, feature] : [query, feature]);
  if (found === null || !isStrip(found.left) || axesOf(found.left).has(feature)) return null;
  const { right } = found;
  // In memory of the item the queries lie side by side, not the features.
  const isBeside =
    right.kind === 'read' &&
    right.outside === null &&
    isPlain(right) &&
    isLast(right.index, feature) &&
    !scope.strips.has(right.tensor);
  if (!isBeside || !isLast(member.index, feature)) return null;
  return axesOf(right).has(form === 'rows' ? query : keys) ? null : found;
}

/** Every index is an axis, or made of axes without jumps. */
const isPlain = ({ index }: Read): boolean => index.every((one) => one.kind !== 'read');

const isLast = (index: readonly Scalar[], axis: Axis): boolean => {
  const last = index.at(-1);
  return last?.kind === 'axis' && last.axis === axis && index.slice(0, -1).every((one) => !axesOf(one).has(axis));
};

/** What a load or a store of a point becomes for four neighbours. */
function wide(value: Expression): Expression {
  if (value.kind === 'load') return load(value.buffer, value.index, 'f32x4');
  if (value.kind === 'element') return element(value.array, value.index, 'f32x4');
  throw new Error('not an access');
}

export function writeStripProduct(block: Block, member: StripMember, product: StripProduct, how: 'set' | 'add'): void {
  switch (product.form) {
    case 'scores':
      return writeScores(block, member, product, how);
    case 'rows':
      return writeRows(block, member, product, how);
    case 'columns':
      return writeColumns(block, member, product, how);
    default:
      product.form satisfies never;
  }
}

const isOne = (s: Scalar): boolean => s.kind === 'constant' && s.value === 1;

/** Queries of the block, features outermost; after the last query zeros, up to `end`. */
function packQueries(block: Block, member: StripMember, { feature, right }: StripProduct, end: Expression): string {
  const { scope, nest, count } = block;
  const packed = scope.scratch('queries', 'f32', numberSize((feature.extent as number) * nest.rows));
  overAxis(block, member, feature, 'serial', (here) => {
    const first = multiply(here[0]![1], i32(nest.rows));
    overRows(block, 'vector', (row) => {
      const value = pointAt(block, [...row, ...here]).real(right);
      scope.emit(storeElement(packed, add(first, scope.rowOf.get(row[0]![1])!), value));
    });
    const name = scope.fresh('row');
    scope.emit(loop(name, count, end, [storeElement(packed, add(first, local(name, 'i32')), f32(0))]));
  });
  return packed;
}

function writeScores(block: Block, member: StripMember, product: StripProduct, how: 'set' | 'add'): void {
  const { scope, nest, count } = block;
  const { feature, left, scale } = product;
  const keys = member.keys!;
  const strip = scope.strips.get(member.root.definition.tensor)!;
  const key = (m: Expression): Expression => indexAt(scope, keys, m);
  const place = (m: Expression, n: Expression): Expression => add(multiply(m, i32(nest.rows)), n);
  const columns = bound(
    scope,
    multiply(quotient(add(count, i32(tileColumns - 1)), i32(tileColumns)), i32(tileColumns)),
  );
  const packed = packQueries(block, member, product, columns);
  writeProduct(scope, {
    m: bound(scope, stepsAlong(block, member, keys)),
    n: columns,
    k: i32(feature.extent as number),
    multiple: tileColumns,
    left: (m, k) =>
      pointAt(block, [
        [keys, key(m)],
        [feature, k],
      ]).real(left),
    right: (k, n, lanes) => element(packed, place(k, n), typeFor(lanes)),
    store: (m, n, sum, lanes) => {
      const scaled = isOne(scale) ? sum : multiply(sum, spread(pointAt(block, [[keys, key(m)]]).real(scale), lanes));
      const at = place(m, n);
      const before = how === 'set' ? scaled : add(element(strip.array, at, typeFor(lanes)), scaled);
      scope.emit(storeElement(strip.array, at, before));
    },
  });
}

const typeFor = (lanes: Lanes): 'f32' | 'f32x4' => (lanes === 4 ? 'f32x4' : 'f32');
const spread = (value: Expression, lanes: Lanes): Expression => (lanes === 4 ? splat(value) : value);

const bound = (scope: Scope, value: Expression): Expression =>
  value.kind === 'call' ? scope.bind('end', value) : value;

/** Results at (m, n): neighbours along n in a buffer, apart in memory of the item. */
function storeResult(
  block: Block,
  member: StripMember,
  where: At,
  feature: readonly [Axis, Expression],
  sum: Expression,
  lanes: Lanes,
  how: 'set' | 'add',
): void {
  const { scope } = block;
  if (lanes === 4 && scope.strips.has(member.root.definition.tensor)) {
    for (let n = 0; n < 4; n += 1) {
      const index = resultAt(block, member, [...where, [feature[0], add(feature[1], i32(n))]]);
      put(block, member, index, extract(sum, n), how);
    }
    return;
  }
  const index = resultAt(block, member, [...where, feature]);
  const [one] = scope.block(() => put(block, member, index, lanes === 1 ? sum : zero, how)).slice(-1);
  if (lanes === 1) return put(block, member, index, sum, how);
  const tensor: Tensor = member.root.definition.tensor;
  const before = how === 'set' ? null : wide(loadAccess(scope, tensor, index));
  const value = before === null ? sum : add(before, sum);
  if (one?.kind === 'store') scope.emit(store(one.buffer, one.index, value));
  else if (one?.kind === 'store-element') scope.emit(storeElement(one.array, one.index, value));
  else throw new Error('a result is stored');
}

const zero: Expression = { kind: 'literal', type: 'f32', value: 0 };

/** A load as an expression, though the kernel writes the tensor too. */
function loadAccess(scope: Scope, tensor: Tensor, index: readonly Expression[]): Expression {
  let value: Expression | null = null;
  const statements = scope.block(() => {
    value = loadAt(scope, tensor, index);
  });
  const last = statements.at(-1);
  return last?.kind === 'let' ? last.value : value!;
}

function writeRows(block: Block, member: StripMember, product: StripProduct, how: 'set' | 'add'): void {
  const { scope, count } = block;
  const { feature, left, right, scale } = product;
  const keys = member.keys!;
  const end = bound(scope, stepsAlong(block, member, keys));
  const key = (k: Expression): At => [[keys, indexAt(scope, keys, k)]];
  writeProduct(scope, {
    m: count,
    n: i32(feature.extent as number),
    k: end,
    left: (m, k) => pointAt(block, [...rowAt(block, m), ...key(k)]).real(left),
    right: (k, n, lanes) => factor(block, right, [...key(k), [feature, n]], lanes),
    store: (m, n, sum, lanes) => {
      const row = rowAt(block, m);
      const scaled = isOne(scale) ? sum : multiply(sum, spread(pointAt(block, row).real(scale), lanes));
      storeResult(block, member, row, [feature, n], scaled, lanes, how);
    },
    ...(member.causal && keys.extent === 'keys'
      ? {
          steps: (_: Expression, last: Expression) => ({
            from: i32(0),
            to: minimum(end, add(rowAt(block, last)[0]![1], i32(1))),
          }),
        }
      : {}),
  });
}

/** The right factor at a point, or at four neighbours along n. */
function factor(block: Block, right: Scalar, at: At, lanes: Lanes): Expression {
  const { scope } = block;
  if (lanes === 1) return pointAt(block, at).real(right);
  const read = right as Read;
  return wide(loadAccess(scope, read.tensor, pointAt(block, at).index(read.index)));
}

function writeColumns(block: Block, member: StripMember, product: StripProduct, how: 'set' | 'add'): void {
  const { scope, count, start } = block;
  const { feature, left, right, scale } = product;
  const keys = member.keys!;
  const key = (m: Expression): At => [[keys, indexAt(scope, keys, m)]];
  writeProduct(scope, {
    m: bound(scope, stepsAlong(block, member, keys)),
    n: i32(feature.extent as number),
    k: count,
    left: (m, k) => pointAt(block, [...rowAt(block, k), ...key(m)]).real(left),
    right: (k, n, lanes) => factor(block, right, [...rowAt(block, k), [feature, n]], lanes),
    store: (m, n, sum, lanes) => {
      const here = key(m);
      const scaled = isOne(scale) ? sum : multiply(sum, spread(pointAt(block, here).real(scale), lanes));
      storeResult(block, member, here, [feature, n], scaled, lanes, how);
    },
    ...(member.causal && scope.mode === 'whole'
      ? { steps: (first: Expression) => ({ from: maximum(i32(0), subtract(first, start)), to: count }) }
      : {}),
  });
}
