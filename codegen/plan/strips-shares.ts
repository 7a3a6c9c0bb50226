// Shares of a sum: a sum over items or heads that makes a strip leaves each with its own terms, and so does what is made of
// them as long as it is linear in them; sums over queries add the shares up in the end.

import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { axesOf, domainOf, readsOf } from '../../src/ir/visit.ts';
import type { StripFrame } from './nest.ts';
import { none, scalarsIn, type Known } from './strips-roles.ts';

/** The axes of the frame of whose points each has its own share; null: not linear, or made of unequal shares. */
export function sharesOf(
  d: Definition,
  known: Known,
  by: ReadonlyMap<Axis, Scalar>,
  frame: StripFrame,
): ReadonlySet<Axis> | null {
  const summed = d.kind === 'reduce' ? d.over : [];
  const places = (axes: readonly Axis[]): readonly Axis[] => [...axesOf(axes.flatMap((one) => by.get(one) ?? []))];
  const own = places(summed).filter((one) => one !== frame.query && Object.values(frame).includes(one));
  const shared = readsOf(scalarsIn(d))
    .flatMap(({ tensor }) => known.get(tensor)?.shares ?? none)
    .filter(({ size }) => size > 0);
  const [first] = shared;
  if (first === undefined) return d.kind === 'reduce' && d.op !== 'sum' && own.length > 0 ? null : new Set(own);
  if (shared.some((each) => each.size !== first.size || [...each].some((one) => !first.has(one)))) return null;
  if (places(domainOf(d)).some((one) => first.has(one))) return null;
  const isShare = (tensor: Tensor): boolean => (known.get(tensor)?.shares.size ?? 0) > 0;
  const isLinear =
    (d.kind === 'map' || (d.kind === 'reduce' && d.op === 'sum')) && degree(d.body, isShare, new Map()) === 1;
  return isLinear ? new Set([...first, ...own]) : null;
}

/** 0: does not depend on the tensors; 1: linear in them; null: otherwise. */
function degree(s: Scalar, of: (tensor: Tensor) => boolean, known: Map<Scalar, number | null>): number | null {
  const before = known.get(s);
  if (before !== undefined) return before;
  const value = degreeOf(s, (one) => degree(one, of, known), of);
  known.set(s, value);
  return value;
}

function degreeOf(s: Scalar, of: (s: Scalar) => number | null, isShare: (tensor: Tensor) => boolean): number | null {
  if (s.kind === 'read') return s.index.every((one) => of(one) === 0) ? (isShare(s.tensor) ? 1 : 0) : null;
  if (s.kind !== 'call') return 0;
  const all = s.args.map(of);
  if (all.every((each) => each === 0)) return 0;
  if (all.includes(null)) return null;
  const [a, b, c] = all;
  switch (s.op) {
    case 'add':
    case 'subtract':
      return a === b ? 1 : null;
    case 'negate':
    case 'real':
      return a!;
    case 'multiply':
      return a! + b! === 1 ? 1 : null;
    case 'divide':
      return b === 0 ? 1 : null;
    case 'select': {
      const fits = (each: number | null | undefined, branch: Scalar): boolean => each === 1 || isZero(branch);
      return a === 0 && fits(b, s.args[1]!) && fits(c, s.args[2]!) ? 1 : null;
    }
    default:
      return null;
  }
}

const isZero = (s: Scalar): boolean => s.kind === 'constant' && s.value === 0;
