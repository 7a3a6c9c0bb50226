// Expressions of one step of a loop -> the same for four neighbouring steps. What does not change from step to step stays
// one number, an index that grows evenly is known by its first value and its stride, all else becomes a vector.

import type { Binding, Expression, KernelFunction } from '../kernel.ts';
import {
  add,
  apply,
  call,
  element,
  i32,
  load,
  multiply,
  ramp,
  select,
  shuffle,
  splat,
  subtract,
} from '../kernel-build.ts';
import { componentOf, vectorOf } from '../kernel-ops.ts';
import { inside } from '../map-expressions.ts';
import { multipleOf, type Bindings } from '../simt/linear.ts';
import type { Access } from './vectorize-pairs.ts';

export type Shape =
  | { readonly kind: 'same'; readonly value: Expression }
  /** first, first + stride, ... of i32; the stride is not 0. */
  | { readonly kind: 'steps'; readonly first: Expression; readonly stride: number }
  | { readonly kind: 'each'; readonly value: Expression };

type Steps = Extract<Shape, { kind: 'steps' }>;

/** Where an expression stands. */
export interface Place {
  /** Names bound so far in the rewritten body, by their old names. */
  readonly shapes: ReadonlyMap<string, Shape>;
  /** What names stand for, old ones and new ones. */
  readonly bindings: Bindings;
  /** Steps that come by here: boolx4; null: all. */
  readonly mask: Expression | null;
  readonly buffers: readonly Binding[];
  /** Whether the element beside this one (`by` 1 or -1) is read in every step as well. */
  readonly isPaired: (access: Access) => 'first' | 'second' | null;
  readonly wide: (of: KernelFunction) => KernelFunction;
  /** Writes a helper out where it stands, so that what is the same in all steps is computed once. */
  readonly inPlace: (of: KernelFunction, args: readonly Shape[]) => Shape;
}

const same = (value: Expression): Shape => ({ kind: 'same', value });
const each = (value: Expression): Shape => ({ kind: 'each', value });
const steps = (first: Expression, stride: number): Shape =>
  stride === 0 ? same(first) : { kind: 'steps', first, stride };

/** The four values as a vector. */
export function widen(shape: Shape): Expression {
  switch (shape.kind) {
    case 'same':
      return splat(shape.value);
    case 'steps':
      if (shape.stride === 1) return ramp(shape.first);
      return add(splat(shape.first), multiply(ramp(i32(0)), splat(i32(shape.stride))));
    case 'each':
      return shape.value;
    default:
      return shape satisfies never;
  }
}

export function shapeOf(e: Expression, place: Place): Shape {
  switch (e.kind) {
    case 'local':
      return place.shapes.get(e.name) ?? same(e);
    case 'load':
    case 'element':
      return accessOf(e, place);
    case 'call':
      return callOf(
        e,
        e.args.map((arg) => shapeOf(arg, place)),
        place,
      );
    case 'apply': {
      const args = e.args.map((arg) => shapeOf(arg, place));
      if (args.every(({ kind }) => kind === 'same')) return same(apply(e.of, ...args.map(onlyValue)));
      if (args.some(({ kind }) => kind === 'same')) return place.inPlace(e.of, args);
      return each(apply(place.wide(e.of), ...args.map((arg) => safe(widen(arg), place))));
    }
    default:
      return same(inside(e, (part) => onlyValue(shapeOf(part, place))));
  }
}

/** The value of what is the same in all steps. */
export function onlyValue(shape: Shape): Expression {
  if (shape.kind !== 'same') throw new Error('a value that must be the same in all steps is not');
  return shape.value;
}

/** Integers of steps that do not come by may be divided by: they become 1. */
function safe(value: Expression, { mask }: Place): Expression {
  return mask === null || value.type !== 'i32x4' ? value : select(mask, value, splat(i32(1)));
}

// ---- operations

function callOf(e: Extract<Expression, { kind: 'call' }>, args: readonly Shape[], place: Place): Shape {
  if (args.every(({ kind }) => kind === 'same')) return same(call(e.op, ...args.map(onlyValue)));
  if (e.type === 'i32') {
    const even = evenCall(e, args, place);
    if (even !== null) return even;
  }
  const [a, b] = args as [Shape, Shape];
  if ((e.op === 'quotient' || e.op === 'remainder') && b.kind === 'same') {
    const power = powerOfTwo(b.value);
    if (power !== null && isNonNegative(e.args[0]!, place.bindings)) {
      return each(
        e.op === 'quotient'
          ? call('shift_right', widen(a), splat(i32(Math.log2(power))))
          : call('bit_and', widen(a), splat(i32(power - 1))),
      );
    }
  }
  const wide = args.map(widen);
  if (e.op === 'quotient' || e.op === 'remainder') {
    const divisor = b.kind === 'same' && b.value.kind === 'literal' ? wide[1]! : safe(wide[1]!, place);
    return each(call(e.op, wide[0]!, divisor));
  }
  return each(call(e.op, ...wide));
}

