// Random kernels with vector loops, run as they are and as vectors: the same bits, for every number of steps. What is
// accumulated in f32 is made of small whole numbers, so that the order of summation cannot show.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withoutAliases } from '../../codegen/cpu/aliases.ts';
import { expandForCpu } from '../../codegen/cpu/expand.ts';
import { vectorize } from '../../codegen/cpu/vectorize.ts';
import type { Expression, KernelBody, Statement } from '../../codegen/kernel.ts';
import * as build from '../../codegen/kernel-build.ts';
import { verifyKernel } from '../../codegen/kernel-verify.ts';
import { expressionsOf, nestedIn, partsOf } from '../../codegen/map-expressions.ts';
import { createNames } from '../../codegen/names.ts';
import { simulate } from '../../codegen/simulate.ts';
import { withoutUnused } from '../../codegen/unused.ts';
import { share } from '../../codegen/simt/share.ts';
import { expandOp } from '../../codegen/math.ts';
import { buffersOf, cases, kernelOf } from '../simulator/elementary.ts';
import { randomKernel, room } from './random-kernel.ts';

const { add, assign, f32, i32, less, load, local, loop, multiply, sizeOf, store, subtract, varOf, when } = build;

function kernel(statements: readonly Statement[], more: Partial<KernelBody> = {}): KernelBody {
  return {
    name: 'kernel',
    workgroup: 1,
    bindings: [
      { name: 'input', type: 'f32', access: 'read' },
      { name: 'order', type: 'i32', access: 'read' },
      { name: 'output', type: 'f32', access: 'read_write' },
      { name: 'pairs', type: 'f32', access: 'read_write' },
      { name: 'total', type: 'f32', access: 'read_write' },
      { name: 'count', type: 'i32', access: 'read_write' },
    ],
    shared: [],
    arrays: [],
    statements,
    ...more,
  };
}

function inVectors(body: KernelBody, shared = false): KernelBody {
  const names = createNames([...nestedIn(body.statements)].flatMap((s) => ('name' in s ? [s.name] : [])));
  const options = { bindings: body.bindings, fresh: (wanted: string) => names.allocate(wanted) };
  const made = vectorize(shared ? withoutAliases(body.statements) : body.statements, options);
  const statements = shared
    ? withoutAliases(withoutUnused(share(made, { ...options, hints: new Map(), traps: true })))
    : made;
  return { ...body, statements };
}

type Data = Record<string, Float32Array | Int32Array>;

/** Numbers that differ, small and whole; an order of all places. */
function data(): Data {
  return {
    input: Float32Array.from({ length: room }, (_, n) => ((n * 7) % 13) - 6),
    order: Int32Array.from({ length: room }, (_, n) => (n * 5 + 3) % room),
    output: Float32Array.from({ length: room }, (_, n) => n),
    pairs: Float32Array.from({ length: 2 * room }, (_, n) => 100 - n),
    total: new Float32Array(8),
    count: new Int32Array(8),
  };
}

function run(body: KernelBody, tokens: number, backwards = false): Data {
  const buffers = data();
  simulate(body, 1, buffers, { batch: 1, tokens, keys: tokens, first: 0, capacity: tokens }, { backwards });
  return buffers;
}

/** As whole numbers, so that -0 shows; one NaN is as good as another. */
const bits = (of: Data): readonly (readonly [string, readonly number[]])[] =>
  Object.entries(of).map(([name, each]) => [name, [...new Int32Array(each.map((x) => (x !== x ? NaN : x)).buffer)]]);

function expectSame(body: KernelBody, sizes: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 23]): KernelBody {
  expect(verifyKernel(body, 'cpu')).toEqual([]);
  const wide = inVectors(body);
  const tidy = inVectors(body, true);
  expect(verifyKernel(wide, 'cpu')).toEqual([]);
  expect(verifyKernel(tidy, 'cpu')).toEqual([]);
  for (const tokens of sizes) {
    const expected = bits(run(body, tokens));
    expect(bits(run(body, tokens, true)), `${tokens} steps backwards`).toEqual(expected);
    expect(bits(run(wide, tokens)), `${tokens} steps in vectors`).toEqual(expected);
    if (tokens > 0) expect(bits(run(tidy, tokens)), `${tokens} steps in vectors, shared`).toEqual(expected);
  }
  return wide;
}

