// Where the interpreter keeps a tensor: row-major float64, for each axis the first index held and how many.
// Absolute token indices: a tensor over `tokens` holds rows from 0 or, where earlier rows are not known, from `first`.

import type { Axis, Extent, RuntimeSize, Tensor } from '../ir/ir.ts';

export interface Sizes {
  readonly batch: number;
  readonly tokens: number;
  readonly first?: number; // index of the first token of this call, 0 by default
}

export type RuntimeSizes = Readonly<Record<RuntimeSize, number>>;

export const runtimeSizes = ({ batch, tokens, first = 0 }: Sizes): RuntimeSizes => ({
  batch,
  tokens,
  first,
  keys: first + tokens,
});

export interface Storage {
  readonly tensor: Tensor;
  readonly data: Float64Array;
  readonly base: readonly number[]; // first index held
  readonly count: readonly number[]; // indices held
  readonly stride: readonly number[];
}

/** Indices base <= n < base + count of an axis; `from` is the first token held where the axis is over tokens. */
export function rangeOf(axis: Axis, sizes: RuntimeSizes, from: number): { base: number; count: number } {
  if (axis.extent === 'tokens') return { base: from, count: sizes.keys - from };
  return { base: 0, count: extentOf(axis.extent, sizes) };
}

const extentOf = (extent: Extent, sizes: RuntimeSizes): number => (typeof extent === 'number' ? extent : sizes[extent]);

function layout(tensor: Tensor, sizes: RuntimeSizes, from: number): Omit<Storage, 'data'> & { length: number } {
  const ranges = tensor.axes.map((axis) => rangeOf(axis, sizes, from));
  const stride: number[] = [];
  let length = 1;
  for (let k = ranges.length - 1; k >= 0; k--) {
    stride[k] = length;
    length *= ranges[k]!.count;
  }
  return { tensor, base: ranges.map((r) => r.base), count: ranges.map((r) => r.count), stride, length };
}

export function allocate(tensor: Tensor, sizes: RuntimeSizes, from: number): Storage {
  const { length, ...rest } = layout(tensor, sizes, from);
  return { ...rest, data: new Float64Array(length) };
}

/** The first token that a tensor holds; 0 for one that is not over tokens. */
export function firstToken(storage: Storage): number {
  const k = storage.tensor.axes.findIndex((axis) => axis.extent === 'tokens');
  return k < 0 ? 0 : storage.base[k]!;
}

/** Takes what the caller gave for an input: with all rows 0 <= t < keys or with the rows first <= t < keys. */
export function takeInput(tensor: Tensor, values: ArrayLike<number>, sizes: RuntimeSizes): Storage {
  for (const from of [0, sizes.first]) {
    const { length, ...rest } = layout(tensor, sizes, from);
    if (values.length === length) return { ...rest, data: Float64Array.from(values) };
  }
  const wanted = layout(tensor, sizes, sizes.first).length;
  throw new Error(`'${tensor.name}' takes ${wanted} numbers, not ${values.length}`);
}
