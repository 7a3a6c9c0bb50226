// Operations of kernel IR as instructions: arguments come in as values, the value of the operation goes out. Truths are 0 and 1; in
// vectors all bits of a component are set or none.

import type { KernelOp, ScalarType } from '../../codegen/kernel.ts';
import { number, op, type Value } from './ast.ts';
import { held, plus, times, twice, type Frame } from './frame.ts';
import type { ComponentOp, PlainOp } from './operations.ts';

type Make = (args: readonly Value[], frame: Frame) => Value;
/** By the type of the first argument; of `select`, of the second. */
type Forms = Readonly<Partial<Record<ScalarType, PlainOp | Make>>>;
type Own = Exclude<KernelOp, 'exp' | 'log'>; // those are functions

const identity: Make = ([a]) => a!;
const choice: Make = ([condition, yes, no]) => op('select', yes!, no!, condition!);
const blend: Make = ([condition, yes, no]) => op('v128.bitselect', yes!, no!, condition!);

/** select(b, a, b < a) or select(b, a, a < b), each evaluated once. */
const pick =
  (largest: boolean): Make =>
  ([a, b], frame) => {
    const [firstB, againB] = twice(b!, 'i32', frame);
    const [firstA, againA] = twice(a!, 'i32', frame);
    const takesB = largest ? op('i32.lt_s', againA, againB) : op('i32.lt_s', againB, againA);
    return op('select', firstB, firstA, takesB);
  };

/** By the first component of vectors: f32.min does something else with NaN and zeros than kernels do. */
const ofVectors =
  (name: 'f32x4.pmin' | 'f32x4.pmax'): Make =>
  ([a, b]) =>
    component('f32x4.extract_lane', 0, op(name, op('f32x4.splat', a!), op('f32x4.splat', b!)));

/** The smallest number divided by -1 is itself; the instruction traps there. */
const quotient: Make = ([a, b], frame) => {
  if (b!.kind === 'i32') return b!.value === -1 ? op('i32.sub', number(0), a!) : op('i32.div_s', a!, b!);
  const [dividend, divisor] = [held(a!, 'i32', frame), held(b!, 'i32', frame)];
  return {
    kind: 'choose',
    type: 'i32',
    condition: op('i32.eq', divisor, number(-1)),
    yes: op('i32.sub', number(0), dividend),
    no: op('i32.div_s', dividend, divisor),
  };
};

/** (a xor sign) - sign */
const absolute: Make = ([a], frame) => {
  const [first, again] = twice(a!, 'i32', frame);
  const [firstSign, sign] = twice(op('i32.shr_s', first, number(31)), 'i32', frame);
  return op('i32.sub', op('i32.xor', firstSign, again), sign);
};

const scalars: Readonly<Record<Own, Forms>> = {
  add: { f32: 'f32.add', i32: ([a, b]) => plus(a!, b!) },
  subtract: { f32: 'f32.sub', i32: 'i32.sub' },
  multiply: { f32: 'f32.mul', i32: ([a, b]) => (b!.kind === 'i32' ? times(a!, b!.value) : op('i32.mul', a!, b!)) },
  divide: { f32: 'f32.div' },
  negate: { f32: 'f32.neg', i32: ([a]) => op('i32.sub', number(0), a!) },
  min: { f32: ofVectors('f32x4.pmin'), i32: pick(false) },
  max: { f32: ofVectors('f32x4.pmax'), i32: pick(true) },
  abs: { f32: 'f32.abs', i32: absolute },
  quotient: { i32: quotient },
  remainder: { i32: 'i32.rem_s' },
  floor: { f32: 'f32.floor' },
  ceil: { f32: 'f32.ceil' },
  round: { f32: 'f32.nearest' },
  sqrt: { f32: 'f32.sqrt' },
  less: { f32: 'f32.lt', i32: 'i32.lt_s' },
  less_equal: { f32: 'f32.le', i32: 'i32.le_s' },
  equal: { f32: 'f32.eq', i32: 'i32.eq' },
  not_equal: { f32: 'f32.ne', i32: 'i32.ne' },
  and: { bool: 'i32.and' },
  or: { bool: 'i32.or' },
  not: { bool: 'i32.eqz' },
  select: { f32: choice, i32: choice, bool: choice },
  xor: { i32: 'i32.xor' },
  shift_left: { i32: 'i32.shl' },
  shift_right: { i32: 'i32.shr_s' },
  bit_and: { i32: 'i32.and' },
  popcount: { i32: 'i32.popcnt' },
  to_f32: { i32: 'f32.convert_i32_s', bool: 'f32.convert_i32_s' },
  to_i32: { f32: 'i32.trunc_sat_f32_s', bool: identity },
  bits_of: { f32: 'i32.reinterpret_f32' },
  from_bits: { i32: 'f32.reinterpret_i32' },
};

