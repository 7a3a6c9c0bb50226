// Under which conditions something matters: the branch of a select that a read stands in, and the points at which a
// product is not 0 because a masked factor is not. Proofs about indices and causality rest on both.

import type { Axis, Definition, Scalar, Tensor } from './ir.ts';
import { makeKeys } from './key.ts';
import type { Keys } from './key.ts';
import { assume, conjuncts } from './ranges.ts';
import type { Context } from './ranges.ts';
import { at, call, isConstant } from './scalar.ts';
import { axesOf, children, readsOf, scalarsOf, substitute } from './visit.ts';
import type { Read } from './visit.ts';

/**
 * Calls `see` for each read of a definition with what is known to hold where it is evaluated; with `value`, where the result
 * depends on it: not on one part of a conjunction where another is false.
 */
export function eachRead(
  d: Definition,
  context: Context,
  see: (read: Read, context: Context) => void,
  which: 'evaluated' | 'value' = 'evaluated',
): void {
  const seen = new Map<Context, Set<Scalar>>();
  const branches = new Map<Context, Map<Scalar, Context>>();
  const under = (inner: Context, condition: Scalar): Context => {
    const known = branches.get(inner) ?? new Map<Scalar, Context>();
    branches.set(inner, known);
    const next = known.get(condition) ?? assume(inner, condition);
    known.set(condition, next);
    return next;
  };
  const enter = (s: Scalar, inner: Context): void => {
    const done = seen.get(inner) ?? new Set<Scalar>();
    seen.set(inner, done);
    if (done.has(s)) return;
    done.add(s);
    if (s.kind === 'call' && s.op === 'select') {
      const [condition, then, otherwise] = s.args as [Scalar, Scalar, Scalar];
      enter(condition, inner);
      enter(then, under(inner, condition));
      enter(otherwise, under(inner, call('not', condition)));
      return;
    }
    if (which === 'value' && s.kind === 'call' && s.op === 'and') {
      const parts = conjuncts(s);
      // Earlier parts guard later ones, and those that read nothing guard all.
      const guards = (n: number): readonly Scalar[] =>
        parts.filter((part, k) => k < n || (k > n && readsOf(part).length === 0));
      parts.forEach((part, n) => enter(part, guards(n).reduce(under, inner)));
      return;
    }
    for (const child of children(s)) enter(child, inner);
    if (s.kind === 'read') see(s, inner);
  };
  if (d.kind === 'softmax') {
    enter(d.where, context);
    enter(d.body, assume(context, d.where));
  } else if (d.kind === 'triangular') {
    const [earlier, later] = d.reverse ? [at(d.along), at(d.other)] : [at(d.other), at(d.along)];
    const own = assume(context, call('less_equal', d.from, at(d.along)));
    enter(d.from, context);
    enter(d.term, own);
    enter(d.factor, assume(own, call('less', earlier, later)));
  } else {
    scalarsOf(d).forEach((s) => enter(s, context));
  }
}

/** Conditions that hold wherever a scalar is not 0. */
export type Support = (s: Scalar) => readonly Scalar[];

/** Support through the definitions of a program: a softmax is 0 where it is masked, and so is what it is a factor of. */
export function supportIn(definitions: readonly Definition[]): Support {
  const made = new Map(definitions.map((d) => [d.tensor, d]));
  const known = new Map<Tensor, readonly Scalar[]>();
  const keys = makeKeys();
  const ofTensor = (tensor: Tensor): readonly Scalar[] => {
    const found = known.get(tensor);
    if (found !== undefined) return found;
    const d = made.get(tensor);
    const result = d === undefined ? [] : ofDefinition(d, of);
    known.set(tensor, result);
    return result;
  };
  const of: Support = (s) => {
    if (s.kind === 'read') {
      if (s.outside !== null && s.outside !== 0) return [];
      const by = new Map<Axis, Scalar>(s.tensor.axes.map((axis, n) => [axis, s.index[n]!]));
      return ofTensor(s.tensor).map((condition) => substitute(condition, by));
    }
    return s.kind === 'call' ? ofCall(s, of, keys) : [];
  };
  return of;
}

function ofDefinition(d: Definition, of: Support): readonly Scalar[] {
  const kept = (conditions: readonly Scalar[]): readonly Scalar[] =>
    conditions.filter((condition) => [...axesOf(condition)].every((axis) => d.tensor.axes.includes(axis)));
  if (d.kind === 'softmax') return conjuncts(d.where);
  if (d.kind === 'map') return of(d.body);
  if (d.kind === 'reduce' && d.op === 'sum') return kept(of(d.body));
  return [];
}

function ofCall(s: Extract<Scalar, { kind: 'call' }>, of: Support, keys: Keys): readonly Scalar[] {
  const [a, b, c] = s.args;
  switch (s.op) {
    case 'multiply':
      return [...of(a!), ...of(b!)];
    case 'divide':
    case 'negate':
    case 'real':
    case 'detach':
    case 'relu':
    case 'tanh':
    case 'sin':
    case 'sqrt':
    case 'abs':
      return of(a!);
    case 'add':
    case 'subtract': {
      const right = new Set(of(b!).map(keys.scalar));
      return of(a!).filter((condition) => right.has(keys.scalar(condition)));
    }
    case 'select':
      if (isConstant(c!, 0)) return [...conjuncts(a!), ...of(b!)];
      return isConstant(b!, 0) ? [call('not', a!), ...of(c!)] : [];
    default:
      return [];
  }
}

/** The conditions under which anything a definition sums or stores is not 0, over its domain. */
export function supportOfBody(d: Definition, support: Support): readonly Scalar[] {
  if (d.kind === 'map' || d.kind === 'scatter' || (d.kind === 'reduce' && d.op === 'sum')) return support(d.body);
  return [];
}
