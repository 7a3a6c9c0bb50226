// new[block, r] = sum over c of exp(M)[block, r, c] old[block, c], for blocks of neighbouring features: where it is one, and the
// rotation of neighbouring features that stands in its place where exp(M) turns pairs.

import { axis, rotate } from '../../ir/build.ts';
import type { Axis, Definition, Scalar, Tensor } from '../../ir/ir.ts';
import { at, call, integer, isConstant, read } from '../../ir/scalar.ts';
import { axesOf, mapScalar, substitute } from '../../ir/visit.ts';
import { exponentialProduct } from '../../laws/maps.ts';
import type { ExponentialProduct, Made } from '../../laws/maps.ts';

export interface BlockProduct extends ExponentialProduct {
  /** Of one block. */
  readonly features: number;
  /** With the matrix as it is; else transposed, which turns the other way. */
  readonly upright: boolean;
}

/** Null where it is none, or `old` is not read block by block. */
export function blockProduct(written: Definition, made: Made): BlockProduct | null {
  const d = straight(written, made);
  const product = exponentialProduct(d, made);
  if (product === null || product.expm.cotangent !== null || d.kind !== 'reduce' || d.body.kind !== 'call') return null;
  const { extent: features } = product.expm.tensor.axes.at(-1)!;
  const { extent: all } = product.feature;
  if (typeof features !== 'number' || typeof all !== 'number' || all % features !== 0) return null;
  if (!isBlockRead(d.body.args[1]!, d.tensor, product, features)) return null;
  return { ...product, features, upright: isAxis(product.matrix.index.at(-1)!, product.column) };
}

/** The same product with a matrix that is only renamed or transposed read where it was made. */
function straight(d: Definition, made: Made): Definition {
  if (d.kind !== 'reduce' || d.body.kind !== 'call' || d.body.op !== 'multiply') return d;
  const [matrix, old] = d.body.args;
  const from = matrix?.kind === 'read' ? made.get(matrix.tensor) : undefined;
  if (matrix?.kind !== 'read' || from?.kind !== 'map' || from.body.kind !== 'read') return d;
  if (made.get(from.body.tensor)?.kind !== 'matrix') return d;
  const by = new Map(from.tensor.axes.map((own, n) => [own, matrix.index[n]!]));
  return Object.freeze({ ...d, body: call('multiply', substitute(from.body, by), old!) });
}

/**
 * `d` as a rotation of neighbouring features. `phase` is over the axes of the exponential but row and column, and where a
 * block has several pairs one of those. Null where which matrix it is depends on more than the block.
 */
export function turned(d: Definition, product: BlockProduct, phase: Tensor): Definition | null {
  const { feature, features, matrix, input, upright } = product;
  const pairs = features / 2; // of a block
  const pair = axis('p', Number(feature.extent) / 2, 'pair');
  const block = (s: Scalar): Scalar | null =>
    s.kind === 'call' && s.op === 'div' && isAxis(s.args[0]!, feature) && isConstant(s.args[1]!, features)
      ? inOne(pairs === 1 ? at(pair) : call('div', at(pair), integer(pairs)), feature, features)
      : null;
  const index = matrix.index.slice(0, -2).map((s) => mapScalar(s, block));
  if (index.some((s) => axesOf(s).has(feature))) return null;
  const within = feature.extent === features ? at(pair) : call('mod', at(pair), integer(pairs));
  const rotation = rotate(
    d.tensor,
    {
      input,
      phase: read(phase, pairs === 1 ? index : [...index, within]),
      pair,
      sign: upright ? 1 : -1,
      layout: 'interleaved',
    },
    d.span,
  );
  return Object.freeze({ ...rotation, adjointOf: d.adjointOf });
}

/** The only block is block 0. */
const inOne = (block: Scalar, feature: Axis, features: number): Scalar =>
  feature.extent === features ? integer(0) : block;

export const isAxis = (s: Scalar, wanted: Axis): boolean => s.kind === 'axis' && s.axis === wanted;

/** old[the tensor's own axes but the last, n * (d div n) + c] */
function isBlockRead(old: Scalar, { axes }: Tensor, { feature, column }: ExponentialProduct, n: number): boolean {
  if (old.kind !== 'read' || old.outside !== null || old.index.length !== axes.length) return false;
  if (!axes.slice(0, -1).every((one, k) => isAxis(old.index[k]!, one))) return false;
  if (old.tensor.axes.at(-1)!.extent !== feature.extent) return false;
  const last = old.index.at(-1)!;
  if (feature.extent === n) return isAxis(last, column);
  if (last.kind !== 'call' || last.op !== 'add') return false;
  const [first, c] = isAxis(last.args[1]!, column) ? last.args : [last.args[1]!, last.args[0]!];
  if (!isAxis(c!, column) || first?.kind !== 'call' || first.op !== 'multiply') return false;
  const [many, block] = isConstant(first.args[0]!, n) ? first.args : [first.args[1]!, first.args[0]!];
  return (
    isConstant(many!, n) &&
    block?.kind === 'call' &&
    block.op === 'div' &&
    isAxis(block.args[0]!, feature) &&
    isConstant(block.args[1]!, n)
  );
}
