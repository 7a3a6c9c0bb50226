// Random encodings: declarations that read earlier ones, then sites in the order of the chain, each from a tape of its
// own, so that a failing encoding loses whole statements when it is made small.

import {
  condition,
  freshIndex,
  real,
  whole,
  withIndex,
  type Readable,
  type Routine,
  type Scope,
} from './expressions.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { tape, type Tape } from './tape.ts';

/** Numbers for each statement: sites on the input, declarations, sites on query, key and value, on scores, and so on. */
export interface Tapes {
  /** What is read and done before there are queries: on the embedding, then on x. */
  readonly embeddings: readonly (readonly number[])[];
  readonly inputs: readonly (readonly number[])[];
  readonly declarations: readonly (readonly number[])[];
  readonly tokens: readonly (readonly number[])[];
  readonly pairs: readonly (readonly number[])[];
  readonly weights: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
  readonly losses: readonly (readonly number[])[];
  /** How many statements each encoding has of a chain in which one extends the one before, but the last: it has the rest. */
  readonly inherited: readonly number[];
  /** Which of `shapes`. */
  readonly shape: number;
}

export interface Shape {
  readonly geometry: Geometry;
  readonly batch: number;
  readonly tokens: number;
}

const context = 7; // longer sequences are allowed
const others = { context, layers: 2, layer: 0 };

/** Models that encodings are made for: the first is the one that a failing encoding is made small in. */
export const shapes: readonly Shape[] = [
  { geometry: { heads: 2, kv_heads: 1, head_dim: 4, model_dim: 3, ...others }, batch: 2, tokens: 5 },
  { geometry: { heads: 4, kv_heads: 2, head_dim: 6, model_dim: 5, ...others }, batch: 1, tokens: 4 },
  { geometry: { heads: 1, kv_heads: 1, head_dim: 2, model_dim: 2, ...others, layer: 1 }, batch: 2, tokens: 1 },
  { geometry: { heads: 2, kv_heads: 2, head_dim: 4, model_dim: 3, ...others }, batch: 1, tokens: 17 },
  {
    geometry: { heads: 2, kv_heads: 1, head_dim: 4, model_dim: 3, ...others, bidirectional: true },
    batch: 2,
    tokens: 5,
  },
  {
    geometry: { heads: 3, kv_heads: 3, head_dim: 6, model_dim: 4, ...others, bidirectional: true },
    batch: 1,
    tokens: 3,
  },
];

export const shapeOf = ({ shape }: Tapes): Shape => shapes[shape % shapes.length]!;

interface State {
  readonly geometry: Geometry;
  readonly statements: string[];
  readonly tensors: Readable[];
  readonly numbers: string[];
  readonly functions: Routine[];
  transported: boolean;
  readonly sizes: Map<string, number>;
  named: number;
}

const chainTensors = {
  embedding: ['token', 'model'],
  x: ['token', 'model'],
  query: ['token', 'head', 'dim'],
  key: ['token', 'kv_head', 'dim'],
  value: ['token', 'kv_head', 'dim'],
  score: ['head', 'token', 'token'],
  attention: ['head', 'token', 'token'],
  output: ['token', 'head', 'dim'],
} as const;

const chain = (...names: (keyof typeof chainTensors)[]): Readable[] =>
  names.map((name) => ({ name, axes: chainTensors[name] }));

export function encodingOf(tapes: Tapes): string {
  let rest = statementsOf(tapes);
  const parts: (readonly string[])[] = [];
  for (const count of tapes.inherited) {
    parts.push(rest.slice(0, count));
    rest = rest.slice(count);
  }
  const name = (n: number): string => (n === parts.length ? 'made' : `parent_${n}`);
  return [...parts, rest]
    .map((part, n) => {
      const heading = `encoding ${name(n)} ${n === 0 ? '' : `extends ${name(n - 1)} `}`;
      return `${heading}{\n${part.map((line) => `  ${line}\n`).join('')}}\n`;
    })
    .join('');
}