function* expressions(body: KernelBody): Generator<Expression> {
  const inner = function* (e: Expression): Generator<Expression> {
    yield e;
    for (const part of partsOf(e)) yield* inner(part);
  };
  for (const statement of nestedIn(body.statements)) for (const e of expressionsOf(statement)) yield* inner(e);
}
const loadsOf = (body: KernelBody) => [...expressions(body)].filter((e) => e.kind === 'load');
const storesOf = (body: KernelBody) => [...nestedIn(body.statements)].filter((s) => s.kind === 'store');
const loopsOf = (body: KernelBody) => [...nestedIn(body.statements)].filter((s) => s.kind === 'for');

const v = local('v', 'i32');
const tokens = sizeOf('tokens');
const over = (to: Expression, body: readonly Statement[], from = i32(0)): Statement =>
  loop('v', from, to, body, { mode: 'vector' });

it('random kernels compute the same in vectors', { timeout: 60_000 }, () => {
  let vectors = 0;
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 30, maxLength: 120 }), (tape) => {
      const body = kernel(randomKernel(tape));
      const wide = expectSame(body, [0, 1, 3, 4, 7, 9, 18]);
      if ([...expressions(wide)].some((e) => e.type === 'f32x4')) vectors += 1;
    }),
    { numRuns: 150, seed: 4, endOnFailure: false },
  );
  expect(vectors).toBeGreaterThan(110);
});

describe('neighbours', () => {
  it('are one access, and a literal number of fours leaves no rest', () => {
    const body = kernel([over(i32(16), [store('output', v, multiply(load('input', add(v, i32(3))), f32(2)))])]);
    const wide = expectSame(body, [1]);
    expect(loopsOf(wide)).toHaveLength(1);
    expect(loadsOf(wide).map(({ type, index }) => [type, index.type])).toEqual([['f32x4', 'i32']]);
    expect(storesOf(wide)).toHaveLength(1);
  });

  it('in pairs are two accesses of eight numbers each way', () => {
    const [even, odd] = [multiply(v, i32(2)), add(multiply(v, i32(2)), i32(1))];
    const [a, b] = [load('pairs', even), load('pairs', odd)];
    const body = kernel([
      over(i32(12), [
        build.letOf('a', a),
        build.letOf('b', b),
        store('pairs', even, subtract(local('a', 'f32'), local('b', 'f32'))),
        store('pairs', odd, add(local('a', 'f32'), local('b', 'f32'))),
      ]),
    ]);
    const wide = expectSame(body, [1]);
    expect(loadsOf(wide).every(({ index }) => index.type === 'i32')).toBe(true);
    expect(storesOf(wide)).toHaveLength(2);
    expect(storesOf(wide).every(({ index }) => index.type === 'i32')).toBe(true);
  });

  it('every second of what is written elsewhere is gathered', () => {
    const body = kernel([over(i32(8), [store('output', v, load('pairs', multiply(v, i32(2))))])]);
    expect(loadsOf(expectSame(body, [1])).map(({ index }) => index.type)).toEqual(['i32x4']);
  });

  it('in a period of fours stay neighbours', () => {
    const [low, high] = [build.remainder(v, i32(8)), build.quotient(v, i32(8))];
    const body = kernel([over(i32(24), [store('output', v, add(load('input', low), load('input', high)))])]);
    const wide = expectSame(body, [1]);
    expect(loadsOf(wide).map(({ type, index }) => [type, index.type])).toEqual([
      ['f32x4', 'i32'],
      ['f32', 'i32'],
    ]);
  });
});

