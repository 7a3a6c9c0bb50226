// The table of operations: one row an operation. `evaluate` is the float64 meaning, `derivative` what reverse mode uses.
// Booleans are the numbers 0 and 1. Spellings for each target are in targets/*, complete by their types.

import type { Scalar, Type } from './ir.ts';

/** name: [argument types, result type]; 'same' is integer if every argument is integer, else real; 'any' is any type. */
export const signatures = {
  add: [['number', 'number'], 'same'],
  subtract: [['number', 'number'], 'same'],
  multiply: [['number', 'number'], 'same'],
  divide: [['number', 'number'], 'real'],
  negate: [['number'], 'same'],
  power: [['number', 'number'], 'real'],
  min: [['number', 'number'], 'same'],
  max: [['number', 'number'], 'same'],
  abs: [['number'], 'same'],
  /** Floored: the sign of the divisor. */
  mod: [['number', 'number'], 'same'],
  /** Floored division of integers. */
  div: [['integer', 'integer'], 'integer'],
  sign: [['number'], 'same'],
  floor: [['number'], 'integer'],
  ceil: [['number'], 'integer'],
  round: [['number'], 'integer'], // halves to even
  xor: [['integer', 'integer'], 'integer'],
  popcount: [['integer'], 'integer'],
  /** Any number as a real. */
  real: [['number'], 'real'],
  exp: [['number'], 'real'],
  expm1: [['number'], 'real'],
  log: [['number'], 'real'],
  log1p: [['number'], 'real'],
  log2: [['number'], 'real'],
  sqrt: [['number'], 'real'],
  sin: [['number'], 'real'],
  cos: [['number'], 'real'],
  tan: [['number'], 'real'],
  tanh: [['number'], 'real'],
  atan2: [['number', 'number'], 'real'],
  sigmoid: [['number'], 'real'],
  log_sigmoid: [['number'], 'real'],
  softplus: [['number'], 'real'],
  relu: [['number'], 'real'],
  gelu: [['number'], 'real'], // tanh form, as GPT-2
  silu: [['number'], 'real'],
  erf: [['number'], 'real'],
  /** The identity with no gradient. */
  detach: [['number'], 'same'],
  less: [['number', 'number'], 'boolean'],
  less_equal: [['number', 'number'], 'boolean'],
  equal: [['number', 'number'], 'boolean'],
  not_equal: [['number', 'number'], 'boolean'],
  and: [['boolean', 'boolean'], 'boolean'],
  or: [['boolean', 'boolean'], 'boolean'],
  not: [['boolean'], 'boolean'],
  /** select(condition, then, else): one branch is taken, the other has neither value nor gradient. */
  select: [['boolean', 'any', 'any'], 'same'],
  // Only in the initial value of a learned or drawn tensor.
  normal: [['number', 'number'], 'real'],
  trunc_normal: [['number', 'number'], 'real'],
  uniform: [['number', 'number'], 'real'],
} as const satisfies Record<string, readonly [readonly ('number' | 'integer' | 'boolean' | 'any')[], 'same' | Type]>;

export type OpName = keyof typeof signatures;

export interface Operation {
  /** float64 meaning; random operations have none (the caller draws). */
  readonly evaluate: ((...args: number[]) => number) | null;
  /** d(self)/d(arg k), for each argument, as scalars over the arguments; null: no gradient. */
  readonly derivative: (args: readonly Scalar[], self: Scalar) => readonly (Scalar | null)[];
  /** Cost in floating-point operations (add 1, divide 4, exp 8, power 16, sin 24). */
  readonly weight: number;
}
