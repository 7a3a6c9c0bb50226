// Operations as a CPU does them best: those that have a reduction or an exponential in common are written out so far that it is
// computed once, and branches are left out where a narrow range makes them needless. All others are math.ts's.

import { GELU_CUBIC, GELU_SCALE } from '../../src/ir/evaluate.ts';
import type { OpName } from '../../src/ir/ops.ts';
import { define } from '../functions.ts';
import type { Expression, KernelFunction } from '../kernel.ts';
import {
  add,
  apply,
  call,
  divide,
  f32,
  i32,
  letOf,
  local,
  maximum,
  minimum,
  multiply,
  subtract,
  toF32,
} from '../kernel-build.ts';
import { expandOp } from '../math.ts';

const own: Readonly<Partial<Record<OpName, (x: Expression) => Expression>>> = {
  sin: (x) => turned(x, sineNear),
  cos: (x) => turned(x, cosineNear),
  sigmoid: (x) => divide(f32(1), apply(oneAndDecay, x)),
  silu: (x) => divide(x, apply(oneAndDecay, x)),
  gelu: (x) => apply(gelu, x),
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
/** c0 + c1 x + c2 x^2 + ..., in halves that do not wait for each other. powers: x^2, x^4, ... */
function inHalves(series: readonly number[], x: Expression, powers: readonly Expression[]): Expression {
  const [first, second] = series.map((each) => f32(each));
  if (series.length <= 2) return second === undefined ? first! : add(first!, multiply(x, second));
  const n = powers.findLastIndex((_, at) => 2 ** (at + 1) < series.length);
  const half = 2 ** (n + 1);
  const [low, high] = [series.slice(0, half), series.slice(half)].map((each) => inHalves(each, x, powers));
  return add(low!, multiply(powers[n]!, high!));
}
const cubic = (series: readonly number[]): Expression => inHalves(series, z, [multiply(z, z)]);

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
const growth = (x: Expression): Expression => apply(powerOfTwo, multiply(call('abs', x), f32(-Math.LOG2E)));

const x = local('x', 'f32');
const [sum, f, square] = ['sum', 'f', 'square'].map((name) => local(name, 'f32')) as [
  Expression,
  Expression,
  Expression,
];

/** Added to a number n between -126 and 128 leaves n + 126 in the low bits. */
const biased = f32(1.5 * 2 ** 23 + 126);

/**
 * 2^x = 2^n 2^f, |f| <= 1/2: infinity from 128 on, 0 below -125.5. The fit (9e-8) is of 2 2^f, so that the exponent of the other
 * factor, n - 1, is never too large; in three parts that do not wait for each other.
 */
const powerOfTwo = define(
  'exp2_f32',
  { x: 'f32' },
  [
    letOf('inside', minimum(maximum(x, f32(-126)), f32(128))),
    letOf('sum', add(local('inside', 'f32'), biased)),
    letOf('f', subtract(local('inside', 'f32'), subtract(sum, biased))),
    letOf('square', multiply(f, f)),
  ],
  multiply(
    add(
      line(2, 1.3862940073013306),
      multiply(
        square,
        add(
          line(0.48044484853744507, 0.11101467162370682),
          multiply(square, line(0.019343025982379913, 0.002652945462614298)),
        ),
      ),
    ),
    call('from_bits', call('shift_left', call('bits_of', sum), i32(23))),
  ),
);

function line(start: number, slope: number): Expression {
  return add(f32(start), multiply(f32(slope), f));
}

/** 1 + e^-x */
const oneAndDecay = define(
  'decay_f32',
  { x: 'f32' },
  [],
  add(f32(1), apply(powerOfTwo, multiply(x, f32(-Math.LOG2E)))),
);

/** e^-2u of x, u = sqrt(2 / pi) (x + 0.044715 x^3). */
const toBinary = -2 * GELU_SCALE * Math.LOG2E;
const geluDecay = define(
  'gelu_decay_f32',
  { x: 'f32' },
  [letOf('z', multiply(x, x))],
  apply(powerOfTwo, multiply(x, add(f32(toBinary), multiply(f32(toBinary * GELU_CUBIC), z)))),
);
const gelu = define('gelu_own_f32', { x: 'f32' }, [], divide(x, add(f32(1), apply(geluDecay, x))));

/** s + x s (1 - s) 2 u', s = sigmoid(2 u) = 1 / (1 + d), 1 - s = d s. From 9.9 on it is 1 or 0; d is a number until there. */
const [limited, decay, share, steepness] = ['inside', 'decay', 'share', 'steepness'].map((name) =>
  local(name, 'f32'),
) as [Expression, Expression, Expression, Expression];
export const geluSlope = define(
  'gelu_slope_f32',
  { x: 'f32' },
  [
    letOf('inside', minimum(maximum(x, f32(-9.9)), f32(9.9))),
    letOf('decay', apply(geluDecay, limited)),
    letOf('share', divide(f32(1), add(f32(1), decay))),
    letOf(
      'steepness',
      multiply(
        limited,
        add(f32(2 * GELU_SCALE), multiply(f32(6 * GELU_SCALE * GELU_CUBIC), multiply(limited, limited))),
      ),
    ),
  ],
  multiply(share, add(f32(1), multiply(steepness, multiply(decay, share)))),
);

/** (log(1 + x) - x) / x^2 for 0 <= x <= 1: 5e-8 of the logarithm. */
const logSeries = [
  -0.49999648332595825, 0.3332132399082184, -0.24857163429260254, 0.1915365308523178, -0.13753798604011536,
  0.0792044922709465, -0.030065763741731644, 0.005364816635847092,
];
const fourth = local('fourth', 'f32');
const logOfOneAnd = define(
  'log1p_below_1_f32',
  { x: 'f32' },
  [letOf('square', multiply(x, x)), letOf('fourth', multiply(square, square))],
  add(x, multiply(square, inHalves(logSeries, x, [square, fourth]))),
);