describe('what is accumulated', () => {
  const sum = (value: Expression, to: Expression, op: typeof add = add): KernelBody =>
    kernel([
      varOf('sum', f32(1)),
      over(to, [assign('sum', op(local('sum', 'f32'), value))]),
      store('total', i32(0), local('sum', 'f32')),
    ]);

  it('is added up in four vectors where a step is cheap', () => {
    const wide = expectSame(sum(load('input', v), tokens), [0, 1, 3, 4, 5, 16, 17, 20, 23, 33, 47]);
    expect(loopsOf(wide).map(({ step }) => step)).toEqual([16, 4, 1]);
    expect([...nestedIn(wide.statements)].filter((s) => s.kind === 'var' && s.value.type === 'f32x4')).toHaveLength(4);
  });

  it('is added up in the stated order', () => {
    const numbers = Float32Array.from({ length: 23 }, (_, n) => Math.fround(Math.sin(n * n) * 10 ** (n % 5)));
    const r = Math.fround;
    const vectors = [0, 1, 2, 3].map((part) => [0, 1, 2, 3].map((c) => r(0 + numbers[4 * part + c]!)));
    vectors[0] = vectors[0]!.map((each, c) => r(each + numbers[16 + c]!)); // the fifth vector
    const [a, b, c, d] = [0, 1, 2, 3].map((n) =>
      r(r(vectors[0]![n]! + vectors[1]![n]!) + r(vectors[2]![n]! + vectors[3]![n]!)),
    ) as [number, number, number, number];
    let expected = r(1 + r(r(a + c) + r(b + d)));
    for (const rest of numbers.slice(20)) expected = r(expected + rest);
    const buffers: Data = { ...data(), input: numbers };
    simulate(inVectors(sum(load('input', v), tokens)), 1, buffers, { ...sizes, tokens: 23 });
    expect(buffers.total![0]).toBe(expected);
  });

  it.each([
    ['the largest', build.maximum],
    ['the smallest', build.minimum],
    ['the product', (a: Expression, b: Expression) => multiply(a, b)],
  ])('may be %s', (_, op) => {
    const value = build.select(less(v, i32(2)), f32(2), build.select(less(v, i32(9)), f32(1), f32(-1)));
    const wide = expectSame(sum(value, tokens, op));
    expect([...expressions(wide)].some((e) => e.type === 'f32x4')).toBe(true);
  });

  it('may be counted, and summed where a condition holds', () => {
    const body = kernel([
      varOf('sum', f32(0)),
      varOf('many', i32(5)),
      over(tokens, [
        ...when(less(load('input', v), f32(0)), [
          assign('sum', add(load('input', v), local('sum', 'f32'))),
          assign('many', add(local('many', 'i32'), i32(1))),
        ]),
      ]),
      store('total', i32(0), local('sum', 'f32')),
      store('count', i32(0), local('many', 'i32')),
    ]);
    expectSame(body);
  });

  it('with two operations, or read on the way, is left as it is', () => {
    const twice = kernel([
      varOf('sum', f32(0)),
      over(tokens, [assign('sum', add(multiply(local('sum', 'f32'), f32(2)), load('input', v)))]),
      store('total', i32(0), local('sum', 'f32')),
    ]);
    expect(verifyKernel(twice, 'cpu').join()).toMatch(/sets sum otherwise than by one operation/);
    const wide = inVectors(twice);
    expect([...expressions(wide)].some((e) => e.type === 'f32x4')).toBe(false);
    expect(bits(run(wide, 9))).toEqual(bits(run(twice, 9)));
    const read = kernel([
      varOf('sum', f32(0)),
      over(tokens, [assign('sum', add(local('sum', 'f32'), f32(1))), store('output', v, local('sum', 'f32'))]),
    ]);
    expect(verifyKernel(read, 'cpu').join()).toMatch(/reads what it accumulates/);
    expect(bits(run(inVectors(read), 9))).toEqual(bits(run(read, 9)));
  });
});

