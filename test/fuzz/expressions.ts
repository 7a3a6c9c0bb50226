// Random expressions of the language, well-typed by construction: reals of the order of 1, whole numbers, conditions on
// whole numbers (a condition on reals would jump where float32 and float64 differ). What they may read is the scope.

import type { Tape } from './tape.ts';

/** A tensor that may be read: the names of its axes. */
export interface Readable {
  readonly name: string;
  readonly axes: readonly string[];
}

/** A function of numbers, or of a tensor with so many axes and one index for each. */
export interface Routine {
  readonly name: string;
  readonly takes: 'number' | { readonly axes: number };
}

export interface Scope {
  readonly tape: Tape;
  /** Indices that are bound, innermost last. */
  readonly indices: readonly { readonly name: string; readonly axis: string }[];
  readonly tensors: readonly Readable[];
  /** Numbers: `param`s, sizes. */
  readonly numbers: readonly string[];
  readonly functions: readonly Routine[];
  /** Sizes of all axes but `token`. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Names of indices that are bound but not read. */
  readonly hidden?: readonly string[];
  /** How many more indices over tokens may be bound: the cost of a program. */
  readonly tokens: number;
}

const letters: Readonly<Record<string, string>> = {
  token: 't',
  head: 'h',
  kv_head: 'g',
  dim: 'd',
  pair: 'p',
  model: 'm',
};

/** An index name that nothing around has. */
export function freshIndex(scope: Scope, axis: string): string {
  const wanted = letters[axis] ?? 'k';
  const taken = new Set([...scope.indices.map(({ name }) => name), ...(scope.hidden ?? [])]);
  for (let n = 1; ; n++) {
    const name = n === 1 ? wanted : `${wanted}${n}`;
    if (!taken.has(name)) return name;
  }
}

export const withIndex = (scope: Scope, name: string, axis: string): Scope => ({
  ...scope,
  indices: [...scope.indices, { name, axis }],
  tokens: scope.tokens - (axis === 'token' ? 1 : 0),
});

const named = (scope: Scope, axis: string): string[] =>
  scope.indices.filter((index) => index.axis === axis).map(({ name }) => name);

/** A whole number made of indices and small constants. */
export function whole(scope: Scope, depth: number): string {
  const { tape, indices } = scope;
  const leaf = (): string =>
    indices.length === 0 || tape.choose(4) === 3 ? String(tape.choose(4)) : tape.pick(indices).name;
  if (depth <= 0) return leaf();
  const one = (): string => whole(scope, depth - 1);
  switch (tape.choose(12)) {
    case 0:
    case 1:
      return leaf();
    case 10:
      return `xor(abs(${one()}), ${tape.pick(['1', '3', `abs(${one()})`])})`;
    case 11:
      return tape.pick([`popcount(abs(${one()}))`, `delta(${one()}, ${one()})`]);
    case 2:
      return `(${one()} - ${one()})`;
    case 3:
      return `(${one()} + ${one()})`;
    case 4:
      return `abs(${one()})`;
    case 5:
      return `mod(${one()}, ${1 + tape.choose(4)})`;
    case 6:
      return `floor(${one()} / ${1 + tape.choose(3)})`;
    case 7:
      return `${tape.pick(['min', 'max'])}(${one()}, ${one()})`;
    case 8:
      return `clamp(${one()}, ${tape.choose(2)}, ${2 + tape.choose(3)})`;
    default:
      return `(if ${condition(scope, 0)} then ${one()} else ${one()})`;
  }
}

export function condition(scope: Scope, depth: number): string {
  const { tape } = scope;
  if (depth > 0) {
    const one = (): string => condition(scope, depth - 1);
    const kind = tape.choose(6);
    if (kind === 3) return `(${one()} and ${one()})`;
    if (kind === 4) return `(${one()} or ${one()})`;
    if (kind === 5) return `not (${one()})`;
  }
  const side = (): string => whole(scope, 1);
  const comparison = `${side()} ${tape.pick(['<=', '<', '>', '>=', '==', '!='])} ${side()}`;
  return comparison;
}

