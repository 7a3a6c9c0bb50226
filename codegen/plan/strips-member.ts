// A root -> what it is in a block of queries: a strip (a value for each query and key), values of the rows, or a sum over
// queries; null where it reads strips of other rows, or in a way that blocks cannot serve. Its own axes for batch, heads and
// queries become those of the frame.

import { defined } from '../../src/ir/build.ts';
import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { at, boolean, call, integer, read } from '../../src/ir/scalar.ts';
import { axesOf, domainOf, likeAxis, operandsOf, readsOf, scalarMapper } from '../../src/ir/visit.ts';
import { scalarsOfRoot, type Root, type StripFrame, type StripMember, type StripRule } from './nest.ts';

/** Places of a tensor's axes by what they mean. */
export interface Roles {
  readonly batch: number;
  readonly head: number;
  readonly query: number;
  readonly keys: number;
  /** Items and heads of which each has but its own share of the values, to be added up. */
  readonly shares: ReadonlySet<Axis>;
}

const none: ReadonlySet<Axis> = new Set();

/** What it is to be a strip or values of rows under a frame; -1: it has no such axis. */
export function rolesOf(tensor: Tensor, frame: StripFrame, shares = none): Roles | null {
  const find = (test: (axis: Axis) => boolean): number => tensor.axes.findIndex(test);
  const query = find(({ extent }) => extent === 'tokens');
  if (query < 0) return null;
  const keys = tensor.axes.findIndex((one, n) => n !== query && isTokens(one));
  if (tensor.axes.filter(isTokens).length > 2) return null;
  const head = frame.head === null ? -1 : find((one) => isHead(one, frame));
  return { batch: find(({ extent }) => extent === 'batch'), head, query, keys, shares };
}

export const isTokens = ({ extent }: Axis): boolean => extent === 'tokens' || extent === 'keys';
export const isQuadratic = ({ axes }: Tensor): boolean => axes.filter(isTokens).length >= 2;

/** Query heads of a key head. */
export const groupOf = ({ within }: StripFrame): number => (within === null ? 1 : (within.extent as number));

const headsOf = (frame: StripFrame): number =>
  frame.head === null ? 0 : (frame.head.extent as number) * groupOf(frame);

const isHead = ({ role, extent }: Axis, frame: StripFrame): boolean => role === 'head' && extent === headsOf(frame);

export interface Joined {
  readonly member: StripMember;
  /** The sum of the parts that items make, where no item has the whole. */
  readonly rest: Root | null;
  readonly shares: ReadonlySet<Axis>;
}

type Known = ReadonlyMap<Tensor, Roles>;

export function asMember(root: Root, known: Known, frame: StripFrame): Joined | null {
  const d = root.definition;
  if (d.kind === 'rotate' || d.kind === 'expm') return null;
  const found = unify(root, known, frame);
  if (found === null) return null;
  const { by, straight, distance } = found;
  const canonical = scalarMapper((s) => straight(s) ?? (s.kind === 'axis' ? (by.get(s.axis) ?? null) : null));
  const isOwn = (one: Axis): boolean => !by.has(one);
  const index = d.kind === 'scatter' ? d.index.map(canonical) : d.tensor.axes.map((one) => by.get(one) ?? at(one));
  const plain = plainIn(index, frame);
  const place = !plain.has(frame.query) ? 'sum' : d.kind !== 'scatter' && isQuadratic(d.tensor) ? 'strip' : 'row';
  if (place === 'strip' && !isAt(index[rolesOf(d.tensor, frame)?.query ?? -1], frame.query)) return null;
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
    // Where several query heads share an item each must take part once.
    const isOnce = frame.within === null || axesOf([...by.values()]).has(frame.within);
    return isOnce ? asSum(member, missing) : null;
  }
  if (shares.size > 0 && place !== 'strip') return null;
  const isWhole = missing.length === 0 && (frame.within === null || plain.has(frame.within));
  // A strip may be made anew by every item, values of a row may not.
  return isWhole || place === 'strip' ? { member, rest: null, shares } : null;
}

const isAt = (s: Scalar | undefined, one: Axis): boolean => s?.kind === 'axis' && s.axis === one;

/** The query head of an item: its key head's `within`-th. */
const headOf = (frame: StripFrame): Scalar =>
  frame.within === null
    ? at(frame.head!)
    : call('add', call('multiply', at(frame.head!), integer(groupOf(frame))), at(frame.within));

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

/**
 * A sum over items or heads that makes a strip leaves each with its share, and so does what is made of shares as long as it
 * is linear in them: sums over queries add them up in the end. null: not linear, or of unequal shares.
 */
