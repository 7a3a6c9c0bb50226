// What printed CUDA C++ computes, run on the CPU: the elementary functions keep their stated accuracy, with and without
// fused multiply-adds; every operation of kernel IR has its exact meaning, integers that wrap around too; wide accesses and
// bf16 move what they say. Needs g++.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromBf16Bits, roundToBf16, toBf16 } from '../../codegen/bf16.ts';
import type { Binding, KernelBody, KernelOp, Statement } from '../../codegen/kernel.ts';
import * as build from '../../codegen/kernel-build.ts';
import { evaluateOp } from '../../codegen/kernel-ops.ts';
import { renameEntry } from '../../targets/cuda/entry.ts';
import { prelude } from '../../targets/cuda/prelude.ts';
import { cuda } from '../../targets/cuda/printer.ts';
import { buffersOf, cases, kernelOf, worst } from '../simulator/elementary.ts';
import { chars, compiler, openEmulated, type Emulated } from './emulated.ts';

let emulated: Emulated;
beforeAll(async () => {
  if (compiler !== null) emulated = await openEmulated();
});
afterAll(() => emulated?.close());

/** The kernels of one translation unit by their places in it. */
async function load(bodies: readonly KernelBody[], flags: readonly string[] = []): Promise<readonly bigint[]> {
  const names = bodies.map((body, at) => `${body.name}_${at}`);
  const texts = bodies.map((body, at) => renameEntry(cuda.kernel(body, body.name), body.name, names[at]!));
  const module = await emulated.load({ text: [prelude, ...texts].join('\n'), kernels: names, flags });
  return names.map((name) => emulated.out('cuModuleGetFunction', module, chars(name)));
}

const sizes = Int32Array.of(1, 1, 1, 0, 1, 1);

function run(
  kernel: bigint,
  body: KernelBody,
  blocks: number,
  buffers: Readonly<Record<string, ArrayBufferView>>,
): void {
  const addresses = body.bindings.map(({ name }) => emulated.allocate(buffers[name]!));
  expect(emulated.launch(kernel, blocks, body.workgroup, [sizes, ...addresses])).toBe(0);
  body.bindings.forEach(({ name, access }, at) => {
    if (access === 'read_write') emulated.read(addresses[at]!, buffers[name]!);
  });
}

const fused = /\bfma\b/.test(process.arch === 'x64' ? flagsOfCpu() : '');

function flagsOfCpu(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}

const ways: readonly (readonly [string, readonly string[]])[] = [
  ['one rounding an operation', []],
  ...(fused ? ([['fused multiply-adds', ['-ffp-contract=fast', '-mfma', '-O2']]] as const) : []),
];

describe.skipIf(compiler === null).each(ways)('elementary functions, %s', (_, flags) => {
  let kernels: readonly bigint[];
  beforeAll(async () => {
    kernels = await load(
      cases.map((each) => kernelOf(each)),
      flags,
    );
  });
  it.each(cases.map((test, at) => [test.op + (test.integer ? ' of integers' : ''), at] as const))('%s', (_name, at) => {
    const test = cases[at]!;
    const buffers = buffersOf(test);
    run(kernels[at]!, kernelOf(test), Math.ceil(test.samples.length / 64), buffers);
    const { share, at: sample } = worst(test, buffers['result']!);
    expect(share, String(sample)).toBeLessThanOrEqual(1);
  });
});

const edges = [0, 1, -1, 2, -2, 7, -7, 31, 12345, -12345, 2 ** 30, -(2 ** 30), 2 ** 31 - 1, -(2 ** 31)];
const numbers = [0, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3, -3, 100.25, -7.75, 2 ** -10, -1e6, 16777216];

/** Operations with their arguments' type; those of three arguments and conversions to bool follow from these. */
const operations: readonly (readonly [KernelOp, 'i32' | 'f32'])[] = [
  ...(['add', 'subtract', 'multiply', 'min', 'max', 'less', 'less_equal', 'equal', 'not_equal'] as const).flatMap(
    (op) => [[op, 'i32'] as const, [op, 'f32'] as const],
  ),
  ...(['negate', 'abs'] as const).flatMap((op) => [[op, 'i32'] as const, [op, 'f32'] as const]),
  ...(['quotient', 'remainder', 'xor', 'bit_and', 'shift_left', 'shift_right', 'popcount'] as const).map(
    (op) => [op, 'i32'] as const,
  ),
  ...(['divide', 'floor', 'ceil', 'round', 'to_i32', 'bits_of'] as const).map((op) => [op, 'f32'] as const),
  ['to_f32', 'i32'],
  ['from_bits', 'i32'],
];
const one = new Set<KernelOp>([
  'negate',
  'abs',
  'popcount',
  'floor',
  'ceil',
  'round',
  'to_i32',
  'bits_of',
  'to_f32',
  'from_bits',
]);

function operationKernel([op, type]: (typeof operations)[number], samples: number): KernelBody {
  const at = build.add(build.multiply(build.workgroupIndex, build.i32(64)), build.laneIndex);
  const index = build.local('index', 'i32');
  const args = one.has(op)
    ? [build.load('a', index, type)]
    : [build.load('a', index, type), build.load('b', index, type)];
  const value = build.call(op, ...args);
  const stored = value.type === 'bool' ? build.call('to_i32', value) : value;
  return {
    name: `apply_${op}`,
    workgroup: 64,
    bindings: [
      { name: 'a', type, access: 'read' },
      { name: 'b', type, access: 'read' },
      { name: 'result', type: stored.type as 'i32' | 'f32', access: 'read_write' },
    ],
    shared: [],
    arrays: [],
    statements: [
      build.letOf('index', at),
      ...build.when(build.less(index, build.i32(samples)), [build.store('result', index, stored)]),
    ],
  };
}

