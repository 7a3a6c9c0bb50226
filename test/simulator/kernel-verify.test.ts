// Each rule of the kernel verifier has a kernel that breaks it; the sound neighbour has no fault.

import { expect, it } from 'vitest';
import { define } from '../../codegen/functions.ts';
import type { Expression, KernelBody, Statement } from '../../codegen/kernel.ts';
import * as build from '../../codegen/kernel-build.ts';
import { verifyKernel } from '../../codegen/kernel-verify.ts';
import { cases, kernelOf } from './elementary.ts';

const { add, assign, barrier, f32, i32, laneIndex, leave, less, letOf, load, local, loop, sizeOf, store, varOf, when } =
  build;

function kernel(statements: readonly Statement[], more: Partial<KernelBody> = {}): KernelBody {
  return {
    name: 'kernel',
    workgroup: 8,
    bindings: [
      { name: 'input', type: 'f32', access: 'read' },
      { name: 'result', type: 'f32', access: 'read_write' },
    ],
    shared: [{ name: 'tile', type: 'f32', size: 8 }],
    arrays: [{ name: 'own', type: 'f32', size: 2 }],
    statements,
    ...more,
  };
}

it('the kernels of all operations are sound', () => {
  for (const test of cases) expect(verifyKernel(kernelOf(test))).toEqual([]);
});

it('a uniform loop may hold a barrier', () => {
  const sound = kernel([
    varOf('half', i32(4)),
    loop('k', i32(0), sizeOf('tokens'), [barrier, assign('half', build.quotient(local('half', 'i32'), i32(2)))]),
    ...when(less(local('half', 'i32'), i32(1)), [barrier]),
    ...when(less(laneIndex, i32(1)), [store('result', laneIndex, f32(1))]),
  ]);
  expect(verifyKernel(sound)).toEqual([]);
});

it('names inside a function are its own: one may be called as a buffer is', () => {
  const twice = define(
    'twice',
    { x: 'f32' },
    [letOf('input', add(local('x', 'f32'), local('x', 'f32')))],
    local('input', 'f32'),
  );
  expect(
    verifyKernel(kernel([store('result', laneIndex, build.apply(twice, load('input', laneIndex, 'f32')))])),
  ).toEqual([]);
});

const wrong: Expression = { kind: 'call', type: 'f32', op: 'add', args: [f32(1), i32(1)] };
const broken: readonly (readonly [string, KernelBody, RegExp])[] = [
  ['a reserved name', kernel([], { name: 'main' }), /main cannot be a name/],
  ['a name twice', kernel([], { name: 'tile' }), /tile is declared twice/],
  ['a local twice', kernel([letOf('x', f32(1)), letOf('x', f32(1))]), /x is bound twice/],
  ['a local named as a buffer', kernel([letOf('input', f32(1))]), /input is declared twice/],
  ['an unbound local', kernel([letOf('x', local('y', 'f32'))]), /y is used before it is bound/],
  [
    'a local out of its block',
    kernel([...when(less(i32(0), sizeOf('tokens')), [letOf('x', f32(1))]), letOf('y', local('x', 'f32'))]),
    /x is used before/,
  ],
  ['a local of another type', kernel([letOf('x', f32(1)), letOf('y', local('x', 'i32'))]), /x is f32, used as i32/],
  ['a let that is set', kernel([letOf('x', f32(1)), assign('x', f32(2))]), /x is set, but no variable/],
  ['a wrong operation', kernel([letOf('x', wrong)]), /add does not take \(f32, i32\)/],
  ['an unknown buffer', kernel([letOf('x', load('other', i32(0)))]), /the buffer other is not declared/],
  ['a buffer of another type', kernel([letOf('x', load('input', i32(0), 'i32'))]), /input is read as i32/],
  ['a store to what is read', kernel([store('input', i32(0), f32(1))]), /input is written, but bound for reading/],
  ['a store of another type', kernel([store('result', i32(0), i32(1))]), /result does not take i32/],
  [
    'a barrier in a branch of lanes',
    kernel([...when(less(laneIndex, i32(1)), [barrier])]),
    /a barrier stands where lanes may part/,
  ],
  [
    'a barrier under a loaded condition',
    kernel([...when(less(load('input', i32(0)), f32(1)), [barrier])]),
    /a barrier stands/,
  ],
  [
    'a barrier under a variable that lanes set apart',
    kernel([
      varOf('n', i32(0)),
      assign('n', add(local('n', 'i32'), laneIndex)),
      loop('k', i32(0), local('n', 'i32'), [barrier]),
    ]),
    /a barrier stands/,
  ],
  ['leaving after a barrier', kernel([barrier, ...when(less(laneIndex, i32(1)), [leave])]), /leaves after a barrier/],
  ['leaving before a barrier', kernel([...when(less(laneIndex, i32(1)), [leave]), barrier]), /leaves before a barrier/],
  [
    'a subgroup operation in a branch',
    kernel([...when(less(laneIndex, i32(1)), [letOf('x', build.subgroup('add', f32(1)))])]),
    /a subgroup operation/,
  ],
  ['too many lanes', kernel([], { workgroup: 512 }), /512 lanes; 256/],
  [
    'too much workgroup memory',
    kernel([], { shared: [{ name: 'tile', type: 'f32', size: 5000 }] }),
    /20000 bytes of workgroup memory/,
  ],
];

it.each(broken)('finds %s', (_, body, message) => {
  expect(verifyKernel(body).join('\n')).toMatch(message);
});
