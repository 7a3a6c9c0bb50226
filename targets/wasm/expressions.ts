// Expressions of kernel IR as values of WebAssembly. What must be computed before (a helper's statements) goes to the frame's actions.

import { exponential, exponentialOfFour, logarithm, logarithmOfFour } from '../../codegen/cpu/elementary.ts';
import type { Expression, KernelFunction, ScalarType } from '../../codegen/kernel.ts';
import { splat } from '../../codegen/kernel-build.ts';
import { componentOf as scalarOf, isVector } from '../../codegen/kernel-ops.ts';
import { get, number, op, type Value } from './ast.ts';
import { addressOf, nonNegative } from './addresses.ts';
import { callOf, component } from './calls.ts';
import { elementLocal, localOf, sizeLocal, temporary, twice, wasmType, type Frame, type Place } from './frame.ts';
import type { PlainOp } from './operations.ts';
import { loadVector } from './vectors.ts';

export function valueOf(e: Expression, frame: Frame): Value {
  const inner = (each: Expression): Value => valueOf(each, frame);
  switch (e.kind) {
    case 'literal':
      return literal(e.type, e.value);
    case 'local':
      return get(localOf(e.name, wasmType(e.type), frame));
    case 'size':
      return sizeLocal(e.size, frame);
    case 'workgroup':
      return get('item.number');
    case 'load':
    case 'element':
      return loadOf(e, frame);
    case 'call':
      return call(e, frame);
    case 'apply':
      return applied(e.of, e.args, frame);
    case 'splat':
      return splatOf(e.value, frame);
    case 'ramp': {
      const first = inner(e.from);
      if (first.kind === 'i32') return countedFrom(first.value);
      const steps = countedFrom(0);
      return op('i32x4.add', op('i32x4.splat', first), steps);
    }
    case 'extract':
      return extracted(inner(e.value), scalarOf(e.type), e.component);
    case 'across':
      return across(e, frame);
    case 'shuffle':
      return { kind: 'shuffle', words: e.components, args: [inner(e.a), inner(e.b)] };
    case 'lane':
      return number(0);
    case 'shared':
    case 'subgroup':
    case 'subgroup_size':
    case 'subgroup_lane':
      throw new Error(`${e.kind}: an item of work has one lane`);
    default:
      return e satisfies never;
  }
}

const countedFrom = (first: number): Value => ({
  kind: 'vector',
  of: 'i32',
  values: [first, first + 1, first + 2, first + 3],
});

function literal(type: Expression['type'], value: number): Value {
  switch (type) {
    case 'f32':
      return { kind: 'f32', value };
    case 'i32':
    case 'bool':
      return number(value);
    case 'f32x4':
      return { kind: 'vector', of: 'f32', values: [value, value, value, value] };
    case 'i32x4':
      return { kind: 'vector', of: 'i32', values: [value, value, value, value] };
    case 'boolx4': {
      const bits = value ? -1 : 0;
      return { kind: 'vector', of: 'i32', values: [bits, bits, bits, bits] };
    }
    default:
      return type satisfies never;
  }
}

function call(e: Extract<Expression, { kind: 'call' }>, frame: Frame): Value {
  const type = scalarOf(e.args[e.op === 'select' ? 1 : 0]!.type);
  if (e.op === 'exp') return applied(isVector(e.type) ? exponentialOfFour : exponential, e.args, frame);
  if (e.op === 'log') return applied(isVector(e.type) ? logarithmOfFour : logarithm, e.args, frame);
  const args = e.args.map((each) => valueOf(each, frame));
  // By -1 is a case of its own.
  if (e.op === 'quotient' && e.type === 'i32' && nonNegative(e.args[1]!, frame)) return op('i32.div_s', ...args);
  return callOf(e.op, type, isVector(e.type), args, frame);
}

function applied(of: KernelFunction, given: readonly Expression[], frame: Frame): Value {
  return frame.apply(
    of,
    given.map((each) => valueOf(each, frame)),
    frame,
  );
}

// ---- memory

type Load = Extract<Expression, { kind: 'load' | 'element' }>;

function loadOf(e: Load, frame: Frame): Value {
  const name = e.kind === 'load' ? e.buffer : e.array;
  if (e.kind === 'element' && frame.registers.has(name)) {
    if (e.index.kind !== 'literal') throw new Error(`${name}: an index is not known`);
    return get(elementLocal(name, e.index.value, wasmType(e.type), frame));
  }
  const place = placeOf(name, frame);
  if (isVector(e.type)) return loadVector(place, e.index, e.mask, valueOf, frame);
  const load = e.type === 'f32' ? 'f32.load' : 'i32.load';
  return { kind: 'load', op: load, ...addressOf(place, e.index, valueOf, frame) };
}

export function placeOf(name: string, frame: Frame): Place {
  const place = frame.places.get(name);
  if (place === undefined) throw new Error(`${name} is not declared`);
  return place;
}

// ---- vectors

function splatOf(value: Expression, frame: Frame): Value {
  if (value.kind === 'literal') return literal(splat(value).type, value.value);
  if (value.kind === 'extract' && value.type !== 'bool') {
    const [first, again] = twice(valueOf(value.value, frame), 'v128', frame);
    const { component: at } = value;
    return { kind: 'shuffle', words: [at, at, at, at], args: [first, again] };
  }
  const scalar = valueOf(value, frame);
  if (value.type !== 'bool' && scalar.kind === 'load') return { ...scalar, op: 'v128.load32_splat' };
  if (value.type === 'bool') return op('i32x4.splat', op('i32.sub', number(0), scalar));
  return op(value.type === 'f32' ? 'f32x4.splat' : 'i32x4.splat', scalar);
}

function extracted(vector: Value, type: ScalarType, at: number): Value {
  if (type === 'f32') return component('f32x4.extract_lane', at, vector);
  const word = component('i32x4.extract_lane', at, vector);
  return type === 'bool' ? op('i32.and', word, number(1)) : word;
}

const pairs: Readonly<Record<'f32' | 'i32', Readonly<Record<'add' | 'multiply' | 'max' | 'min', PlainOp>>>> = {
  f32: { add: 'f32x4.add', multiply: 'f32x4.mul', max: 'f32x4.pmax', min: 'f32x4.pmin' },
  i32: { add: 'i32x4.add', multiply: 'i32x4.mul', max: 'i32x4.max_s', min: 'i32x4.min_s' },
};

/** (c0 op c2) op (c1 op c3) */
function across(e: Extract<Expression, { kind: 'across' }>, frame: Frame): Value {
  const vector = valueOf(e.value, frame);
  if (e.op === 'any') return op('v128.any_true', vector);
  if (e.op === 'all') return op('i32x4.all_true', vector);
  const type = e.type === 'f32' ? 'f32' : 'i32';
  const combine = pairs[type][e.op];
  const [all, allAgain] = twice(vector, 'v128', frame);
  const halves = op(combine, all, { kind: 'shuffle', words: [2, 3, 2, 3], args: [allAgain, allAgain] });
  const sums = temporary('v128', frame);
  const first: Value = { kind: 'tee', name: sums, value: halves };
  const whole = op(combine, first, { kind: 'shuffle', words: [1, 1, 1, 1], args: [get(sums), get(sums)] });
  return extracted(whole, type, 0);
}