/** An index expression for an axis; null where there is none. */
function indexFor(scope: Scope, axis: string): string {
  const { tape } = scope;
  const bare = named(scope, axis);
  if (axis === 'kv_head') bare.push(...named(scope, 'head'));
  if (axis === 'token') {
    if (bare.length === 0) return '0';
    const t = tape.pick(bare);
    const kind = tape.choose(8);
    if (kind === 5) return `${t} - ${1 + tape.choose(2)}`;
    if (kind === 6) return `min(${t}, ${1 + tape.choose(3)})`;
    if (kind === 7) return `max(${t} - ${1 + tape.choose(2)}, 0)`;
    return t;
  }
  const size = scope.sizes.get(axis)!;
  const kind = bare.length === 0 ? 5 + tape.choose(4) : tape.choose(9);
  if (kind < 5) return tape.pick(bare);
  switch (kind) {
    case 5:
      return String(tape.choose(size));
    case 6:
      return `clamp(${whole(scope, 1)}, 0, ${size - 1})`;
    case 7:
      return `mod(${whole(scope, 1)}, ${size})`;
    default: {
      // another axis that is no longer, read as this one
      const other = scope.indices.filter((index) => (scope.sizes.get(index.axis) ?? Infinity) <= size);
      return other.length === 0 ? '0' : `${tape.pick(other).name}: ${axis}`;
    }
  }
}

function readOf(scope: Scope, { name, axes }: Readable): string {
  const text = axes.length === 0 ? name : `${name}[${axes.map((axis) => indexFor(scope, axis)).join(', ')}]`;
  return name === 'score' ? `tanh(${text})` : text; // a hidden score is -infinity
}

function leaf(scope: Scope): string {
  const { tape, tensors, numbers } = scope;
  // A tensor whose tokens nothing in scope stands for would be read at token 0 only: allowed, but not often.
  const fitting = tensors.filter(({ axes }) => !axes.includes('token') || named(scope, 'token').length > 0);
  const kind = tape.choose(8);
  if (kind === 6 || fitting.length === 0) return tape.pick(['0.5', '1', '0.3', '2', '0', '0.7', ...numbers]);
  if (kind === 7) return `(${whole(scope, 1)} / 4)`;
  return readOf(scope, fitting[fitting.length - 1 - tape.choose(fitting.length)]!);
}

/** Of the order of 1 for arguments of the order of 1. */
const tame = [
  'sin',
  'tanh',
  'sigmoid',
  'cos',
  'silu',
  'gelu',
  'softplus',
  'log_sigmoid',
  'erf',
  'relu',
  'abs',
] as const;

export function real(scope: Scope, depth: number): string {
  if (depth <= 0) return leaf(scope);
  const { tape, functions } = scope;
  const one = (): string => real(scope, depth - 1);
  switch (tape.choose(20)) {
    case 0:
    case 1:
      return leaf(scope);
    case 2:
      return `(${one()} + ${one()})`;
    case 3:
      return `(${one()} - ${one()})`;
    case 4:
    case 5:
      return `(${one()} * ${one()})`;
    case 6:
      return `(${one()} / (1 + ${one()} ^ 2))`;
    case 7:
      return `${tape.pick(tame)}(${one()})`;
    case 8:
      return tape.pick([
        `exp(sin(${one()}))`,
        `log(1 + abs(${one()}))`,
        `sqrt(1 + ${one()} ^ 2)`,
        `log1p(${one()} ^ 2)`,
        `expm1(tanh(${one()}))`,
        `atan2(${one()}, 2 + sin(${one()}))`,
        `2 ^ tanh(${one()})`,
        `sigmoid(${one()}) ^ ${whole(scope, 0)}`,
        `log2(1 + ${one()} ^ 2)`,
      ]);
    case 9:
      return tape.choose(8) === 7 ? `detach(${one()})` : `(-${one()})`; // a square of -a would be less than 0
    case 10:
      return `(if ${condition(scope, 1)} then ${one()} else ${one()})`;
    case 11:
      return `${tape.pick(['min', 'max'])}(${one()}, ${one()})`;
    case 12:
      return `clamp(${one()}, -0.5, 0.5)`;
    case 13:
    case 14:
    case 15:
      return reduction(scope, depth);
    case 16:
      return softmax(scope, depth);
    case 17:
      return `(if training then ${one()} else ${one()})`;
    case 18:
      return rank(scope);
    default: {
      if (functions.length === 0) return one();
      const { name, takes } = tape.pick(functions);
      return takes === 'number' ? `${name}(${one()})` : (callOnTensor(scope, name, takes.axes) ?? one());
    }
  }
}

