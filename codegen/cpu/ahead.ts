// Dear values of rows, ahead of the rows: what depends on a row alone, a frequency say, is made in vectors along the rows of an
// item into private memory, so that no row computes it by itself.

import type { Axis, Scalar, Tensor } from '../../src/ir/ir.ts';
import { operations } from '../../src/ir/ops.ts';
import { children, type Read } from '../../src/ir/visit.ts';
import { add, i32, local, loop, storeElement, subtract } from '../kernel-build.ts';
import type { Expression, Size } from '../kernel.ts';
import { staysInside, type Point } from '../point.ts';
import type { Scope } from '../simt/scope.ts';
import type { Range } from './items.ts';

/** Operations that a row should not do by itself. */
const dear = 8;

/**
 * The largest real parts of scalars that are dear, do not depend on `inner` and read nothing of `unknown`, nor anything that
 * only a condition keeps inside its tensor.
 */
export function rowValues(
  scalars: readonly Scalar[],
  inner: readonly Axis[],
  unknown: ReadonlySet<Tensor>,
): readonly Scalar[] {
  const known = new Map<Scalar, { readonly fixed: boolean; readonly weight: number }>();
  const about = (s: Scalar): { readonly fixed: boolean; readonly weight: number } => {
    const before = known.get(s);
    if (before !== undefined) return before;
    const parts = children(s).map(about);
    const own =
      s.kind === 'axis' ? !inner.includes(s.axis) : s.kind !== 'read' || (!unknown.has(s.tensor) && isSafe(s));
    const weight = parts.reduce((all, part) => all + part.weight, s.kind === 'call' ? operations[s.op].weight : 0);
    const made = { fixed: own && parts.every((part) => part.fixed), weight };
    known.set(s, made);
    return made;
  };
  const found = new Set<Scalar>();
  const seen = new Set<Scalar>();
  const enter = (s: Scalar): void => {
    if (seen.has(s)) return;
    seen.add(s);
    const { fixed, weight } = about(s);
    if (fixed && weight >= dear && s.type === 'real' && s.kind === 'call') found.add(s);
    else children(s).forEach(enter);
  };
  scalars.forEach(enter);
  return [...found];
}

const isSafe = ({ tensor, index, outside }: Read): boolean =>
  outside !== null || index.every((one, n) => staysInside(one, tensor.axes[n]!));

/** Scalars of a definition, and its points. */
export interface Values {
  readonly scalars: readonly Scalar[];
  readonly pointAt: (row: Expression) => Point;
}

/** Values of rows in private memory. */
export interface Ahead {
  /** Makes those of the rows of a range: the one of row n lies at n - from, behind `place`. */
  make(range: Range, place?: Expression): void;
  /** Reads find the ones at `index` from here on. */
  hold(index: Expression): void;
}

/** Reserves memory for so many rows. */
export function openAhead(scope: Scope, all: readonly Values[], rows: Size): Ahead {
  const parts = all
    .filter(({ scalars }) => scalars.length > 0)
    .map((values) => ({ ...values, arrays: values.scalars.map(() => scope.scratch('ahead', 'f32', rows)) }));
  if (parts.length === 0) return { make: () => {}, hold: () => {} };
  return {
    make({ from, to }, place = i32(0)) {
      const name = scope.fresh('ahead_row');
      const at = add(place, subtract(local(name, 'i32'), from));
      const body = scope.block(() => {
        for (const { scalars, arrays, pointAt } of parts) {
          const point = pointAt(local(name, 'i32'));
          scalars.forEach((scalar, n) => scope.emit(storeElement(arrays[n]!, at, point.real(scalar))));
        }
      });
      scope.emit(loop(name, from, to, body, { mode: 'vector' }));
    },
    hold(index) {
      for (const { scalars, arrays } of parts)
        scalars.forEach((scalar, n) => scope.held.set(scalar, { array: arrays[n]!, index }));
    },
  };
}
