// The simulator finds what it is for: races, missing and divergent barriers, indices outside, uninitialised reads. Each
// correct kernel here has a broken neighbour; the correct one gives the same in every order.

import { describe, expect, it } from 'vitest';
import type { KernelBody, Statement } from '../../codegen/kernel.ts';
import {
  add,
  assign,
  barrier,
  call,
  element,
  equal,
  f32,
  i32,
  laneIndex,
  leave,
  less,
  lessEqual,
  letOf,
  load,
  local,
  loop,
  multiply,
  quotient,
  remainder,
  shared,
  sizeOf,
  store,
  storeElement,
  storeShared,
  subgroup,
  subgroupLane,
  subgroupSize,
  varOf,
  when,
  workgroupIndex,
} from '../../codegen/kernel-build.ts';
import { simulate, type SimulateOptions } from '../../codegen/simulate.ts';
import { wholeSequence } from '../../targets/device.ts';

const lanes = 8;
const sizes = wholeSequence(1, 5);

function kernel(statements: readonly Statement[], more: Partial<KernelBody> = {}): KernelBody {
  return {
    name: 'kernel',
    workgroup: lanes,
    bindings: [
      { name: 'input', type: 'f32', access: 'read' },
      { name: 'output', type: 'f32', access: 'read_write' },
    ],
    shared: [{ name: 'tile', type: 'f32', size: lanes }],
    arrays: [{ name: 'own', type: 'f32', size: 2 }],
    statements,
    ...more,
  };
}

const input = Float32Array.from({ length: 16 }, (_, index) => index + 0.5);
const orders: readonly SimulateOptions[] = [
  {},
  { order: 'reverse' },
  { order: 'random' },
  { order: 'random', seed: 9 },
];

function run(body: KernelBody, groups = 2, options: SimulateOptions = {}): number[] {
  const output = new Float32Array(16);
  simulate(body, groups, { input, output }, sizes, options);
  return [...output];
}

const index = add(multiply(workgroupIndex, i32(lanes)), laneIndex);

/** A sum over the lanes of a workgroup, by halves; `without` leaves out one of the barriers. */
function treeSum(without = -1): KernelBody {
  const step = (half: number): Statement =>
    when(less(laneIndex, i32(half)), [
      storeShared('tile', laneIndex, add(shared('tile', laneIndex), shared('tile', add(laneIndex, i32(half))))),
    ])[0]!;
  const steps = [storeShared('tile', laneIndex, load('input', index)), ...[4, 2, 1].map(step)];
  return kernel([
    ...steps.flatMap((each, at) => (at === without ? [each] : [each, barrier])),
    ...when(equal(laneIndex, i32(0)), [store('output', workgroupIndex, shared('tile', i32(0)))]),
  ]);
}

describe('a tree sum', () => {
  const expected = [0, 1].map((group) => input.slice(group * 8, group * 8 + 8).reduce((sum, each) => sum + each));

  it.each(orders)('is right in every order: %o', (options) => {
    expect(run(treeSum(), 2, options).slice(0, 2)).toEqual(expected);
  });

  it.each([0, 1, 2].map((without) => [without]))('without barrier %i is a race', (without) => {
    for (const options of orders)
      expect(() => run(treeSum(without), 2, options)).toThrow(/race: .*tile|tile.* is read before/);
  });
});

it('a barrier that some lanes do not reach is refused', () => {
  expect(() => run(kernel([...when(less(laneIndex, i32(3)), [barrier])]))).toThrow(/lanes part/);
  const apart = when(less(laneIndex, i32(3)), [barrier], [barrier]);
  expect(() => run(kernel([...apart]))).toThrow(
    /lanes part at a barrier: lane 0 is at a barrier, lane 3 is at a barrier/,
  );
  expect(() => run(kernel([loop('k', i32(0), laneIndex, [barrier])]))).toThrow(/lanes part/);
  expect(() => run(kernel([...when(less(laneIndex, i32(1)), [leave]), barrier]))).toThrow(/lane 0 has ended/);
});

it('a barrier in a uniform loop is fine', () => {
  const next = remainder(add(laneIndex, i32(1)), i32(lanes));
  const body = kernel([
    storeShared('tile', laneIndex, load('input', laneIndex)),
    barrier,
    loop('k', i32(0), sizeOf('tokens'), [
      letOf('other', shared('tile', next)),
      barrier,
      storeShared('tile', laneIndex, local('other', 'f32')),
      barrier,
    ]),
    store('output', laneIndex, shared('tile', laneIndex)),
  ]);
  const expected = Array.from({ length: lanes }, (_, lane) => input[(lane + 5) % lanes]);
  for (const options of orders) expect(run(body, 1, options).slice(0, lanes)).toEqual(expected);
});

it('lanes and workgroups that write the same element race', () => {
  expect(() => run(kernel([store('output', i32(0), f32(1))]), 1)).toThrow(
    /race: lane 1 of workgroup 0 writes output\[0\]/,
  );
  const first = when(equal(laneIndex, i32(0)), [store('output', i32(0), f32(1))]);
  expect(run(kernel([...first]), 1)[0]).toBe(1);
  expect(() => run(kernel([...first]), 2)).toThrow(/workgroup 0 writes/);
});

