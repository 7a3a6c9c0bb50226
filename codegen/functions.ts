// Elementary functions in f32, written once in kernel IR for every target: range reduction and a polynomial. They need no
// fused multiply-add and give the same accuracy with one. The coefficients are our own minimax fits of the error named
// beside each; math.ts states the accuracy of the whole.

import type { Expression, KernelFunction, Statement, ValueType } from './kernel.ts';
import {
  add,
  and,
  apply,
  assign,
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
  notEqual,
  quotient,
  remainder,
  select,
  subtract,
  toF32,
  toI32,
  varOf,
  when,
} from './kernel-build.ts';

/** Names of parameters and locals, as f32 unless said otherwise. */
const real = (name: string): Expression => local(name, 'f32');
const whole = (name: string): Expression => local(name, 'i32');
const x = real('x');
const y = real('y');
const a = real('a');
const b = real('b');
const k = real('k');
const r = real('r');
const z = real('z');

export function define(
  name: string,
  parameters: Readonly<Record<string, ValueType>>,
  body: readonly Statement[],
  value: Expression,
): KernelFunction {
  return {
    name,
    parameters: Object.entries(parameters).map(([parameter, type]) => ({ name: parameter, type })),
    result: value.type,
    body,
    value,
  };
}

/** c0 + v (c1 + v (c2 + ...)). */
export function polynomial(v: Expression, coefficients: readonly number[]): Expression {
  const highest = f32(coefficients.at(-1)!);
  return coefficients.slice(0, -1).reduceRight((sum, coefficient) => add(f32(coefficient), multiply(v, sum)), highest);
}

const square = (v: Expression): Expression => multiply(v, v);
const abs = (v: Expression): Expression => call('abs', v);
const evenBit = (v: Expression): Expression => equal(call('bit_and', toI32(v), i32(1)), i32(0));

// ---- sin, cos, tan

/** pi / 2 in pieces of 7 significant bits: k times a piece is exact for k < 2^17, with or without fused multiply-add. */
const halfPi = [
  1.5625, 0.0081787109375, 0.00011730194091796875, 3.129243850708008e-7, 9.89530235528946e-10, 2.5579538487363607e-12,
];

/** x = quarters pi / 2 + r, |r| <= pi / 4. The first three steps are exact; the small pieces are summed first. */
const quarters = define('quarters_f32', { x: 'f32' }, [], call('round', multiply(x, f32(2 / Math.PI))));
const reduced = define(
  'reduced_f32',
  { x: 'f32', k: 'f32' },
  [
    letOf(
      'large',
      halfPi.slice(0, 3).reduce((rest, piece) => subtract(rest, multiply(k, f32(piece))), x),
    ),
    letOf(
      'small',
      halfPi.slice(3).reduceRight<Expression>((sum, piece) => add(multiply(k, f32(piece)), sum), f32(0)),
    ),
  ],
  subtract(real('large'), real('small')),
);
/** sin r and cos r for |r| <= pi / 4; errors of the fits 4e-9 relative and 1e-10. */
const sineNear = define(
  'sin_near_f32',
  { r: 'f32' },
  [letOf('z', square(r))],
  add(
    r,
    multiply(multiply(r, z), polynomial(z, [-0.16666655242443085, 0.008332173340022564, -0.00019516656175255775])),
  ),
);
const cosineNear = define(
  'cos_near_f32',
  { r: 'f32' },
  [letOf('z', square(r))],
  add(
    subtract(f32(1), multiply(f32(0.5), z)),
    multiply(square(z), polynomial(z, [0.04166664555668831, -0.001388736185617745, 0.000024437729734927416])),
  ),
);

/** The sine of an angle from the two near values: the quarter turn says which, and the sign. */
function turned(quarter: Expression, near: Expression, other: Expression): Expression {
  const value = select(evenBit(quarter), near, other);
  return select(equal(call('bit_and', toI32(quarter), i32(2)), i32(0)), value, negate(value));
}

