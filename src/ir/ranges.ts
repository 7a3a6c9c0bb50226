// Ranges of integer scalars: bounds are linear in the run-time sizes, so that `index < keys` can be proved for every
// length. A proof may use conditions known to hold (the guard of a select). Nothing here guesses: no proof is `false`.

import { addForms, affine, constantForm } from './affine.ts';
import type { Affine } from './affine.ts';
import type { Axis, Extent, RuntimeSize, Scalar, Tensor } from './ir.ts';
import { makeKeys } from './key.ts';
import type { Keys } from './key.ts';
import { call } from './scalar.ts';
import type { Read } from './visit.ts';

/** constant + batch * B + tokens * T + first * F; keys = tokens + first. */
export interface Linear {
  readonly constant: number;
  readonly batch: number;
  readonly tokens: number;
  readonly first: number;
}

/** Both ends included; null: not bounded, or not known. */
export interface Range {
  readonly lower: Linear | null;
  readonly upper: Linear | null;
}

export interface Context {
  /** Gradients are only taken where first = 0 and so keys = tokens. */
  readonly training: boolean;
  readonly conditions: readonly Scalar[]; // known to hold
  /** Values of integer tensors (the place of a maximum). */
  readonly tensors: ReadonlyMap<Tensor, Range>;
  readonly keys: Keys;
}

export const makeContext = (parts: Partial<Context> = {}): Context => ({
  training: false,
  conditions: [],
  tensors: new Map(),
  keys: makeKeys(),
  ...parts,
});

export const assume = (context: Context, ...conditions: Scalar[]): Context => ({
  ...context,
  conditions: [...context.conditions, ...conditions.flatMap(conjuncts)],
});

/** The conditions that all hold where one does. */
export function conjuncts(condition: Scalar): Scalar[] {
  if (condition.kind === 'call' && condition.op === 'and') return condition.args.flatMap(conjuncts);
  return [condition];
}

const number = (constant: number): Linear => ({ constant, batch: 0, tokens: 0, first: 0 });
const everything: Range = { lower: null, upper: null };
const between = (lower: number, upper: number): Range => ({ lower: number(lower), upper: number(upper) });

const combine = (a: Linear, b: Linear, scale = 1): Linear => ({
  constant: a.constant + scale * b.constant,
  batch: a.batch + scale * b.batch,
  tokens: a.tokens + scale * b.tokens,
  first: a.first + scale * b.first,
});

const isNumber = (a: Linear): boolean => a.batch === 0 && a.tokens === 0 && a.first === 0;

/** At least 0 for every batch >= 1, tokens >= 1, first >= 0 (in training, first = 0). */
function neverNegative(a: Linear, training: boolean): boolean {
  if (a.batch < 0 || a.tokens < 0 || (a.first < 0 && !training)) return false;
  return a.constant + a.batch + a.tokens >= 0;
}

const sizes: Readonly<Record<RuntimeSize, Linear>> = {
  batch: { ...number(0), batch: 1 },
  tokens: { ...number(0), tokens: 1 },
  first: { ...number(0), first: 1 },
  keys: { ...number(0), tokens: 1, first: 1 },
};

/** One past the last index of an axis. Token axes are absolute: they end at keys. */
function endOf(extent: Extent): Linear {
  if (typeof extent === 'number') return number(extent);
  return sizes[extent === 'tokens' ? 'keys' : extent];
}

export const axisRange = (axis: Axis): Range => ({
  lower: axis.extent === 'tokens' ? sizes.first : number(0),
  upper: combine(endOf(axis.extent), number(1), -1),
});

/** The range of an integer scalar. */
export const range = (s: Scalar, context: Context): Range => formRange(affine(s, context.keys), context);

function formRange(form: Affine, context: Context): Range {
  let lower: Linear | null = number(form.constant);
  let upper: Linear | null = number(form.constant);
  for (const { atom, coefficient } of form.terms.values()) {
    const own = atomRange(atom, context);
    const [low, high] = coefficient > 0 ? [own.lower, own.upper] : [own.upper, own.lower];
    lower = lower === null || low === null ? null : combine(lower, low, coefficient);
    upper = upper === null || high === null ? null : combine(upper, high, coefficient);
  }
  return { lower, upper };
}

