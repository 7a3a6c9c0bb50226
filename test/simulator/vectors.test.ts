// Vectors in the simulator and the verifier: what each expression and access means, that what is masked is not touched, and
// the rules that broken neighbours break.

import { describe, expect, it } from 'vitest';
import type { Expression, KernelBody, KernelFunction, Statement } from '../../codegen/kernel.ts';
import * as build from '../../codegen/kernel-build.ts';
import { verifyKernel } from '../../codegen/kernel-verify.ts';
import { simulate } from '../../codegen/simulate.ts';
import { wholeSequence } from '../../targets/device.ts';

const {
  across,
  add,
  apply,
  assign,
  element,
  extract,
  f32,
  i32,
  less,
  letOf,
  load,
  local,
  loop,
  multiply,
  ramp,
  shuffle,
  splat,
  store,
  storeElement,
  toF32,
  varOf,
  workgroupIndex,
} = build;

function kernel(statements: readonly Statement[], more: Partial<KernelBody> = {}): KernelBody {
  return {
    name: 'kernel',
    workgroup: 1,
    bindings: [
      { name: 'input', type: 'f32', access: 'read' },
      { name: 'order', type: 'i32', access: 'read' },
      { name: 'output', type: 'f32', access: 'read_write' },
    ],
    shared: [],
    arrays: [{ name: 'own', type: 'f32', size: 8 }],
    scratch: [{ name: 'rows', type: 'f32', size: { kind: 'size', size: 'tokens' } }],
    statements,
    ...more,
  };
}

const input = Float32Array.from({ length: 12 }, (_, n) => n + 0.5);
const order = Int32Array.of(11, 3, 0, 7);

function run(statements: readonly Statement[], items = 1): number[] {
  const body = kernel(statements);
  expect(verifyKernel(body, 'cpu')).toEqual([]);
  const output = new Float32Array(12);
  simulate(body, items, { input, order, output }, wholeSequence(1, 6));
  return [...output];
}
const stored = (value: Expression): number[] => run([store('output', i32(0), value)]).slice(0, 4);

const [x, y] = [load('input', i32(1), 'f32x4'), load('input', i32(4), 'f32x4')]; // 1.5 ..., 4.5 ...
const odd = build.equal(build.call('bit_and', ramp(i32(0)), splat(i32(1))), splat(i32(1)));

describe('values', () => {
  it.each<readonly [string, Expression, readonly number[]]>([
    ['splat', splat(f32(7)), [7, 7, 7, 7]],
    ['ramp', toF32(ramp(i32(-2))), [-2, -1, 0, 1]],
    ['neighbours at any place', x, [1.5, 2.5, 3.5, 4.5]],
    ['a gather', load('input', load('order', i32(0), 'i32x4')), [11.5, 3.5, 0.5, 7.5]],
    ['a masked load', load('input', i32(1), 'f32x4', odd), [0, 2.5, 0, 4.5]],
    ['a masked gather', load('input', load('order', i32(0), 'i32x4'), 'f32', odd), [0, 3.5, 0, 7.5]],
    ['an operation', add(x, multiply(y, splat(f32(2)))), [10.5, 13.5, 16.5, 19.5]],
    ['a choice', build.select(odd, x, y), [4.5, 2.5, 6.5, 4.5]],
    ['a shuffle', shuffle(x, y, [7, 0, 0, 5]), [7.5, 1.5, 1.5, 5.5]],
    [
      'wrapping integers',
      toF32(add(splat(i32(2 ** 31 - 1)), ramp(i32(0)))),
      [2 ** 31, -(2 ** 31), -(2 ** 31), -(2 ** 31)],
    ],
  ])('%s', (_, value, expected) => {
    expect(stored(value)).toEqual(expected);
  });

  it('components, and all of them put together', () => {
    const big = load('input', i32(0), 'f32x4');
    const one = (value: Expression): number => run([store('output', i32(0), value)])[0]!;
    expect(one(extract(x, 2))).toBe(3.5);
    expect(one(across('add', big))).toBe(8);
    expect(one(across('max', big))).toBe(3.5);
    expect(one(across('min', big))).toBe(0.5);
    expect(one(across('multiply', big))).toBe(0.5 * 1.5 * 2.5 * 3.5);
    expect(one(toF32(across('any', less(big, splat(f32(1))))))).toBe(1);
    expect(one(toF32(across('all', less(big, splat(f32(1))))))).toBe(0);
    // (c0 + c2) + (c1 + c3): -2^24 + 2^24 first, else 0.5 is lost.
    const parts = [f32(2 ** 24), f32(0.5), f32(-(2 ** 24)), f32(1)];
    const order_ = run([
      ...parts.map((part, n) => storeElement('own', i32(n), part)),
      store('output', i32(0), across('add', element('own', i32(0), 'f32x4'))),
    ]);
    expect(order_[0]).toBe(1.5);
  });

  it('of helpers with vectors', () => {
    const a = local('a', 'f32x4');
    const twice: KernelFunction = {
      name: 'twice',
      parameters: [
        { name: 'a', type: 'f32x4' },
        { name: 'by', type: 'f32' },
      ],
      result: 'f32x4',
      body: [varOf('made', multiply(a, splat(local('by', 'f32')))), assign('made', add(local('made', 'f32x4'), a))],
      value: local('made', 'f32x4'),
    };
    expect(stored(apply(twice, apply(twice, x, f32(1)), f32(2)))).toEqual([9, 15, 21, 27]);
  });
});

