// A tensor-IR scalar at one point -> a kernel expression. The point is an index expression for each axis in scope; reads
// become loads, operations are expanded, a branch that is dear or could read outside a tensor is taken lazily.
// The expression is a DAG: shared scalars are shared objects, and simt/share.ts binds what is used twice.

import type { Axis, Scalar, Tensor } from '../src/ir/ir.ts';
import { at } from '../src/ir/scalar.ts';
import { operations } from '../src/ir/ops.ts';
import type { Expression } from './kernel.ts';
import {
  add,
  and,
  apply,
  assign,
  bool,
  element,
  f32,
  i32,
  lessEqual,
  less,
  maximum,
  minimum,
  notEqual,
  quotient,
  remainder,
  select,
  sizeOf,
  subtract,
  toF32,
  when,
} from './kernel-build.ts';
import { extentOf, loadAt, startOf, type Scope } from './simt/scope.ts';

export interface Point {
  value(scalar: Scalar): Expression;
  /** The value as f32. */
  real(scalar: Scalar): Expression;
  index(scalars: readonly Scalar[]): Expression[];
  /** The same point with more axes, or with tensors whose value at this point is known. */
  with(axes: Iterable<readonly [Axis, Expression]>, values?: Iterable<readonly [Tensor, Expression]>): Point;
}

/** Names of values, for readable text: a scalar that was a definition of its own. */
export type Hints = ReadonlyMap<Scalar, string>;

interface Setting {
  readonly scope: Scope;
  readonly hints: Hints;
  readonly axes: ReadonlyMap<Axis, Expression>;
  readonly values: ReadonlyMap<Tensor, Expression>;
  /** Values by scalar; a nested block has its own, on top of what is around it. */
  memo: Map<Scalar, Expression>[];
}

export function openPoint(scope: Scope, hints: Hints): Point {
  return pointOf({ scope, hints, axes: new Map(), values: new Map(), memo: [new Map()] });
}

function pointOf(setting: Setting): Point {
  const value = (scalar: Scalar): Expression => valueOf(setting, scalar);
  return {
    value,
    real: (scalar) => toF32(value(scalar)),
    index: (scalars) => scalars.map(value),
    with: (axes, values = []) =>
      pointOf({
        ...setting,
        axes: new Map([...setting.axes, ...axes]),
        values: new Map([...setting.values, ...values]),
        memo: [new Map()],
      }),
  };
}

function valueOf(setting: Setting, scalar: Scalar): Expression {
  for (const memo of setting.memo) {
    const known = memo.get(scalar);
    if (known !== undefined) return known;
  }
  const value = evaluate(setting, scalar);
  const name = setting.hints.get(scalar);
  if (name !== undefined) setting.scope.hint(value, name);
  setting.memo[0]!.set(scalar, value);
  return value;
}

function evaluate(setting: Setting, s: Scalar): Expression {
  const held = setting.scope.held.get(s);
  if (held !== undefined) return element(held.array, 'along' in held ? evaluate(setting, at(held.along)) : held.index);
  switch (s.kind) {
    case 'constant':
      return s.type === 'real' ? f32(s.value) : s.type === 'integer' ? i32(s.value) : bool(s.value !== 0);
    case 'size':
      return sizeScalar(setting.scope, s.size);
    case 'axis': {
      const index = setting.axes.get(s.axis);
      if (index === undefined) throw new Error(`axis '${s.axis.name}' is not in scope`);
      return index;
    }
    case 'read':
      return readOf(setting, s);
    case 'call':
      return callOf(setting, s);
    default:
      return s satisfies never;
  }
}

function sizeScalar(scope: Scope, size: 'batch' | 'tokens' | 'keys' | 'first'): Expression {
  if (scope.mode === 'whole' && size === 'first') return i32(0);
  return sizeOf(size);
}

function readOf(setting: Setting, s: Extract<Scalar, { kind: 'read' }>): Expression {
  const { scope } = setting;
  const known = setting.values.get(s.tensor);
  if (known !== undefined) return known;
  let inside: Expression = bool(true);
  const index = s.index.map((one, n) => {
    const at = valueOf(setting, one);
    const axis = s.tensor.axes[n]!;
    if (s.outside === null || staysInside(one, axis)) return at;
    const start = axis.extent === 'tokens' && isHistory(scope, s.tensor) ? i32(0) : startOf(scope, axis);
    const end = add(startOf(scope, axis), extentOf(axis.extent));
    inside = and(inside, and(lessEqual(start, at), less(at, end)));
    return maximum(start, minimum(at, subtract(end, i32(1))));
  });
  const loaded = loadAt(scope, s.tensor, index);
  const value = s.type === 'boolean' ? notEqual(loaded, i32(0)) : loaded;
  if (s.outside === null) return value;
  const outside = s.type === 'real' ? f32(s.outside) : s.type === 'integer' ? i32(s.outside) : bool(s.outside !== 0);
  return select(inside, value, outside);
}

