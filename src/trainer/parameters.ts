// Every parameter of a GPT-2 with an encoding: name, shape, initial values and its place in one of three pools, so that
// the optimizer runs over whole pools. Names and shapes are those of Hugging Face's GPT-2.

import type { Learned } from '../../targets/device.ts';
import type { Configuration } from './configuration.ts';
import { normals } from './normals.ts';
import { rowLength } from './ops/optimizer.ts';
import { stream } from './random.ts';

/** decayed: matrices; plain: vectors, trained without decay; fixed: stored, not trained. */
export type Pool = 'decayed' | 'plain' | 'fixed';
export const pools: readonly Pool[] = ['decayed', 'plain', 'fixed'];

export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly pool: Pool;
  readonly elements: number;
  readonly offset: number; // in elements, into the pool
  initial(): Float32Array;
}

export interface Layout {
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Elements of each pool, a multiple of the optimizer's row; at least one row. */
  readonly size: Readonly<Record<Pool, number>>;
}

interface Wanted {
  readonly name: string;
  readonly shape: readonly number[];
  readonly pool: Pool;
  readonly initial: () => Float32Array;
}

/** Learned tensors of the encoding, and where each belongs: one for the model, or one a layer. */
export interface EncodingParameter {
  readonly learned: Learned;
  readonly layer: number | null; // null: of the whole model
}

export const encodingParameterName = (name: string, layer: number | null): string =>
  layer === null ? `transformer.encoding.${name}` : `transformer.h.${layer}.attn.encoding.${name}`;

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Views start at multiples of 128 elements: of bf16 256 bytes, what a binding's offset must be a multiple of. */
const aligned = (elements: number, to: number): number => Math.ceil(elements / to) * to;

export function layOut(
  configuration: Configuration,
  vocabulary: number,
  encoding: readonly EncodingParameter[],
): Layout {
  const wanted = [
    ...gpt2Parameters(configuration, vocabulary),
    ...encoding.map((parameter) => encodingParameter(configuration.seed, parameter, encoding)),
  ];
  const used: Record<Pool, number> = { decayed: 0, plain: 0, fixed: 0 };
  const parameters = new Map<string, Parameter>();
  for (const one of wanted) {
    const elements = product(one.shape);
    parameters.set(one.name, { ...one, elements, offset: used[one.pool] });
    used[one.pool] += aligned(elements, 128);
  }
  const padded = (pool: Pool): number => Math.max(rowLength, aligned(used[pool], rowLength));
  return { parameters, size: { decayed: padded('decayed'), plain: padded('plain'), fixed: padded('fixed') } };
}

/** GPT-2's: deviation 0.02, less by sqrt(2 layers) where a matrix ends in the residual stream, biases 0, gains 1. */
function gpt2Parameters(configuration: Configuration, vocabulary: number): Wanted[] {
  const { layers, heads, kv_heads, width, seed } = configuration;
  const dim = width / heads;
  const matrix = (name: string, shape: readonly number[], deviation = 0.02): Wanted => {
    return { name, shape, pool: 'decayed', initial: () => normals(seed, name, product(shape), deviation) };
  };
  const vector = (name: string, shape: readonly number[], value: number): Wanted => {
    return { name, shape, pool: 'plain', initial: () => new Float32Array(product(shape)).fill(value) };
  };
  const norm = (name: string): Wanted[] => [vector(`${name}.weight`, [width], 1), vector(`${name}.bias`, [width], 0)];
  const toResidual = 0.02 / Math.sqrt(2 * layers);
  const block = (layer: number): Wanted[] => {
    const prefix = `transformer.h.${layer}`;
    const rows = (heads + 2 * kv_heads) * dim; // query, key and value side by side
    return [
      ...norm(`${prefix}.ln_1`),
      matrix(`${prefix}.attn.c_attn.weight`, [width, rows]),
      vector(`${prefix}.attn.c_attn.bias`, [rows], 0),
      matrix(`${prefix}.attn.c_proj.weight`, [width, width], toResidual),
      vector(`${prefix}.attn.c_proj.bias`, [width], 0),
      ...norm(`${prefix}.ln_2`),
      matrix(`${prefix}.mlp.c_fc.weight`, [width, 4 * width]),
      vector(`${prefix}.mlp.c_fc.bias`, [4 * width], 0),
      matrix(`${prefix}.mlp.c_proj.weight`, [4 * width, width], toResidual),
      vector(`${prefix}.mlp.c_proj.bias`, [width], 0),
    ];
  };
  return [
    matrix('transformer.wte.weight', [vocabulary, width]),
    ...Array.from({ length: layers }, (_, layer) => block(layer)).flat(),
    ...norm('transformer.ln_f'),
  ];
}

function encodingParameter(
  seed: number,
  { learned, layer }: EncodingParameter,
  all: readonly EncodingParameter[],
): Wanted {
  return {
    name: encodingParameterName(learned.name, layer),
    shape: learned.shape,
    pool: !learned.trained ? 'fixed' : learned.shape.length >= 2 ? 'decayed' : 'plain',
    initial: () => Float32Array.from(encodingInitial(seed, { learned, layer }, all)),
  };
}

/** Initial values are functions of seed, name, layer, element and the place of the draw in the formula. */
function encodingInitial(
  seed: number,
  { learned, layer }: EncodingParameter,
  all: readonly EncodingParameter[],
): Float64Array {
  const { uniform } = stream(seed, `encoding.${learned.name}`);
  const fixed = (name: string): Float64Array => {
    const read = all.find((one) => one.learned.name === name && (one.layer === null || one.layer === (layer ?? 0)));
    if (read === undefined) throw new Error(`the initial value of ${learned.name} reads ${name}, which no layer has`);
    return encodingInitial(seed, read, all);
  };
  return learned.initial((element, site) => uniform(element, site, layer ?? 0), fixed);
}

export function parameter(layout: Layout, name: string): Parameter {
  const found = layout.parameters.get(name);
  if (found === undefined) throw new Error(`no parameter is called ${name}`);
  return found;
}

/** Trained numbers, without padding; `encoding`: of the encoding alone. */
export function parameterCounts(layout: Layout): { readonly model: number; readonly encoding: number } {
  const total = (own: boolean): number =>
    [...layout.parameters.values()]
      .filter(({ name, pool }) => pool !== 'fixed' && /(^|\.)encoding\./.test(name) === own)
      .reduce((sum, { elements }) => sum + elements, 0);
  return { model: total(false), encoding: total(true) };
}