describe('memory', () => {
  it('neighbours, scatters and masks', () => {
    const after = run([
      store('output', i32(1), x),
      store('output', load('order', i32(0), 'i32x4'), splat(f32(-1)), odd),
      store('output', i32(7), y, odd),
    ]);
    expect(after).toEqual([0, 1.5, 2.5, -1, 4.5, 0, 0, -1, 5.5, 0, 7.5, 0]);
  });

  it('scratch and private arrays belong to an item, and have the size that they have', () => {
    const at = multiply(workgroupIndex, i32(4));
    const after = run(
      [
        storeElement('rows', i32(2), load('input', at, 'f32x4')),
        storeElement('own', ramp(i32(0)), element('rows', i32(2), 'f32x4'), odd),
        store('output', at, element('own', i32(0), 'f32x4', odd)),
      ],
      2,
    );
    expect(after).toEqual([0, 1.5, 0, 3.5, 0, 5.5, 0, 7.5, 0, 0, 0, 0]);
    const past = [storeElement('rows', i32(3), x)];
    expect(() => run(past)).toThrow(/rows\[6\] is outside: rows has 6/);
    expect(() => run([store('output', i32(0), element('rows', i32(0), 'f32x4'))])).toThrow(/rows\[0\] is read before/);
  });

  it('a component outside is refused, one that a mask leaves out is not', () => {
    expect(() => stored(load('input', i32(9), 'f32x4'))).toThrow(/input\[12\] is outside/);
    const inside = less(ramp(i32(9)), splat(i32(12)));
    expect(stored(load('input', i32(9), 'f32x4', inside))).toEqual([9.5, 10.5, 11.5, 0]);
    expect(() => run([store('output', i32(9), x)])).toThrow(/output\[12\] is outside/);
    expect(run([store('output', i32(9), x, inside)]).slice(9)).toEqual([1.5, 2.5, 3.5]);
  });

  it('items that write one element race, neighbours of neighbours, too', () => {
    const every = (distance: number): readonly Statement[] => [
      store('output', multiply(workgroupIndex, i32(distance)), x),
    ];
    expect(run(every(4), 3).slice(0, 8)).toEqual([1.5, 2.5, 3.5, 4.5, 1.5, 2.5, 3.5, 4.5]);
    expect(() => run(every(3), 3)).toThrow(/race: .*output\[3\]/);
  });

  it('integers of vectors are not divided by zero', () => {
    const by = (mask: Expression): Expression => build.select(mask, ramp(i32(-1)), splat(i32(1)));
    const nowhere = build.notEqual(ramp(i32(-1)), splat(i32(0)));
    expect(stored(toF32(build.quotient(splat(i32(6)), by(nowhere))))).toEqual([-6, 6, 6, 3]);
    expect(() => stored(toF32(build.quotient(splat(i32(6)), ramp(i32(-1)))))).toThrow(/divided by zero/);
  });
});

