// Constructors of kernel IR: typed expressions and statements come out, with constants and identities folded.
// A wrong type is a bug in pegen and throws at once. Folding follows f32 and i32 exactly, so it never changes a result.

import type { Expression, KernelFunction, KernelOp, KernelSize, Size, Statement, ValueType } from './kernel.ts';
import { kernelOps } from './kernel.ts';
import { componentOf, evaluateOp, isVector, resultType, vectorOf } from './kernel-ops.ts';

type Literal = Extract<Expression, { kind: 'literal' }>;

// ---- leaves

/** A finite number, rounded to f32. */
export function f32(value: number): Expression {
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded)) throw new Error(`not a finite f32: ${value}`);
  return { kind: 'literal', type: 'f32', value: rounded };
}

export function i32(value: number): Expression {
  if (!Number.isInteger(value) || value !== (value | 0)) throw new Error(`not an i32: ${value}`);
  return { kind: 'literal', type: 'i32', value: value | 0 };
}

export function bool(value: boolean): Expression {
  return { kind: 'literal', type: 'bool', value: value ? 1 : 0 };
}

const identifier = /^[A-Za-z][A-Za-z0-9_]*$/;

function checkName(name: string): string {
  if (!identifier.test(name)) throw new Error(`not a name for kernels: ${JSON.stringify(name)}`);
  return name;
}

export function local(name: string, type: ValueType): Expression {
  return { kind: 'local', type, name: checkName(name) };
}

export function sizeOf(size: KernelSize): Expression {
  return { kind: 'size', type: 'i32', size };
}

export const workgroupIndex: Expression = { kind: 'workgroup', type: 'i32' };
export const laneIndex: Expression = { kind: 'lane', type: 'i32' };
export const subgroupSize: Expression = { kind: 'subgroup_size', type: 'i32' };
export const subgroupLane: Expression = { kind: 'subgroup_lane', type: 'i32' };

type Loaded = 'f32' | 'i32' | 'f32x4' | 'i32x4';

/** A vector where the type or the index is one. */
export function load(buffer: string, index: Expression, type: Loaded = 'f32', mask?: Expression): Expression {
  const access = { buffer: checkName(buffer), index: places(index), ...maskOf(mask) };
  return { kind: 'load', type: accessType(type, index), ...access };
}

const accessType = (type: ValueType, index: Expression): ValueType =>
  isVector(index.type) ? vectorOf(componentOf(type)) : type;

function places(index: Expression): Expression {
  if (index.type !== 'i32' && index.type !== 'i32x4') throw new Error(`an index must be i32, not ${index.type}`);
  return index;
}

function maskOf(mask: Expression | undefined): { readonly mask?: Expression } {
  if (mask === undefined) return {};
  if (mask.type !== 'boolx4') throw new Error(`a mask must be boolx4, not ${mask.type}`);
  return { mask };
}

// ---- vectors of four

export const splat = (value: Expression): Expression =>
  isVector(value.type) ? value : { kind: 'splat', type: vectorOf(componentOf(value.type)), value };

export const ramp = (from: Expression): Expression => ({ kind: 'ramp', type: 'i32x4', from: integer(from) });

export function extract(value: Expression, component: number): Expression {
  if (!isVector(value.type)) throw new Error('only vectors have components');
  return { kind: 'extract', type: componentOf(value.type), component, value };
}

type Across = Extract<Expression, { kind: 'across' }>['op'];

/** (c0 op c2) op (c1 op c3) */
export function across(op: Across, value: Expression): Expression {
  if (!isVector(value.type) || (value.type === 'boolx4') !== (op === 'any' || op === 'all'))
    throw new Error(`no ${op} across ${value.type}`);
  return { kind: 'across', type: componentOf(value.type), op, value };
}

export function shuffle(
  a: Expression,
  b: Expression,
  components: readonly [number, number, number, number],
): Expression {
  if (a.type !== b.type || (a.type !== 'f32x4' && a.type !== 'i32x4')) throw new Error('a shuffle takes two vectors');
  return { kind: 'shuffle', type: a.type, a, b, components };
}

export function shared(array: string, index: Expression, type: ValueType = 'f32'): Expression {
  return { kind: 'shared', type, array: checkName(array), index: integer(index) };
}

export function element(array: string, index: Expression, type: ValueType = 'f32', mask?: Expression): Expression {
  const access = { array: checkName(array), index: places(index), ...maskOf(mask) };
  return { kind: 'element', type: accessType(type, index), ...access };
}

export function subgroup(op: 'add' | 'max' | 'min', value: Expression): Expression {
  if (value.type === 'bool') throw new Error('a subgroup operation takes a number');
  return { kind: 'subgroup', type: value.type, op, value };
}

