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
const whole = (name: string): Expression => local(name, 'i32');
const x = real('x');
const r = real('r');

/** Added to a whole number n, leaves n + 254 in the low nine bits. */
const biased = f32(1.5 * 2 ** 23 + 254);
/** 2^(n - 127) of what has n in the low nine bits, for 1 <= n <= 254. */
const powerOfTwo = (bits: Expression): Expression => call('from_bits', call('shift_left', bits, i32(23)));
const line = (start: number, slope: number): Expression => add(f32(start), multiply(f32(slope), r));

/**
 * x = n ln 2 + r; 2^n in two factors, so that results below 2^-126 and above 2^127 come out right. Fit 3e-9, in parts that do not
 * wait for each other.
 */
export const exponential = define(
  'exp_own_f32',
  { x: 'f32' },
  [
    letOf('inside', minimum(maximum(x, f32(-104)), f32(89))),
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
    letOf('bits', call('bits_of', real('sum'))),
    letOf('half', call('shift_right', whole('bits'), i32(1))),
    letOf(
      'near',
      add(
        f32(1),
        add(
          r,
          multiply(
            real('square'),
            add(
              line(0.5, 0.166665181517601),
              multiply(
                real('square'),
                add(
                  line(0.04166620597243309, 0.008368908427655697),
                  multiply(f32(0.001395052415318787), real('square')),
                ),
              ),
            ),
          ),
        ),
      ),
    ),
  ],
  multiply(multiply(real('near'), powerOfTwo(whole('half'))), powerOfTwo(subtract(whole('bits'), whole('half')))),
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