const parts = [
  letOf('k', apply(quarters, x)),
  letOf('r', apply(reduced, x, k)),
  letOf('s', apply(sineNear, r)),
  letOf('c', apply(cosineNear, r)),
];
export const sine = define('sin_f32', { x: 'f32' }, parts, turned(k, real('s'), real('c')));
export const cosine = define('cos_f32', { x: 'f32' }, parts, turned(add(k, f32(1)), real('s'), real('c')));
export const tangent = define(
  'tan_f32',
  { x: 'f32' },
  parts,
  select(evenBit(k), divide(real('s'), real('c')), negate(divide(real('c'), real('s')))),
);

// ---- exp, log and their kin

/** 2^n for -126 <= n <= 127. */
const powerOfTwo = (n: Expression): Expression => call('from_bits', call('shift_left', add(n, i32(127)), i32(23)));

/** e^x: x = n ln 2 + r; 2^n in two factors, so that results below 2^-126 and above 2^127 come out right. Fit 3e-9. */
const exponential = define(
  'exp_f32',
  { x: 'f32' },
  [
    letOf('inside', select(less(x, f32(-104)), f32(-104), select(less(f32(89), x), f32(89), x))),
    letOf('n', call('round', multiply(real('inside'), f32(Math.LOG2E)))),
    // ln 2 in pieces of 8 bits, the last one rounded.
    letOf(
      'r',
      subtract(
        subtract(real('inside'), multiply(real('n'), f32(0.69140625))),
        add(multiply(real('n'), f32(0.001739501953125)), multiply(real('n'), f32(Math.LN2 - 0.693145751953125))),
      ),
    ),
    letOf(
      'near',
      add(
        add(f32(1), r),
        multiply(
          square(r),
          polynomial(r, [0.5, 0.166665181517601, 0.04166620597243309, 0.008368908427655697, 0.001395052415318787]),
        ),
      ),
    ),
    letOf('half', call('shift_right', toI32(real('n')), i32(1))),
  ],
  multiply(multiply(real('near'), powerOfTwo(whole('half'))), powerOfTwo(subtract(toI32(real('n')), whole('half')))),
);

export const expMinus1 = define(
  'expm1_f32',
  { x: 'f32' },
  [
    letOf(
      'near',
      add(
        x,
        multiply(
          square(x),
          polynomial(
            x,
            [
              0.5000000596046448, 0.1666666865348816, 0.04166531562805176, 0.008333072066307068, 0.0013997446512803435,
              0.00019993183377664536,
            ],
          ),
        ),
      ),
    ),
  ],
  select(less(abs(x), f32(0.5)), real('near'), subtract(apply(exponential, x), f32(1))),
);

/** log(1 + x) for sqrt(1/2) - 1 <= x <= sqrt(2) - 1; fit 7e-10. */
export const logNear = define(
  'log1p_near_f32',
  { x: 'f32' },
  [
    letOf(
      'series',
      polynomial(
        x,
        [
          0.3333331048488617, -0.24999986588954926, 0.20002229511737823, -0.16669271886348724, 0.14218606054782867,
          -0.12383914738893509, 0.11872947216033936, -0.11792575567960739, 0.06918898969888687,
        ],
      ),
    ),
  ],
  add(x, multiply(square(x), add(f32(-0.5), multiply(x, real('series'))))),
);

/** x = 2^e m, sqrt(1/2) <= m < sqrt(2). Subnormal x is scaled up first, where the device has not flushed it. */
const mantissa: readonly Statement[] = [
  letOf('tiny', less(x, f32(2 ** -126))),
  letOf('bits', call('bits_of', select(local('tiny', 'bool'), multiply(x, f32(2 ** 25)), x))),
  // Adding the distance from sqrt(1/2) to 1 carries into the exponent exactly where m would reach sqrt(2).
  letOf('shifted', call('shift_right', add(whole('bits'), i32(0x3f800000 - 0x3f3504f3)), i32(23))),
  letOf('e', toF32(add(subtract(whole('shifted'), i32(127)), select(local('tiny', 'bool'), i32(-25), i32(0))))),
  letOf(
    'm',
    call('from_bits', subtract(whole('bits'), call('shift_left', subtract(whole('shifted'), i32(127)), i32(23)))),
  ),
  letOf('near', apply(logNear, subtract(real('m'), f32(1)))),
];

