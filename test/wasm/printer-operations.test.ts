// Operations of kernel IR as WebAssembly mean what the simulator says, bit for bit, of numbers and of vectors, at the edges of their
// ranges too.

import { describe, expect, it } from 'vitest';
import type { KernelBody, KernelOp } from '../../codegen/kernel.ts';
import * as build from '../../codegen/kernel-build.ts';
import { isVector } from '../../codegen/kernel-ops.ts';
import { simulate } from '../../codegen/simulate.ts';
import { wholeSequence } from '../../targets/device.ts';
import { integers, random, randomKernel, reals } from './random-kernel.ts';
import { runWasm } from './run-kernel.ts';

const items = 12;
const sizes = wholeSequence(1, 1);

/** NaN is NaN, whatever its bits. */
function bothWays(body: KernelBody, buffers: () => Record<string, Float32Array | Int32Array>) {
  const [expected, actual] = [buffers(), buffers()];
  simulate(body, items, expected, sizes);
  runWasm(body, items, actual, sizes);
  return { expected, actual };
}

describe('expressions', () => {
  it.each(Array.from({ length: 20 }, (_, n) => n))('random ones, part %i', (part) => {
    for (let seed = part * 20; seed < part * 20 + 20; seed += 1) {
      const { expected, actual } = bothWays(randomKernel(seed), () => {
        const next = random(seed + 7777);
        const count = 4 * items + 8;
        return {
          a: reals(count, next),
          m: integers(count, next),
          real: new Float32Array(count),
          whole: new Int32Array(count),
        };
      });
      expect(actual, `seed ${seed}`).toEqual(expected);
    }
  });
});

const words = (text: string): readonly KernelOp[] => text.split(' ') as KernelOp[];
const both = 'add subtract multiply min max less less_equal equal not_equal negate abs';
const ofReals = words(`${both} divide floor ceil round sqrt to_i32 bits_of`);
const ofIntegers = words(`${both} xor bit_and popcount to_f32 from_bits quotient remainder shift_left shift_right`);
const operations = [
  ...ofReals.map((op) => [op, 'f32'] as const),
  ...ofIntegers.map((op) => [op, 'i32'] as const),
] as readonly (readonly [KernelOp, 'f32' | 'i32'])[];

const alone = new Set(words('negate abs floor ceil round sqrt to_i32 bits_of popcount to_f32 from_bits'));
const real = [
  0,
  -0,
  0.5,
  -0.5,
  1.5,
  -1.5,
  2.5,
  3,
  -7.75,
  1e-45,
  -1e-40,
  8388609,
  2 ** 31,
  -3e9,
  3.4e38,
  Infinity,
  -Infinity,
];
const whole = [0, 1, -1, 2, 7, -8, 31, 12345, -12345, 2 ** 30, 2 ** 31 - 1, -(2 ** 31)];

function pairsOf(op: KernelOp, type: 'f32' | 'i32'): readonly (readonly [number, number])[] {
  const values = type === 'f32' ? real : whole;
  const all = values.flatMap((a) => values.map((b) => [a, b] as const));
  if (op === 'quotient' || op === 'remainder') return all.filter(([, b]) => b !== 0);
  if (op === 'shift_left' || op === 'shift_right') return all.filter(([, b]) => b >= 0 && b < 32);
  return all;
}

describe.each(operations)('%s of %s', (op, type) => {
  it.each([type, `${type}x4`] as const)('as %s', (wanted) => {
    const pairs = pairsOf(op, type);
    const count = Math.ceil(pairs.length / 4) * 4;
    const index = isVector(wanted) ? build.multiply(build.workgroupIndex, build.i32(4)) : build.workgroupIndex;
    const args = ['a', ...(alone.has(op) ? [] : ['b'])].map((name) => build.load(name, index, wanted));
    const value = build.call(op, ...args);
    const stored = value.type.startsWith('bool') ? build.call('to_i32', value) : value;
    const body: KernelBody = {
      name: `apply_${op}`,
      workgroup: 1,
      bindings: [
        { name: 'a', type, access: 'read' },
        { name: 'b', type, access: 'read' },
        { name: 'result', type: stored.type.startsWith('f32') ? 'f32' : 'i32', access: 'read_write' },
      ],
      shared: [],
      arrays: [],
      statements: [build.store('result', index, stored)],
    };
    const make = (side: 0 | 1) => {
      const values = Array.from({ length: count }, (_, n) => pairs[n % pairs.length]![side]);
      return type === 'f32' ? Float32Array.from(values) : Int32Array.from(values);
    };
    const buffers = () => ({
      a: make(0),
      b: make(1),
      result: body.bindings[2]!.type === 'f32' ? new Float32Array(count) : new Int32Array(count),
    });
    const groups = isVector(wanted) ? count / 4 : count;
    const [expected, actual] = [buffers(), buffers()];
    simulate(body, groups, expected, sizes);
    runWasm(body, groups, actual, sizes);
    expect(actual.result).toEqual(expected.result);
  });
});

