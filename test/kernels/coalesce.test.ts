// Points in lockstep: what becomes one access and what does not, and that nothing changes what a kernel computes. The loop
// over points as it comes in is the meaning; the simulator runs both.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Expression, KernelBody, Statement, StorageType } from '../../codegen/kernel.ts';
import {
  add,
  assign,
  barrier,
  f32,
  i32,
  laneIndex,
  less,
  letOf,
  load,
  local,
  loop,
  multiply,
  quotient,
  remainder,
  store,
  toF32,
  varOf,
  when,
} from '../../codegen/kernel-build.ts';
import { verifyKernel } from '../../codegen/kernel-verify.ts';
import { simulate } from '../../codegen/simulate.ts';
import { coalesce, type Coalesced } from '../../codegen/simt/coalesce.ts';

const k = local('k', 'i32');
const width = 8;
/** Lane's first point: a multiple of 8. */
const first = multiply(laneIndex, i32(width));
const point = add(first, k);

function bodyOf(statements: readonly Statement[], type: StorageType): KernelBody {
  const buffer = (name: string) => ({ name, type, access: 'read_write' as const });
  const bindings = ['a', 'b', 'c'].map(buffer);
  return { name: 'points', workgroup: 4, bindings, shared: [], arrays: [], statements };
}

const points = (body: readonly Statement[]): Statement => loop('k', i32(0), i32(width), body, { mode: 'unrolled' });

function together(statements: readonly Statement[], type: StorageType = 'f32'): Coalesced {
  let names = 0;
  const { bindings } = bodyOf([], type);
  const fresh = (wish: string): string => `${wish}_${(names += 1)}`;
  return coalesce(statements, { bindings, variables: new Set(['k']), access: 16, fresh });
}

type Buffers = Record<'a' | 'b' | 'c', Float32Array>;
const fill = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, n) => ((n * 37 + seed * 11) % 64) / 8 - 4);
const buffers = (): Buffers => ({ a: fill(256, 1), b: fill(256, 2), c: fill(256, 3) });

/** The buffers after the loop over points, and after the same in lockstep. */
function both(statements: readonly Statement[], type: StorageType = 'f32'): readonly [Buffers, Buffers, Coalesced] {
  const after = together(statements, type);
  const wide = { ...bodyOf(after.statements, type), arrays: after.arrays };
  expect(verifyKernel(wide)).toEqual([]);
  const sizes = { batch: 1, tokens: 1, keys: 1, first: 0, capacity: 1 };
  const [expected, actual] = [buffers(), buffers()];
  simulate(bodyOf(statements, type), 1, expected, sizes);
  simulate(wide, 1, actual, sizes, { order: 'random' });
  return [expected, actual, after];
}

const accesses = (statements: readonly Statement[]): string[] =>
  statements.flatMap((statement) => {
    if (statement.kind === 'load-elements' || statement.kind === 'store-elements')
      return [`${statement.kind} ${statement.buffer} ${statement.count}`];
    if (statement.kind === 'for') return accesses(statement.body);
    return statement.kind === 'if' ? accesses([...statement.then, ...statement.otherwise]) : [];
  });

describe('accesses of neighbouring points', () => {
  it.each([
    ['bf16', 1, ['load-elements a 8', 'store-elements b 8']],
    ['f32', 2, ['load-elements a 4', 'load-elements a 4', 'store-elements b 4', 'store-elements b 4']],
  ] as const)('become one where the base is a multiple (%s)', (type, _, expected) => {
    const statements = [letOf('base', first), points([store('b', point, load('a', add(local('base', 'i32'), k)))])];
    const [before, after, { statements: made }] = both(statements, type);
    expect(accesses(made)).toEqual(expected);
    expect(after).toEqual(before);
  });

  it.each([
    ['a multiple of 4 and a half', add(first, i32(4)), ['load-elements a 4', 'load-elements a 4']],
    ['a multiple of 2', add(first, i32(2)), Array.from({ length: 4 }, () => 'load-elements a 2')],
    ['an odd base', add(first, i32(3)), []],
    ['a base of which nothing is known', quotient(first, i32(8)), []],
    ['a remainder by a multiple', remainder(first, i32(16)), ['load-elements a 8']],
    ['a sum with something unknown', add(multiply(laneIndex, i32(3)), first), []],
  ] as const)('are as wide as the base allows: %s', (_, base, expected) => {
    const statements = [points([store('b', point, load('a', add(base, k)))])];
    const [before, after, { statements: made }] = both(statements, 'bf16');
    expect(accesses(made).filter((each) => each.startsWith('load'))).toEqual(expected);
    expect(after).toEqual(before);
  });

  it('of both features of a pair are one', () => {
    const [even, odd] = [multiply(point, i32(2)), add(multiply(point, i32(2)), i32(1))];
    const pair = [store('b', even, load('a', odd)), store('b', odd, load('a', even))];
    const [before, after, { statements: made }] = both([points(pair)], 'f32');
    expect(accesses(made)).toEqual([
      ...Array.from({ length: 4 }, () => 'load-elements a 4'),
      ...Array.from({ length: 4 }, () => 'store-elements b 4'),
    ]);
    expect(after).toEqual(before);
    expect(accesses(both([points([store('b', even, load('a', odd))])])[2].statements)).toEqual([]);
  });

  it('stay in the order of one point', () => {
    const change = (to: string, from: Expression): Statement => store(to, point, add(from, f32(1)));
    const [before, after, { statements: made }] = both(
      [points([change('a', load('a', point)), change('b', load('a', point)), change('a', load('b', point))])],
      'bf16',
    );
    expect(accesses(made)).toEqual([
      'load-elements a 8',
      'store-elements a 8',
      'load-elements a 8',
      'store-elements b 8',
      'load-elements b 8',
      'store-elements a 8',
    ]);
    expect(after).toEqual(before);
  });

  it('that only some points make stay single', () => {
    const some = when(less(k, i32(3)), [store('b', point, load('a', point))]);
    const [before, after, { statements: made, tally }] = both([points(some)]);
    expect(accesses(made)).toEqual([]);
    expect(tally).toMatchObject({ wide: 0, stores: 1 });
    expect(after).toEqual(before);
  });

  it('do not pass what a branch stores to the same buffer', () => {
    const late = when(less(k, i32(3)), [store('b', point, f32(9))]);
    const [before, after] = both([points([store('b', point, load('a', point)), ...late])]);
    expect(after).toEqual(before);
    expect(after.b[0]).toBe(9);
  });

  it('pass no barrier', () => {
    const statements = [points([letOf('x', load('a', point)), barrier, store('b', point, local('x', 'f32'))])];
    expect(together(statements).statements).toEqual(statements);
  });
});