describe('branches', () => {
  it('read and write for the steps that take them alone', () => {
    // Every fourth element is there: the others would be outside.
    const outside = build.select(less(v, i32(room)), v, i32(0));
    const body = kernel([
      over(i32(2 * room + 1), [
        ...when(
          less(v, i32(room)),
          [store('output', v, multiply(load('input', v), f32(3)))],
          [store('pairs', subtract(v, i32(3)), load('input', outside))],
        ),
      ]),
    ]);
    const wide = expectSame(body, [1]);
    expect(storesOf(wide).some(({ mask }) => mask !== undefined)).toBe(true);
  });

  it('do not divide by what steps have that do not take them', () => {
    const divisor = subtract(v, i32(5));
    const body = kernel([
      over(tokens, [
        ...when(build.notEqual(v, i32(5)), [
          store('count', build.remainder(v, i32(8)), build.quotient(i32(60), divisor)),
        ]),
      ]),
    ]);
    expectSame(body, [1, 4, 8]);
  });

  it('that no step takes read nothing, not even what would be read for all alike', () => {
    const far = load('input', add(i32(room), sizeOf('batch')));
    const body = kernel([
      over(i32(8), [
        varOf('x', f32(1)),
        ...when(less(load('input', v), f32(-100)), [assign('x', far)]),
        store('output', v, local('x', 'f32')),
      ]),
    ]);
    expectSame(body, [1]);
  });

  it('that no step takes divide nothing by zero', () => {
    const body = kernel([
      build.letOf('zero', load('order', i32(25), 'i32')),
      over(i32(8), [
        varOf('x', i32(1)),
        ...when(less(load('input', v), f32(-100)), [assign('x', build.quotient(i32(7), local('zero', 'i32')))]),
        store('count', v, local('x', 'i32')),
      ]),
    ]);
    expect(data().order![25]).toBe(0);
    expectSame(body, [1]);
  });

  it('set what is the same for all steps that take them', () => {
    const body = kernel([
      over(tokens, [
        varOf('x', f32(1)),
        ...when(less(load('input', v), f32(0)), [assign('x', f32(5))]),
        store('output', v, local('x', 'f32')),
      ]),
    ]);
    expectSame(body);
  });

  it('with loops of differing lengths, or private memory, are left as they are', () => {
    const body = kernel(
      [
        over(tokens, [
          build.storeElement('own', i32(0), load('input', v)),
          varOf('sum', build.element('own', i32(0))),
          loop('k', i32(0), v, [assign('sum', add(local('sum', 'f32'), load('input', local('k', 'i32'))))]),
          store('output', v, local('sum', 'f32')),
        ]),
      ],
      { arrays: [{ name: 'own', type: 'f32', size: 1 }] },
    );
    const wide = expectSame(body);
    expect([...expressions(wide)].some((e) => e.type === 'f32x4')).toBe(false);
  });
});

it('negative numbers are divided towards zero', () => {
  const at = subtract(v, i32(9));
  const parts = [build.quotient(at, i32(4)), build.remainder(at, i32(4)), build.quotient(at, i32(3))];
  const body = kernel([
    over(tokens, [store('output', v, build.toF32(parts.reduce((sum, each) => add(multiply(sum, i32(16)), each))))]),
  ]);
  expectSame(body);
});

it('components that differ are not taken for the same', () => {
  const body = kernel([
    build.letOf('all', load('input', i32(0), 'f32x4')),
    ...[0, 1, 2, 3].map((c) => store('total', i32(c), multiply(build.extract(local('all', 'f32x4'), c), f32(2)))),
    store('total', i32(4), build.extract(local('all', 'f32x4'), 1)),
  ]);
  expect(verifyKernel(inVectors(body, true), 'cpu')).toEqual([]);
  expect(bits(run(inVectors(body, true), 1))).toEqual(bits(run(body, 1)));
  expect(run(body, 1).total!.slice(0, 5)).toEqual(Float32Array.of(-12, 2, -10, 4, 1));
});

