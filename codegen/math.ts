// Any elementwise operation of the tensor IR as kernel IR: arguments come in as expressions of f32, i32 or bool, an
// expression of the operation's type goes out. What no target computes accurately is a function of functions.ts.

import type { OpName } from '../src/ir/ops.ts';
import type { Expression, KernelOp } from './kernel.ts';
import { apply, call, divide, f32, i32, less, multiply, select, toF32, toI32 } from './kernel-build.ts';
import * as own from './functions.ts';

type Expand = (...args: Expression[]) => Expression;

/** f32 if any argument is. */
const same =
  (op: KernelOp): Expand =>
  (...args) =>
    call(op, ...(args.every((argument) => argument.type === 'i32') ? args : args.map(toF32)));
const plain =
  (op: KernelOp): Expand =>
  (...args) =>
    call(op, ...args);
const real =
  (expand: Expand): Expand =>
  (...args) =>
    expand(...args.map(toF32));
const helper = (of: typeof own.sine): Expand => real((...args) => apply(of, ...args));
const rounded =
  (op: 'floor' | 'ceil' | 'round'): Expand =>
  (a) =>
    a!.type === 'i32' ? a! : toI32(call(op, a!));
const random =
  (name: string): Expand =>
  () => {
    throw new Error(`${name} is drawn on the host, not in a kernel`);
  };

const expansions: Readonly<Record<OpName, Expand>> = {
  add: same('add'),
  subtract: same('subtract'),
  multiply: same('multiply'),
  divide: real(plain('divide')),
  negate: same('negate'),
  power: (a, b) => powerOf(toF32(a!), b!),
  min: same('min'),
  max: same('max'),
  abs: same('abs'),
  mod: (a, b) =>
    a!.type === 'i32' && b!.type === 'i32' ? wholeMod(a!, b!) : apply(own.floorModReal, toF32(a!), toF32(b!)),
  div: (a, b) => (isOne(b!) ? a! : (fold(a!, b!, (m, n) => Math.floor(m / n)) ?? apply(own.floorDiv, a!, b!))),
  sign: (a) =>
    a!.type === 'i32'
      ? select(less(i32(0), a!), i32(1), select(less(a!, i32(0)), i32(-1), i32(0)))
      : select(less(f32(0), a!), f32(1), select(less(a!, f32(0)), f32(-1), f32(0))),
  floor: rounded('floor'),
  ceil: rounded('ceil'),
  round: rounded('round'),
  xor: plain('xor'),
  popcount: plain('popcount'),
  real: (a) => toF32(a!),
  // The target's own: within 3 + 2 |x| units in the last place, and several times as fast as ours.
  exp: real(plain('exp')),
  expm1: helper(own.expMinus1),
  log: helper(own.logarithm),
  log1p: helper(own.log1Plus),
  log2: helper(own.logarithm2),
  sqrt: real(plain('sqrt')),
  sin: helper(own.sine),
  cos: helper(own.cosine),
  tan: helper(own.tangent),
  tanh: helper(own.hyperbolicTangent),
  atan2: helper(own.arctangent2),
  sigmoid: helper(own.sigmoid),
  log_sigmoid: helper(own.logSigmoid),
  softplus: helper(own.softplus),
  relu: real((a) => call('max', a!, f32(0))),
  gelu: helper(own.gelu),
  silu: helper(own.silu),
  erf: helper(own.errorFunction),
  detach: (a) => a!,
  less: same('less'),
  less_equal: same('less_equal'),
  equal: same('equal'),
  not_equal: same('not_equal'),
  and: plain('and'),
  or: plain('or'),
  not: plain('not'),
  select: (condition, a, b) =>
    a!.type === b!.type ? select(condition!, a!, b!) : select(condition!, toF32(a!), toF32(b!)),
  normal: random('normal'),
  trunc_normal: random('trunc_normal'),
  uniform: random('uniform'),
};

/** What the target's own exp may be off by, 3 + 2 |x| units in the last place, and a few roundings around it. */
const aroundExp = (x: number): number => 10 + 4 * Math.abs(x);

/**
 * The largest error in units of 2^-24 (half a unit in the last place at worst) relative to the value, by the first
 * argument; 0, exact, where an operation is not named. Angles: |x| <= 200000, and the error is absolute.
 */
export const accuracy: Readonly<Partial<Record<OpName, number | ((x: number) => number)>>> = {
  divide: 5,
  sqrt: 4,
  exp: aroundExp,
  expm1: 4,
  log: 3,
  log2: 4,
  log1p: 5,
  power: 60, // where |y log x| <= 37: it grows with that
  sin: 2,
  cos: 2,
  tan: 6,
  tanh: 6,
  atan2: 4,
  sigmoid: aroundExp,
  log_sigmoid: aroundExp,
  softplus: aroundExp,
  gelu: 40, // down to 1e-4 in size
  silu: aroundExp,
  erf: 4,
  mod: 2, // of the dividend
};

/** The operation on these arguments. The result is i32, f32 or bool as the operation's is integer, real or boolean. */
export function expandOp(op: OpName, args: readonly Expression[]): Expression {
  return expansions[op](...args);
}

const isOne = (expression: Expression): boolean => expression.kind === 'literal' && expression.value === 1;

function fold(a: Expression, b: Expression, of: (m: number, n: number) => number): Expression | null {
  return a.kind === 'literal' && b.kind === 'literal' && b.value !== 0 ? i32(of(a.value, b.value)) : null;
}

/** Floored. A power of two is a mask, which also holds for negative numbers. */
function wholeMod(a: Expression, b: Expression): Expression {
  if (b.kind === 'literal' && b.value > 0 && (b.value & (b.value - 1)) === 0) {
    return b.value === 1 ? i32(0) : call('bit_and', a, i32(b.value - 1));
  }
  return fold(a, b, (m, n) => m - n * Math.floor(m / n)) ?? apply(own.floorMod, a, b);
}

/** Small whole exponents are products, which are exact for whole bases and defined for negative ones. */
function powerOf(a: Expression, exponent: Expression): Expression {
  if (exponent.kind !== 'literal') return apply(own.power, a, toF32(exponent));
  const once = a.kind === 'literal' || a.kind === 'local';
  switch (exponent.value) {
    case 0:
      return f32(1);
    case 1:
      return a;
    case -1:
      return divide(f32(1), a);
    case 0.5:
      return call('sqrt', a);
    case 2:
      return once ? multiply(a, a) : apply(own.squared, a);
    case 3:
      return apply(own.cubed, a);
    default:
      return apply(own.power, a, toF32(exponent));
  }
}
