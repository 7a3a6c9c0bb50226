// A kernel with a vector loop out of a tape of numbers: each choice takes the next one, and 0 where there is none left, so
// that a shorter tape, or smaller numbers, is a simpler kernel. Steps are independent: each writes its own places.

import type { Expression, Statement } from '../../codegen/kernel.ts';
import * as build from '../../codegen/kernel-build.ts';
import { cosine, floorMod, hyperbolicTangent, logarithm, power } from '../../codegen/functions.ts';

const { add, assign, f32, i32, less, load, local, loop, multiply, sizeOf, store, subtract, varOf, when } = build;

/** Elements of each buffer; `pairs` has twice as many. */
export const room = 64;

/** Numbers bound so far, and what may be set. */
interface Known {
  readonly reals: readonly Expression[];
  readonly wholes: readonly Expression[];
  readonly variables: readonly Expression[];
  /** The buffers that hold what no step has written yet. */
  readonly fresh: ReadonlySet<string>;
  readonly depth: number;
}

export function randomKernel(tape: readonly number[]): readonly Statement[] {
  let position = 0;
  let names = 0;
  const pick = (count: number): number => (tape[position++] ?? 0) % count;
  const one = <T>(of: readonly T[]): T => of[pick(of.length)]!;
  const name = (): string => `n${(names += 1)}`;
  const v = local('v', 'i32');
  const inside = (index: Expression): Expression => build.call('bit_and', index, i32(room - 1));

  const whole = (known: Known, depth = 2): Expression => {
    const inner = (): Expression => whole(known, depth - 1);
    const makers: readonly (() => Expression)[] = [
      () => v,
      () => i32(pick(9)),
      () => one(known.wholes),
      () => sizeOf('tokens'),
      () => add(inner(), inner()),
      () => subtract(inner(), inner()),
      () => multiply(inner(), i32(pick(4))),
      () => multiply(inner(), inner()),
      () => build.negate(inner()),
      () => build.quotient(inner(), i32(one([3, 4, 8]))),
      () => build.remainder(v, i32(one([3, 4, 8]))),
      () => build.apply(floorMod, inner(), add(inside(inner()), i32(1))),
      () => build.call('shift_right', inner(), i32(pick(4))),
      () => build.select(truth(known, 0), inner(), inner()),
      () => load('order', inside(inner()), 'i32'),
      () => build.minimum(inner(), i32(20)),
    ];
    return makers[depth === 0 ? pick(4) : pick(makers.length)]!();
  };
  const truth = (known: Known, depth = 1): Expression => {
    const makers: readonly (() => Expression)[] = [
      () => less(v, i32(pick(12))),
      () => less(sizeOf('tokens'), i32(pick(12))),
      () => less(real(known, depth), real(known, depth)),
      () => build.equal(build.call('bit_and', whole(known, depth), i32(1)), i32(0)),
      () => build.and(truth(known, 0), build.not(truth(known, 0))),
      () => build.or(truth(known, 0), truth(known, 0)),
    ];
    return makers[depth === 0 ? pick(2) : pick(makers.length)]!();
  };
  const real = (known: Known, depth = 2): Expression => {
    const inner = (): Expression => real(known, depth - 1);
    const pairs = known.fresh.has('pairs') ? 'pairs' : 'input';
    const makers: readonly (() => Expression)[] = [
      () => load('input', v),
      () => f32(pick(7) - 3),
      () => one(known.reals),
      () => load(pairs, multiply(v, i32(2))),
      () => load('input', add(v, i32(pick(8)))),
      () => load(pairs, add(multiply(v, i32(2)), i32(1))),
      () => load('input', subtract(i32(40), v)),
      () => load('input', inside(whole(known, 1))),
      () => load('input', i32(pick(room))),
      () => add(inner(), inner()),
      () => multiply(inner(), inner()),
      () => build.maximum(inner(), inner()),
      () => build.negate(inner()),
      () => build.toF32(whole(known, 1)),
      () => build.select(truth(known, 0), inner(), inner()),
      () => build.apply(hyperbolicTangent, inner()),
      () => build.apply(cosine, inner()),
      () => build.apply(power, inner(), inner()),
      () => build.apply(logarithm, inner()),
    ];
    return makers[depth === 0 ? pick(4) : pick(makers.length)]!();
  };
  /** Whole and small, so that sums of it are exact. */
  const small = (known: Known): Expression =>
    build.toF32(build.call('bit_and', one([v, ...known.wholes, build.toI32(load('input', v))]), i32(7)));
  /** Adding 0 would be no accumulation. */
  const unlessZero = (value: Expression): Expression =>
    value.kind === 'literal' && value.value === 0 ? (value.type === 'f32' ? f32(1) : i32(1)) : value;

  const block = (outer: Known, count: number): Statement[] => {
    let known = outer;
    const made: Statement[] = [];
    const inner = (change: Partial<Known> = {}): Statement[] =>
      block({ ...known, ...change, depth: known.depth + 1 }, 1 + pick(3));
    const bind = (value: Expression, kind: 'let' | 'var'): void => {
      const bound = name();
      made.push({ kind, name: bound, value });
      const local_ = local(bound, value.type);
      known = {
        ...known,
        ...(value.type === 'f32' ? { reals: [...known.reals, local_] } : { wholes: [...known.wholes, local_] }),
        ...(kind === 'var' ? { variables: [...known.variables, local_] } : {}),
      };
    };
    const makers: readonly (() => void)[] = [
      () => bind(real(known), 'let'),
      () => bind(whole(known), 'let'),
      () => bind(pick(2) === 0 ? real(known) : whole(known), 'var'),
      () => {
        if (known.variables.length === 0) return;
        const variable = one(known.variables) as Expression & { kind: 'local' };
        made.push(assign(variable.name, variable.type === 'f32' ? real(known) : whole(known)));
      },
      () => made.push(assign('sum', add(local('sum', 'f32'), unlessZero(small(known))))),
      () => made.push(assign('most', build.maximum(small(known), local('most', 'f32')))),
      () => made.push(assign('many', add(local('many', 'i32'), unlessZero(whole(known, 1))))),
      () => made.push(store('output', v, real(known))),
      () => made.push(store('output', subtract(i32(50), v), real(known))),
      () => {
        const order = [i32(0), i32(1)];
        if (pick(2) === 1) order.reverse();
        const values = order.map(() => real(known));
        known = { ...known, fresh: new Set() };
        made.push(...order.map((half, n) => store('pairs', add(multiply(v, i32(2)), half), values[n]!)));
      },
      () => {
        if (known.depth > 1) return;
        made.push(...when(truth(known), inner(), pick(2) === 0 ? [] : inner()));
      },
      () => {
        if (known.depth > 1) return;
        const variable = name();
        const k = local(variable, 'i32');
        const end = one([i32(2), i32(3), sizeOf('batch')]);
        const mode = end.kind === 'literal' && pick(2) === 0 ? 'unrolled' : 'serial';
        made.push(loop(variable, i32(0), end, inner({ wholes: [...known.wholes, k], fresh: new Set() }), { mode }));
      },
    ];
    for (let n = 0; n < count; n += 1) one(makers)();
    return made;
  };

  const outside: Known = {
    reals: [local('base', 'f32')],
    wholes: [local('offset', 'i32')],
    variables: [],
    fresh: new Set(['pairs']),
    depth: 0,
  };
  const from = one([i32(0), i32(0), i32(2)]);
  const to = one([sizeOf('tokens'), sizeOf('tokens'), i32(8), i32(11), add(sizeOf('tokens'), i32(1))]);
  return [
    build.letOf('base', f32(3)),
    build.letOf('offset', i32(2)),
    varOf('sum', f32(0)),
    varOf('most', f32(1)),
    varOf('many', i32(0)),
    loop('v', from, to, block(outside, 2 + pick(5)), { mode: 'vector' }),
    store('total', i32(0), local('sum', 'f32')),
    store('total', i32(1), local('most', 'f32')),
    store('count', i32(0), local('many', 'i32')),
  ];
}
