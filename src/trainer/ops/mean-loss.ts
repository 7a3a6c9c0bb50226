// The mean over a batch's tokens: losses [B, T] -> a number.

import { call, readAt, size } from '../../ir/build.ts';
import type { Axis, Scalar } from '../../ir/ir.ts';
import { mapped, summed } from './axes.ts';
import type { Part } from './axes.ts';

/** `loss` at [batch, token]. */
export function meanOver(batch: Axis, token: Axis, loss: Scalar): Part {
  const count = call('real', call('multiply', size('batch'), size('tokens')));
  const sum = summed('loss_total', [], [batch, token], loss);
  const mean = mapped('output', [], call('divide', readAt(sum.out), count));
  return { out: mean.out, definitions: [...sum.definitions, ...mean.definitions] };
}
