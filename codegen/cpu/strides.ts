// How what is read changes from one point to the next along an axis: not at all, to the neighbour, or further. And whether a
// nest of points may be walked by one flat index.

import type { Axis, Scalar, Tensor } from '../../src/ir/ir.ts';
import { axesOf, readsOf } from '../../src/ir/visit.ts';
import { scalarsOfRoot, type Root } from '../plan/nest.ts';
import type { Setting } from '../simt/draft.ts';

export type Change = 'same' | 'neighbour' | 'far';

/** By how much an index grows with an axis; null: not evenly. */
function growth(s: Scalar, axis: Axis): number | null {
  if (s.kind === 'axis') return s.axis === axis ? 1 : 0;
  if (!axesOf(s).has(axis)) return 0;
  if (s.kind !== 'call') return null;
  const [a, b] = s.args as [Scalar, Scalar];
  switch (s.op) {
    case 'add':
    case 'subtract': {
      const [left, right] = [growth(a, axis), growth(b, axis)];
      if (left === null || right === null) return null;
      return s.op === 'add' ? left + right : left - right;
    }
    case 'multiply': {
      const [value, factor] = a.kind === 'constant' ? [b, a.value] : b.kind === 'constant' ? [a, b.value] : [a, null];
      const each = growth(value, axis);
      return each === null || factor === null ? null : each * factor;
    }
    default:
      return null;
  }
}

export function changeOf(index: readonly Scalar[], axis: Axis): Change {
  const steps = index.map((one) => growth(one, axis));
  if (steps.every((step) => step === 0)) return 'same';
  return steps.at(-1) === 1 && steps.slice(0, -1).every((step) => step === 0) ? 'neighbour' : 'far';
}

/** Accesses of a definition that jump along an axis of its own. */
export function jumps(root: Root, axis: Axis): number {
  const d = root.definition;
  const far = readsOf(scalarsOfRoot(root)).filter(({ index }) => changeOf(index, axis) === 'far').length;
  const own = d.kind === 'softmax' || d.kind === 'map' ? d.tensor.axes : [];
  return far + (own.includes(axis) && own.at(-1) !== axis ? 1 : 0);
}

/** Every member is made and read at the point's own flat index, whatever its axes. */
export function isFlat(members: readonly Root[], setting: Setting): boolean {
  const plain = (tensor: Tensor): boolean => {
    const history = setting.mode === 'decode' && setting.storage.get(tensor)?.rows === 'history';
    return setting.places.get(tensor) === undefined && !history;
  };
  return members.every(({ definition: d }) => {
    if (d.kind !== 'map' || !plain(d.tensor)) return false;
    const seen = new Set<Scalar>();
    const flat = (s: Scalar): boolean => {
      if (seen.has(s)) return true;
      seen.add(s);
      if (s.kind === 'axis') return false;
      if (s.kind === 'read') return plain(s.tensor) && isOwnPoint(s.index, d.tensor.axes, s.tensor.axes);
      return s.kind !== 'call' || s.args.every(flat);
    };
    return flat(d.body);
  });
}

/** Read at all axes of the point in their order, or a single number. */
const isOwnPoint = (index: readonly Scalar[], axes: readonly Axis[], of: readonly Axis[]): boolean =>
  index.length === 0 || (index.length === axes.length && index.every((one, n) => isAxis(one, axes[n]!, of[n]!)));

const isAxis = (index: Scalar, axis: Axis, of: Axis): boolean =>
  index.kind === 'axis' && index.axis === axis && axis.extent === of.extent;