describe('values of points', () => {
  it('that loops need are kept for each; what is the same for all is done once', () => {
    const term = local('term', 'i32');
    const statements = [
      points([
        varOf('sum', f32(0)),
        letOf('angle', toF32(point)),
        loop('term', i32(0), i32(3), [
          letOf('row', multiply(term, i32(64))),
          assign(
            'sum',
            add(local('sum', 'f32'), multiply(local('angle', 'f32'), load('a', add(local('row', 'i32'), point)))),
          ),
        ]),
        store('b', point, local('sum', 'f32')),
      ]),
    ];
    const [before, after, { statements: made, arrays }] = both(statements, 'bf16');
    expect(accesses(made)).toEqual(['load-elements a 8', 'store-elements b 8']);
    expect(arrays.map(({ size }) => size)).toEqual([8, 8, 8, 8]);
    expect(after).toEqual(before);
  });

  it('that are added to one sum are added in order', () => {
    const sum = local('sum', 'f32');
    const statements = [
      varOf('sum', f32(0)),
      points([letOf('x', load('a', point)), assign('sum', add(multiply(sum, f32(0.5)), local('x', 'f32')))]),
      store('b', laneIndex, sum),
    ];
    const [before, after, { statements: made }] = both(statements, 'bf16');
    expect(accesses(made)).toEqual(['load-elements a 8']);
    expect(after).toEqual(before);
  });
});

/** What one point does, at its own elements of three buffers, in any order. */
const step = fc.record({
  kind: fc.constantFrom('let', 'set', 'store', 'some', 'all', 'repeat'),
  from: fc.constantFrom('a', 'b', 'c'),
  to: fc.constantFrom('a', 'b', 'c'),
  row: fc.constantFrom(0, 64),
  pairs: fc.boolean(),
});

function program(
  steps: readonly { kind: string; from: string; to: string; row: number; pairs: boolean }[],
): Statement[] {
  // Pairs lie behind the single elements, so that every element belongs to one point.
  const at = (row: number, pairs: boolean, n: number): Expression =>
    pairs ? add(multiply(point, i32(2)), i32(row < 64 ? 128 + n : 192 + n)) : add(point, i32(row));
  const known = (n: number): Expression => add(local('sum', 'f32'), n > 0 ? local(`x${n - 1}`, 'f32') : f32(1));
  const body = steps.flatMap(({ kind, from, to, row, pairs }, n): Statement[] => {
    const bound = letOf(`x${n}`, add(load(from, at(row, pairs, n % 2)), f32(n)));
    const put = store(to, at(row, pairs, 0), known(n));
    const change = assign('sum', multiply(known(n), f32(0.5)));
    switch (kind) {
      case 'let':
        return [bound];
      case 'set':
        return [bound, change];
      case 'store':
        return [bound, put, ...(pairs ? [store(to, at(row, pairs, 1), f32(n))] : [])];
      case 'some':
        return [bound, ...when(less(load('c', at(0, false, 0)), f32(0)), [change, put])];
      case 'all':
        return [bound, ...when(less(laneIndex, i32(2)), [change, put])];
      default:
        return [bound, loop(`again${n}`, i32(0), i32(2), [change, put])];
    }
  });
  return [points([varOf('sum', f32(0)), ...body, store('c', at(0, false, 0), local('sum', 'f32'))])];
}

it('computes the same, whatever a point does', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 7 }), fc.constantFrom('f32' as const, 'bf16' as const), (steps, type) => {
      const [before, after] = both(program(steps), type);
      expect(after).toEqual(before);
    }),
    { numRuns: 300, seed: 7 },
  );
});
