// A root -> what it is in a block of queries: a strip (a value for each query and key), values of the rows, or a sum over
// queries; null where it reads strips of other rows, or in a way that blocks cannot serve. Its own axes for batch, heads and
// queries become those of the frame.

import { defined } from '../../src/ir/build.ts';
import type { Axis, Definition, Scalar } from '../../src/ir/ir.ts';
import { at, call, read } from '../../src/ir/scalar.ts';
import { axesOf, likeAxis, readsOf, scalarMapper } from '../../src/ir/visit.ts';
import type { Root, StripFrame, StripMember, StripRule } from './nest.ts';
import { headOf, isQuadratic, isTokens, none, rolesOf, sameScalar, scalarsIn, type Known } from './strips-roles.ts';
import { sharesOf } from './strips-shares.ts';
import { unify } from './strips-unify.ts';

export interface Joined {
  readonly member: StripMember;
  /** The sum of the parts that items make, where no item has the whole. */
  readonly rest: Root | null;
  readonly shares: ReadonlySet<Axis>;
}

export function asMember(root: Root, known: Known, frame: StripFrame): Joined | null {
  const d = root.definition;
  if (d.kind === 'rotate' || d.kind === 'matrix' || d.kind === 'triangular') return null;
  const found = unify(root, known, frame);
  if (found === null) return null;
  const { by, straight, distance } = found;
  const canonical = scalarMapper((s) => straight(s) ?? (s.kind === 'axis' ? (by.get(s.axis) ?? null) : null));
  const isOwn = (one: Axis): boolean => !by.has(one);
  const index = d.kind === 'scatter' ? d.index.map(canonical) : d.tensor.axes.map((one) => by.get(one) ?? at(one));
  const plain = plainIn(index, frame);
  const place = !plain.has(frame.query) ? 'sum' : d.kind !== 'scatter' && isQuadratic(d.tensor) ? 'strip' : 'row';
  if (place !== 'sum' && !isAt(index[rolesOf(d.tensor, frame)?.query ?? -1], frame.query)) return null;
  const over = (d.kind === 'reduce' || d.kind === 'scatter' ? d.over : []).filter(isOwn);
  const axes = d.kind === 'scatter' ? [] : d.tensor.axes.filter(isOwn);
  const keys = keysOf(d, known, [...axes, ...over], place);
  const rule = ruleOf(d, canonical, keys, place);
  if (rule === null) return null;
  const where = distance === null ? null : call('less_equal', at(distance), at(frame.query));
  const member: StripMember = { root, place, rule, keys, axes, over, index, where, causal: false, padded: false };
  const shares = sharesOf(d, known, by, frame);
  if (shares === null) return null;
  const missing = [frame.batch, frame.head].filter((one): one is Axis => one !== null && !plain.has(one));
  if (place === 'sum') {
    // Every item, and where query heads share one each of them, must have a part of its own, or it is added several times.
    const own = axesOf([...by.values()]);
    const isOnce =
      (frame.within === null || own.has(frame.within)) &&
      [frame.batch, frame.head].every((one) => one === null || own.has(one) || shares.has(one));
    return isOnce ? asSum(member, missing) : null;
  }
  if (shares.size > 0 && place !== 'strip') return null;
  const isWhole = missing.length === 0 && (frame.within === null || plain.has(frame.within));
  // A strip may be made anew by every item, values of a row may not.
  return isWhole || place === 'strip' ? { member, rest: null, shares } : null;
}

const isAt = (s: Scalar | undefined, one: Axis): boolean => s?.kind === 'axis' && s.axis === one;

/** Axes of the frame that are indices of their own. */
function plainIn(index: readonly Scalar[], frame: StripFrame): ReadonlySet<Axis> {
  const heads = [frame.head, frame.within].filter((one) => one !== null);
  return new Set(
    index.flatMap((one) => {
      if (one.kind === 'axis') return [one.axis];
      return frame.within !== null && sameScalar(one, headOf(frame)) ? heads : [];
    }),
  );
}

/** Whether every item has results of its own; null tensors made alike by several items are for them alone. */
export function isShared({ index }: StripMember, frame: StripFrame): boolean {
  const used = plainIn(index, frame);
  return [frame.batch, frame.head, frame.within].some((one) => one !== null && !used.has(one));
}

/** The axis that strips are made or read along; they are read elsewhere too. */
function keysOf(d: Definition, known: Known, own: readonly Axis[], place: StripMember['place']): Axis | null {
  if (place === 'strip') return d.tensor.axes.find((one) => isTokens(one) && own.includes(one)) ?? null;
  for (const each of readsOf(scalarsIn(d))) {
    const roles = known.get(each.tensor);
    const index = roles === undefined || roles.keys < 0 ? null : each.index[roles.keys]!;
    if (index?.kind === 'axis' && own.includes(index.axis)) return index.axis;
  }
  return null;
}

function ruleOf(
  d: Definition,
  canonical: (s: Scalar) => Scalar,
  keys: Axis | null,
  place: StripMember['place'],
): StripRule | null {
  switch (d.kind) {
    case 'map':
      return place === 'sum' ? null : { kind: 'map', body: canonical(d.body) };
    case 'reduce':
      if (d.op === 'sum') return { kind: 'sum', terms: termsOf(canonical(d.body)) };
      if (place !== 'row' || d.over.some((one) => one !== keys)) return null;
      return { kind: d.op, body: canonical(d.body) };
    case 'softmax':
      if (d.over !== keys || place !== 'strip') return null;
      return { kind: 'softmax', where: canonical(d.where), body: canonical(d.body) };
    case 'scan': {
      if (d.along !== keys || place !== 'strip') return null;
      const { reverse, exclusive, initial } = d;
      return { kind: 'scan', reverse, exclusive, initial, factor: canonical(d.factor), term: canonical(d.term) };
    }
    case 'scatter':
      return place === 'strip' ? null : { kind: 'scatter', body: canonical(d.body) };
    case 'rotate':
    case 'matrix':
    case 'triangular':
      return null;
    default:
      return d satisfies never;
  }
}

/** A sum of several products is several sums of one. */
function termsOf(body: Scalar): readonly Scalar[] {
  if (body.kind !== 'call') return [body];
  const [a, b] = body.args as [Scalar, Scalar];
  if (body.op === 'add') return [...termsOf(a), ...termsOf(b)];
  return body.op === 'subtract' ? [...termsOf(a), ...termsOf(b).map((term) => call('negate', term))] : [body];
}

/** A sum over queries: whole where the item has all of it, else a part for each item, which the rest adds up. */
function asSum(member: StripMember, missing: readonly Axis[]): Joined | null {
  const d = member.root.definition;
  if (d.kind !== 'reduce' && d.kind !== 'scatter') return null;
  if (missing.length === 0) return { member, rest: null, shares: none };
  const { tensor, span, adjointOf } = d;
  const own = [...missing.map(likeAxis), ...tensor.axes.map(likeAxis)];
  const part = defined(`${tensor.name}_part`, own, tensor.type);
  const over = missing.map(likeAxis);
  const body = read(part, [...over, ...tensor.axes].map(at));
  const whole: Definition = { tensor, span, adjointOf, kind: 'reduce', op: 'sum', over, body };
  const made: Definition =
    d.kind === 'reduce' ? { ...d, tensor: part } : { ...d, tensor: part, index: [...missing.map(at), ...d.index] };
  return {
    member: { ...member, root: { ...member.root, definition: made }, index: [...missing.map(at), ...member.index] },
    rest: { definition: whole, hints: new Map(), turn: null, periodic: false },
    shares: none,
  };
}
