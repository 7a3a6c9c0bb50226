// Constructors of kernel IR: folding never changes a result, and a wrong type cannot be built.

import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Expression, KernelBody, KernelOp } from '../../codegen/kernel.ts';
import { kernelOps } from '../../codegen/kernel.ts';
import { call, f32, i32, load, local, select, store, loop, when, bool } from '../../codegen/kernel-build.ts';
import { resultType } from '../../codegen/kernel-ops.ts';
import { simulate } from '../../codegen/simulate.ts';
import { replace } from '../../codegen/unroll.ts';
import { wholeSequence } from '../../targets/device.ts';

/** The value of an expression with a in f[0], b in f[1], m in i[0], n in i[1]. */
function valueOf(expression: Expression, f: Float32Array, i: Int32Array): number {
  const integer = expression.type === 'i32';
  const body: KernelBody = {
    name: 'value',
    workgroup: 1,
    bindings: [
      { name: 'f', type: 'f32', access: 'read' },
      { name: 'i', type: 'i32', access: 'read' },
      { name: 'result', type: integer ? 'i32' : 'f32', access: 'read_write' },
    ],
    shared: [],
    arrays: [],
    statements: [store('result', i32(0), expression)],
  };
  const result = integer ? new Int32Array(1) : new Float32Array(1);
  simulate(body, 1, { f, i, result }, wholeSequence(1, 1));
  return result[0]! + 0; // the sign of zero may be lost
}

const reals = ['add', 'subtract', 'multiply', 'min', 'max', 'negate', 'abs'] as const;
const integers = [...reals, 'xor', 'bit_and', 'shift_left'] as const;

/** Trees over two variables and small constants, built once folded and once without any literal. */
function tree(type: 'f32' | 'i32'): fc.Arbitrary<(leaf: (name: string | number) => Expression) => Expression> {
  type Make = (leaf: (name: string | number) => Expression) => Expression;
  const ops: readonly KernelOp[] = type === 'f32' ? reals : integers;
  return fc.letrec<{ node: Make }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('x', 'y', 0, 1, 2, -1, 3).map(
        (name): Make =>
          (leaf) =>
            leaf(name),
      ),
      fc.tuple(fc.constantFrom(...ops), tie('node'), tie('node')).map(
        ([op, a, b]): Make =>
          (leaf) =>
            op === 'shift_left'
              ? call(op, a(leaf), i32(3))
              : kernelOps[op] === 1
                ? call(op, a(leaf))
                : call(op, a(leaf), b(leaf)),
      ),
      fc.tuple(tie('node'), tie('node')).map(
        ([a, b]): Make =>
          (leaf) =>
            select(call('less', a(leaf), b(leaf)), a(leaf), b(leaf)),
      ),
    ),
  })).node;
}

it.each(['f32', 'i32'] as const)('folding and substitution keep every %s value', (type) => {
  fc.assert(
    fc.property(tree(type), fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 }), (make, x, y) => {
      const constants = [0, 1, 2, -1, 3];
      const data = [x, y, ...constants];
      const f = Float32Array.from(data);
      const i = Int32Array.from(data);
      const buffer = type === 'f32' ? 'f' : 'i';
      const place = (name: string | number): number =>
        name === 'x' ? 0 : name === 'y' ? 1 : 2 + constants.indexOf(name as number);
      const literal = type === 'f32' ? f32 : i32;
      const opaque = make((name) => load(buffer, i32(place(name)), type));
      const folded = make((name) => (typeof name === 'number' ? literal(name) : load(buffer, i32(place(name)), type)));
      const bound = make((name) => (name === 'x' ? local('x', type) : load(buffer, i32(place(name)), type)));
      const expected = valueOf(opaque, f, i);
      expect(valueOf(folded, f, i)).toEqual(expected);
      expect(valueOf(replace(bound, 'x', literal(x)), f, i)).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

it('refuses wrong types, names and numbers', () => {
  expect(() => call('add', f32(1), i32(1))).toThrow(/add does not take \(f32, i32\)/);
  expect(() => call('quotient', f32(1), f32(2))).toThrow();
  expect(() => call('select', f32(1), f32(2), f32(3))).toThrow();
  expect(() => load('x', f32(1))).toThrow(/index must be i32/);
  expect(() => local('a b', 'f32')).toThrow(/not a name/);
  expect(() => f32(Infinity)).toThrow();
  expect(() => f32(1e39)).toThrow();
  expect(() => i32(2 ** 31)).toThrow();
  expect(() => loop('k', i32(0), local('n', 'i32'), [], { mode: 'unrolled' })).toThrow(/literal/);
  expect(() => when(f32(1), [])).toThrow(/must be bool/);
});

it('an overflow is not folded, since no target can write it', () => {
  const big = f32(3e38);
  expect(call('add', big, big).kind).toBe('call');
  expect(call('divide', f32(1), f32(0)).kind).toBe('call');
  expect(call('quotient', i32(1), i32(0)).kind).toBe('call');
  expect(when(bool(true), [])).toEqual([]);
});

it('every operation has a result type', () => {
  for (const [op, count] of Object.entries(kernelOps) as [KernelOp, number][]) {
    const types = (['f32', 'i32', 'bool'] as const).flatMap((a) => [
      Array(count).fill(a) as ('f32' | 'i32' | 'bool')[],
    ]);
    types.push(['bool', 'f32', 'f32']);
    const results = types
      .filter((each) => each.length === count)
      .flatMap((each) => {
        try {
          return [resultType(op, each)];
        } catch {
          return [];
        }
      });
    expect(results.length, op).toBeGreaterThan(0);
  }
});