it('the innermost loop that can be one of vectors is', () => {
  const w = local('w', 'i32');
  const at = add(multiply(v, i32(6)), w);
  const inner = (extent: number): KernelBody =>
    kernel([
      over(i32(5), [loop('w', i32(0), i32(extent), [store('output', at, load('input', at))], { mode: 'vector' })]),
    ]);
  expect(loopsOf(expectSame(inner(6), [1])).map(({ variable, step }) => [variable.slice(0, 1), step])).toEqual([
    ['v', 1],
    ['w', 1],
  ]);
  const outer = expectSame(inner(3), [1]);
  expect(loadsOf(outer).some(({ index }) => index.type === 'i32x4')).toBe(true);
});

it('what a helper does alike in all steps is done once, outside', () => {
  const body = kernel([
    build.letOf('base', load('input', i32(9))),
    over(i32(16), [store('output', v, expandOp('power', [local('base', 'f32'), build.toF32(v)]))]),
  ]);
  expectSame(body, [1]);
  const [loop_] = loopsOf(inVectors(body, true));
  const inside = [...expressions({ ...body, statements: loop_!.body })].filter((e) => e.kind === 'apply');
  expect(inside.map((e) => e.of.name)).toEqual(['exp_f32_x4']);
});

it('what is bound to a variable keeps the value that it has then', () => {
  const [x, old] = [local('x', 'f32'), local('old', 'f32')];
  const body = kernel([
    over(tokens, [
      varOf('x', load('input', v)),
      varOf('y', f32(2)),
      build.letOf('old', x),
      build.letOf('two', local('y', 'f32')),
      assign('x', f32(7)),
      assign('y', f32(9)),
      store('output', v, add(multiply(old, x), multiply(local('two', 'f32'), local('y', 'f32')))),
    ]),
  ]);
  expectSame(body);
});

it('names of names go, names of what changes stay', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => local(name, 'f32')) as [Expression, Expression, Expression];
  const body = kernel([
    varOf('a', f32(1)),
    build.letOf('b', a),
    build.letOf('c', b),
    build.letOf('d', f32(2)),
    assign('a', f32(3)),
    store('total', i32(0), add(multiply(add(a, c), local('d', 'f32')), b)),
  ]);
  const fewer = { ...body, statements: withoutAliases(body.statements) };
  expect(fewer.statements.map((each) => ('name' in each ? each.name : each.kind))).toEqual(['a', 'b', 'a', 'store']);
  expect(run(fewer, 1).total![0]).toBe(9);
  expect(run(body, 1).total![0]).toBe(9);
});

describe.each([
  ['every operation on vectors', expandOp],
  ['every operation as a CPU does it, on vectors', expandForCpu],
] as const)('%s', (_name, expand) => {
  it.each(cases.map((test) => [test.op, test] as const))('%s', (_, test) => {
    const plain = kernelOf(test, expand);
    const stored = [...nestedIn(plain.statements)].find((s) => s.kind === 'store')!;
    const index = local('index', 'i32');
    const count = test.samples.length;
    const steps = loop('index', i32(0), i32(count), [{ ...stored, index }], { mode: 'vector' });
    const body: KernelBody = { ...plain, workgroup: 1, statements: [steps] };
    const wide = inVectors(body);
    expect(verifyKernel(wide, 'cpu')).toEqual([]);
    const results = [body, wide].map((each) => {
      const buffers = buffersOf(test);
      simulate(each, 1, buffers, sizes);
      return [...new Int32Array(buffers.result!.buffer)];
    });
    if (count >= 4) expect([...expressions(wide)].some((e) => build.splat(e) === e)).toBe(true);
    expect(results[1]).toEqual(results[0]);
  });
});

const sizes = { batch: 1, tokens: 1, keys: 1, first: 0, capacity: 1 };