function atomRange(s: Scalar, context: Context): Range {
  switch (s.kind) {
    case 'constant':
      return Number.isFinite(s.value) ? between(s.value, s.value) : everything;
    case 'size':
      return { lower: sizes[s.size], upper: sizes[s.size] };
    case 'axis':
      return axisRange(s.axis);
    case 'read': {
      const own = context.tensors.get(s.tensor);
      return own ?? (s.type === 'boolean' ? between(0, 1) : everything);
    }
    case 'call':
      return callRange(s, context);
    default:
      return s satisfies never;
  }
}

function callRange(s: Extract<Scalar, { kind: 'call' }>, context: Context): Range {
  const [a, b, c] = s.args;
  const of = (arg: Scalar): Range => range(arg, context);
  const { training } = context;
  if (s.type === 'boolean') return between(0, 1);
  switch (s.op) {
    case 'min': {
      const [x, y] = [of(a!), of(b!)];
      return { lower: lowest(x.lower, y.lower, training), upper: smaller(x.upper, y.upper, training) };
    }
    case 'max': {
      const [x, y] = [of(a!), of(b!)];
      return { lower: larger(x.lower, y.lower, training), upper: highest(x.upper, y.upper, training) };
    }
    case 'select': {
      const x = range(b!, assume(context, a!));
      const y = range(c!, assume(context, call('not', a!)));
      return { lower: lowest(x.lower, y.lower, training), upper: highest(x.upper, y.upper, training) };
    }
    case 'mod':
      return modRange(of(a!), b!, training);
    case 'div':
      return divRange(of(a!), b!, training);
    case 'abs': {
      const x = of(a!);
      if (x.lower !== null && neverNegative(x.lower, training)) return x;
      const flipped = x.lower === null ? null : combine(number(0), x.lower, -1);
      return { lower: number(0), upper: highest(x.upper, flipped, training) };
    }
    case 'sign':
      return between(-1, 1);
    case 'popcount':
      return between(0, 32);
    case 'real':
    case 'detach':
      return of(a!);
    case 'floor':
    case 'ceil':
    case 'round':
      return roundedRange(of(a!), Math[s.op]);
    default:
      return everything;
  }
}

function roundedRange(a: Range, rounded: (x: number) => number): Range {
  const bound = (x: Linear | null): Linear | null => (x !== null && isNumber(x) ? number(rounded(x.constant)) : x);
  return { lower: bound(a.lower), upper: bound(a.upper) };
}

function modRange(a: Range, by: Scalar, training: boolean): Range {
  if (by.kind !== 'constant' || by.value <= 0 || by.type !== 'integer') return everything;
  const inside =
    a.lower !== null &&
    a.upper !== null &&
    neverNegative(a.lower, training) &&
    neverNegative(combine(number(by.value - 1), a.upper, -1), training);
  return inside ? a : between(0, by.value - 1);
}

function divRange(a: Range, by: Scalar, training: boolean): Range {
  if (by.kind !== 'constant' || by.value <= 0) return everything;
  const positive = a.lower !== null && neverNegative(a.lower, training);
  const quotient = (x: Linear | null, otherwise: Linear | null): Linear | null =>
    x !== null && isNumber(x) ? number(Math.floor(x.constant / by.value)) : otherwise;
  // A quotient of what is not negative is at most it.
  return { lower: quotient(a.lower, positive ? number(0) : null), upper: quotient(a.upper, positive ? a.upper : null) };
}

const isAtMost = (a: Linear, b: Linear, training: boolean): boolean => neverNegative(combine(b, a, -1), training);

/** A bound below both. */
function lowest(a: Linear | null, b: Linear | null, training: boolean): Linear | null {
  if (a === null || b === null) return null;
  if (isAtMost(a, b, training)) return a;
  if (isAtMost(b, a, training)) return b;
  return isNumber(a) || isNumber(b) ? null : number(Math.min(a.constant, b.constant));
}

/** A bound above both. */
function highest(a: Linear | null, b: Linear | null, training: boolean): Linear | null {
  if (a === null || b === null) return null;
  if (isAtMost(a, b, training)) return b;
  return isAtMost(b, a, training) ? a : null;
}