export const component = (name: ComponentOp, at: number, ...args: readonly Value[]): Value => ({
  kind: 'component',
  op: name,
  component: at,
  args,
});

/** Of integers, by the scalar instruction. */
const oneByOne =
  (make: (a: Value, b: Value) => Value): Make =>
  ([a, b], frame) => {
    const [left, right] = [held(a!, 'v128', frame), held(b!, 'v128', frame)];
    const part = (of: Value, at: number): Value => component('i32x4.extract_lane', at, of);
    const each = (at: number): Value => make(part(left, at), part(right, at));
    return [1, 2, 3].reduce(
      (vector, at) => component('i32x4.replace_lane', at, vector, each(at)),
      op('i32x4.splat', each(0)),
    );
  };

/** A component that a mask leaves out may be divided by zero: there it is divided by 1. */
const divided = (make: (a: Value, b: Value, frame: Frame) => Value): Make => {
  return ([a, b], frame) => {
    const divisor = held(b!, 'v128', frame);
    const zero = op('i32x4.eq', divisor, words(0));
    const safe = op('i32x4.sub', divisor, zero); // true is -1
    return oneByOne((x, y) => make(x, y, frame))([a!, safe], frame);
  };
};

/** The distance of all components is one number, or each has its own. */
const shift =
  (vector: 'i32x4.shl' | 'i32x4.shr_s', scalar: 'i32.shl' | 'i32.shr_s'): Make =>
  (args, frame) => {
    const [a, distance] = args as [Value, Value];
    if (distance.kind === 'op' && distance.op === 'i32x4.splat') return op(vector, a, distance.args[0]!);
    if (distance.kind === 'vector' && distance.values.every((each) => each === distance.values[0]))
      return op(vector, a, number(distance.values[0]));
    return oneByOne((x, y) => op(scalar, x, y))(args, frame);
  };

const words = (value: number): Value => ({ kind: 'vector', of: 'i32', values: [value, value, value, value] });

const vectors: Readonly<Record<Own, Forms>> = {
  add: { f32: 'f32x4.add', i32: 'i32x4.add' },
  subtract: { f32: 'f32x4.sub', i32: 'i32x4.sub' },
  multiply: { f32: 'f32x4.mul', i32: 'i32x4.mul' },
  divide: { f32: 'f32x4.div' },
  negate: { f32: 'f32x4.neg', i32: 'i32x4.neg' },
  min: { f32: 'f32x4.pmin', i32: 'i32x4.min_s' },
  max: { f32: 'f32x4.pmax', i32: 'i32x4.max_s' },
  abs: { f32: 'f32x4.abs', i32: 'i32x4.abs' },
  quotient: { i32: divided((a, b, frame) => quotient([a, b], frame)) },
  remainder: { i32: divided((a, b) => op('i32.rem_s', a, b)) },
  floor: { f32: 'f32x4.floor' },
  ceil: { f32: 'f32x4.ceil' },
  round: { f32: 'f32x4.nearest' },
  sqrt: { f32: 'f32x4.sqrt' },
  less: { f32: 'f32x4.lt', i32: 'i32x4.lt_s' },
  less_equal: { f32: 'f32x4.le', i32: 'i32x4.le_s' },
  equal: { f32: 'f32x4.eq', i32: 'i32x4.eq' },
  not_equal: { f32: 'f32x4.ne', i32: 'i32x4.ne' },
  and: { bool: 'v128.and' },
  or: { bool: 'v128.or' },
  not: { bool: 'v128.not' },
  select: { f32: blend, i32: blend, bool: blend },
  xor: { i32: 'v128.xor' },
  shift_left: { i32: shift('i32x4.shl', 'i32.shl') },
  shift_right: { i32: shift('i32x4.shr_s', 'i32.shr_s') },
  bit_and: { i32: 'v128.and' },
  popcount: {
    i32: ([a]) => op('i32x4.extadd_pairwise_i16x8_u', op('i16x8.extadd_pairwise_i8x16_u', op('i8x16.popcnt', a!))),
  },
  to_f32: {
    i32: ([a]) => (a!.kind === 'vector' && a!.of === 'i32' ? { ...a!, of: 'f32' } : op('f32x4.convert_i32x4_s', a!)),
    bool: ([a]) => op('v128.and', a!, { kind: 'vector', of: 'f32', values: [1, 1, 1, 1] }),
  },
  to_i32: { f32: 'i32x4.trunc_sat_f32x4_s', bool: 'i32x4.neg' },
  bits_of: { f32: identity },
  from_bits: { i32: identity },
};

export function callOf(name: Own, type: ScalarType, vector: boolean, args: readonly Value[], frame: Frame): Value {
  const form = (vector ? vectors : scalars)[name][type];
  if (form === undefined) throw new Error(`${name} is not for ${type}`);
  return typeof form === 'string' ? op(form, ...args) : form(args, frame);
}
