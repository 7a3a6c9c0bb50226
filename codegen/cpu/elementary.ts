// e^x and log x for a machine that has no instruction for them, in operations that it has: straight-line functions of one number, and
// the same of four.

import type { Expression, KernelFunction, Statement } from '../kernel.ts';
import {
  add,
  and,
  call,
  divide,
  equal,
  f32,
  i32,
  less,
  lessEqual,
  letOf,
  local,
  maximum,
  minimum,
  multiply,
  select,
  subtract,
} from '../kernel-build.ts';
import { componentOf, isVector, vectorOf } from '../kernel-ops.ts';
import { define, logarithmInside } from '../functions.ts';

const real = (name: string): Expression => local(name, 'f32');
const x = real('x');
const r = real('r');

/** Added to a number n between -126 and 128 leaves n + 126 in the low bits. */
const biased = f32(1.5 * 2 ** 23 + 126);
const line = (start: number, slope: number): Expression => add(f32(start), multiply(f32(slope), r));

/**
 * x = n ln 2 + r: infinity where the result is above all numbers, 0 where it is below 1.7e-38. The fit (1e-7) is of 2 e^r, so that
 * the exponent of the other factor, n - 1, is never too large; in three parts that do not wait for each other.
 */
export const exponential = define(
  'exp_own_f32',
  { x: 'f32' },
  [
    letOf('inside', minimum(maximum(x, f32(-87.3)), f32(88.8))),
    letOf('sum', add(multiply(real('inside'), f32(Math.LOG2E)), biased)),
    letOf('n', subtract(real('sum'), biased)),
    // The first piece of ln 2 has 15 bits: n times it is exact.
    letOf(
      'r',
      subtract(
        subtract(real('inside'), multiply(real('n'), f32(0.693145751953125))),
        multiply(real('n'), f32(Math.LN2 - 0.693145751953125)),
      ),
    ),
    letOf('square', multiply(r, r)),
  ],
  multiply(
    add(
      line(2, 2),
      multiply(
        real('square'),
        add(
          line(0.999984622001648, 0.3333422839641571),
          multiply(real('square'), line(0.08378022909164429, 0.016625050455331802)),
        ),
      ),
    ),
    call('from_bits', call('shift_left', call('bits_of', real('sum')), i32(23))),
  ),
);

/** Minus infinity at 0, NaN below, infinity and NaN kept: what the square root gives but for 0. */
export const logarithm = define(
  'log_own_f32',
  { x: 'f32' },
  [
    ...logarithmInside.body,
    letOf('special', select(equal(x, f32(0)), divide(f32(-1), call('abs', x)), call('sqrt', x))),
  ],
  select(and(less(f32(0), x), lessEqual(x, f32(3.4028234663852886e38))), logarithmInside.value, real('special')),
);

/** A function that binds and computes, on four numbers at once. */
function ofFour(of: KernelFunction): KernelFunction {
  const made = new Map<KernelFunction, KernelFunction>();
  const wide = (e: Expression): Expression => {
    if (isVector(e.type)) return e;
    const type = vectorOf(e.type);
    switch (e.kind) {
      case 'literal':
      case 'local':
        return { ...e, type };
      case 'call':
        return { ...e, type, args: e.args.map(wide) };
      case 'apply': {
        const four = made.get(e.of) ?? widen(e.of);
        made.set(e.of, four);
        return { ...e, type, of: four, args: e.args.map(wide) };
      }
      default:
        throw new Error(`${of.name}: ${e.kind} is not computed four at a time`);
    }
  };
  const widen = ({ name, parameters, result, body, value }: KernelFunction): KernelFunction => ({
    name: name.replace(/_f32$/, '_f32x4'),
    parameters: parameters.map((each) => ({ ...each, type: vectorOf(componentOf(each.type)) })),
    result: vectorOf(componentOf(result)),
    body: body.map((statement): Statement => {
      if (statement.kind !== 'let') throw new Error(`${name}: only what is bound is computed four at a time`);
      return { ...statement, value: wide(statement.value) };
    }),
    value: wide(value),
  });
  return widen(of);
}

export const exponentialOfFour = ofFour(exponential);
export const logarithmOfFour = ofFour(logarithm);
