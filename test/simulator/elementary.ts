// Each elementary operation with a range, dense samples of it, its float64 meaning and how errors are counted: used for the
// simulator and for a driver alike. The error is counted relative to the value, but never below `floor`.

import type { KernelBody } from '../../codegen/kernel.ts';
import {
  add,
  i32,
  laneIndex,
  less,
  letOf,
  load,
  local,
  multiply,
  store,
  when,
  workgroupIndex,
} from '../../codegen/kernel-build.ts';
import { accuracy, expandOp } from '../../codegen/math.ts';
import type { OpName } from '../../src/ir/ops.ts';

export interface Case {
  readonly op: OpName;
  readonly samples: readonly (readonly number[])[]; // arguments, exact in f32 (or i32)
  readonly exact: (...args: number[]) => number;
  readonly floor: number; // magnitude below which the error is absolute
  readonly integer?: boolean;
}

function spread(from: number, to: number, count = 800): number[] {
  return Array.from({ length: count }, (_, index) => Math.fround(from + ((to - from) * (index + 0.37)) / count));
}
/** Powers of ten from 10^low to 10^high, both signs if asked. */
function decades(low: number, high: number, signed: boolean, count = 600): number[] {
  const sizes = Array.from({ length: count }, (_, index) =>
    Math.fround(10 ** (low + ((high - low) * index) / (count - 1))),
  );
  return signed ? [...sizes, ...sizes.map((size) => -size), 0] : sizes;
}
const one = (values: readonly number[]): number[][] => values.map((value) => [value]);
const pairs = (a: readonly number[], b: readonly number[]): number[][] =>
  a.flatMap((x, index) => [0, 1, 2].map((shift) => [x, b[(index * 7 + shift * 13) % b.length]!]));

/** erf in float64: its series, or the continued fraction of its complement. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size < 2.5) {
    let [sum, term] = [0, x];
    for (let n = 0; Math.abs(term) > 1e-18; n += 1) {
      sum += term / (2 * n + 1);
      term *= (-x * x) / (n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let tail = 0;
  for (let k = 120; k >= 1; k -= 1) tail = k / 2 / (size + tail);
  return Math.sign(x) * (1 - Math.exp(-size * size) / Math.sqrt(Math.PI) / (size + tail));
}
const logistic = (x: number): number => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const gelu = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const floored = (a: number, b: number): number => a - b * Math.floor(a / b);
/** Halves to even. */
function even(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}
const ones = (x: number): number => [...(x >>> 0).toString(2)].filter((bit) => bit === '1').length;
const integers = [-17, -8, -7, -1, 0, 1, 6, 7, 8, 100003].flatMap((a) => [-5, -4, -1, 1, 3, 4, 8].map((b) => [a, b]));

const angles = [...spread(-200000, 200000, 3000), ...spread(-7, 7), ...decades(-6, 5, true)];
// Results stay above 2^-126: drivers may flush what is smaller to zero.
const activations = [...spread(-30, 30), ...decades(-6, 1.9, true), 86, -86];