it('reading what another workgroup or lane writes is a race, whichever runs first', () => {
  const body = kernel([
    ...when(equal(workgroupIndex, i32(1)), [store('output', laneIndex, f32(1))]),
    ...when(equal(workgroupIndex, i32(0)), [varOf('seen', load('output', laneIndex))]),
  ]);
  for (const options of orders) expect(() => run(body, 2, options)).toThrow(/race/);
  const neighbour = kernel([
    letOf('next', load('output', remainder(add(laneIndex, i32(1)), i32(lanes)))),
    store('output', laneIndex, local('next', 'f32')),
  ]);
  for (const options of orders) expect(() => run(neighbour, 1, options)).toThrow(/race/);
  const own = kernel([store('output', index, add(load('output', index), f32(1)))]);
  for (const options of orders) expect(run(own, 2, options)).toEqual(Array(16).fill(1));
});

it('an index outside is refused, also in a branch of select that is not taken', () => {
  expect(() => run(kernel([store('output', index, f32(1))]), 3)).toThrow(/output\[\d+\] is outside: output has 16/);
  expect(() => run(kernel([letOf('v', load('input', add(laneIndex, i32(-1))))]), 1)).toThrow(/input\[-1\] is outside/);
  const guarded = call('select', less(i32(0), laneIndex), load('input', add(laneIndex, i32(-1))), f32(0));
  expect(() => run(kernel([letOf('v', guarded)]), 1)).toThrow(/input\[-1\] is outside/);
  expect(() => run(kernel([storeElement('own', laneIndex, f32(0))]), 1)).toThrow(/own\[2\] is outside/);
});

it('what was never written is not read', () => {
  expect(() => run(kernel([letOf('v', shared('tile', laneIndex))]), 1)).toThrow(
    /tile\[0\] is read before it is written/,
  );
  // What another workgroup left behind does not count.
  const stale = kernel([
    ...when(equal(workgroupIndex, i32(0)), [storeShared('tile', laneIndex, f32(1))]),
    barrier,
    letOf('v', shared('tile', laneIndex)),
  ]);
  expect(() => run(stale, 2)).toThrow(/read before/);
  const privately = kernel([
    ...when(lessEqual(laneIndex, i32(2)), [storeElement('own', i32(1), f32(1))]),
    letOf('v', element('own', i32(1))),
  ]);
  expect(() => run(privately, 1)).toThrow(/own\[1\] is read before it is written/);
});

it('writing what is bound for reading, dividing by zero and aliases are refused', () => {
  expect(() => run(kernel([store('input', laneIndex, f32(1))]), 1)).toThrow(/bound for reading only/);
  expect(() => run(kernel([letOf('v', quotient(i32(1), laneIndex))]), 1)).toThrow(/divided by zero/);
  const output = new Float32Array(16);
  expect(() => simulate(kernel([]), 1, { input: output, output }, sizes)).toThrow(/same memory/);
  expect(() => simulate(kernel([]), 1, { input }, sizes)).toThrow(/no buffer for the binding output/);
});

it.each([1, 2, 4, 8])('subgroup operations reduce over %i neighbouring lanes', (size) => {
  const body = kernel([
    letOf('sum', subgroup('add', load('input', laneIndex))),
    varOf('most', subgroup('max', load('input', laneIndex))),
    assign('most', subgroup('min', add(local('most', 'f32'), local('sum', 'f32')))),
    ...when(equal(subgroupLane, i32(0)), [
      store('output', quotient(laneIndex, subgroupSize), local('sum', 'f32')),
      store('output', add(i32(8), quotient(laneIndex, subgroupSize)), local('most', 'f32')),
    ]),
  ]);
  const parts = Array.from({ length: lanes / size }, (_, part) =>
    Array.from(input.slice(part * size, (part + 1) * size)),
  );
  const sums = parts.map((part) => part.reduce((sum, each) => sum + each));
  for (const options of orders) {
    const output = run(body, 1, { ...options, subgroup: size });
    expect(output.slice(0, parts.length)).toEqual(sums);
    expect(output.slice(8, 8 + parts.length)).toEqual(parts.map((part, at) => part.at(-1)! + sums[at]!));
  }
  const parted = kernel([...when(less(laneIndex, i32(1)), [letOf('sum', subgroup('add', f32(1)))])]);
  expect(() => run(parted, 1)).toThrow(/lanes part/);
});

it('arithmetic is that of f32 and of i32', () => {
  const body = kernel(
    [
      store('output', i32(0), add(load('input', i32(0)), f32(2 ** 24))), // 0.5 is lost
      store('count', i32(0), multiply(load('count', i32(1), 'i32'), load('count', i32(1), 'i32'))),
    ],
    {
      workgroup: 1,
      bindings: [...kernel([]).bindings, { name: 'count', type: 'i32', access: 'read_write' }],
    },
  );
  const output = new Float32Array(1);
  const count = Int32Array.of(0, 65537);
  simulate(body, 1, { input, output, count }, sizes);
  expect(output[0]).toBe(2 ** 24);
  expect(count[0]).toBe(131073); // 65537^2 modulo 2^32
});
