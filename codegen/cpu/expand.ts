// Operations as a CPU does them best: those that have a reduction or an exponential in common are written out so far that it is
// computed once, and branches are left out where a narrow range makes them needless. All others are math.ts's.

import type { OpName } from '../../src/ir/ops.ts';
import { cosineNear, define, logNear, quarters, reduced, sineNear } from '../functions.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  apply,
  call,
  divide,
  equal,
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
  sin: (x) => turned(x, 0),
  cos: (x) => turned(x, 1),
  sigmoid,
  silu: (x) => multiply(x, sigmoid(x)),
  softplus: (x) => add(maximum(x, f32(0)), apply(logOfOneAnd, growth(x))),
  log_sigmoid: (x) => subtract(minimum(x, f32(0)), apply(logOfOneAnd, growth(x))),
};

export function expandForCpu(op: OpName, args: readonly Expression[]): Expression {
  const expand = args[0]?.kind === 'literal' ? undefined : own[op];
  return expand === undefined ? expandOp(op, args) : expand(toF32(args[0]!));
}

/** Adding this leaves a whole number in the low bits. */
const wholeInBits = 1.5 * 2 ** 23;

/** The sine of an angle some quarter turns further: as in functions.ts, where the angle is reduced. */
function turned(angle: Expression, further: 0 | 1): Expression {
  const quarter = apply(quarters, angle);
  const rest = apply(reduced, angle, quarter);
  const [sine, cosine] = [apply(sineNear, rest), apply(cosineNear, rest)];
  const whole = call('bits_of', add(quarter, f32(wholeInBits)));
  const even = equal(call('bit_and', whole, i32(1)), i32(0));
  const value = further === 0 ? select(even, sine, cosine) : select(even, cosine, sine);
  // Bit 1 says whether the sign turns: it becomes the sign's.
  const half = call('bit_and', add(whole, i32(further)), i32(2));
  return call('from_bits', call('xor', call('bits_of', value), call('shift_left', half, i32(30))));
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
