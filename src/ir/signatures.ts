// The names and signatures of the operations; the types of ir.ts and the table of ops.ts both come from here.

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
} as const satisfies Record<
  string,
  readonly [readonly ('number' | 'integer' | 'boolean' | 'any')[], 'same' | 'real' | 'integer' | 'boolean']
>;

export type OpName = keyof typeof signatures;
