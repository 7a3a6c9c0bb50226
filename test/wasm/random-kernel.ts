// Kernels with random expressions of numbers and of vectors, the same for the same seed: every operation whose result is exact, on values
// that come from buffers.

import type { Expression, KernelBody, KernelOp, Statement, ValueType } from '../../codegen/kernel.ts';
import * as build from '../../codegen/kernel-build.ts';
import { componentOf, isVector, vectorOf } from '../../codegen/kernel-ops.ts';

export type Random = (below: number) => number;

export function random(seed: number): Random {
  let state = (seed * 2654435761 + 12345) | 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 13), 0x5bd1e995) + 0x9e3779b9) | 0;
    return ((state >>> 4) % 1000003) % below;
  };
}

const edges = [0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-40, -1e-45, 3e38, -3e38, Infinity, -Infinity, NaN, 2 ** 31];
const wholeEdges = [0, 1, -1, 2, 7, -8, 31, 255, 65536, 2 ** 30, 2 ** 31 - 1, -(2 ** 31)];

export const reals = (count: number, next: Random): Float32Array =>
  Float32Array.from({ length: count }, () =>
    next(4) === 0 ? edges[next(edges.length)]! : (next(20001) - 10000) / (1 + next(500)),
  );
export const integers = (count: number, next: Random): Int32Array =>
  Int32Array.from({ length: count }, () => (next(4) === 0 ? wholeEdges[next(wholeEdges.length)]! : next(2001) - 1000));

const unary: readonly (readonly [KernelOp, 'f32' | 'i32', 'f32' | 'i32' | 'bool'])[] = [
  ...(['negate', 'abs', 'floor', 'ceil', 'round', 'sqrt'] as const).map((op) => [op, 'f32', 'f32'] as const),
  ...(['negate', 'abs', 'popcount'] as const).map((op) => [op, 'i32', 'i32'] as const),
  ['to_i32', 'f32', 'i32'],
  ['to_f32', 'i32', 'f32'],
  ['from_bits', 'i32', 'f32'],
];
const binary: readonly (readonly [KernelOp, 'f32' | 'i32', 'f32' | 'i32'])[] = [
  ...(['add', 'subtract', 'multiply', 'divide', 'min', 'max'] as const).map((op) => [op, 'f32', 'f32'] as const),
  ...(['add', 'subtract', 'multiply', 'min', 'max', 'xor', 'bit_and'] as const).map(
    (op) => [op, 'i32', 'i32'] as const,
  ),
];
const comparisons = ['less', 'less_equal', 'equal', 'not_equal'] as const;

interface Leaves {
  readonly of: (type: ValueType) => Expression;
}

/** An expression of this type; both kinds of values come from `leaves`. */
export function expression(type: ValueType, depth: number, next: Random, leaves: Leaves): Expression {
  const wide = isVector(type);
  const scalar = componentOf(type);
  const typed = (of: 'f32' | 'i32' | 'bool'): ValueType => (wide ? vectorOf(of) : of);
  const inner = (of: ValueType): Expression => expression(of, depth - 1, next, leaves);
  if (scalar === 'bool') {
    const kind = depth <= 0 ? 0 : next(5);
    if (kind === 1) return build.not(inner(type));
    if (kind === 2) return build.and(inner(type), inner(type));
    if (kind === 3) return build.or(inner(type), inner(type));
    const of = typed(next(2) === 0 ? 'f32' : 'i32');
    return build.call(comparisons[next(4)]!, inner(of), inner(of));
  }
  if (depth <= 0) return leaf(type, next, leaves);
  const kind = next(12);
  if (kind === 0) return leaf(type, next, leaves);
  if (kind <= 2) return build.select(inner(typed('bool')), inner(type), inner(type));
  if (kind <= 4) {
    const [op, from] = pick(unary.filter(([, , to]) => to === scalar));
    return build.call(op, inner(typed(from)));
  }
  if (kind === 5) return build.call(scalar === 'f32' ? 'to_f32' : 'to_i32', inner(typed('bool')));
  if (kind === 6 && scalar === 'i32') {
    const distance = build.call('bit_and', inner(type), literal(type, 31));
    return build.call(
      next(2) === 0 ? 'shift_left' : 'shift_right',
      inner(type),
      next(2) ? literal(type, next(32)) : distance,
    );
  }
  if (kind === 7 && scalar === 'i32') {
    const positive = build.add(build.call('bit_and', inner(type), literal(type, 15)), literal(type, 1));
    const divisor = [literal(type, 1 + next(9)), literal(type, -1 - next(9)), positive, build.negate(positive)][
      next(4)
    ]!;
    return build.call(next(2) === 0 ? 'quotient' : 'remainder', inner(type), divisor);
  }
  if (kind === 8) {
    if (!wide) return build.extract(inner(vectorOf(scalar)), next(4));
    return build.splat(inner(scalar));
  }
  if (kind === 9) {
    if (wide) {
      const places = [next(8), next(8), next(8), next(8)] as const;
      return build.shuffle(inner(type), inner(type), places);
    }
    return build.across((['add', 'multiply', 'max', 'min'] as const)[next(4)]!, inner(vectorOf(scalar)));
  }
  if (kind === 10 && type === 'i32x4') return build.ramp(inner('i32'));
  const [op, from] = pick(binary.filter(([, , to]) => to === scalar));
  return build.call(op, inner(typed(from)), inner(typed(from)));

  function pick<T>(from: readonly T[]): T {
    return from[next(from.length)]!;
  }
}

