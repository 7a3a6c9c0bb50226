// Maps and sums of strips at every point of a block. Vectors run along the queries, which lie side by side in strips, or along
// another axis where more of what is read lies side by side there.

import type { Axis, Scalar, Tensor } from '../../src/ir/ir.ts';
import { axesOf, readsOf } from '../../src/ir/visit.ts';
import type { Expression } from '../kernel.ts';
import { add, f32, when } from '../kernel-build.ts';
import type { StripMember } from '../plan/nest.ts';
import { addTo } from '../simt/variable.ts';
import { changeOf } from './strides.ts';
import { axesIn, overAxes, overAxis, pointAt, put, resultAt, type At, type Block } from './strips-block.ts';
import { asProduct, writeStripProduct } from './strips-product.ts';

/** Products by tiles, the other terms together. */
export function writeSum(block: Block, member: StripMember, terms: readonly Scalar[]): void {
  const adds = member.place === 'sum' || block.setting.accumulate.has(member.root.definition.tensor);
  let how: 'set' | 'add' = adds ? 'add' : 'set';
  const rest: Scalar[] = [];
  for (const term of terms) {
    const product = asProduct(block, member, term);
    if (product === null) {
      rest.push(term);
      continue;
    }
    writeStripProduct(block, member, product, how);
    how = 'add';
  }
  if (rest.length > 0) writePoints(block, member, rest, how);
}

/** Accesses that jump along an axis, more to be avoided the more there are. */
function jumpsAlong(block: Block, member: StripMember, terms: readonly Scalar[], axis: Axis): number {
  const { scope, nest } = block;
  const order = (index: readonly Scalar[], tensor: Tensor): readonly Scalar[] => {
    const strip = scope.strips.get(tensor);
    return strip === undefined ? index : [...strip.axes.map((n) => index[n]!), index[strip.query]!];
  };
  const isFar = (index: readonly Scalar[], tensor: Tensor): boolean => changeOf(order(index, tensor), axis) === 'far';
  const reads = readsOf(terms).filter((read) => isFar(read.index, read.tensor)).length;
  const isResult = resultAxes(block, member).includes(axis);
  const stores = isResult && isFar(member.index, member.root.definition.tensor) ? 1 : 0;
  return reads + stores + (axis === nest.frame.query ? 0 : 0.5);
}

function resultAxes(block: Block, member: StripMember): readonly Axis[] {
  const used = axesOf(member.index);
  return axesIn(block, member).filter((axis) => used.has(axis));
}

const isLong = ({ extent }: Axis): boolean => typeof extent !== 'number' || extent >= 4;

/** The axis that vectors run along. */
function vectorAxis(block: Block, member: StripMember, terms: readonly Scalar[]): Axis {
  const candidates = axesIn(block, member).filter(isLong);
  const jumps = candidates.map((axis) => jumpsAlong(block, member, terms, axis));
  return candidates[jumps.indexOf(Math.min(...jumps))] ?? block.nest.frame.query;
}

/** Every result: the sum of the terms over what is summed there; or the one value of a map. */
export function writePoints(block: Block, member: StripMember, terms: readonly Scalar[], how: 'set' | 'add'): void {
  const { scope } = block;
  const along = vectorAxis(block, member, terms);
  const results = resultAxes(block, member);
  const summed = axesIn(block, member).filter((axis) => !results.includes(axis));
  const outer = results.filter((axis) => axis !== along);
  const value = (at: At): Expression => {
    const point = pointAt(block, at);
    const isReal = member.root.definition.tensor.type === 'real';
    const values = terms.map((term) => (isReal ? point.real(term) : point.value(term)));
    return values.reduce(add);
  };
  const store = (at: At, result: Expression): void => put(block, member, resultAt(block, member, at), result, how);
  const total = (at: At, axes: readonly Axis[]): Expression => {
    const sum = scope.variable('total', f32(0));
    const mode = (axis: Axis) => (axis === along ? 'vector' : 'serial');
    overAxes(block, member, axes, mode, (more) => scope.emit(addTo(sum, value([...at, ...more]))));
    return sum;
  };
  const inside = (at: At): void => {
    if (summed.includes(along)) {
      store(at, total(at, [along, ...summed.filter((axis) => axis !== along)]));
      return;
    }
    overAxis(block, member, along, 'vector', (here) => {
      const all = [...at, ...here];
      guarded(block, member, all, results, () => store(all, summed.length === 0 ? value(all) : total(all, summed)));
    });
  };
  overAxes(
    block,
    member,
    outer,
    () => 'serial',
    (at) => {
      if (member.where !== null && results.includes(along) && !axesOf(member.where).has(along))
        scope.emit(
          ...when(
            pointAt(block, at).value(member.where),
            scope.block(() => inside(at)),
          ),
        );
      else inside(at);
    },
  );
}

/** Only where the member's condition holds. */
function guarded(block: Block, member: StripMember, at: At, results: readonly Axis[], write: () => void): void {
  const { where } = member;
  const isDone = where === null || ![...axesOf(where)].some((axis) => at.at(-1)?.[0] === axis);
  if (isDone || !results.includes(at.at(-1)![0])) return write();
  const { scope } = block;
  const condition = pointAt(block, at).value(where);
  scope.emit(...when(condition, scope.block(write)));
}
