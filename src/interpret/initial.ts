// Initial values of learned and drawn tensors: the formula after `~`, in float64, with random numbers from the caller's
// generator (uniform in [0, 1)), drawn in row-major order.

import type { Tensor } from '../ir/ir.ts';
import { eachPoint, makeNest, scalarCompiler } from './point.ts';
import type { Draw, Lookup } from './point.ts';
import { allocate, rangeOf, runtimeSizes } from './storage.ts';
import type { Sizes, Storage } from './storage.ts';

export type Random = () => number;

const normal = (random: Random): number => {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
};

/** Truncated at two standard deviations, by rejection. */
const truncated = (random: Random): number => {
  for (;;) {
    const value = normal(random);
    if (Math.abs(value) <= 2) return value;
  }
};

const drawFrom =
  (random: Random): Draw =>
  (op, a, b) => {
    if (op === 'normal') return a + b * normal(random);
    if (op === 'trunc_normal') return a + b * truncated(random);
    return a + (b - a) * random();
  };

const noTensors: Lookup = (tensor) => {
  throw new Error(`the initial value reads '${tensor.name}', which is not known`);
};

/** Storage with the initial value of a learned or drawn tensor; `lookup` gives the fixed tensors that it reads. */
export function initialStorage(tensor: Tensor, random: Random, sizes: Sizes, lookup: Lookup = noTensors): Storage {
  const { origin } = tensor;
  if (origin.kind !== 'learned' && origin.kind !== 'draw') throw new Error(`'${tensor.name}' has no initial value`);
  const runtime = runtimeSizes(sizes);
  const storage = allocate(tensor, runtime, runtime.first);
  const nest = makeNest(origin.axes.map((axis) => ({ axis, ...rangeOf(axis, runtime, runtime.first) })));
  const value = scalarCompiler(nest, runtime, lookup, drawFrom(random))(origin.initial);
  let n = 0;
  eachPoint(nest, 0, nest.loops.length, () => {
    storage.data[n++] = value();
  });
  return storage;
}

/** The initial value of a learned or drawn tensor, row-major. */
export const evaluateInitial = (
  tensor: Tensor,
  random: Random,
  sizes: Sizes = { batch: 1, tokens: 1 },
  lookup: Lookup = noTensors,
): Float64Array => initialStorage(tensor, random, sizes, lookup).data;