/** What a logarithm gives: minus infinity at 0 (made at run time: no target can write it), NaN below, infinity and NaN kept. */
function logarithmOf(value: Expression): readonly Statement[] {
  return [
    ...mantissa,
    varOf('value', value),
    ...when(call('not', and(less(f32(0), x), less(x, f32(3.4028234663852886e38)))), [
      assign('value', select(equal(x, f32(0)), divide(f32(-1), abs(x)), call('log', x))),
    ]),
  ];
}

const natural = add(
  multiply(real('e'), f32(0.693145751953125)),
  add(multiply(real('e'), f32(Math.LN2 - 0.693145751953125)), real('near')),
);
/** Of a positive finite number. */
export const logarithmInside = define('log_inside_f32', { x: 'f32' }, mantissa, natural);
export const logarithm = define('log_f32', { x: 'f32' }, logarithmOf(natural), real('value'));
export const logarithm2 = define(
  'log2_f32',
  { x: 'f32' },
  logarithmOf(add(real('e'), multiply(real('near'), f32(Math.LOG2E)))),
  real('value'),
);
export const log1Plus = define(
  'log1p_f32',
  { x: 'f32' },
  [
    varOf('value', apply(logNear, x)),
    ...when(call('not', and(less(f32(-0.2928), x), less(x, f32(0.4142)))), [
      assign('value', apply(logarithm, add(f32(1), x))),
    ]),
  ],
  real('value'),
);

/** x^y for real y: e^(y log x). A negative x needs a whole y. */
export const power = define(
  'power_f32',
  { x: 'f32', y: 'f32' },
  [
    varOf('value', apply(exponential, multiply(y, apply(logarithm, abs(x))))),
    ...when(and(less(x, f32(0)), equal(y, call('floor', y))), [
      // Odd: y is not twice a whole number.
      assign(
        'value',
        select(
          equal(multiply(f32(0.5), y), call('floor', multiply(f32(0.5), y))),
          real('value'),
          negate(real('value')),
        ),
      ),
    ]),
    ...when(and(less(x, f32(0)), notEqual(y, call('floor', y))), [assign('value', call('log', x))]),
    ...when(equal(x, f32(0)), [assign('value', select(less(y, f32(0)), divide(f32(1), abs(x)), f32(0)))]),
    ...when(equal(y, f32(0)), [assign('value', f32(1))]),
  ],
  real('value'),
);

// ---- functions of learning

/** e^-|x|, never above 1. The target's own exp: where it is inexact the result is small beside what it is added to. */
const growth = call('exp', negate(abs(x)));

export const sigmoid = define(
  'sigmoid_f32',
  { x: 'f32' },
  [letOf('decay', growth)],
  divide(select(less(x, f32(0)), real('decay'), f32(1)), add(f32(1), real('decay'))),
);
export const softplus = define('softplus_f32', { x: 'f32' }, [], add(maximum(x, f32(0)), apply(log1Plus, growth)));
export const logSigmoid = define(
  'log_sigmoid_f32',
  { x: 'f32' },
  [],
  subtract(minimum(x, f32(0)), apply(log1Plus, growth)),
);
/** tanh: a fit of 4e-9 near 0, else from e^-2|x|, which cannot overflow. */
export const hyperbolicTangent = define(
  'tanh_f32',
  { x: 'f32' },
  [
    letOf('z', square(x)),
    letOf(
      'near',
      add(
        x,
        multiply(
          multiply(x, z),
          polynomial(
            z,
            [
              -0.3333328366279602, 0.13331490755081177, -0.053743500262498856, 0.02065059170126915,
              -0.005717048421502113,
            ],
          ),
        ),
      ),
    ),
    letOf('decay', call('exp', multiply(f32(-2), abs(x)))),
    letOf('far', divide(subtract(f32(1), real('decay')), add(f32(1), real('decay')))),
  ],
  select(less(abs(x), f32(0.625)), real('near'), select(less(x, f32(0)), negate(real('far')), real('far'))),
);
/** x (1 + tanh(u)) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3): no cancellation for negative x. */
export const gelu = define(
  'gelu_f32',
  { x: 'f32' },
  [letOf('u', multiply(f32(Math.sqrt(2 / Math.PI)), add(x, multiply(f32(0.044715), multiply(x, square(x))))))],
  multiply(x, apply(sigmoid, multiply(f32(2), real('u')))),
);
export const silu = define('silu_f32', { x: 'f32' }, [], multiply(x, apply(sigmoid, x)));

