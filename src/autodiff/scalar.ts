// Reverse mode inside one body: the cotangent of a scalar in, for each of its reads the cotangent out. What hangs on a
// branch of a select (or min, max, relu, a power) stays inside a guard, so that a branch not taken gives nothing, not
// even 0 * infinity.

import type { Scalar } from '../ir/ir.ts';
import { makeKeys } from '../ir/key.ts';
import { operations } from '../ir/ops.ts';
import { boolean, call, isConstant, real } from '../ir/scalar.ts';
import { visit } from '../ir/visit.ts';
import type { Read } from '../ir/visit.ts';

/** `value` where `guard` holds (null: everywhere), 0 elsewhere. */
export interface Guarded {
  readonly value: Scalar;
  readonly guard: Scalar | null;
}

export interface Pulled extends Guarded {
  readonly read: Read;
}

export const both = (a: Scalar | null, b: Scalar | null): Scalar | null =>
  a === null ? b : b === null ? a : call('and', a, b);

export const applyGuard = ({ value, guard }: Guarded): Scalar =>
  guard === null ? value : call('select', guard, value, real(0));

/**
 * The cotangents of the real reads of `body` that `wanted` picks, from the cotangent of `body`. `made`: the value of
 * `body` as it was stored, so that a derivative may be taken through the result (exp, tanh, 1 / b, ...).
 */
export function pullScalar(
  body: Scalar,
  cotangent: Guarded,
  wanted: (read: Read) => boolean,
  made: Scalar | null = null,
): Pulled[] {
  const keys = makeKeys();
  const order: Scalar[] = [];
  const leads = new Set<Scalar>(); // nodes with a wanted read below them
  visit(body, (s) => {
    if (s.type !== 'real') return;
    const hit = s.kind === 'read' ? wanted(s) : s.kind === 'call' && s.args.some((a) => leads.has(a));
    if (!hit) return;
    leads.add(s);
    order.push(s);
  });
  const arrived = new Map<Scalar, Guarded[]>([[body, [cotangent]]]);
  const pulled: Pulled[] = [];
  for (const s of order.reverse()) {
    const here = arrived.get(s);
    if (here === undefined) continue; // behind a detach
    const total = addGuarded(here, keys.scalar);
    if (s.kind === 'read') pulled.push({ read: s, ...total });
    if (s.kind !== 'call') continue;
    const slopes = operations[s.op].derivative(s.args, s === body && made !== null ? made : s);
    for (const [k, arg] of s.args.entries()) {
      const slope = slopes[k];
      if (!leads.has(arg) || slope === null || slope === undefined || isConstant(slope, 0)) continue;
      const part = splitGuard(slope);
      const next = { value: call('multiply', total.value, part.value), guard: both(total.guard, part.guard) };
      arrived.set(arg, [...(arrived.get(arg) ?? []), next]);
    }
  }
  return mergeReads(pulled, keys.scalar);
}

/** select(c, d, 0) and select(c, 0, d) as d under a guard. */
export function splitGuard(slope: Scalar): Guarded {
  if (slope.kind !== 'call' || slope.op !== 'select') return { value: slope, guard: null };
  const [condition, then, otherwise] = slope.args as [Scalar, Scalar, Scalar];
  if (isConstant(otherwise, 0)) return { value: then, guard: condition };
  if (isConstant(then, 0)) return { value: otherwise, guard: call('not', condition) };
  return { value: slope, guard: null };
}

/** The sum; parts under the same guard are added inside it. */
export function addGuarded(parts: readonly Guarded[], key: (s: Scalar) => number): Guarded {
  const groups = new Map<number, Guarded>();
  for (const { value, guard } of parts) {
    const id = guard === null ? -1 : key(guard);
    const known = groups.get(id);
    groups.set(id, { value: known === undefined ? value : call('add', known.value, value), guard });
  }
  const [first, ...rest] = [...groups.values()];
  if (rest.length === 0) return first!;
  const all = [first!, ...rest];
  const value = all.map(applyGuard).reduce((sum, one) => call('add', sum, one));
  const guard = all.some((one) => one.guard === null)
    ? null
    : all.map((one) => one.guard!).reduce((sum, one) => call('or', sum, one), boolean(false));
  return { value, guard };
}

/** Two reads of the same element are one. */
export function mergeReads(pulled: readonly Pulled[], key: (s: Scalar) => number): Pulled[] {
  const groups = new Map<number, Pulled[]>();
  for (const one of pulled) groups.set(key(one.read), [...(groups.get(key(one.read)) ?? []), one]);
  return [...groups.values()].map((group) => ({ read: group[0]!.read, ...addGuarded(group, key) }));
}
