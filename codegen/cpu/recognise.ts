// Scalars that a CPU computes as one function: the derivative of GELU, which autodiff writes with a hyperbolic tangent, has one
// exponential and one division. A scalar comes in, the function and its argument go out, or null.

import type { Scalar } from '../../src/ir/ir.ts';
import { makeKeys } from '../../src/ir/key.ts';
import { operations } from '../../src/ir/ops.ts';
import { makeContext } from '../../src/ir/ranges.ts';
import { defined, readAt } from '../../src/ir/build.ts';
import { children } from '../../src/ir/visit.ts';
import { foldScalars } from '../../src/passes/fold.ts';
import type { KernelFunction } from '../kernel.ts';
import { geluSlope } from './expand.ts';

export interface Recognised {
  readonly of: KernelFunction;
  readonly argument: Scalar;
}

const argument = readAt(defined('argument', []));
const slope = foldScalars(makeContext())(operations.gelu.derivative([argument], argument)[0]!);

export function recogniseForCpu(s: Scalar): Recognised | null {
  if (s.kind !== 'call' || slope.kind !== 'call' || s.op !== slope.op) return null;
  const found = argumentIn(s, slope);
  return found === null ? null : { of: geluSlope, argument: found };
}

/** What stands wherever `argument` stands in the pattern. */
function argumentIn(whole: Scalar, pattern: Scalar): Scalar | null {
  const { scalar: keyOf } = makeKeys();
  let found: Scalar | null = null;
  const matches = (s: Scalar, like: Scalar): boolean => {
    if (like === argument) {
      found ??= s;
      return found === s || keyOf(found) === keyOf(s);
    }
    const [parts, wanted] = [children(s), children(like)];
    if (parts.length !== wanted.length) return false;
    if (like.kind === 'constant') return s.kind === 'constant' && s.type === like.type && s.value === like.value;
    if (like.kind !== 'call' || s.kind !== 'call' || s.op !== like.op) return false;
    return parts.every((part, n) => matches(part, wanted[n]!));
  };
  return matches(whole, pattern) ? found : null;
}