export const cases: readonly Case[] = [
  { op: 'sin', samples: one(angles), exact: Math.sin, floor: 1 },
  { op: 'cos', samples: one(angles), exact: Math.cos, floor: 1 },
  { op: 'tan', samples: one(spread(-1.4, 1.4)), exact: Math.tan, floor: 2 ** -126 },
  {
    op: 'exp',
    samples: one([...spread(-86, 88), ...decades(-6, 1, true)]),
    exact: Math.exp,
    floor: 1e-37,
  },
  {
    op: 'expm1',
    samples: one([...spread(-10, 10), ...decades(-6, 1, true)]),
    exact: Math.expm1,
    floor: 1e-37,
  },
  {
    op: 'log',
    samples: one([...decades(-37, 38, false), ...spread(0.4, 2.2)]),
    exact: Math.log,
    floor: 1e-37,
  },
  {
    op: 'log2',
    samples: one([...decades(-37, 38, false), ...spread(0.4, 2.2)]),
    exact: Math.log2,
    floor: 1e-37,
  },
  {
    op: 'log1p',
    samples: one([...decades(-6, 6, false), ...spread(-0.99, 2)]),
    exact: Math.log1p,
    floor: 1e-37,
  },
  { op: 'sqrt', samples: one(decades(-30, 30, false)), exact: Math.sqrt, floor: 1e-37 },
  { op: 'tanh', samples: one([...activations, 1e30, -1e30]), exact: Math.tanh, floor: 1e-37 },
  { op: 'sigmoid', samples: one(activations), exact: logistic, floor: 1e-37 },
  { op: 'softplus', samples: one(activations), exact: softplus, floor: 1e-37 },
  { op: 'log_sigmoid', samples: one(activations), exact: (x) => -softplus(-x), floor: 1e-37 },
  { op: 'gelu', samples: one(spread(-6, 6)), exact: gelu, floor: 1e-4 },
  { op: 'silu', samples: one(activations), exact: (x) => x * logistic(x), floor: 1e-36 },
  { op: 'erf', samples: one([...spread(-5, 5), ...decades(-6, 1, true)]), exact: erf, floor: 1e-37 },
  {
    op: 'atan2',
    samples: pairs(decades(-4, 4, true, 80), decades(-4, 4, true, 90)),
    exact: Math.atan2,
    floor: 1e-37,
  },
  {
    op: 'power',
    samples: pairs(decades(-4, 4, false, 80), spread(-4, 4, 60)),
    exact: Math.pow,
    floor: 1e-37,
  },
  { op: 'mod', samples: pairs(spread(-50, 50, 90), [1, 2.5, 7, -3, -1.25]), exact: floored, floor: 50 },
  {
    op: 'divide',
    samples: pairs(decades(-4, 4, true, 50), decades(-4, 4, false, 50)),
    exact: (a, b) => a / b,
    floor: 1e-37,
  },
  { op: 'relu', samples: one(activations), exact: (x) => Math.max(x, 0), floor: 1 },
  { op: 'floor', samples: one(spread(-20, 20)), exact: Math.floor, floor: 1 },
  { op: 'ceil', samples: one(spread(-20, 20)), exact: Math.ceil, floor: 1 },
  { op: 'round', samples: one([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.49, 7.51]), exact: even, floor: 1 },
  { op: 'mod', samples: integers, exact: floored, floor: 1, integer: true },
  { op: 'div', samples: integers, exact: (a, b) => Math.floor(a / b), floor: 1, integer: true },
  { op: 'sign', samples: one([-3, -0, 0, 2]), exact: (x) => Math.sign(x) + 0, floor: 1 },
  { op: 'sign', samples: one([-3, 0, 2]), exact: Math.sign, floor: 1, integer: true },
  { op: 'xor', samples: integers, exact: (a, b) => a ^ b, floor: 1, integer: true },
  { op: 'popcount', samples: one([0, 1, 5, 255, -1]), exact: ones, floor: 1, integer: true },
];

/** The kernel that applies a case's operation to each sample: one lane a sample, arguments in a, b, c. */
export function kernelOf({ op, samples, integer = false }: Case, expand = expandOp): KernelBody {
  const type = integer ? 'i32' : 'f32';
  const names = ['a', 'b', 'c'].slice(0, samples[0]!.length);
  const index = local('index', 'i32');
  const value = expand(
    op,
    names.map((name) => load(name, index, type)),
  );
  return {
    name: `apply_${op}`,
    workgroup: 64,
    bindings: [
      ...names.map((name) => ({ name, type, access: 'read' }) as const),
      { name: 'result', type: value.type === 'i32' ? 'i32' : 'f32', access: 'read_write' },
    ],
    shared: [],
    arrays: [],
    statements: [
      letOf('index', add(multiply(workgroupIndex, i32(64)), laneIndex)),
      ...when(less(index, i32(samples.length)), [store('result', index, value)]),
    ],
  };
}

/** Its buffers. */
export function buffersOf(test: Case): Record<string, Float32Array | Int32Array> {
  const { samples, integer = false } = test;
  const make = integer ? Int32Array : Float32Array;
  const entries = samples[0]!.map((_, argument) => {
    const name = ['a', 'b', 'c'][argument]!;
    return [name, make.from(samples.map((sample) => sample[argument]!))] as const;
  });
  const result = kernelOf(test).bindings.at(-1)!.type === 'i32' ? Int32Array : Float32Array;
  return { ...Object.fromEntries(entries), result: new result(samples.length) };
}

/** The largest error as a share of the stated accuracy, and the sample where it is. */
export function worst(
  test: Case,
  results: ArrayLike<number>,
): { readonly share: number; readonly at: readonly number[] } {
  const units = accuracy[test.op] ?? 0;
  let [share, at]: [number, readonly number[]] = [0, []];
  test.samples.forEach((sample, index) => {
    const exact = test.exact(...sample);
    const error = Math.abs(results[index]! - exact);
    const stated = test.integer ? 0 : typeof units === 'number' ? units : units(sample[0]!);
    const allowed = (Math.max(Math.abs(exact), test.floor) * stated) / 2 ** 24;
    const found = error === 0 ? 0 : error / allowed;
    if (!(found <= share)) [share, at] = [Number.isNaN(found) ? Infinity : found, sample];
  });
  return { share, at };
}