it('vector loops that depend on the order are found by running them backwards', () => {
  const v = local('v', 'i32');
  const at = add(v, i32(1));
  const body = kernel([
    loop('v', i32(0), i32(5), [store('output', at, add(load('output', v), f32(1)))], { mode: 'vector' }),
  ]);
  const [forwards, backwards] = [false, true].map((each) => {
    const output = new Float32Array(12);
    simulate(body, 1, { input, order, output }, wholeSequence(1, 6), { backwards: each });
    return output[5];
  });
  expect([forwards, backwards]).toEqual([5, 1]);
});

const wrong = (more: object): Expression => more as Expression;
const vectors: Expression = load('input', i32(0), 'f32x4');
const broken: readonly (readonly [string, readonly Statement[], RegExp])[] = [
  ['a vector as a splat', [letOf('a', wrong({ kind: 'splat', type: 'f32x4', value: vectors }))], /splat of f32x4/],
  ['a ramp of f32', [letOf('a', wrong({ kind: 'ramp', type: 'i32x4', from: f32(1) }))], /ramp from f32/],
  ['a fifth component', [letOf('a', extract(vectors, 4))], /component 4 of f32x4/],
  [
    'any of numbers',
    [letOf('a', wrong({ kind: 'across', type: 'f32', op: 'any', value: vectors }))],
    /any across f32x4/,
  ],
  ['component 8 of two', [letOf('a', shuffle(vectors, vectors, [0, 1, 2, 8]))], /a shuffle/],
  [
    'mixed arguments',
    [letOf('a', wrong({ kind: 'call', type: 'f32x4', op: 'add', args: [vectors, f32(1)] }))],
    /add does/,
  ],
  [
    'one number from four places',
    [letOf('a', wrong({ kind: 'load', type: 'f32', buffer: 'input', index: ramp(i32(0)) }))],
    /input is indexed by i32x4 for f32/,
  ],
  [
    'a mask of one number',
    [letOf('a', wrong({ kind: 'load', type: 'f32', buffer: 'input', index: i32(0), mask: less(x, y) }))],
    /input is masked by boolx4/,
  ],
  ['integers for numbers', [letOf('a', load('input', i32(0), 'i32x4'))], /input is read as i32x4/],
  ['a store of integers', [store('output', i32(0), ramp(i32(0)))], /output does not take i32x4/],
  ['a store to what is read', [store('input', i32(0), x)], /input is written, but bound for reading/],
  ['a vector set to a number', [varOf('a', x), assign('a', f32(1))], /a is f32x4/],
  ['a scratch array that is not there', [storeElement('lines', i32(0), x)], /lines does not take f32x4/],
  [
    'a vector loop that sets what is outside',
    [varOf('a', f32(0)), loop('v', i32(0), i32(4), [assign('a', f32(1))], { mode: 'vector' })],
    /the vector loop over v sets a otherwise/,
  ],
];

it.each(broken)('the verifier finds %s', (_, statements, message) => {
  expect(verifyKernel(kernel(statements), 'cpu').join('\n')).toMatch(message);
});

it('vectors and scratch memory are of kernels of items, lanes and barriers of others', () => {
  const vector = kernel([letOf('a', x)]);
  expect(verifyKernel(vector).join('\n')).toMatch(/scratch memory is of kernels for a CPU/);
  expect(verifyKernel(vector).join('\n')).toMatch(/load is a vector, in a kernel of lanes/);
  const lanes = kernel([letOf('a', build.laneIndex), build.barrier], {
    workgroup: 8,
    shared: [{ name: 'tile', type: 'f32', size: 8 }],
  });
  expect(verifyKernel(lanes, 'cpu')).toEqual([
    'kernel: 8 lanes; an item of work has one',
    'kernel: workgroup memory, in a kernel of items',
    'kernel: other lanes, in a kernel of items',
    'kernel: a barrier, in a kernel of items',
  ]);
});