const literal = (type: ValueType, value: number): Expression => {
  const scalar = componentOf(type) === 'f32' ? build.f32(value) : build.i32(value);
  return isVector(type) ? build.splat(scalar) : scalar;
};

function leaf(type: ValueType, next: Random, leaves: Leaves): Expression {
  if (next(5) === 0) return literal(type, next(21) - 10);
  return leaves.of(type);
}

/** Each item computes from what lies at its place in `a` (f32) and `m` (i32), four of each, into four of `real` and of `whole`. */
export function randomKernel(seed: number): KernelBody {
  const next = random(seed);
  const start = build.local('start', 'i32');
  const loads: Readonly<Record<ValueType, () => Expression>> = {
    f32: () => build.load('a', build.add(start, build.i32(next(4)))),
    i32: () => build.load('m', build.add(start, build.i32(next(4))), 'i32'),
    f32x4: () => build.load('a', build.add(start, build.i32(next(5))), 'f32x4'),
    i32x4: () => build.load('m', build.add(start, build.i32(next(5))), 'i32x4'),
    bool: () => build.less(build.load('a', start), build.f32(0)),
    boolx4: () => build.less(build.load('a', start, 'f32x4'), build.splat(build.f32(0))),
  };
  const bound: Expression[] = [];
  const leaves: Leaves = {
    of: (type) => {
      const known = bound.filter((each) => each.type === type);
      return known.length > 0 && next(2) === 0 ? known[next(known.length)]! : loads[type]();
    },
  };
  const statements: Statement[] = [build.letOf('start', build.multiply(build.workgroupIndex, build.i32(4)))];
  const types = ['f32', 'i32', 'f32x4', 'i32x4', 'bool', 'boolx4'] as const;
  for (let index = 0; index < 6; index += 1) {
    const type = types[next(types.length)]!;
    statements.push(build.letOf(`value_${index}`, expression(type, 3, next, leaves)));
    bound.push(build.local(`value_${index}`, type));
  }
  statements.push(
    build.store('real', start, expression('f32x4', 4, next, leaves)),
    build.store('whole', start, expression('i32x4', 4, next, leaves)),
    build.store('real', build.add(start, build.i32(next(4))), expression('f32', 4, next, leaves)),
    build.store('whole', build.add(start, build.i32(next(4))), expression('i32', 4, next, leaves)),
  );
  return {
    name: `random_${seed}`,
    workgroup: 1,
    bindings: [
      { name: 'a', type: 'f32', access: 'read' },
      { name: 'm', type: 'i32', access: 'read' },
      { name: 'real', type: 'f32', access: 'read_write' },
      { name: 'whole', type: 'i32', access: 'read_write' },
    ],
    shared: [],
    arrays: [],
    statements,
  };
}
