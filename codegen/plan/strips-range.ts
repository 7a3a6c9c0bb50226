// How far along the keys each member of strips must go. A strip vanishes past the query where its values are 0 there (those
// of a causal softmax, and products with them); sums of what vanishes leave those keys out, and what only they read is not
// made there.

import type { Axis, Scalar, Tensor } from '../../src/ir/ir.ts';
import { readsOf } from '../../src/ir/visit.ts';
import type { StripFrame, StripMember } from './nest.ts';
import type { Roles } from './strips-roles.ts';

/** `kept`: strips that are stored whole, for others. */
export function withRanges(
  members: readonly StripMember[],
  frame: StripFrame,
  roles: ReadonlyMap<Tensor, Roles>,
  kept: (tensor: Tensor) => boolean,
): readonly StripMember[] {
  const vanishing = new Set<Tensor>();
  for (const member of members)
    if (member.place === 'strip' && vanishes(member, frame, vanishing, roles)) vanishing.add(tensorOf(member));
  const whole = new Set(members.map(tensorOf).filter(kept));
  const made: StripMember[] = [];
  for (const member of members.toReversed()) {
    const wanted = whole.has(tensorOf(member));
    const causal = isCausal(member, wanted, frame, vanishing, roles);
    made.push({ ...member, causal, padded: causal && wanted && member.place === 'strip' });
    for (const each of readsOf(scalarsOfRule(member))) {
      const own = roles.get(each.tensor);
      if (own === undefined || own.keys < 0) continue;
      const index = each.index[own.keys]!;
      const isHere = index.kind === 'axis' && index.axis === member.keys;
      if (!isHere || !causal) whole.add(each.tensor);
    }
  }
  return made.toReversed();
}

const tensorOf = ({ root }: StripMember): Tensor => root.definition.tensor;

/** What a member evaluates at its points. */
export function scalarsOfRule({ rule, index, where }: StripMember): readonly Scalar[] {
  const more = [...index, ...(where === null ? [] : [where])];
  switch (rule.kind) {
    case 'map':
    case 'prod':
    case 'argmax':
    case 'scatter':
      return [rule.body, ...more];
    case 'sum':
      return [...rule.terms, ...more];
    case 'softmax':
      return [rule.where, rule.body, ...more];
    case 'scan':
      return [rule.factor, rule.term, ...more];
    default:
      return rule satisfies never;
  }
}

type Vanishing = ReadonlySet<Tensor>;

/** Whether a member need not look past the query; `wanted`: its strip is read there. */
function isCausal(
  member: StripMember,
  wanted: boolean,
  frame: StripFrame,
  vanishing: Vanishing,
  roles: ReadonlyMap<Tensor, Roles>,
): boolean {
  const { rule, keys, place, where } = member;
  if (keys === null) return true;
  const isZero = zeroPast(keys, frame, vanishing, roles);
  if (place === 'strip') {
    switch (rule.kind) {
      case 'softmax':
        return bounds(rule.where, keys, frame.query);
      case 'scan':
        return !wanted && (!rule.reverse || (rule.initial === 0 && isZero(rule.term)));
      default:
        return !wanted;
    }
  }
  if (where !== null && bounds(where, keys, frame.query)) return true;
  if (rule.kind === 'sum') return rule.terms.every(isZero);
  return rule.kind === 'scatter' && isZero(rule.body);
}

function vanishes(
  { rule, keys }: StripMember,
  frame: StripFrame,
  vanishing: Vanishing,
  roles: ReadonlyMap<Tensor, Roles>,
): boolean {
  if (keys === null) return false;
  const isZero = zeroPast(keys, frame, vanishing, roles);
  switch (rule.kind) {
    case 'map':
      return isZero(rule.body);
    case 'sum':
      return rule.terms.every(isZero);
    case 'softmax':
      return bounds(rule.where, keys, frame.query);
    default:
      return false;
  }
}

/** The condition fails for keys after the query. */
export function bounds(condition: Scalar, keys: Axis, query: Axis): boolean {
  if (condition.kind !== 'call') return false;
  const [a, b] = condition.args as [Scalar, Scalar];
  if (condition.op === 'and') return bounds(a, keys, query) || bounds(b, keys, query);
  if (condition.op !== 'less_equal' && condition.op !== 'less') return false;
  return a.kind === 'axis' && a.axis === keys && b.kind === 'axis' && b.axis === query;
}

/** Surely 0 at keys after the query, as long as everything else is finite there. */
function zeroPast(
  keys: Axis,
  frame: StripFrame,
  vanishing: Vanishing,
  roles: ReadonlyMap<Tensor, Roles>,
): (s: Scalar) => boolean {
  const known = new Map<Scalar, boolean>();
  const isZero = (s: Scalar): boolean => {
    const before = known.get(s);
    if (before !== undefined) return before;
    const value = decide(s);
    known.set(s, value);
    return value;
  };
  const decide = (s: Scalar): boolean => {
    if (s.kind === 'constant') return s.value === 0;
    if (s.kind === 'read') {
      const own = roles.get(s.tensor);
      const index = own === undefined || own.keys < 0 ? undefined : s.index[own.keys];
      return vanishing.has(s.tensor) && index?.kind === 'axis' && index.axis === keys;
    }
    if (s.kind !== 'call') return false;
    switch (s.op) {
      case 'multiply':
        return s.args.some(isZero);
      case 'add':
      case 'subtract':
        return s.args.every(isZero);
      case 'negate':
      case 'real':
      case 'detach':
      case 'divide':
        return isZero(s.args[0]!);
      case 'select': {
        const [condition, then, otherwise] = s.args as [Scalar, Scalar, Scalar];
        return isZero(otherwise) && (bounds(condition, keys, frame.query) || isZero(then));
      }
      default:
        return false;
    }
  };
  return isZero;
}