/** Integers that grow evenly still do after some operations; null: this one is none of them. */
function evenCall(e: Extract<Expression, { kind: 'call' }>, args: readonly Shape[], place: Place): Shape | null {
  if (args.some(({ kind }, n) => kind === 'each' || (kind !== 'same' && e.op === 'select' && n === 0))) return null;
  const [a, b, c] = args as [Shape, Shape, Shape];
  const literal = (shape: Shape | undefined): number | null =>
    shape?.kind === 'same' && shape.value.kind === 'literal' ? shape.value.value : null;
  switch (e.op) {
    case 'add':
      return steps(add(firstOf(a), firstOf(b)), strideOf(a) + strideOf(b));
    case 'subtract':
      return steps(subtract(firstOf(a), firstOf(b)), strideOf(a) - strideOf(b));
    case 'negate':
      return steps(call('negate', firstOf(a)), -strideOf(a));
    case 'multiply': {
      const by = literal(a) ?? literal(b);
      return by === null
        ? null
        : steps(multiply(firstOf(a), firstOf(b)), by * (literal(a) === null ? strideOf(a) : strideOf(b)));
    }
    case 'shift_left': {
      const by = literal(b);
      return by === null ? null : steps(call('shift_left', firstOf(a), i32(by)), strideOf(a) * 2 ** by);
    }
    case 'select':
      return strideOf(b) === strideOf(c) ? steps(select(onlyValue(a), firstOf(b), firstOf(c)), strideOf(b)) : null;
    case 'quotient':
    case 'remainder':
    case 'bit_and': {
      // Four neighbours from a multiple of four lie in one period.
      const by = literal(b);
      const period = by === null ? 0 : e.op === 'bit_and' ? by + 1 : by;
      if (a.kind !== 'steps' || a.stride !== 1 || period < 4 || period % 4 !== 0) return null;
      if (e.op === 'bit_and' && (period & (period - 1)) !== 0) return null;
      if (multipleOf(a.first, place.bindings) < 4 || !isNonNegative(a.first, place.bindings)) return null;
      const first = call(e.op, a.first, i32(by!));
      return e.op === 'quotient' ? same(first) : steps(first, 1);
    }
    default:
      return null;
  }
}

const firstOf = (shape: Shape): Expression => (shape.kind === 'steps' ? shape.first : onlyValue(shape));
const strideOf = (shape: Shape): number => (shape.kind === 'steps' ? shape.stride : 0);

function powerOfTwo(e: Expression): number | null {
  return e.kind === 'literal' && e.value > 0 && (e.value & (e.value - 1)) === 0 ? e.value : null;
}

/** Conservative: indices and sizes, and what is made of them without subtraction. */
export function isNonNegative(e: Expression, bindings: Bindings): boolean {
  const of = (part: Expression): boolean => isNonNegative(part, bindings);
  switch (e.kind) {
    case 'literal':
      return e.value >= 0;
    case 'size':
    case 'workgroup':
      return true;
    case 'local': {
      const bound = bindings.get(e.name);
      return bound !== undefined && of(bound.kind === 'let' ? bound.value : bound.from);
    }
    case 'call':
      switch (e.op) {
        case 'add':
        case 'multiply':
        case 'min':
        case 'quotient':
          return e.args.every(of);
        case 'remainder':
        case 'shift_right':
          return of(e.args[0]!);
        case 'max':
        case 'bit_and':
          return e.args.some(of);
        case 'select':
          return of(e.args[1]!) && of(e.args[2]!);
        default:
          return false;
      }
    default:
      return false;
  }
}

// ---- loads

function accessOf(e: Access, place: Place): Shape {
  const index = shapeOf(e.index, place);
  if (index.kind === 'same') return same(accessAt(e, index.value));
  const type = vectorOf(componentOf(e.type));
  const mask = place.mask ?? undefined;
  const at = (from: Expression): Expression => accessAt(e, from, type, mask);
  if (index.kind === 'each') return each(at(index.value));
  if (index.stride === 1) return each(at(index.first));
  if (mask === undefined && index.stride === -1) {
    const from = at(add(index.first, i32(-3)));
    return each(shuffle(from, from, [3, 2, 1, 0]));
  }
  if (mask === undefined && index.stride === 2) {
    const strided = everySecond(e, index, place, at);
    if (strided !== null) return each(strided);
  }
  return each(at(widen(index)));
}

/** Every second element out of two accesses. Both halves of a pair use the same two. */
function everySecond(
  e: Access,
  { first }: Steps,
  place: Place,
  at: (from: Expression) => Expression,
): Expression | null {
  switch (place.isPaired(e)) {
    case 'first':
      return shuffle(at(first), at(add(first, i32(4))), [0, 2, 4, 6]);
    case 'second': {
      const from = add(first, i32(-1));
      return shuffle(at(from), at(add(from, i32(4))), [1, 3, 5, 7]);
    }
    case null: {
      // Nothing past the last element is read, and what lies between does not change.
      const isRead = e.kind === 'load' && place.buffers.some((b) => b.name === e.buffer && b.access === 'read');
      return isRead ? shuffle(at(first), at(add(first, i32(3))), [0, 2, 5, 7]) : null;
    }
    default:
      return null;
  }
}

function accessAt(e: Access, index: Expression, type = e.type, mask?: Expression): Expression {
  if (e.kind === 'load') return load(e.buffer, index, type as 'f32' | 'i32' | 'f32x4' | 'i32x4', mask);
  return element(e.array, index, type, mask);
}
