// Operations as a CPU does them best: those that have a reduction or an exponential in common are written out so far that it is
// computed once, and branches are left out where a narrow range makes them needless. All others are math.ts's.

import type { OpName } from '../../src/ir/ops.ts';
import { define, logNear } from '../functions.ts';
import type { Expression, KernelFunction } from '../kernel.ts';
import {
  add,
  apply,
  call,
  divide,
  f32,
  i32,
  less,
  letOf,
  local,
  maximum,
  minimum,
  multiply,
  negate,
  select,
  subtract,
  toF32,
} from '../kernel-build.ts';
import { expandOp } from '../math.ts';

const own: Readonly<Partial<Record<OpName, (x: Expression) => Expression>>> = {
  sin: (x) => turned(x, sineNear),
  cos: (x) => turned(x, cosineNear),
  sigmoid,
  silu: (x) => multiply(x, sigmoid(x)),
  softplus: (x) => add(maximum(x, f32(0)), apply(logOfOneAnd, growth(x))),
  log_sigmoid: (x) => subtract(minimum(x, f32(0)), apply(logOfOneAnd, growth(x))),
};

export function expandForCpu(op: OpName, args: readonly Expression[]): Expression {
  const expand = args[0]?.kind === 'literal' ? undefined : own[op];
  return expand === undefined ? expandOp(op, args) : expand(toF32(args[0]!));
}

/** pi in pieces of 8 significant bits, the last one rounded: k times the others is exact for k < 2^16. */
const halfTurn = [3.140625, 253 * 2 ** -18, Math.PI - 3.140625 - 253 * 2 ** -18] as const;
/** Adding this leaves a whole number in the low bits. */
const wholeInBits = 1.5 * 2 ** 23;

const [angle, k, r, z] = ['x', 'k', 'r', 'z'].map((name) => local(name, 'f32')) as [
  Expression,
  Expression,
  Expression,
  Expression,
];
/** x = k pi + r, |r| <= pi / 2. */
const halfTurns = define('half_turns_f32', { x: 'f32' }, [], call('round', multiply(angle, f32(1 / Math.PI))));
const rest = define(
  'rest_f32',
  { x: 'f32', k: 'f32' },
  [],
  halfTurn.reduce((left, piece) => subtract(left, multiply(k, f32(piece))), angle),
);
/** c0 + z c1 + z^2 (c2 + z c3), in two halves that do not wait for each other. */
function cubic([c0, c1, c2, c3]: readonly [number, number, number, number]): Expression {
  const half = (a: number, b: number): Expression => add(f32(a), multiply(z, f32(b)));
  return add(half(c0, c1), multiply(multiply(z, z), half(c2, c3)));
}

/** sin r and cos r for |r| <= pi / 2; errors of the fits 5e-9 and 5e-10. */
const sineNear = define(
  'sin_rest_f32',
  { r: 'f32' },
  [letOf('z', multiply(r, r))],
  add(
    r,
    multiply(
      multiply(r, z),
      cubic([-0.16666656732559204, 0.00833300780504942, -0.00019805900228675455, 0.0000025984252260968788]),
    ),
  ),
);
const cosineNear = define(
  'cos_rest_f32',
  { r: 'f32' },
  [letOf('z', multiply(r, r))],
  add(
    subtract(f32(1), multiply(f32(0.5), z)),
    multiply(
      multiply(z, z),
      cubic([0.041666656732559204, -0.0013888583052903414, 0.00002476991903677117, -2.620202792513737e-7]),
    ),
  ),
);

/** The near value of the angle's rest; odd half turns change its sign. */
function turned(of: Expression, near: KernelFunction): Expression {
  const turns = apply(halfTurns, of);
  const value = apply(near, apply(rest, of, turns));
  const odd = call('shift_left', call('bits_of', add(turns, f32(wholeInBits))), i32(31));
  return call('from_bits', call('xor', call('bits_of', value), odd));
}

/** e^-|x|, never above 1. */
const growth = (x: Expression): Expression => call('exp', negate(call('abs', x)));

function sigmoid(x: Expression): Expression {
  const decay = growth(x);
  return divide(select(less(x, f32(0)), decay, f32(1)), add(f32(1), decay));
}

const [x, near] = [local('x', 'f32'), local('near', 'f32')];
const isLarge = less(f32(Math.SQRT2 - 1), x);

/** log(1 + x) for 0 <= x <= 1: above sqrt(2) half of 1 + x is near 1, and exactly (x - 1) / 2 above it. */
const logOfOneAnd = define(
  'log1p_below_1_f32',
  { x: 'f32' },
  [letOf('near', select(isLarge, multiply(f32(0.5), subtract(x, f32(1))), x))],
  add(apply(logNear, near), select(isLarge, f32(Math.LN2), f32(0))),
);
