// The table of operations: one row an operation. `evaluate` is the float64 meaning, `derivative` what reverse mode uses.
// Booleans are the numbers 0 and 1. Spellings for each target are in targets/*, complete by their types.

import { evaluate, GELU_CUBIC, GELU_SCALE } from './evaluate.ts';
import type { Scalar } from './ir.ts';
import { call, integer, isConstant, real } from './scalar.ts';
import { signatures } from './signatures.ts';
import type { OpName } from './signatures.ts';

export { signatures };
export type { OpName };

export interface Operation {
  /** float64 meaning; random operations have none (the caller draws). */
  readonly evaluate: ((...args: number[]) => number) | null;
  /**
   * d(self)/d(arg k), for each argument, as scalars over the arguments; null: no gradient. A derivative of the form
   * select(c, d, 0) or select(c, 0, d) is guarded: reverse mode keeps everything that hangs on d inside the select.
   */
  readonly derivative: (args: readonly Scalar[], self: Scalar) => readonly (Scalar | null)[];
  /** Cost in floating-point operations (add 1, divide 4, exp 8, power 16, sin 24). */
  readonly weight: number;
}

type Derivative = Operation['derivative'];

const one = real(1);
const zero = real(0);
const times = (a: Scalar, b: Scalar): Scalar => call('multiply', a, b);
const none: Derivative = (args) => args.map(() => null);
const unary =
  (derivative: (a: Scalar, self: Scalar) => Scalar): Derivative =>
  ([a], self) => [derivative(a!, self)];

const powerByBase = (a: Scalar, b: Scalar): Scalar => {
  if (b.kind === 'constant') return times(real(b.value), call('power', a, real(b.value - 1)));
  const slope = times(b, call('power', a, call('subtract', b, b.type === 'integer' ? integer(1) : one)));
  return call('select', call('equal', b, zero), zero, slope);
};

const geluSlope = (a: Scalar): Scalar => {
  const square = times(a, a);
  const inner = times(real(GELU_SCALE), times(a, call('add', one, times(real(GELU_CUBIC), square))));
  const t = call('tanh', inner);
  const outer = times(real(0.5), call('add', one, t));
  const slope = times(real(GELU_SCALE), call('add', one, times(real(3 * GELU_CUBIC), square)));
  return call('add', outer, times(times(times(real(0.5), a), call('subtract', one, times(t, t))), slope));
};

const derivatives: Readonly<Record<OpName, Derivative>> = {
  add: () => [one, one],
  subtract: () => [one, real(-1)],
  multiply: ([a, b]) => [b!, a!],
  divide: ([a, b], self) => [
    call('divide', one, b!),
    // Of 1 / b through the result alone.
    call('negate', isConstant(a!, 1) ? times(self, self) : call('divide', self, b!)),
  ],
  negate: () => [real(-1)],
  power: ([a, b], self) => [
    powerByBase(a!, b!),
    call('select', call('less', zero, a!), times(self, call('log', a!)), zero), // 0^b does not change with b > 0
  ],
  // A tie goes to the first argument.
  min: ([a, b]) => [
    call('select', call('less_equal', a!, b!), one, zero),
    call('select', call('less_equal', a!, b!), zero, one),
  ],
  max: ([a, b]) => [
    call('select', call('less_equal', b!, a!), one, zero),
    call('select', call('less_equal', b!, a!), zero, one),
  ],
  abs: unary((a) => call('real', call('sign', a))),
  mod: ([a, b]) => [one, call('negate', call('real', call('floor', call('divide', a!, b!))))],
  div: none,
  sign: none,
  floor: none,
  ceil: none,
  round: none,
  xor: none,
  popcount: none,
  real: () => [one],
  exp: (_, self) => [self],
  expm1: (_, self) => [call('add', self, one)],
  log: unary((a) => call('divide', one, a)),
  log1p: unary((a) => call('divide', one, call('add', one, a))),
  log2: unary((a) => call('divide', real(Math.LOG2E), a)),
  sqrt: (_, self) => [call('divide', real(0.5), self)],
  sin: unary((a) => call('cos', a)),
  cos: unary((a) => call('negate', call('sin', a))),
  tan: (_, self) => [call('add', one, times(self, self))],
  tanh: (_, self) => [call('subtract', one, times(self, self))],
  atan2: ([y, x]) => {
    const square = call('add', times(x!, x!), times(y!, y!));
    return [call('divide', x!, square), call('negate', call('divide', y!, square))];
  },
  sigmoid: (_, self) => [times(self, call('subtract', one, self))],
  log_sigmoid: unary((a) => call('sigmoid', call('negate', a))),
  softplus: unary((a) => call('sigmoid', a)),
  relu: unary((a) => call('select', call('less', zero, a), one, zero)),
  gelu: unary(geluSlope),
  silu: unary((a) => {
    const s = call('sigmoid', a);
    return times(s, call('add', one, times(a, call('subtract', one, s))));
  }),
  erf: unary((a) => times(real(2 / Math.sqrt(Math.PI)), call('exp', call('negate', times(a, a))))),
  detach: none,
  less: none,
  less_equal: none,
  equal: none,
  not_equal: none,
  and: none,
  or: none,
  not: none,
  select: ([condition]) => [null, call('select', condition!, one, zero), call('select', condition!, zero, one)],
  normal: none,
  trunc_normal: none,
  uniform: none,
};

const weights: Readonly<Record<OpName, number>> = {
  add: 1,
  subtract: 1,
  multiply: 1,
  divide: 4,
  negate: 1,
  power: 16,
  min: 1,
  max: 1,
  abs: 1,
  mod: 4,
  div: 4,
  sign: 1,
  floor: 1,
  ceil: 1,
  round: 1,
  xor: 1,
  popcount: 1,
  real: 1,
  exp: 8,
  expm1: 12,
  log: 8,
  log1p: 12,
  log2: 8,
  sqrt: 4,
  sin: 24,
  cos: 24,
  tan: 32,
  tanh: 12,
  atan2: 32,
  sigmoid: 12,
  log_sigmoid: 20,
  softplus: 20,
  relu: 1,
  gelu: 18,
  silu: 13,
  erf: 16,
  detach: 0,
  less: 1,
  less_equal: 1,
  equal: 1,
  not_equal: 1,
  and: 1,
  or: 1,
  not: 1,
  select: 1,
  normal: 40,
  trunc_normal: 40,
  uniform: 10,
};

const names = Object.keys(signatures) as OpName[];

export const operations = Object.freeze(
  Object.fromEntries(
    names.map((op) => [
      op,
      Object.freeze({ evaluate: evaluate[op], derivative: derivatives[op], weight: weights[op] }),
    ]),
  ),
) as Readonly<Record<OpName, Operation>>;
