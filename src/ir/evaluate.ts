// The float64 meaning of every operation, by name. Booleans are the numbers 0 and 1. Nothing else: ops.ts adds
// derivatives and weights, scalar.ts folds constants with it.

import type { OpName } from './signatures.ts';

/** log(1 + exp(x)) without overflow and without loss for large negative x. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const sigmoid = (x: number): number => {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
};

/** Floored: the result has the sign of b. */
const mod = (a: number, b: number): number => {
  const r = a % b;
  return r !== 0 && r < 0 !== b < 0 ? r + b : r + 0; // + 0: no negative zero
};

const roundToEven = (x: number): number => {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
};

const popcount = (x: number): number => {
  let bits = x >>> 0;
  let count = 0;
  for (; bits !== 0; bits &= bits - 1) count++;
  return count;
};

/** 2/sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!!: all terms have one sign, so nothing cancels. */
const erf = (x: number): number => {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
};

export const GELU_SCALE = Math.sqrt(2 / Math.PI);
export const GELU_CUBIC = 0.044715;

const truth = (b: boolean): number => (b ? 1 : 0);

/** null: random, the caller draws. */
export const evaluate: Readonly<Record<OpName, ((...args: number[]) => number) | null>> = {
  add: (a, b) => a! + b!,
  subtract: (a, b) => a! - b!,
  multiply: (a, b) => a! * b!,
  divide: (a, b) => a! / b!,
  negate: (a) => 0 - a!,
  power: (a, b) => Math.pow(a!, b!),
  min: (a, b) => (a! <= b! ? a! : b!),
  max: (a, b) => (a! >= b! ? a! : b!),
  abs: (a) => Math.abs(a!),
  mod: (a, b) => mod(a!, b!),
  div: (a, b) => Math.floor(a! / b!),
  sign: (a) => Math.sign(a!),
  floor: (a) => Math.floor(a!),
  ceil: (a) => Math.ceil(a!),
  round: (a) => roundToEven(a!),
  xor: (a, b) => a! ^ b!,
  popcount: (a) => popcount(a!),
  real: (a) => a! + 0, // an integer has no negative zero
  exp: (a) => Math.exp(a!),
  expm1: (a) => Math.expm1(a!),
  log: (a) => Math.log(a!),
  log1p: (a) => Math.log1p(a!),
  log2: (a) => Math.log2(a!),
  sqrt: (a) => Math.sqrt(a!),
  sin: (a) => Math.sin(a!),
  cos: (a) => Math.cos(a!),
  tan: (a) => Math.tan(a!),
  tanh: (a) => Math.tanh(a!),
  atan2: (a, b) => Math.atan2(a!, b!),
  sigmoid: (a) => sigmoid(a!),
  log_sigmoid: (a) => -softplus(-a!),
  softplus: (a) => softplus(a!),
  relu: (a) => (a! > 0 ? a! : 0),
  gelu: (a) => 0.5 * a! * (1 + Math.tanh(GELU_SCALE * (a! + GELU_CUBIC * a! * a! * a!))),
  silu: (a) => a! * sigmoid(a!),
  erf: (a) => erf(a!),
  detach: (a) => a!,
  less: (a, b) => truth(a! < b!),
  less_equal: (a, b) => truth(a! <= b!),
  equal: (a, b) => truth(a! === b!),
  not_equal: (a, b) => truth(a! !== b!),
  and: (a, b) => truth(a! !== 0 && b! !== 0),
  or: (a, b) => truth(a! !== 0 || b! !== 0),
  not: (a) => truth(a! === 0),
  select: (condition, then, otherwise) => (condition! !== 0 ? then! : otherwise!),
  normal: null,
  trunc_normal: null,
  uniform: null,
};
