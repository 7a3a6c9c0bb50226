// A scatter by ids that the caller gives, such as tokens -> its nest; null for any other scatter. The caller sorts: beside
// ids, the entry takes NAME_order, the places of ids in the order of their values, and NAME_start, where each value's
// places begin.

import { axis, given } from '../../src/ir/build.ts';
import type { Axis, Scalar, Tensor } from '../../src/ir/ir.ts';
import { likeAxis } from '../../src/ir/visit.ts';
import type { Root, SegmentsNest } from './nest.ts';

/** Places of ids by value: order has the shape of ids, with flat indices; start one element more than there are values. */
interface Sorted {
  readonly values: number;
  readonly order: Tensor;
  readonly start: Tensor;
}

type SortedPlaces = (ids: Tensor, values: number) => Sorted | null;

/** The same tensors for the same ids; null where these are sorted for another number of values already. */
export function sortedPlaces(): SortedPlaces {
  const known = new Map<Tensor, Sorted>();
  return (ids, values) => {
    const sorted = known.get(ids) ?? {
      values,
      order: given(`${ids.name}_order`, ids.axes.map(likeAxis), 'operand', 'integer'),
      start: given(`${ids.name}_start`, [axis('value', values + 1)], 'operand', 'integer'),
    };
    known.set(ids, sorted);
    return sorted.values === values ? sorted : null;
  };
}

export function asSegments(root: Root, sorted: SortedPlaces): SegmentsNest | null {
  const d = root.definition;
  if (d.kind !== 'scatter') return null;
  const [value, ...rest] = d.index;
  const values = d.tensor.axes[0]?.extent;
  if (value?.kind !== 'read' || typeof values !== 'number' || !isIds(value.tensor)) return null;
  const places = plainAxes(value.index);
  const inner = plainAxes(rest);
  if (places === null || inner === null || !samePoints([...places, ...inner], d.over)) return null;
  if (!sameExtents(places, value.tensor.axes) || !sameExtents(inner, d.tensor.axes.slice(1))) return null;
  const made = sorted(value.tensor, values);
  if (made === null) return null;
  return { kind: 'segments', root, ids: value.tensor, order: made.order, start: made.start, places, inner };
}

const isIds = ({ type, origin }: Tensor): boolean =>
  type === 'integer' && origin.kind === 'given' && origin.given === 'operand';

function plainAxes(index: readonly Scalar[]): readonly Axis[] | null {
  const axes = index.flatMap((s) => (s.kind === 'axis' ? [s.axis] : []));
  return axes.length === index.length ? axes : null;
}

const samePoints = (a: readonly Axis[], b: readonly Axis[]): boolean =>
  a.length === b.length && new Set(a).size === a.length && a.every((one) => b.includes(one));

const sameExtents = (a: readonly Axis[], b: readonly Axis[]): boolean =>
  a.length === b.length && a.every(({ extent }, n) => extent === b[n]!.extent);