function statementsOf(tapes: Tapes): readonly string[] {
  const { geometry } = shapeOf(tapes);
  const state: State = {
    geometry,
    statements: [],
    tensors: [],
    numbers: ['scale', 'length / 8'],
    functions: [],
    transported: false,
    sizes: new Map([
      ['head', geometry.heads],
      ['kv_head', geometry.kv_heads],
      ['dim', geometry.head_dim],
      ['pair', geometry.head_dim / 2],
      ['model', geometry.model_dim],
    ]),
    named: 0,
  };
  const each = (all: readonly (readonly number[])[], make: (state: State, tape: Tape) => string): void => {
    for (const numbers of all) state.statements.push(make(state, tape(numbers)));
  };
  state.tensors.push({ name: 'position', axes: ['token'] });
  each(tapes.embeddings, (own, one) => inputSite(own, one, 'embedding'));
  state.tensors.push(...chain('embedding')); // as its sites left it
  each(tapes.inputs, (own, one) => inputSite(own, one, 'x'));
  state.tensors.push(...chain('x'));
  each(tapes.declarations, declaration);
  state.tensors.push(...chain('query', 'key', 'value'));
  each(tapes.tokens, tokenSite);
  state.tensors.push(...chain('score'));
  each(tapes.pairs, pairSite);
  state.tensors.push(...chain('attention'));
  each(tapes.weights, (own, one) => laterSite(own, one, 'attention'));
  state.tensors.push(...chain('output'));
  each(tapes.outputs, (own, one) => laterSite(own, one, 'output'));
  each(tapes.losses, loss);
  return state.statements;
}

const scopeOf = (state: State, one: Tape, indices: Scope['indices'] = [], tokens = 2): Scope => ({
  tape: one,
  indices,
  tensors: state.tensors,
  numbers: state.numbers,
  functions: state.functions,
  sizes: state.sizes,
  tokens,
});

const nameOf = (state: State, letter: string): string => `${letter}_${state.named++}`;

/** On the embedding or x: or a tensor that such a site may read. */
function inputSite(state: State, one: Tape, target: 'embedding' | 'x'): string {
  switch (one.choose(5)) {
    case 0:
      return learned(state, one);
    case 1:
      return drawn(state, one);
    default: {
      const own = scopeOf(state, one, bound(chainTensors[target], ['t', 'm']), 1);
      const scope = { ...own, tensors: [...own.tensors, ...chain(target)] };
      return `${target}[t, m] ${one.pick(['+=', '*=', '='])} ${real(scope, 2)}${target === 'x' ? whenOf(one) : ''}`;
    }
  }
}

function drawn(state: State, one: Tape): string {
  const axes = [...(one.choose(2) === 0 ? ['token'] : []), ...someAxes(one, [...state.sizes.keys()], 1)];
  const name = nameOf(state, 'w');
  const { text } = heads(state, one, axes);
  state.tensors.push({ name, axes });
  return `draw ${name}${text} ~ ${one.pick(['uniform(-1, 1)', 'normal(0, 1)', 'floor(uniform(0, 3))'])}`;
}

/** One number for a sequence. */
const loss = (state: State, one: Tape): string => `loss += ${real(scopeOf(state, one, [], 2), 3)}`;

function declaration(state: State, one: Tape): string {
  switch (one.choose(11)) {
    case 8:
      return drawn(state, one);
    case 9:
      return matrix(state, one);
    case 10:
      return routineOfTensor(state, one);
    case 0:
    case 1:
      return learned(state, one);
    case 5:
      return number(state, one);
    case 6:
      return axis(state, one);
    case 7:
      return routine(state, one);
    default:
      return definition(state, one, 2);
  }
}

/** Brackets of a new tensor and the scope that they open. */
function heads(state: State, one: Tape, axes: readonly string[]): { readonly text: string; readonly scope: Scope } {
  let scope = scopeOf(state, one, [], 3);
  const binders = axes.map((a) => {
    const name = freshIndex(scope, a);
    scope = withIndex(scope, name, a);
    return `${name}: ${a}`;
  });
  return { text: binders.length === 0 ? '' : `[${binders.join(', ')}]`, scope };
}

const someAxes = (one: Tape, from: readonly string[], most: number): string[] =>
  Array.from({ length: one.choose(most + 1) }, () => one.pick(from));

function learned(state: State, one: Tape): string {
  const axes = someAxes(one, [...state.sizes.keys()], 2);
  const name = nameOf(state, 'w');
  const { text } = heads(state, one, axes);
  const kind = one.pick(['learn', 'learn', 'learn shared', 'fixed', 'given']);
  if (kind === 'given') {
    const first = one.choose(2) === 0 ? ['token'] : [];
    const own = heads(state, one, [...first, ...axes]);
    state.tensors.push({ name, axes: [...first, ...axes] });
    return own.text === '' ? `learn ${name} ~ 1` : `given ${name}${own.text}`;
  }
  state.tensors.push({ name, axes });
  return `${kind} ${name}${text} ~ ${one.pick(['normal(0, 1)', '0', 'uniform(-1, 1)', '1 / head_dim'])}`;
}

