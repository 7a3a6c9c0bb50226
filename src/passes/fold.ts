// Simplifies scalars in place: integers to normal form, comparisons that the ranges decide, constant factors of a product
// brought together, signs moved outwards.

import type { Program, Scalar } from '../ir/ir.ts';
import { normaliser } from '../ir/normalise.ts';
import { makeContext, proveAtMost, proveLess } from '../ir/ranges.ts';
import type { Context } from '../ir/ranges.ts';
import { boolean, call, isConstant, real } from '../ir/scalar.ts';
import { mapScalars, scalarMapper } from '../ir/visit.ts';
import { withDefinitions } from './pass.ts';
import type { Pass } from './pass.ts';

const isIntegers = (args: readonly Scalar[]): boolean => args.every((arg) => arg.type === 'integer');

/** true or false where the ranges decide a comparison of integers. */
function decide(s: Scalar, context: Context): Scalar | null {
  if (s.kind !== 'call' || s.type !== 'boolean' || !isIntegers(s.args)) return null;
  const [a, b] = s.args;
  if (s.op === 'less') {
    if (proveLess(a!, b!, context)) return boolean(true);
    return proveAtMost(b!, a!, context) ? boolean(false) : null;
  }
  if (s.op === 'less_equal') {
    if (proveAtMost(a!, b!, context)) return boolean(true);
    return proveLess(b!, a!, context) ? boolean(false) : null;
  }
  return null;
}

const valueOf = (s: Scalar): number | null => (s.kind === 'constant' ? s.value : null);

/** c * (d * x) = (c d) * x, and -(c * x) = (-c) * x, for real constants c and d. */
function gatherConstants(s: Scalar): Scalar | null {
  if (s.kind !== 'call' || s.type !== 'real') return null;
  if (s.op === 'negate') {
    const split = constantFactor(s.args[0]!);
    return split === null ? null : call('multiply', real(-split.constant), split.rest);
  }
  if (s.op === 'add' || s.op === 'subtract') return signOfSum(s.op, s.args[0]!, s.args[1]!);
  if (s.op !== 'multiply') return null;
  const [a, b] = s.args as [Scalar, Scalar];
  const [left, right] = [constantFactor(a), constantFactor(b)];
  if (left !== null && right !== null) {
    return call('multiply', real(left.constant * right.constant), call('multiply', left.rest, right.rest));
  }
  const constant = valueOf(a) ?? valueOf(b);
  const inner = valueOf(a) === null ? left : right;
  if (constant !== null && inner !== null) return call('multiply', real(constant * inner.constant), inner.rest);
  if (constant !== null) return null;
  if (left !== null) return call('multiply', real(left.constant), call('multiply', left.rest, b));
  return right === null ? null : call('multiply', real(right.constant), call('multiply', a, right.rest));
}

/** constant * rest, where s is such a product (-x is -1 * x). */
function constantFactor(s: Scalar): { constant: number; rest: Scalar } | null {
  if (s.kind !== 'call' || s.type !== 'real') return null;
  const [a, b] = s.args;
  if (s.op === 'negate') return { constant: -1, rest: a! };
  if (s.op !== 'multiply') return null;
  if (isConstant(a!)) return { constant: valueOf(a!)!, rest: b! };
  return isConstant(b!) ? { constant: valueOf(b!)!, rest: a! } : null;
}

/** a + -b = a - b */
function signOfSum(op: 'add' | 'subtract', a: Scalar, b: Scalar): Scalar | null {
  if (b.kind === 'call' && b.op === 'negate') return call(op === 'add' ? 'subtract' : 'add', a, b.args[0]!);
  if (op === 'add' && a.kind === 'call' && a.op === 'negate') return call('subtract', b, a.args[0]!);
  return null;
}

export const foldScalars = (context: Context): ((s: Scalar) => Scalar) => {
  const normal = normaliser(context);
  const change = scalarMapper((s) => decide(s, context) ?? gatherConstants(s));
  return (s) => change(normal(s));
};

export const fold: Pass = (program: Program) => {
  const training = program.inputs.some(({ origin }) => origin.kind === 'given' && origin.given === 'cotangent');
  const change = foldScalars(makeContext({ training }));
  const definitions = program.definitions.map((d) => mapScalars(d, change));
  return withDefinitions(program, definitions);
};