function sharesOf(
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

const scalarsIn = (definition: Definition): readonly Scalar[] =>
  scalarsOfRoot({ definition, hints: new Map(), turn: null, periodic: false });

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
    case 'expm':
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

interface Unified {
  readonly by: ReadonlyMap<Axis, Scalar>;
  /** Simpler forms of what becomes of heads and distances. */
  straight(s: Scalar): Scalar | null;
  /** The axis of keys, where the result is by distance from it to the query. */
  readonly distance: Axis | null;
}

function unify(root: Root, known: Known, frame: StripFrame): Unified | null {
  const d = root.definition;
  if (operandsOf(d).some((tensor) => known.has(tensor))) return null;
  const domain = domainOf(d);
  const group = groupOf(frame);
  const by = new Map<Axis, Scalar>();
  const put = (one: Axis, to: Scalar): boolean => {
    const before = by.get(one);
    if (before !== undefined) return sameScalar(before, to);
    by.set(one, to);
    return domain.includes(one);
  };
  const head = (): Scalar => headOf(frame);
  const putHead = (index: Scalar): boolean => {
    if (index.kind === 'axis' && index.axis.extent === headsOf(frame)) {
      return put(index.axis, head());
    }
    const parts = asHeadOfGroup(index, group);
    if (parts === null || frame.within === null) return false;
    return put(parts.head, at(frame.head!)) && put(parts.within, at(frame.within));
  };
  let apart: { readonly distance: Axis; readonly keys: Axis } | null = null;
  const putQuery = (index: Scalar): boolean => {
    if (index.kind === 'axis') return index.axis.extent === 'tokens' && put(index.axis, at(frame.query));
    const parts = asDistance(index, d);
    if (parts === null || (apart !== null && (apart.distance !== parts.distance || apart.keys !== parts.keys)))
      return false;
    apart = parts;
    return put(parts.distance, call('subtract', at(frame.query), at(parts.keys)));
  };
  const batch = domain.filter(({ extent }) => extent === 'batch');
  if (batch.length > 1) return null;
  if (batch[0] !== undefined && (frame.batch === null || !put(batch[0], at(frame.batch)))) return null;
  let reads = 0;
  for (const each of readsOf(scalarsIn(d))) {
    const roles = known.get(each.tensor);
    if (roles === undefined) continue;
    reads += 1;
    const index = (place: number): Scalar => each.index[place]!;
    if (!putQuery(index(roles.query))) return null;
    if (
      roles.batch >= 0 &&
      !(index(roles.batch).kind === 'axis' && batch.includes((index(roles.batch) as AxisIndex).axis))
    )
      return null;
    if (roles.head >= 0 && !putHead(index(roles.head))) return null;
  }
  const own = rolesOf(d.tensor, frame);
  if (reads === 0) {
    if (own === null || own.keys < 0 || d.kind === 'scatter') return null;
    if (!put(d.tensor.axes[own.query]!, at(frame.query))) return null;
  }
  if (frame.head !== null) {
    // Heads that no strip is read at: of what the root makes.
    for (const one of d.tensor.axes) {
      if (by.has(one) || d.kind === 'scatter') continue;
      if (isHead(one, frame) && !putHead(at(one))) return null;
    }
    const left = domain.filter((one) => !by.has(one) && (isHead(one, frame) || one.role === 'kv-head'));
    if (left.length > 0) return null;
  }
  const found: { readonly distance: Axis; readonly keys: Axis } | null = apart;
  const straight = (s: Scalar): Scalar | null => {
    if (s.kind !== 'call') return null;
    const [a, b] = s.args as [Scalar, Scalar];
    if (frame.within !== null && s.op === 'div' && b.kind === 'constant' && b.value === group) {
      if (sameScalar(a, head())) return at(frame.head!);
    }
    if (found === null) return null;
    if (s.op === 'add' && (isFromKeys(a, b, found, frame) || isFromKeys(b, a, found, frame))) return at(frame.query);
    if (s.op === 'less' && a.kind === 'axis' && a.axis === frame.query && b.kind === 'size' && b.size === 'keys')
      return boolean(true);
    return null;
  };
  return { by, straight, distance: found === null ? null : (found as { keys: Axis }).keys };
}

type AxisIndex = Extract<Scalar, { kind: 'axis' }>;

/** (query - keys) and keys, which add up to the query. */
function isFromKeys(a: Scalar, b: Scalar, { keys }: { readonly keys: Axis }, frame: StripFrame): boolean {
  return (
    a.kind === 'call' &&
    a.op === 'subtract' &&
    sameScalar(a.args[0]!, at(frame.query)) &&
    sameScalar(a.args[1]!, at(keys)) &&
    sameScalar(b, at(keys))
  );
}

/** Equal indices made of axes and numbers. */
export function sameScalar(a: Scalar, b: Scalar): boolean {
  if (a === b) return true;
  if (a.kind === 'axis' && b.kind === 'axis') return a.axis === b.axis;
  if (a.kind === 'constant' && b.kind === 'constant') return a.value === b.value && a.type === b.type;
  if (a.kind === 'size' && b.kind === 'size') return a.size === b.size;
  if (a.kind !== 'call' || b.kind !== 'call' || a.op !== b.op) return false;
  return a.args.every((one, n) => sameScalar(one, b.args[n]!));
}

/** group * head + within */
function asHeadOfGroup(index: Scalar, group: number): { readonly head: Axis; readonly within: Axis } | null {
  if (index.kind !== 'call' || index.op !== 'add') return null;
  for (const [times, within] of [index.args, index.args.toReversed()] as [Scalar, Scalar][]) {
    if (within.kind !== 'axis' || within.axis.extent !== group) continue;
    if (times.kind !== 'call' || times.op !== 'multiply') continue;
    const head = times.args.find((one) => one.kind === 'axis');
    const by = times.args.find((one) => one.kind === 'constant');
    if (head?.kind === 'axis' && by?.kind === 'constant' && by.value === group)
      return { head: head.axis, within: within.axis };
  }
  return null;
}

/** distance + keys, of a sum over keys whose results are by distance. */
function asDistance(index: Scalar, d: Definition): { readonly distance: Axis; readonly keys: Axis } | null {
  if (d.kind !== 'reduce' || d.op !== 'sum' || index.kind !== 'call' || index.op !== 'add') return null;
  const [a, b] = index.args as [Scalar, Scalar];
  if (a.kind !== 'axis' || b.kind !== 'axis') return null;
  for (const [distance, keys] of [
    [a.axis, b.axis],
    [b.axis, a.axis],
  ] as const) {
    const fits = distance.extent === 'keys' && keys.extent === 'keys';
    if (fits && d.tensor.axes.includes(distance) && d.over.includes(keys)) return { distance, keys };
  }
  return null;
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
