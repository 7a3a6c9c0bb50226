// Random inputs of a program: tensors of attention, learned tensors around their initial values, positions, draws.

import { interpret, type Random, type Sizes } from '../interpret/interpret.ts';
import type { Program, Tensor } from '../ir/ir.ts';
import { isTokens } from './renumber.ts';
import { normals, uniformFrom } from './random.ts';

export interface Sample {
  readonly sizes: { readonly batch: number; readonly tokens: number };
  readonly inputs: Readonly<Record<string, Float64Array>>;
}

export interface SampleOptions {
  readonly seed: number;
  readonly batch?: number;
  readonly tokens: number;
  /** Learned tensors at their initial value, or around it, so that a zero does not make every claim true. */
  readonly learned: 'initial' | 'around';
  /** 0, 1, 2, ... or increasing with random gaps. */
  readonly positions: 'range' | 'gaps';
  /** Inside a training step; outside by default. */
  readonly training?: boolean;
}

export function sampleInputs(program: Program, options: SampleOptions): Sample {
  const { seed, batch = 1, tokens, training = false } = options;
  const random = uniformFrom(seed);
  const sizes = { batch, tokens };
  const inputs: Record<string, Float64Array> = initialValues(program, sizes, random);
  for (const tensor of program.inputs) {
    const count = countOf(tensor, batch, tokens);
    if (tensor.origin.kind === 'learned') {
      const moved = options.learned === 'around' && tensor.origin.trained;
      if (moved) inputs[tensor.name] = plus(inputs[tensor.name]!, normals(random, count, 0.3));
    } else if (tensor.origin.kind === 'draw') continue;
    else if (isTraining(tensor)) inputs[tensor.name] = Float64Array.of(training ? 1 : 0);
    else if (isPosition(tensor)) inputs[tensor.name] = positions(tensor, tokens, options.positions, random);
    else inputs[tensor.name] = normals(random, count);
  }
  return { sizes, inputs };
}

/** Learned tensors as they start, and drawn ones. */
export function initialValues(program: Program, sizes: Sizes, random: Random): Record<string, Float64Array> {
  const inputs = program.inputs.filter(({ origin }) => origin.kind !== 'given');
  const values = interpret({ ...program, inputs, definitions: [] }, sizes, {}, random);
  return Object.fromEntries(values);
}

const plus = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, n) => value + b[n]!);

export function countOf(tensor: Tensor, batch: number, tokens: number): number {
  const size = (extent: Tensor['axes'][number]['extent']): number =>
    typeof extent === 'number' ? extent : extent === 'batch' ? batch : tokens;
  return tensor.axes.reduce((count, axis) => count * size(axis.extent), 1);
}

export const isTraining = ({ origin }: Tensor): boolean => origin.kind === 'given' && origin.given === 'training';

export const isPosition = ({ origin }: Tensor): boolean => origin.kind === 'given' && origin.given === 'position';

/** Row-major [t, ...]: whole numbers for `position[t]`, any for coordinates. */
function positions(tensor: Tensor, tokens: number, kind: SampleOptions['positions'], random: Random): Float64Array {
  const whole = tensor.type === 'integer';
  const coordinates = countOf(tensor, 1, 1);
  const values = new Float64Array(tokens * coordinates);
  for (let k = 0; k < coordinates; k++) {
    let place = 0;
    for (let t = 0; t < tokens; t++) {
      values[t * coordinates + k] = place;
      const gap = kind === 'range' ? 1 : 10 ** (3 * random());
      place += whole ? Math.round(gap) : gap * (kind === 'range' ? 1 : random());
    }
  }
  return values;
}

/** Which axis of a tensor is its token, or -1. */
export const tokenAxis = (tensor: Tensor): number => tensor.axes.findIndex(isTokens);