function number(state: State, one: Tape): string {
  const name = nameOf(state, 'n');
  const text = one.pick(['2', '0.25', 'head_dim / 2', '1 / model_dim', 'min(context, 5)']);
  state.numbers.push(name);
  return `param ${name} = ${text}`;
}

function axis(state: State, one: Tape): string {
  const name = nameOf(state, 'a');
  const size = 1 + one.choose(4);
  state.sizes.set(name, size);
  return `axis ${name} = ${size}`;
}

function routine(state: State, one: Tape): string {
  const name = nameOf(state, 'f');
  const own = nameOf(state, 'z');
  const scope = { ...scopeOf(state, one), tensors: [{ name: own, axes: [] }], functions: [...state.functions] };
  const body = real(scope, 2);
  state.functions.push({ name, takes: 'number' });
  return `fn ${name}(${own}) = ${body}`;
}

/** fn f(u, a, b) = sin(u[a, b]), and perhaps more of the same. */
function routineOfTensor(state: State, one: Tape): string {
  const name = nameOf(state, 'f');
  const own = nameOf(state, 'u');
  const indices = Array.from({ length: 1 + one.choose(3) }, () => nameOf(state, 'z'));
  const read = `${own}[${indices.join(', ')}]`;
  state.functions.push({ name, takes: { axes: indices.length } });
  return `fn ${name}(${[own, ...indices].join(', ')}) = ${one.pick([`sin(${read})`, `${read} / (1 + ${read} ^ 2)`])}`;
}

/** An exponential or an inverse, not far from the identity. */
function matrix(state: State, one: Tape): string {
  const side = one.pick(['dim', 'pair']);
  const first = one.pick([[], ['head'], ['token']]);
  const name = nameOf(state, 'v');
  const { text, scope } = heads(state, one, [...first, side, side]);
  const [row, column] = scope.indices.slice(-2).map((index) => index.name) as [string, string];
  const small = `sin(${real({ ...scope, tokens: 0 }, 1)}) / 4`;
  state.tensors.push({ name, axes: [...first, side, side] });
  return one.choose(2) === 0
    ? `let ${name}${text} = expm[${row}, ${column}](${small})`
    : `let ${name}${text} = inverse[${row}, ${column}](2 * delta(${row}, ${column}) + ${small})`;
}

function definition(state: State, one: Tape, tokens: number): string {
  const fixed = someAxes(one, [...state.sizes.keys()], 2);
  const axes = [...Array.from({ length: one.choose(tokens + 1) }, () => 'token'), ...fixed];
  const name = nameOf(state, 'v');
  const { text, scope } = heads(state, one, axes);
  const body = real(scope, 3);
  state.tensors.push({ name, axes });
  return `let ${name}${text} = ${body}`;
}

/** Indices of a site that takes the axes of its tensor. */
const bound = (axes: readonly string[], names: readonly string[]): Scope['indices'] =>
  names.map((name, k) => ({ name, axis: axes[k]! }));

const whenOf = (one: Tape): string =>
  one.choose(6) === 5 ? ` when ${one.pick(['layer == 0', 'mod(layer, 2) == 1'])}` : '';

function tokenSite(state: State, one: Tape): string {
  switch (one.choose(8)) {
    case 0:
      return definition(state, one, 1);
    case 1:
    case 2:
      return rotation(state, one);
    case 3:
      return product(state, one);
    case 7:
      return state.transported || state.geometry.bidirectional === true ? rotation(state, one) : transport(state, one);
    default: {
      const target = one.pick(['query', 'key', 'value'] as const);
      const scope = scopeOf(state, one, bound(chainTensors[target], ['t', 'h', 'd']), 1);
      return `${target}[t, h, d] ${one.pick(['+=', '*=', '='])} ${real(scope, 2)}${whenOf(one)}`;
    }
  }
}