/** A function of a tensor: its name, and an index for each of its axes. Not a score, which may be the lowest number. */
function callOnTensor(scope: Scope, name: string, axes: number): string | null {
  const fitting = scope.tensors.filter((tensor) => tensor.axes.length === axes && tensor.name !== 'score');
  if (fitting.length === 0) return null;
  const tensor = scope.tape.pick(fitting);
  // An argument has no axis behind it: an index of another axis, which is no longer, is a number here.
  const places = tensor.axes.map((axis) => indexFor(scope, axis).replace(/^(\w+): \w+$/, '($1 + 0)'));
  return `${name}(${[tensor.name, ...places].join(', ')})`;
}

/** The place of a tensor's own numbers, not of what is computed: sums in another order would make another of a tie. */
function rank(scope: Scope): string {
  const { tape, indices } = scope;
  const own = ['x', 'query', 'key', 'value', 'position'];
  const tensors = scope.tensors.filter(
    ({ name, axes }) => own.includes(name) || (name.startsWith('w_') && axes.length > 0),
  );
  if (indices.length === 0 || tensors.length === 0) return leaf(scope);
  const { name, axis } = tape.pick(indices);
  const others = named(scope, 'token').filter((other) => other !== name);
  const where = axis === 'token' && others.length > 0 ? ` where ${name} <= ${tape.pick(others)}` : '';
  return `(rank[${name}${where}](${readOf(scope, tape.pick(tensors))}) / 4)`;
}

/** Over a new index, or two; over tokens usually with a condition that makes it a running one. */
function reduction(scope: Scope, depth: number): string {
  const { tape, sizes } = scope;
  const axes = [...sizes.keys(), ...(scope.tokens > 0 ? ['token', 'token', 'token'] : [])];
  const axis = axes[axes.length - 1 - tape.choose(axes.length)]!;
  const name = freshIndex(scope, axis);
  let inner = withIndex(scope, name, axis);
  let binders = `${name}: ${axis}`;
  if (tape.choose(6) === 5) {
    const pairs = inner.tokens > 0 && tape.choose(2) === 1;
    const second = pairs ? 'token' : tape.pick([...sizes.keys()]);
    const other = freshIndex(inner, second);
    inner = withIndex(inner, other, second);
    binders += `, ${other}: ${second}`;
  }
  const op = tape.pick(['sum', 'sum', 'sum', 'mean', 'logsumexp', 'max', 'min', 'prod']);
  const where = axis === 'token' ? tokenCondition(scope, inner, name) : tape.choose(4) === 3 ? condition(inner, 0) : '';
  // A mean of nothing is 0 / 0, and the largest of nothing is not a number that anything can be done with.
  const safe = where === '' || op === 'sum' || op === 'prod' || isNeverEmpty(where, name) ? where : '';
  const body = real(inner, depth - 1);
  const small = op === 'prod' ? `(1 + sin(${body}) / 2)` : op === 'sum' ? `sin(${body})` : body;
  return `${op}[${binders}${safe === '' ? '' : ` where ${safe}`}](${small})`;
}

/** `s <= t`: there is a first one. */
const isNeverEmpty = (where: string, name: string): boolean =>
  where.startsWith(`${name} <= `) && /^\S+ <= \S+$/.test(where);

function tokenCondition(outer: Scope, inner: Scope, s: string): string {
  const { tape } = outer;
  const [t, u] = [tape, tape].map(({ pick }) => pick(['', ...named(outer, 'token')]));
  const running = named(outer, 'token').at(-1);
  switch (tape.choose(8)) {
    case 0:
    case 1:
      return running === undefined ? '' : `${s} <= ${running}`;
    case 2:
      return running === undefined ? '' : `${s} < ${running}`;
    case 3:
      return t === '' || u === '' ? '' : `${t} < ${s} <= ${u}`;
    case 4:
      return running === undefined ? '' : `${running} <= ${s}`;
    case 5:
      return running === undefined ? '' : `${s} <= ${running} and ${condition(inner, 0)}`;
    case 6:
      return condition(inner, 1);
    default:
      return '';
  }
}

function softmax(scope: Scope, depth: number): string {
  if (scope.indices.length === 0) return leaf(scope);
  const { name } = scope.tape.pick(scope.indices);
  return `softmax[${name}](${real(scope, depth - 1)})`;
}