export function apply(of: KernelFunction, ...args: readonly Expression[]): Expression {
  if (args.length !== of.parameters.length) throw new Error(`${of.name} takes ${of.parameters.length} arguments`);
  of.parameters.forEach((parameter, index) => {
    if (args[index]!.type !== parameter.type)
      throw new Error(`${of.name}: ${parameter.name} must be ${parameter.type}`);
  });
  return { kind: 'apply', type: of.result, of, args };
}

function integer(index: Expression): Expression {
  if (index.type !== 'i32') throw new Error(`an index must be i32, not ${index.type}`);
  return index;
}

// ---- operations

/** Any operation: checks its types, folds it when it can. */
export function call(op: KernelOp, ...args: readonly Expression[]): Expression {
  if (args.length !== kernelOps[op]) throw new Error(`${op} takes ${kernelOps[op]} arguments, not ${args.length}`);
  const type = resultType(
    op,
    args.map((argument) => argument.type),
  );
  if (args.every((argument): argument is Literal => argument.kind === 'literal')) {
    const value = evaluateOp(
      op,
      args[0]!.type,
      args.map((argument) => argument.value),
    );
    if (value !== null && Number.isFinite(value) && !Object.is(value, -0)) return { kind: 'literal', type, value };
  }
  return identity(op, type, args) ?? { kind: 'call', type, op, args };
}

const is = (expression: Expression, value: number): boolean =>
  expression.kind === 'literal' && expression.value === value;

/** The simpler form of an operation with some literal arguments, or null. */
function identity(op: KernelOp, type: ValueType, args: readonly Expression[]): Expression | null {
  const [a, b] = args as [Expression, Expression];
  const whole = type === 'i32';
  switch (op) {
    case 'add':
      if (is(a, 0)) return b;
      if (is(b, 0)) return a;
      if (whole && a.kind === 'literal') return call('add', b, a); // constants to the right
      if (whole && b.kind === 'literal' && isCall(a, 'add') && a.args[1]!.kind === 'literal') {
        return call('add', a.args[0]!, call('add', a.args[1]!, b));
      }
      return null;
    case 'subtract':
      if (is(b, 0)) return a;
      if (whole && b.kind === 'literal' && b.value !== -(2 ** 31)) return call('add', a, i32(-b.value));
      return whole && same(a, b) ? i32(0) : null;
    case 'multiply':
      if (is(a, 1)) return b;
      if (is(b, 1)) return a;
      if (whole && (is(a, 0) || is(b, 0))) return i32(0);
      if (whole && a.kind === 'literal') return call('multiply', b, a);
      if (whole && b.kind === 'literal' && isCall(a, 'multiply') && a.args[1]!.kind === 'literal') {
        return call('multiply', a.args[0]!, call('multiply', a.args[1]!, b));
      }
      return null;
    case 'divide':
    case 'quotient':
      return is(b, 1) ? a : null;
    case 'remainder':
      return is(b, 1) || is(b, -1) ? i32(0) : null;
    case 'negate':
    case 'not':
      return isCall(a, op) ? a.args[0]! : null;
    case 'min':
    case 'max':
      return same(a, b) ? a : null;
    case 'and':
      if (is(a, 1)) return b;
      if (is(b, 1)) return a;
      return is(a, 0) || is(b, 0) ? bool(false) : null;
    case 'or':
      if (is(a, 0)) return b;
      if (is(b, 0)) return a;
      return is(a, 1) || is(b, 1) ? bool(true) : null;
    case 'select':
      if (a.kind === 'literal') return a.value ? b : args[2]!;
      return same(b, args[2]!) ? b : null;
    case 'shift_left':
    case 'shift_right':
      return is(b, 0) ? a : null;
    default:
      return null;
  }
}

function isCall(expression: Expression, op: KernelOp): expression is Extract<Expression, { kind: 'call' }> {
  return expression.kind === 'call' && expression.op === op;
}

/** Equal leaves; larger expressions only when they are the same object. */
function same(a: Expression, b: Expression): boolean {
  if (a === b) return true;
  if (a.type !== b.type) return false;
  if (a.kind === 'literal' && b.kind === 'literal') return a.value === b.value;
  if (a.kind === 'local' && b.kind === 'local') return a.name === b.name;
  return a.kind === 'size' && b.kind === 'size' && a.size === b.size;
}