const isHistory = (scope: Scope, tensor: Tensor): boolean =>
  scope.mode === 'decode' && scope.storage.get(tensor)?.rows === 'history';

/** An index that is a plain axis of the same extent never leaves the tensor. */
export function staysInside(index: Scalar, axis: Axis): boolean {
  if (index.kind === 'constant')
    return typeof axis.extent === 'number' && index.value >= 0 && index.value < axis.extent;
  return index.kind === 'axis' && index.axis.extent === axis.extent;
}

function callOf(setting: Setting, s: Extract<Scalar, { kind: 'call' }>): Expression {
  if (s.op === 'select') return selectOf(setting, s);
  const whole = setting.scope.recognise(s);
  if (whole !== null) return apply(whole.of, toF32(valueOf(setting, whole.argument)));
  const args = s.args.map((arg) => valueOf(setting, arg));
  const [a, b] = args;
  if (s.op === 'div' || (s.op === 'mod' && s.type === 'integer')) {
    if (nonNegative(s.args[0]!) && positive(s.args[1]!)) {
      return s.op === 'div' ? quotient(a!, b!) : remainder(a!, b!);
    }
  }
  const value = setting.scope.expand(s.op, args);
  return s.type === 'real' ? toF32(value) : value;
}

/** Conservative: indices and sizes, and what is made of them without subtraction. */
function nonNegative(s: Scalar): boolean {
  switch (s.kind) {
    case 'constant':
      return s.value >= 0;
    case 'size':
    case 'axis':
      return true;
    case 'read':
      return false;
    case 'call':
      switch (s.op) {
        case 'add':
        case 'multiply':
        case 'min':
          return s.args.every(nonNegative);
        case 'max':
          return s.args.some(nonNegative);
        case 'div':
          return nonNegative(s.args[0]!) && positive(s.args[1]!);
        case 'mod':
          return s.type === 'integer' && positive(s.args[1]!);
        default:
          return false;
      }
    default:
      return s satisfies never;
  }
}

const positive = (s: Scalar): boolean =>
  (s.kind === 'constant' && s.value > 0) || (s.kind === 'size' && s.size !== 'first');

function selectOf(setting: Setting, s: Extract<Scalar, { kind: 'call' }>): Expression {
  const [condition, then, otherwise] = s.args as [Scalar, Scalar, Scalar];
  const test = valueOf(setting, condition);
  const real = s.type === 'real';
  const typed = (value: Expression): Expression => (real ? toF32(value) : value);
  if (test.kind === 'literal') return typed(valueOf(setting, test.value ? then : otherwise));
  if (!mustBeLazy(then) && !mustBeLazy(otherwise)) {
    return select(test, typed(valueOf(setting, then)), typed(valueOf(setting, otherwise)));
  }
  // The dear branch inside `if`; a plain one is the initial value.
  const { scope } = setting;
  const swapped = mustBeLazy(otherwise) && !mustBeLazy(then);
  const [taken, initial] = swapped ? [otherwise, then] : [then, otherwise];
  const inBranch = (branch: Scalar, set: (value: Expression) => void) =>
    scope.block(() => {
      const nested: Setting = { ...setting, memo: [new Map(), ...setting.memo] };
      set(typed(valueOf(nested, branch)));
    });
  const zero = s.type === 'real' ? f32(0) : s.type === 'integer' ? i32(0) : bool(false);
  const start = mustBeLazy(initial) ? zero : typed(valueOf(setting, initial));
  const result = scope.variable('chosen', start);
  if (result.kind !== 'local') throw new Error('a variable is a local');
  const put = (value: Expression): void => scope.emit(assign(result.name, value));
  const first = inBranch(taken, put);
  const second = mustBeLazy(initial) ? inBranch(initial, put) : [];
  scope.emit(...when(test, swapped ? second : first, swapped ? first : second));
  return result;
}

const dear = 64;

/** A read at another index than a plain one, which the condition may keep inside; or more work than a select is worth. */
function mustBeLazy(scalar: Scalar): boolean {
  let weight = 0;
  const seen = new Set<Scalar>();
  const visit = (s: Scalar): boolean => {
    if (seen.has(s)) return false;
    seen.add(s);
    if (s.kind === 'read') {
      if (s.outside === null && s.index.some((index, n) => !staysInside(index, s.tensor.axes[n]!))) return true;
      return s.index.some(visit);
    }
    if (s.kind !== 'call') return false;
    weight += operations[s.op].weight;
    return weight > dear || s.args.some(visit);
  };
  return visit(scalar);
}
