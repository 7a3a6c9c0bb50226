// The operations of kernel IR: the type of their result, and their exact meaning in f32 and i32 (numbers in, number out;
// booleans are 0 and 1). The simulator and constant folding both use it.

import type { KernelOp, ScalarType, ValueType, VectorType } from './kernel.ts';

type Rule = (types: readonly ScalarType[]) => ScalarType | null;

const numbers: Rule = ([a, b = a]) => (a === b && a !== 'bool' ? a! : null);
const take =
  (type: ScalarType, result: ScalarType): Rule =>
  (types) =>
    types.every((each) => each === type) ? result : null;
const reals = take('f32', 'f32');
const integers = take('i32', 'i32');
const truths = take('bool', 'bool');
const comparison: Rule = (types) => (numbers(types) ? 'bool' : null);

const rules: Readonly<Record<KernelOp, Rule>> = {
  add: numbers,
  subtract: numbers,
  multiply: numbers,
  divide: reals,
  negate: numbers,
  min: numbers,
  max: numbers,
  abs: numbers,
  quotient: integers,
  remainder: integers,
  floor: reals,
  ceil: reals,
  round: reals,
  sqrt: reals,
  exp: reals,
  log: reals,
  less: comparison,
  less_equal: comparison,
  equal: comparison,
  not_equal: comparison,
  and: truths,
  or: truths,
  not: truths,
  select: ([condition, a, b]) => (condition === 'bool' && a === b ? a! : null),
  xor: integers,
  shift_left: integers,
  shift_right: integers,
  bit_and: integers,
  popcount: integers,
  to_f32: ([a]) => (a === 'f32' ? null : 'f32'),
  to_i32: ([a]) => (a === 'i32' ? null : 'i32'),
  bits_of: take('f32', 'i32'),
  from_bits: take('i32', 'f32'),
};

const vectors: Readonly<Record<ScalarType, VectorType>> = { f32: 'f32x4', i32: 'i32x4', bool: 'boolx4' };
const components: Readonly<Record<ValueType, ScalarType>> = {
  f32: 'f32',
  i32: 'i32',
  bool: 'bool',
  f32x4: 'f32',
  i32x4: 'i32',
  boolx4: 'bool',
};

export const vectorOf = (type: ScalarType): VectorType => vectors[type];
/** What one component of a vector is; a scalar's own type. */
export const componentOf = (type: ValueType): ScalarType => components[type];
export const isVector = (type: ValueType): type is VectorType => components[type] !== type;

/** Throws where the operation does not take arguments of these types. Vectors: all or none, component by component. */
export function resultType(op: KernelOp, types: readonly ValueType[]): ValueType {
  const result = rules[op](types.map(componentOf));
  const wide = types.filter(isVector).length;
  if (result === null || (wide > 0 && wide < types.length))
    throw new Error(`${op} does not take (${types.join(', ')})`);
  return wide > 0 ? vectorOf(result) : result;
}

const round = Math.fround;
const scratch = new DataView(new ArrayBuffer(4));

/** Halves to even. */
function roundEven(x: number): number {
  const nearest = Math.round(x);
  return Math.abs(x - Math.trunc(x)) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
}

function popcount(x: number): number {
  let count = 0;
  for (let bits = x >>> 0; bits !== 0; bits &= bits - 1) count += 1;
  return count;
}

export type Evaluate = (a: number, b: number, c: number) => number;

const real: Readonly<Record<KernelOp, Evaluate>> = {
  add: (a, b) => round(a + b),
  subtract: (a, b) => round(a - b),
  multiply: (a, b) => round(a * b),
  divide: (a, b) => round(a / b),
  negate: (a) => -a,
  min: (a, b) => (b < a ? b : a),
  max: (a, b) => (b > a ? b : a),
  abs: (a) => Math.abs(a),
  quotient: (a, b) => Math.trunc(a / b) | 0,
  remainder: (a, b) => (a % b) | 0,
  floor: (a) => Math.floor(a),
  ceil: (a) => Math.ceil(a),
  round: (a) => roundEven(a),
  sqrt: (a) => round(Math.sqrt(a)),
  exp: (a) => round(Math.exp(a)),
  log: (a) => round(Math.log(a)),
  less: (a, b) => (a < b ? 1 : 0),
  less_equal: (a, b) => (a <= b ? 1 : 0),
  equal: (a, b) => (a === b ? 1 : 0),
  not_equal: (a, b) => (a !== b ? 1 : 0),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  not: (a) => 1 - a,
  select: (condition, a, b) => (condition ? a : b),
  xor: (a, b) => a ^ b,
  shift_left: (a, b) => a << b,
  shift_right: (a, b) => a >> b,
  bit_and: (a, b) => a & b,
  popcount: (a) => popcount(a),
  to_f32: (a) => round(a),
  to_i32: (a) => (Number.isNaN(a) ? 0 : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(a))) | 0),
  bits_of: (a) => (scratch.setFloat32(0, a), scratch.getInt32(0)),
  from_bits: (a) => (scratch.setInt32(0, a), scratch.getFloat32(0)),
};

/** Where integers differ: they wrap around. */
const whole: Readonly<Partial<Record<KernelOp, Evaluate>>> = {
  add: (a, b) => (a + b) | 0,
  subtract: (a, b) => (a - b) | 0,
  multiply: (a, b) => Math.imul(a, b),
  negate: (a) => -a | 0,
  abs: (a) => Math.abs(a) | 0,
};

/** The operation on arguments of which the first has this type. */
export function evaluator(op: KernelOp, first: ValueType): Evaluate {
  return (componentOf(first) === 'i32' ? whole[op] : undefined) ?? real[op];
}

/** null: an integer divided by zero. */
export function evaluateOp(op: KernelOp, first: ValueType, args: readonly number[]): number | null {
  const [a = 0, b = 0, c = 0] = args;
  if ((op === 'quotient' || op === 'remainder') && b === 0) return null;
  return evaluator(op, first)(a, b, c);
}
