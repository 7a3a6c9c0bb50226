// Constructors of scalars: each checks rank and types at once (a wrong scalar cannot be built), folds what is known and
// returns a frozen object. A thrown Error is a bug in the caller.

import { evaluate } from './evaluate.ts';
import type { Axis, RuntimeSize, Scalar, Tensor, Type } from './ir.ts';
import { signatures } from './signatures.ts';
import type { OpName } from './signatures.ts';

function constant(type: Type, value: number): Scalar {
  if (!Number.isFinite(value)) throw new Error(`a constant must be finite, not ${value}`);
  if (type === 'integer' && !Number.isInteger(value)) throw new Error(`${value} is not an integer`);
  if (type === 'boolean' && value !== 0 && value !== 1) throw new Error(`${value} is not a boolean`);
  return Object.freeze({ kind: 'constant', type, value: value === 0 ? 0 : value });
}

export const real = (value: number): Scalar => constant('real', value);
export const integer = (value: number): Scalar => constant('integer', value);
export const boolean = (value: boolean): Scalar => constant('boolean', value ? 1 : 0);

export const size = (name: RuntimeSize): Scalar => Object.freeze({ kind: 'size', type: 'integer', size: name });

/** The index along an axis, as an integer. */
export const at = (axis: Axis): Scalar => Object.freeze({ kind: 'axis', type: 'integer', axis });

/** tensor[index...]; `outside` is the value where an index lies outside the tensor, null: it never does. */
export function read(tensor: Tensor, index: readonly Scalar[], outside: number | null = null): Scalar {
  if (index.length !== tensor.axes.length) {
    throw new Error(`'${tensor.name}' has ${tensor.axes.length} axes and is read at ${index.length} indices`);
  }
  for (const [n, one] of index.entries()) {
    if (one.type !== 'integer') throw new Error(`index ${n} of '${tensor.name}' is ${one.type}, not an integer`);
  }
  if (outside !== null && !Number.isFinite(outside))
    throw new Error(`the value outside '${tensor.name}' is not finite`);
  return Object.freeze({ kind: 'read', type: tensor.type, tensor, index: Object.freeze([...index]), outside });
}

/** tensor read at its own axes, or at the axes given. */
export const readAt = (tensor: Tensor, axes: readonly Axis[] = tensor.axes): Scalar => read(tensor, axes.map(at));

export const isConstant = (s: Scalar, value?: number): boolean =>
  s.kind === 'constant' && (value === undefined || s.value === value);

/** The result type of an operation; throws where the arguments do not fit its signature. */
export function typeOfCall(op: OpName, args: readonly Scalar[]): Type {
  const [wanted, result] = signatures[op];
  if (wanted.length !== args.length) throw new Error(`${op} takes ${wanted.length} arguments, not ${args.length}`);
  for (const [k, want] of wanted.entries()) {
    const type = args[k]!.type;
    const fits = want === 'any' || (want === 'number' ? type !== 'boolean' : type === want);
    if (!fits) throw new Error(`argument ${k} of ${op} is ${type}, not ${want}`);
  }
  if (result !== 'same') return result;
  const compared = op === 'select' ? args.slice(1) : args;
  const first = compared[0]!.type;
  if (compared.every((a) => a.type === first)) return first;
  if (compared.some((a) => a.type === 'boolean')) throw new Error(`the branches of ${op} are of different types`);
  return 'real';
}

/** An operation of the table. Constants are folded, and the identities that hold for every finite value. */
export function call(op: OpName, ...args: Scalar[]): Scalar {
  const type = typeOfCall(op, args);
  const folded = foldConstants(op, type, args) ?? foldIdentity(op, type, args);
  if (folded !== null) return folded.type === type ? folded : asReal(folded);
  return Object.freeze({ kind: 'call', type, op, args: Object.freeze([...args]) });
}

function asReal(s: Scalar): Scalar {
  return s.kind === 'constant' ? real(s.value) : call('real', s);
}

function foldConstants(op: OpName, type: Type, args: readonly Scalar[]): Scalar | null {
  const run = evaluate[op];
  if (run === null || op === 'detach') return null;
  const values: number[] = [];
  for (const a of args) {
    if (a.kind !== 'constant') return null;
    values.push(a.value);
  }
  const value = run(...values);
  return Number.isFinite(value) ? constant(type, value) : null;
}

type Fold = (args: readonly Scalar[], type: Type) => Scalar | null;

