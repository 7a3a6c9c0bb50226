// log(sum of exp) of each token's logits [B, T, V], with the largest subtracted, through which no gradient flows.

import { at, call, defined, read, reduce } from '../../ir/build.ts';
import type { Axis, Definition, Scalar, Tensor } from '../../ir/ir.ts';
import { point, summed } from './axes.ts';

export function logSumExp(logits: Tensor): { readonly value: Scalar; readonly definitions: readonly Definition[] } {
  const [batch, token, word] = logits.axes as [Axis, Axis, Axis];
  const largest = defined('largest', [batch, token], 'integer');
  const logit = point(logits, batch, token, word);
  const top = call('detach', read(logits, [at(batch), at(token), point(largest, batch, token)], 0));
  const total = summed('total', [batch, token], [word], call('exp', call('subtract', logit, top)));
  return {
    value: call('add', call('log', point(total.out, batch, token)), top),
    definitions: [reduce('argmax', largest, [word], logit), ...total.definitions],
  };
}
