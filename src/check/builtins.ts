// The words that every encoding knows: axes, numbers, attention's tensors, functions, reductions, maps, laws.
// Tables only; grammar never mentions them.

import type { OpName } from '../ir/ops.ts';
import type { Role } from '../ir/ir.ts';
import type { CheckedAxis, CheckedLaw, ChainTensor, Geometry } from './checked.ts';

export interface BuiltinAxis {
  readonly role: Role;
  readonly number: string; // what to write for its size
  readonly size: (geometry: Geometry) => CheckedAxis['size'];
  readonly letter: string; // the index that people write
}

export const builtinAxes: Readonly<Record<string, BuiltinAxis>> = {
  token: { role: 'token', number: 'length', size: () => 'tokens', letter: 't' },
  head: { role: 'head', number: 'heads', size: (g) => g.heads, letter: 'h' },
  kv_head: { role: 'kv-head', number: 'kv_heads', size: (g) => g.kv_heads, letter: 'h' },
  dim: { role: 'feature', number: 'head_dim', size: (g) => g.head_dim, letter: 'd' },
  pair: { role: 'pair', number: 'head_dim / 2', size: (g) => g.head_dim / 2, letter: 'p' },
  model: { role: 'model', number: 'model_dim', size: (g) => g.model_dim, letter: 'm' },
};

/** Numbers known when compiling; `length` and `training` are known only at run time. */
export const builtinNumbers: Readonly<Record<string, (geometry: Geometry) => number>> = {
  heads: (g) => g.heads,
  kv_heads: (g) => g.kv_heads,
  head_dim: (g) => g.head_dim,
  model_dim: (g) => g.model_dim,
  context: (g) => g.context,
  layer: (g) => g.layer,
  layers: (g) => g.layers,
  scale: (g) => 1 / Math.sqrt(g.head_dim),
  pi: () => Math.PI,
  infinity: () => Infinity,
};

const runtimeNumbers = ['length', 'training'] as const;

export interface ChainRow {
  readonly axes: readonly string[];
  readonly letters: readonly string[];
  readonly link: number; // place in the chain
  readonly made: string; // "the scores above were", for messages
  readonly operators: readonly ('=' | '+=' | '*=')[];
}

const every = ['=', '+=', '*='] as const;
const features = { letters: ['t', 'h', 'd'], link: 2, operators: every } as const;

export const chain: Readonly<Record<ChainTensor, ChainRow>> = {
  embedding: {
    axes: ['token', 'model'],
    letters: ['t', 'm'],
    link: 0,
    made: 'the embedding above was',
    operators: every,
  },
  x: { axes: ['token', 'model'], letters: ['t', 'm'], link: 1, made: '`x` above was', operators: every },
  query: { axes: ['token', 'head', 'dim'], made: 'the queries above were', ...features },
  key: { axes: ['token', 'kv_head', 'dim'], made: 'the keys above were', ...features },
  value: { axes: ['token', 'kv_head', 'dim'], made: 'the values above were', ...features },
  visible: {
    axes: ['head', 'token', 'token'],
    letters: ['h', 'i', 'j'],
    link: 3,
    made: '`visible` above was',
    operators: ['='],
  },
  score: {
    axes: ['head', 'token', 'token'],
    letters: ['h', 'i', 'j'],
    link: 3,
    made: 'the scores above were',
    operators: every,
  },
  attention: {
    axes: ['head', 'token', 'token'],
    letters: ['h', 'i', 'j'],
    link: 4,
    made: 'the attention above was',
    operators: every,
  },
  output: {
    axes: ['token', 'head', 'dim'],
    letters: ['i', 'h', 'd'],
    link: 5,
    made: 'the output above was',
    operators: every,
  },
  loss: { axes: [], letters: [], link: 6, made: 'the loss above was', operators: ['+='] },
};

export const isChain = (name: string): name is ChainTensor => Object.hasOwn(chain, name);

/** Elementwise functions: how many arguments, and of which kind. `clamp` and `delta` are written out as other operations. */
export interface FunctionRow {
  readonly arity: readonly [least: number, most: number];
  readonly op: OpName | 'clamp' | 'delta';
  readonly whole?: boolean; // its arguments are whole numbers
  readonly call: string; // how it is written
}

const one = (op: OpName): FunctionRow => ({ arity: [1, 1], op, call: `${op}(a)` });
const two = (op: OpName): FunctionRow => ({ arity: [2, 2], op, call: `${op}(a, b)` });

export const functions: Readonly<Record<string, FunctionRow>> = {
  ...Object.fromEntries(
    (
      [
        'exp',
        'expm1',
        'log',
        'log1p',
        'log2',
        'sqrt',
        'abs',
        'sign',
        'sin',
        'cos',
        'tan',
        'tanh',
        'floor',
        'ceil',
        'round',
        'sigmoid',
        'log_sigmoid',
        'softplus',
        'relu',
        'gelu',
        'silu',
        'erf',
        'detach',
      ] as const
    ).map((op) => [op, one(op)]),
  ),
  atan2: two('atan2'),
  mod: two('mod'),
  xor: { ...two('xor'), whole: true },
  popcount: { ...one('popcount'), whole: true },
  min: { arity: [2, 8], op: 'min', call: 'min(a, b)' },
  max: { arity: [2, 8], op: 'max', call: 'max(a, b)' },
  clamp: { arity: [3, 3], op: 'clamp', call: 'clamp(a, low, high)' },
  delta: { arity: [2, 2], op: 'delta', whole: true, call: 'delta(r, c)' },
};

/** Distributions: only after `~`. */
export const distributions: Readonly<Record<string, FunctionRow>> = {
  normal: { arity: [2, 2], op: 'normal', call: 'normal(mean, std)' },
  trunc_normal: { arity: [2, 2], op: 'trunc_normal', call: 'trunc_normal(mean, std)' },
  uniform: { arity: [2, 2], op: 'uniform', call: 'uniform(low, high)' },
};

const reductions = ['sum', 'prod', 'mean', 'max', 'min', 'logsumexp'] as const;
export type Reduction = (typeof reductions)[number];
export const isReduction = (name: string): name is Reduction => (reductions as readonly string[]).includes(name);

export const maps = { softmax: 1, rank: 1, expm: 2, inverse: 2 } as const;
export type MapName = keyof typeof maps;
export const isMap = (name: string): name is MapName => Object.hasOwn(maps, name);

export const laws: readonly CheckedLaw['name'][] = [
  'relative',
  'orthogonal',
  'causal',
  'commuting',
  'bounded',
  'starts_as',
];

/** The axis that an index of this name usually runs over. */
export function usualAxis(letter: string): string | null {
  if (['i', 'j', 's', 'k'].includes(letter)) return 'token';
  return Object.entries(builtinAxes).find(([, row]) => row.letter === letter)?.[0] ?? null;
}

/** What a built-in value is, or null where the name is free. */
export function builtinKind(name: string): string | null {
  if (Object.hasOwn(builtinNumbers, name) || (runtimeNumbers as readonly string[]).includes(name)) return 'a number';
  if (name === 'position' || isChain(name)) return 'a tensor';
  if (Object.hasOwn(functions, name)) return 'a function';
  if (Object.hasOwn(distributions, name)) return 'a distribution';
  if (isReduction(name)) return 'a reduction';
  if (isMap(name)) return 'a map';
  return null;
}

export const builtinNames: readonly string[] = [
  ...Object.keys(builtinNumbers),
  ...runtimeNumbers,
  'position',
  ...Object.keys(chain),
  ...Object.keys(functions),
  ...Object.keys(distributions),
  ...reductions,
  ...Object.keys(maps),
];