const zeroOf = (type: Type): Scalar => (type === 'integer' ? integer(0) : real(0));

const sides = (a: Scalar, b: Scalar, value: number): Scalar | null =>
  isConstant(a, value) ? b : isConstant(b, value) ? a : null;

const identities: Partial<Record<OpName, Fold>> = {
  add: ([a, b]) => sides(a!, b!, 0),
  subtract: ([a, b], type) => {
    if (isConstant(b!, 0)) return a!;
    if (isConstant(a!, 0)) return call('negate', b!);
    return a === b && type === 'integer' ? integer(0) : null;
  },
  multiply: ([a, b], type) => {
    const other = sides(a!, b!, 1);
    if (other !== null) return other;
    const minus = sides(a!, b!, -1);
    if (minus !== null) return call('negate', minus);
    const zero = sides(a!, b!, 0);
    return zero !== null && alwaysFinite(zero) ? zeroOf(type) : null;
  },
  divide: ([a, b]) => (isConstant(b!, 1) ? a! : null),
  negate: ([a]) => (a!.kind === 'call' && a!.op === 'negate' ? a!.args[0]! : null),
  power: ([a, b]) => (isConstant(b!, 1) ? a! : isConstant(b!, 0) || isConstant(a!, 1) ? real(1) : null),
  min: ([a, b]) => (a === b ? a! : null),
  max: ([a, b]) => (a === b ? a! : null),
  mod: ([, b], type) => (type === 'integer' && isConstant(b!, 1) ? integer(0) : null),
  div: ([a, b]) => (isConstant(b!, 1) ? a! : null),
  floor: ([a]) => (a!.type === 'integer' ? a! : null),
  ceil: ([a]) => (a!.type === 'integer' ? a! : null),
  round: ([a]) => (a!.type === 'integer' ? a! : null),
  real: ([a]) => (a!.type === 'real' ? a! : null),
  less: ([a, b]) => (a === b && a!.type === 'integer' ? boolean(false) : null),
  less_equal: ([a, b]) => (a === b && a!.type === 'integer' ? boolean(true) : null),
  equal: ([a, b]) => (a === b && a!.type === 'integer' ? boolean(true) : null),
  not_equal: ([a, b]) => (a === b && a!.type === 'integer' ? boolean(false) : null),
  and: ([a, b]) => (isConstant(a!, 0) || isConstant(b!, 0) ? boolean(false) : a === b ? a! : sides(a!, b!, 1)),
  or: ([a, b]) => (isConstant(a!, 1) || isConstant(b!, 1) ? boolean(true) : a === b ? a! : sides(a!, b!, 0)),
  not: ([a]) => (a!.kind === 'call' && a!.op === 'not' ? a!.args[0]! : null),
  select: ([condition, then, otherwise]) => {
    if (isConstant(condition!)) return isConstant(condition!, 1) ? then! : otherwise!;
    return sameScalar(then!, otherwise!) ? then! : null;
  },
};

function foldIdentity(op: OpName, type: Type, args: readonly Scalar[]): Scalar | null {
  return identities[op]?.(args, type) ?? null;
}

const sameScalar = (a: Scalar, b: Scalar): boolean =>
  a === b || (a.kind === 'constant' && b.kind === 'constant' && a.type === b.type && a.value === b.value);

/** Operations that are finite for finite arguments. */
const finiteOps: ReadonlySet<OpName> = new Set<OpName>([
  ...(['add', 'subtract', 'multiply', 'negate', 'min', 'max', 'abs', 'sign', 'floor', 'ceil', 'round'] as const),
  ...([
    'xor',
    'popcount',
    'real',
    'sin',
    'cos',
    'tanh',
    'atan2',
    'sigmoid',
    'log_sigmoid',
    'softplus',
    'relu',
  ] as const),
  ...(['gelu', 'silu', 'erf', 'detach', 'less', 'less_equal', 'equal', 'not_equal', 'and', 'or', 'not'] as const),
  'select',
]);

/** Finite whatever (finite) values its reads have; false where it is not certain. */
export function alwaysFinite(s: Scalar, depth = 12): boolean {
  if (s.kind !== 'call') return true;
  if (s.type !== 'real') return true; // integers and booleans have no infinity
  return depth > 0 && finiteOps.has(s.op) && s.args.every((a) => alwaysFinite(a, depth - 1));
}