export const add = (a: Expression, b: Expression): Expression => call('add', a, b);
export const subtract = (a: Expression, b: Expression): Expression => call('subtract', a, b);
export const multiply = (a: Expression, b: Expression): Expression => call('multiply', a, b);
export const divide = (a: Expression, b: Expression): Expression => call('divide', a, b);
export const negate = (a: Expression): Expression => call('negate', a);
export const minimum = (a: Expression, b: Expression): Expression => call('min', a, b);
export const maximum = (a: Expression, b: Expression): Expression => call('max', a, b);
export const quotient = (a: Expression, b: Expression): Expression => call('quotient', a, b);
export const remainder = (a: Expression, b: Expression): Expression => call('remainder', a, b);
export const less = (a: Expression, b: Expression): Expression => call('less', a, b);
export const lessEqual = (a: Expression, b: Expression): Expression => call('less_equal', a, b);
export const equal = (a: Expression, b: Expression): Expression => call('equal', a, b);
export const notEqual = (a: Expression, b: Expression): Expression => call('not_equal', a, b);
export const and = (a: Expression, b: Expression): Expression => call('and', a, b);
export const or = (a: Expression, b: Expression): Expression => call('or', a, b);
export const not = (a: Expression): Expression => call('not', a);
export const select = (condition: Expression, then: Expression, otherwise: Expression): Expression =>
  call('select', condition, then, otherwise);

/** The value as f32; as i32. Nothing is added where it has that type already. */
export const toF32 = (a: Expression): Expression => (componentOf(a.type) === 'f32' ? a : call('to_f32', a));
export const toI32 = (a: Expression): Expression => (componentOf(a.type) === 'i32' ? a : call('to_i32', a));

/** A size as an expression. */
export function ofSize(size: Size): Expression {
  switch (size.kind) {
    case 'number':
      return i32(size.value);
    case 'size':
      return sizeOf(size.size);
    case 'product':
      return size.factors.map(ofSize).reduce(multiply);
    case 'sum':
      return size.terms.map(ofSize).reduce(add);
    case 'ceil-divide':
      return quotient(add(ofSize(size.value), i32(size.by - 1)), i32(size.by));
    default:
      return size satisfies never;
  }
}

// ---- statements

export function letOf(name: string, value: Expression): Statement {
  return { kind: 'let', name: checkName(name), value };
}

export function varOf(name: string, value: Expression): Statement {
  return { kind: 'var', name: checkName(name), value };
}

export function assign(name: string, value: Expression): Statement {
  return { kind: 'set', name: checkName(name), value };
}

export function store(buffer: string, index: Expression, value: Expression, mask?: Expression): Statement {
  if (componentOf(value.type) === 'bool') throw new Error(`${buffer}: buffers hold no bool`);
  return { kind: 'store', buffer: checkName(buffer), index: places(index), value, ...maskOf(mask) };
}

export function storeShared(array: string, index: Expression, value: Expression): Statement {
  return { kind: 'store-shared', array: checkName(array), index: integer(index), value };
}

export function storeElement(array: string, index: Expression, value: Expression, mask?: Expression): Statement {
  return { kind: 'store-element', array: checkName(array), index: places(index), value, ...maskOf(mask) };
}

/** for (variable = from; variable < to; variable += step). `unrolled` needs literal bounds; `vector`: see Statement. */
export function loop(
  variable: string,
  from: Expression,
  to: Expression,
  body: readonly Statement[],
  options: { readonly step?: number; readonly mode?: 'serial' | 'unrolled' | 'vector' } = {},
): Statement {
  const { step = 1, mode = 'serial' } = options;
  if (!Number.isInteger(step) || step < 1) throw new Error(`the step of a loop must be a positive integer: ${step}`);
  if (mode === 'vector' && step !== 1) throw new Error(`the vector loop over ${variable} must have step 1`);
  if (mode === 'unrolled' && (from.kind !== 'literal' || to.kind !== 'literal')) {
    throw new Error(`the bounds of the unrolled loop over ${variable} must be literal`);
  }
  return { kind: 'for', variable: checkName(variable), from: integer(from), to: integer(to), step, mode, body };
}

/** Nothing, or one branch, where the condition is a literal. */
export function when(
  condition: Expression,
  then: readonly Statement[],
  otherwise: readonly Statement[] = [],
): readonly Statement[] {
  if (condition.type !== 'bool') throw new Error(`a condition must be bool, not ${condition.type}`);
  if (condition.kind === 'literal') return condition.value ? then : otherwise;
  if (then.length === 0 && otherwise.length === 0) return [];
  // oxlint-disable-next-line unicorn/no-thenable -- a branch, not a promise
  return [{ kind: 'if', condition, then, otherwise }];
}

export const barrier: Statement = { kind: 'barrier' };
export const leave: Statement = { kind: 'return' };

export function comment(text: string): Statement {
  return { kind: 'comment', text };
}