/** Results of a function of one number, one by one and four at a time. */
function apply(op: 'exp' | 'log', samples: Float32Array): readonly [Float32Array, Float32Array] {
  const run = (type: 'f32' | 'f32x4'): Float32Array => {
    const index = type === 'f32' ? build.workgroupIndex : build.multiply(build.workgroupIndex, build.i32(4));
    const body: KernelBody = {
      name: `apply_${op}`,
      workgroup: 1,
      bindings: [
        { name: 'a', type: 'f32', access: 'read' },
        { name: 'result', type: 'f32', access: 'read_write' },
      ],
      shared: [],
      arrays: [],
      statements: [build.store('result', index, build.call(op, build.load('a', index, type)))],
    };
    const result = new Float32Array(samples.length);
    runWasm(body, type === 'f32' ? samples.length : samples.length / 4, { a: samples, result }, sizes);
    return result;
  };
  return [run('f32'), run('f32x4')];
}

/** In units in the last place of the result, which below 2^-126 are all alike. */
function worstUnits(samples: Float32Array, results: Float32Array, exact: (x: number) => number): number {
  let worst = 0;
  samples.forEach((x, at) => {
    const wanted = exact(x);
    const rounded = Math.fround(wanted);
    if (Object.is(rounded, results[at]!)) return;
    const unit = 2 ** Math.max(Math.floor(Math.log2(Math.abs(wanted))) - 23, -149);
    worst = Math.max(worst, Math.abs(results[at]! - wanted) / unit);
    if (!Number.isFinite(results[at]!) || !Number.isFinite(rounded)) worst = Infinity;
  });
  return worst;
}

describe('functions that WebAssembly does not have', () => {
  const spread = (from: number, to: number, count: number): number[] =>
    Array.from({ length: count }, (_, n) => from + ((to - from) * n) / (count - 1));

  it('exp is within a unit in the last place, from 0 through what is below 2^-126 to infinity', () => {
    const edge = 88.72283;
    const samples = Float32Array.from([
      ...spread(-120, 100, 20000),
      ...spread(-1, 1, 9992),
      0,
      -0,
      edge,
      88.722839,
      88.73,
      -103.97,
      -103.98,
      Infinity,
    ]);
    const [single, four] = apply('exp', samples);
    expect(four).toEqual(single);
    expect(worstUnits(samples, single, Math.exp)).toBeLessThan(1.01);
    const [special] = apply('exp', Float32Array.of(-Infinity, -1e30, NaN, 1e30));
    expect([...special]).toEqual([0, 0, NaN, Infinity]);
  });

  it('exp does not fall where its argument grows', () => {
    const samples = Float32Array.from(spread(-104, 88, 100000));
    const [results] = apply('exp', samples);
    expect(results.findIndex((value, at) => at > 0 && value < results[at - 1]!)).toBe(-1);
  });

  it('log is within a unit in the last place', () => {
    const tiny = Array.from({ length: 40 }, (_, n) => 2 ** (-149 + n) * 1.25);
    const samples = Float32Array.from([...spread(1e-3, 4, 20000), ...spread(1, 3e38, 9960), ...tiny]);
    const [single, four] = apply('log', samples);
    expect(four).toEqual(single);
    expect(worstUnits(samples, single, Math.log)).toBeLessThan(1.51);
    const [special] = apply('log', Float32Array.of(0, -0, -1, Infinity, -Infinity, NaN, 1, 1));
    expect([...special]).toEqual([-Infinity, -Infinity, NaN, Infinity, NaN, NaN, 0, 0]);
  });
});
