// The operations of the tensor IR in JavaScript, float64. Complete by type: an operation without a row does not compile.

import type { OpName } from '../../src/ir/ops.ts';
import type { HelperName } from './helpers.ts';

/** Drawn, not computed: loops.ts writes these with the element's own random numbers. */
export type RandomOp = 'normal' | 'trunc_normal' | 'uniform';

/** JavaScript's binding strength; an argument weaker than its place gets parentheses. */
export const precedence = {
  conditional: 1,
  or: 2,
  and: 3,
  bitXor: 4,
  equality: 5,
  relation: 6,
  sum: 7,
  product: 8,
  unary: 9,
  primary: 10,
} as const;
type Strength = keyof typeof precedence;

export type Spelling =
  | { readonly kind: 'infix'; readonly operator: string; readonly strength: Strength; readonly associative: boolean }
  | { readonly kind: 'prefix'; readonly operator: string }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'helper'; readonly name: HelperName }
  | { readonly kind: 'argument' } // the argument itself
  | { readonly kind: 'conditional' };

const infix = (operator: string, strength: Strength, associative = false): Spelling => ({
  kind: 'infix',
  operator,
  strength,
  associative,
});
const native = (name: string): Spelling => ({ kind: 'function', name: `Math.${name}` });
const helper = (name: HelperName): Spelling => ({ kind: 'helper', name });

export const spellings: Record<Exclude<OpName, RandomOp>, Spelling> = {
  add: infix('+', 'sum'),
  subtract: infix('-', 'sum'),
  multiply: infix('*', 'product'),
  divide: infix('/', 'product'),
  negate: { kind: 'prefix', operator: '-' },
  power: native('pow'),
  min: native('min'),
  max: native('max'),
  abs: native('abs'),
  mod: helper('mod'),
  div: helper('div'),
  sign: native('sign'),
  floor: native('floor'),
  ceil: native('ceil'),
  round: helper('roundEven'),
  xor: infix('^', 'bitXor', true),
  popcount: helper('popcount'),
  real: { kind: 'argument' },
  exp: native('exp'),
  expm1: native('expm1'),
  log: native('log'),
  log1p: native('log1p'),
  log2: native('log2'),
  sqrt: native('sqrt'),
  sin: native('sin'),
  cos: native('cos'),
  tan: native('tan'),
  tanh: native('tanh'),
  atan2: native('atan2'),
  sigmoid: helper('sigmoid'),
  log_sigmoid: helper('logSigmoid'),
  softplus: helper('softplus'),
  relu: helper('relu'),
  gelu: helper('gelu'),
  silu: helper('silu'),
  erf: helper('erf'),
  detach: { kind: 'argument' },
  less: infix('<', 'relation'),
  less_equal: infix('<=', 'relation'),
  equal: infix('===', 'equality'),
  not_equal: infix('!==', 'equality'),
  and: infix('&&', 'and', true),
  or: infix('||', 'or', true),
  not: { kind: 'prefix', operator: '!' },
  select: { kind: 'conditional' },
};