/** A line for query and key binds indices that stand for both: its `h` is read as neither's own. */
function rotation(state: State, one: Tape): string {
  const targets = one.pick(['query, key', 'query', 'key', 'value', 'query, key, value']);
  const pairs = one.pick(
    [...state.sizes].filter(([, size]) => 2 * size <= state.geometry.head_dim).map(([name]) => name),
  );
  const usable = pairs === 'pair' || !['head', 'kv_head', 'dim', 'model'].includes(pairs) ? pairs : 'pair';
  const head = targets === 'query' ? 'head' : 'kv_head';
  const scope = scopeOf(state, one, bound(['token', head, usable], ['t', 'h', 'p']), 1);
  const lone =
    targets.includes('query') && targets.includes(',')
      ? { ...scope, indices: scope.indices.filter(({ name }) => name !== 'h'), hidden: ['h'] }
      : scope;
  const by = one.choose(2) === 0 ? `position[t] * ${real(lone, 1)}` : real(lone, 3);
  const interleaved = one.choose(3) === 2 ? ' interleaved' : '';
  const size = state.sizes.get(usable)!;
  const from = one.choose(3) === 2 ? ` from ${one.choose(state.geometry.head_dim - 2 * size + 1)}` : '';
  return `rotate ${targets} [t, h, p: ${usable}] by ${by}${interleaved}${from}${whenOf(one)}`;
}

function product(state: State, one: Tape): string {
  const target = one.pick(['query', 'key', 'value'] as const);
  const head = chainTensors[target][1];
  const scope = scopeOf(state, one, bound(['token', head], ['t', 'h']), 0);
  const generator = nameOf(state, 'w');
  const { head_dim } = state.geometry;
  const side = one.pick(head_dim === 4 ? ['dim', 'pair'] : ['dim']); // two blocks of two, or one
  state.tensors.push({ name: generator, axes: [side, side] });
  const blocks = side === 'dim' ? '' : ', b: pair';
  const inner: Scope = {
    ...scope,
    indices: [...scope.indices, ...bound(['dim', 'dim'], side === 'dim' ? ['r', 'c'] : [])],
  };
  const number = one.pick(['position[t] / 4', real(scope, 2)]);
  const matrix = one.pick([
    `expm[r, c](${number} * (${generator}[r, c] - ${generator}[c, r]))`,
    `expm[r, c](sin(${number}) * ${generator}[r, c] / 2)`,
    `delta(r, c) + ${side === 'dim' ? `sin(${real(inner, 1)})` : `${generator}[r, c]`} / 2`,
  ]);
  const sides = side === 'dim' ? 'r, c' : 'r: pair, c: pair';
  state.statements.push(`learn ${generator}[r: ${side}, c: ${side}] ~ normal(0, 1)`);
  return `transform ${target} [t, h${blocks}, ${sides}] by ${matrix}${whenOf(one)}`;
}

/** Between a key and a query: the identity less an outer product of two vectors a token, the first once again in most. */
function transport(state: State, one: Tape): string {
  state.transported = true;
  const vector = (): string => {
    const name = nameOf(state, 'v');
    const { text, scope } = heads(state, one, ['token', 'kv_head', 'dim']);
    state.statements.push(`let ${name}${text} = sin(${real({ ...scope, tokens: 0 }, 2)}) / 2`);
    return name;
  };
  const w = vector();
  const u = one.choose(3) === 2 ? vector() : w;
  const strength = real(scopeOf(state, one, bound(['token', 'kv_head'], ['t', 'h']), 0), 1);
  return `transport key [t, h, r, c] by delta(r, c) - sigmoid(${strength}) * ${u}[t, h, r] * ${w}[t, h, c]`;
}

function pairSite(state: State, one: Tape): string {
  const scope = scopeOf(state, one, bound(chainTensors.score, ['h', 'i', 'j']), 1);
  switch (one.choose(8)) {
    case 0:
      return definition(state, one, 2);
    case 1: {
      const far = whole({ ...scope, indices: scope.indices.slice(0, 1) }, 1);
      const first = one.pick([`abs(i - j) < 2 + abs(${far})`, `mod(i - j, 2) == 0`, condition(scope, 1)]);
      return `visible[h, i, j] = ${first} or i == j${whenOf(one)}`;
    }
    case 2:
      return `score[h, i, j] = ${real(scope, 3)}${whenOf(one)}`;
    case 3:
      return `score[h, i, j] *= ${real(scope, 2)}${whenOf(one)}`;
    default:
      return `score[h, i, j] += ${real(scope, 3)}${whenOf(one)}`;
  }
}

function laterSite(state: State, one: Tape, target: 'attention' | 'output'): string {
  const names = target === 'attention' ? ['h', 'i', 'j'] : ['i', 'h', 'd'];
  const scope = scopeOf(state, one, bound(chainTensors[target], names), 1);
  return `${target}[${names.join(', ')}] ${one.pick(['*=', '+=', '='])} ${real(scope, 2)}${whenOf(one)}`;
}