/** The better of two upper bounds, each of which holds. */
const smaller = (a: Linear | null, b: Linear | null, training: boolean): Linear | null =>
  a === null ? b : b === null || isAtMost(a, b, training) ? a : b;

/** The better of two lower bounds, each of which holds. */
const larger = (a: Linear | null, b: Linear | null, training: boolean): Linear | null =>
  a === null ? b : b === null || isAtMost(b, a, training) ? a : b;

/** Forms that are at least 0 where the conditions hold. */
function knownForms(context: Context): Affine[] {
  const forms: Affine[] = [];
  for (const condition of context.conditions) {
    if (condition.kind !== 'call') continue;
    const inner = condition.op === 'not' ? condition.args[0]! : condition;
    if (inner.kind !== 'call') continue;
    const [a, b] = inner.args;
    if (a === undefined || b === undefined || a.type !== 'integer' || b.type !== 'integer') continue;
    const positive = inner === condition;
    const difference = addForms(affine(b, context.keys), affine(a, context.keys), -1); // b - a
    const flipped = addForms(constantForm(0), difference, -1);
    const strict = (form: Affine): Affine => ({ ...form, constant: form.constant - 1 });
    if (inner.op === 'less') forms.push(positive ? strict(difference) : flipped);
    else if (inner.op === 'less_equal') forms.push(positive ? difference : strict(flipped));
    else if (inner.op === 'equal' && positive) forms.push(difference, flipped);
  }
  return forms;
}

/** Proves form >= 0 from the ranges of its atoms and at most two of the conditions. */
function proveForm(form: Affine, context: Context): boolean {
  const byRange = (f: Affine): boolean => {
    const { lower } = formRange(f, context);
    return lower !== null && neverNegative(lower, context.training);
  };
  if (byRange(form)) return true;
  const known = knownForms(context);
  if (known.some((k) => byRange(addForms(form, k, -1)))) return true;
  return known.some((k, n) => known.slice(n + 1).some((l) => byRange(addForms(addForms(form, k, -1), l, -1))));
}

const mostNested = 3; // choices in choices that a proof goes into

/** a <= b is proved. */
export function proveAtMost(a: Scalar, b: Scalar, context: Context, nested = 0): boolean {
  if (proveForm(addForms(affine(b, context.keys), affine(a, context.keys), -1), context)) return true;
  if (a.kind !== 'call' || nested === mostNested) return false;
  const atMost = (one: Scalar, inner = context): boolean => proveAtMost(one, b, inner, nested + 1);
  const [x, y, z] = a.args as [Scalar, Scalar, Scalar];
  switch (a.op) {
    case 'max':
      return atMost(x) && atMost(y);
    case 'min':
      return atMost(x) || atMost(y);
    case 'select':
      return atMost(y, assume(context, x)) && atMost(z, assume(context, call('not', x)));
    default:
      return false;
  }
}

/** a < b is proved. */
export function proveLess(a: Scalar, b: Scalar, context: Context): boolean {
  const difference = addForms(affine(b, context.keys), affine(a, context.keys), -1);
  return proveForm({ ...difference, constant: difference.constant - 1 }, context);
}

const endScalars: Readonly<Record<Exclude<Extent, number>, RuntimeSize>> = {
  batch: 'batch',
  tokens: 'keys',
  keys: 'keys',
};

/** One past the last index of an axis, as a scalar. */
export const endScalar = (extent: Extent): Scalar =>
  typeof extent === 'number'
    ? Object.freeze({ kind: 'constant', type: 'integer', value: extent })
    : Object.freeze({ kind: 'size', type: 'integer', size: endScalars[extent] });

/** 0 <= index < end of the axis is proved. Earlier rows of a tensor over tokens are stored, so they start at 0. */
export function insideAxis(index: Scalar, axis: Axis, context: Context): boolean {
  const zero: Scalar = { kind: 'constant', type: 'integer', value: 0 };
  return proveAtMost(zero, index, context) && proveLess(index, endScalar(axis.extent), context);
}

/** Every index of a read is proved to lie inside its tensor. */
export const inside = (read: Pick<Read, 'tensor' | 'index'>, context: Context): boolean =>
  read.index.every((index, n) => insideAxis(index, read.tensor.axes[n]!, context));
