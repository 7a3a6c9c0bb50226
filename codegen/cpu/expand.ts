// Operations as a CPU does them best: sine and cosine of one angle have everything in common but the last step. All others
// are math.ts's.

import type { OpName } from '../../src/ir/ops.ts';
import { cosineNear, quarters, reduced, sineNear } from '../functions.ts';
import type { Expression } from '../kernel.ts';
import { add, apply, call, equal, f32, i32, select, toF32 } from '../kernel-build.ts';
import { expandOp } from '../math.ts';

export function expandForCpu(op: OpName, args: readonly Expression[]): Expression {
  if (op !== 'sin' && op !== 'cos') return expandOp(op, args);
  const angle = toF32(args[0]!);
  return angle.kind === 'literal' ? expandOp(op, args) : turned(angle, op === 'sin' ? 0 : 1);
}

/** Adding this leaves a whole number in the low bits. */
const wholeInBits = 1.5 * 2 ** 23;

/** The sine of an angle some quarter turns further; the same bits as of functions.ts, where the angle is reduced exactly. */
function turned(angle: Expression, further: 0 | 1): Expression {
  const quarter = apply(quarters, angle);
  const rest = apply(reduced, angle, quarter);
  const [sine, cosine] = [apply(sineNear, rest), apply(cosineNear, rest)];
  const whole = call('bits_of', add(quarter, f32(wholeInBits)));
  const even = equal(call('bit_and', whole, i32(1)), i32(0));
  const value = further === 0 ? select(even, sine, cosine) : select(even, cosine, sine);
  // Bit 1 says whether the sign turns: it becomes the sign's.
  const half = call('bit_and', add(whole, i32(further)), i32(2));
  return call('from_bits', call('xor', call('bits_of', value), call('shift_left', half, i32(30))));
}