/** Near 0 x + x P(x^2), fit 1e-9; beyond 1 from a fit of log(1 - erf), 2e-11; 1 from 4 on. */
export const errorFunction = define(
  'erf_f32',
  { x: 'f32' },
  [
    letOf('z', square(x)),
    letOf('size', minimum(abs(x), f32(4))),
    letOf(
      'near',
      add(
        x,
        multiply(
          x,
          polynomial(
            z,
            [
              0.12837916612625122, -0.3761262595653534, 0.11283600330352783, -0.026854444295167923,
              0.005189535673707724, -0.0008020842215046287, 0.00007889123662607744,
            ],
          ),
        ),
      ),
    ),
    letOf(
      'far',
      subtract(
        f32(1),
        apply(
          exponential,
          polynomial(
            real('size'),
            [
              0.0001880370546132326, -1.1295783519744873, -0.6332198977470398, -0.1084185540676117,
              0.025208240374922752, -0.004204556345939636, 0.0004413353162817657, -0.000021686764739570208,
            ],
          ),
        ),
      ),
    ),
  ],
  select(less(abs(x), f32(1)), real('near'), select(less(x, f32(0)), negate(real('far')), real('far'))),
);

/** Of the ratio of the smaller to the larger (fit 2e-8), unfolded by octant; 0 at the origin. */
export const arctangent2 = define(
  'atan2_f32',
  { y: 'f32', x: 'f32' },
  [
    letOf('larger', maximum(abs(x), abs(y))),
    letOf('smaller', minimum(abs(x), abs(y))),
    letOf('r', divide(real('smaller'), select(less(f32(0), real('larger')), real('larger'), f32(1)))),
    letOf('z', square(r)),
    letOf(
      'near',
      add(
        r,
        multiply(
          multiply(r, z),
          polynomial(
            z,
            [
              -0.3333316743373871, 0.19994136691093445, -0.14214208722114563, 0.10678939521312714, -0.07580576092004776,
              0.043553516268730164, -0.01658116839826107, 0.0029745865613222122,
            ],
          ),
        ),
      ),
    ),
    letOf('octant', select(less(abs(x), abs(y)), subtract(f32(Math.PI / 2), real('near')), real('near'))),
    letOf('half', select(less(x, f32(0)), subtract(f32(Math.PI), real('octant')), real('octant'))),
  ],
  select(less(y, f32(0)), negate(real('half')), real('half')),
);

// ---- floored division

/** a - b floor(a / b), moved into the range where rounding left it. */
export const floorModReal = define(
  'mod_f32',
  { a: 'f32', b: 'f32' },
  [
    letOf('rest', subtract(a, multiply(b, call('floor', divide(a, b))))),
    letOf('wrong', less(multiply(real('rest'), b), f32(0))),
    letOf('moved', select(local('wrong', 'bool'), add(real('rest'), b), real('rest'))),
  ],
  select(less(abs(real('moved')), abs(b)), real('moved'), subtract(real('moved'), b)),
);
const [m, n] = [whole('a'), whole('b')];
export const floorMod = define(
  'mod_i32',
  { a: 'i32', b: 'i32' },
  [letOf('rest', remainder(m, n))],
  select(
    and(notEqual(whole('rest'), i32(0)), less(call('xor', whole('rest'), n), i32(0))),
    add(whole('rest'), n),
    whole('rest'),
  ),
);
export const floorDiv = define(
  'div_i32',
  { a: 'i32', b: 'i32' },
  [letOf('rest', remainder(m, n))],
  subtract(
    quotient(m, n),
    select(and(notEqual(whole('rest'), i32(0)), less(call('xor', whole('rest'), n), i32(0))), i32(1), i32(0)),
  ),
);

export const squared = define('square_f32', { x: 'f32' }, [], square(x));
export const cubed = define('cube_f32', { x: 'f32' }, [], multiply(x, square(x)));