/** Pairs on which the operation is defined. */
function samplesOf([op, type]: (typeof operations)[number]): readonly (readonly [number, number])[] {
  const values = type === 'i32' ? edges : numbers;
  const all = values.flatMap((a) => values.map((b) => [a, b] as const));
  if (op === 'quotient' || op === 'remainder')
    return all.filter(([a, b]) => b !== 0 && !(a === -(2 ** 31) && b === -1));
  if (op === 'shift_left' || op === 'shift_right') return all.filter(([, b]) => b >= 0 && b < 32);
  if (op === 'divide') return all.filter(([, b]) => b !== 0);
  if (op === 'from_bits') return all.filter(([a]) => a !== -1 && a !== 2 ** 31 - 1); // not NaN
  return all;
}

describe.skipIf(compiler === null)('operations of kernel IR', () => {
  let kernels: readonly bigint[];
  const samples = operations.map(samplesOf);
  beforeAll(async () => {
    // Undefined behaviour, such as signed overflow, stops the program.
    const flags = ['-O2', '-fsanitize=undefined', '-fno-sanitize=alignment', '-fsanitize-undefined-trap-on-error'];
    kernels = await load(
      operations.map((operation, at) => operationKernel(operation, samples[at]!.length)),
      flags,
    );
  });

  it.each(operations.map(([op, type], at) => [`${op} of ${type}`, at] as const))('%s', (_, at) => {
    const [op, type] = operations[at]!;
    const body = operationKernel(operations[at]!, samples[at]!.length);
    const make = (all: readonly number[]) => (type === 'i32' ? Int32Array.from(all) : Float32Array.from(all));
    const give = body.bindings[2]!.type;
    const into = (all: readonly number[]) => (give === 'i32' ? Int32Array.from(all) : Float32Array.from(all));
    const [a, b] = [0, 1].map((side) => make(samples[at]!.map((pair) => pair[side]!)));
    const result = into(samples[at]!.map(() => 0));
    run(kernels[at]!, body, Math.ceil(a!.length / 64), { a: a!, b: b!, result });
    const expected = into(samples[at]!.map((pair) => evaluateOp(op, type, one.has(op) ? [pair[0]] : pair)!));
    expect(result).toEqual(expected);
  });
});

const lane = build.laneIndex;

function moving(binding: Binding['type'], count: number): KernelBody {
  const type = binding === 'i32' ? 'i32' : 'f32';
  const statements: Statement[] = [
    {
      kind: 'load-elements',
      buffer: 'from',
      index: build.multiply(lane, build.i32(count)),
      array: 'held',
      at: 1,
      count,
    },
    build.storeElement('held', build.i32(1), build.call('negate', build.element('held', build.i32(1), type))),
    {
      kind: 'store-elements',
      buffer: 'to',
      index: build.multiply(lane, build.i32(count)),
      array: 'held',
      at: 1,
      count,
    },
  ];
  return {
    name: 'move_elements',
    workgroup: 32,
    bindings: [
      { name: 'from', type: binding, access: 'read' },
      { name: 'to', type: binding, access: 'read_write' },
    ],
    shared: [],
    arrays: [{ name: 'held', type, size: count + 1 }],
    statements,
  };
}

describe.skipIf(compiler === null)('wide accesses', () => {
  const widths = [
    ['f32', 2],
    ['f32', 4],
    ['i32', 2],
    ['i32', 4],
    ['bf16', 2],
    ['bf16', 4],
    ['bf16', 8],
  ] as const;
  it('move every element to its place', async () => {
    const kernels = await load(widths.map(([type, count]) => moving(type, count)));
    widths.forEach(([type, count], at) => {
      const values = Array.from({ length: 32 * count }, (_, n) => n + 1);
      const expected = values.map((value, n) => (n % count === 0 ? -value : value));
      const make = (all: readonly number[]) =>
        type === 'bf16' ? toBf16(all) : type === 'i32' ? Int32Array.from(all) : Float32Array.from(all);
      const to = make(values.map(() => 0));
      run(kernels[at]!, moving(type, count), 1, { from: make(values), to });
      expect(to, `${type} ${count}`).toEqual(make(expected));
    });
  });
});

describe.skipIf(compiler === null)('bf16', () => {
  it('is rounded to the nearest, ties to even, as the simulator does; infinities and NaN stay', async () => {
    const body: KernelBody = {
      name: 'round_to_bf16',
      workgroup: 64,
      bindings: [
        { name: 'a', type: 'f32', access: 'read' },
        { name: 'b', type: 'bf16', access: 'read_write' },
      ],
      shared: [],
      arrays: [],
      statements: [build.store('b', lane, build.load('a', lane))],
    };
    const ties = [1.00390625, 1.01171875, -1.00390625, 3.3895313892515355e38, 3.4e38, 1e-40, 9.183549615799121e-41];
    const a = Float32Array.from([
      ...ties,
      0,
      -0,
      Infinity,
      -Infinity,
      NaN,
      ...Array.from({ length: 52 }, (_, n) => Math.sin(n * n)),
    ]);
    const b = new Uint16Array(64);
    const [kernel] = await load([body]);
    run(kernel!, body, 1, { a, b });
    expect([...b].map(fromBf16Bits)).toEqual([...a].map(roundToBf16));
  });
});
