// An encoding of examples/ and chosen numbers in, every tensor of its lowered program out, from the float64 interpreter:
// what the property tests of the catalogue look at. One sequence.

import type { Geometry } from '../../src/check/checked.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program, Tensor } from '../../src/ir/ir.ts';
import { sampleInputs } from '../../src/laws/sample.ts';
import { loadFile } from '../lower/load.ts';

export const model: Geometry = {
  heads: 2,
  kv_heads: 2,
  head_dim: 4,
  model_dim: 6,
  context: 16,
  layers: 12,
  layer: 0,
};

/** A number for each element of an input, by its indices without the batch; the numbers sampled, where there is none. */
type Fill = (...index: number[]) => number;

export interface Chosen {
  readonly tokens?: number;
  readonly geometry?: Partial<Geometry>;
  readonly params?: Readonly<Record<string, number>>;
  readonly set?: Readonly<Record<string, Fill>>;
  /** Learned tensors at their initial value, or around it. */
  readonly learned?: 'initial' | 'around';
  readonly seed?: number;
  /** Attention, or the change of the embedding. */
  readonly part?: 'attend' | 'embed';
}

/** An element of a result or an input, by its indices without the batch. */
export type Values = (name: string, ...index: readonly number[]) => number;

export function evaluate(path: string, chosen: Chosen = {}): Values {
  const { tokens = 10, params = {}, set = {}, learned = 'around', seed = 1, part = 'attend' } = chosen;
  const { lowered, diagnostics } = loadFile(`examples/${path}.pe`, {
    geometry: { ...model, ...chosen.geometry },
    params,
  });
  const program = lowered?.[part] ?? null;
  if (program === null) throw new Error(`${path}: ${diagnostics.map(({ message }) => message).join('; ')}`);
  for (const name of Object.keys(set)) {
    if (!program.inputs.some((tensor) => tensor.name === name)) throw new Error(`${path} does not read '${name}'`);
  }
  const { sizes, inputs } = sampleInputs(program, { seed, tokens, learned, positions: 'range' });
  const filled = program.inputs.map((tensor) => [
    tensor.name,
    fill(tensor, inputs[tensor.name]!, tokens, set[tensor.name]),
  ]);
  const values = interpret(program, sizes, Object.fromEntries(filled) as Record<string, Float64Array>);
  return (name, ...index) => {
    const tensor = tensorOf(program, name);
    const shape = shapeOf(tensor, tokens);
    if (shape.length !== index.length) throw new Error(`${name} has ${shape.length} indices`);
    if (index.some((k, n) => !(k >= 0 && k < shape[n]!))) throw new Error(`${name}[${index.join(', ')}] is outside`);
    return values.get(tensor.name)![index.reduce((all, k, n) => all * shape[n]! + k, 0)]!;
  };
}

function tensorOf(program: Program, name: string): Tensor {
  const found = program.results.get(name) ?? program.inputs.find((tensor) => tensor.name === name);
  if (found === undefined) throw new Error(`${program.name} has no '${name}'`);
  return found;
}

const shapeOf = (tensor: Tensor, tokens: number): readonly number[] =>
  tensor.axes
    .filter(({ extent }) => extent !== 'batch')
    .map(({ extent }) => (typeof extent === 'number' ? extent : tokens));

function fill(tensor: Tensor, sampled: Float64Array, tokens: number, by: Fill | undefined): Float64Array {
  if (by === undefined) return sampled;
  const shape = shapeOf(tensor, tokens);
  return sampled.map((_, n) => {
    const index: number[] = [];
    let rest = n;
    for (const size of shape.toReversed()) {
      index.unshift(rest % size);
      rest = Math.floor(rest / size);
    }
    return by(...index);
  });
}

export const zero: Fill = () => 0;
export const one: Fill = () => 1;

/** What is added to the scores where query and key are 0: [h, i, j]. */
export function biasOf(path: string, { set, ...chosen }: Chosen = {}): (h: number, i: number, j: number) => number {
  const values = evaluate(path, { ...chosen, set: { query: zero, key: zero, ...set } });
  return (h, i, j) => values('score', h, i, j);
}

/** All pairs that a causal row sees. */
export const pairs = (tokens: number): readonly (readonly [number, number])[] =>
  Array.from({ length: tokens }, (_, i) => Array.from({ length: i + 1 }, (_, j) => [i, j] as const)).flat();

export const range = (count: number, from = 0): readonly number[] => Array.from({ length: count }, (_, n) => from + n);

export const sumOf = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);
