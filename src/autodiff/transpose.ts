// The transpose of a read: what a read X[e1..ek] over some domain sends back to X, as a rule over the axes of X's
// cotangent. A comprehension wherever the index solver finds one, else a scatter.

import type { Axis, Rule, Scalar } from '../ir/ir.ts';
import { normaliser } from '../ir/normalise.ts';
import { assume, inside } from '../ir/ranges.ts';
import type { Context } from '../ir/ranges.ts';
import { alwaysFinite, at, call, read } from '../ir/scalar.ts';
import { freshAxes, mapScalar, substitute } from '../ir/visit.ts';
import type { Read } from '../ir/visit.ts';
import { applyGuard, both } from './scalar.ts';
import type { Pulled } from './scalar.ts';
import { solve } from './solve.ts';
import type { Bound } from './solve.ts';

/** `pulled` over `domain` as a rule whose tensor has the axes `to` (like those of the tensor read). */
export function transpose(pulled: Pulled, domain: readonly Axis[], to: readonly Axis[], context: Context): Rule {
  const equations = pulled.read.index.map((left, n) => ({ left, right: at(to[n]!) }));
  const solution = solve(equations, domain, context);
  if (solution === null) return scatterBack(pulled, domain);

  // Solved axes go; those left free are the axes of the sum, as fresh ones.
  const fresh = freshAxes(solution.free);
  const by = new Map([...solution.by].map(([axis, s]) => [axis, substitute(s, fresh.by)]));
  for (const [axis, s] of fresh.by) if (!by.has(axis)) by.set(axis, s);

  const covered = (bound: Bound): boolean => vanishesOutside(pulled.value, bound.axis);
  const dropped = new Set(solution.bounds.filter(covered).map(({ axis }) => axis));
  const guards = [
    ...solution.conditions,
    ...solution.bounds.filter((b) => !dropped.has(b.axis)).map((b) => b.condition),
  ];
  const outer = guards.map((guard) => substitute(guard, fresh.by)).reduce<Scalar | null>(both, null);
  const own = pulled.guard === null ? null : substitute(pulled.guard, by);
  const guard = both(outer, own);

  const within = guard === null ? context : assume(context, guard);
  const value = guardReads(normaliser(within)(substitute(pulled.value, by)), within);
  const safeGuard = guard === null ? null : guardReads(normaliser(context)(guard), context);
  const body = applyGuard({ value, guard: safeGuard });
  return fresh.axes.length === 0 ? { kind: 'map', body } : { kind: 'reduce', op: 'sum', over: fresh.axes, body };
}

/** A read that is not proved inside its tensor gives 0 outside. */
function guardReads(s: Scalar, context: Context): Scalar {
  return mapScalar(s, (node) =>
    node.kind === 'read' && node.outside === null && !inside(node, context) ? read(node.tensor, node.index, 0) : null,
  );
}

/**
 * 0 where `axis` runs out of its range, because a factor is a read along the whole axis at its plain index, and reads
 * outside are 0: then the range needs no guard of its own.
 */
function vanishesOutside(value: Scalar, axis: Axis): boolean {
  return alwaysFinite(value) && hasFactor(value, axis);
}

function hasFactor(s: Scalar, axis: Axis): boolean {
  if (s.kind === 'read') return s.outside === null && readsAlong(s, axis);
  if (s.kind !== 'call') return false;
  const [a, b] = s.args;
  if (s.op === 'multiply') return hasFactor(a!, axis) || hasFactor(b!, axis);
  if (s.op === 'add' || s.op === 'subtract') return hasFactor(a!, axis) && hasFactor(b!, axis);
  return s.op === 'negate' && hasFactor(a!, axis);
}

const sameEnd = (a: Axis, b: Axis): boolean =>
  a.extent === b.extent ||
  (typeof a.extent === 'string' && [a, b].every(({ extent }) => extent === 'tokens' || extent === 'keys'));

const readsAlong = (s: Read, axis: Axis): boolean =>
  s.index.some((index, n) => index.kind === 'axis' && index.axis === axis && sameEnd(s.tensor.axes[n]!, axis));

function scatterBack(pulled: Pulled, domain: readonly Axis[]): Rule {
  const { axes, by } = freshAxes(domain);
  const body = substitute(applyGuard(pulled), by);
  const index = pulled.read.index.map((s) => substitute(s, by));
  return { kind: 'scatter', over: axes, index, body: body.type === 'real' ? body : call('real', body) };
}
