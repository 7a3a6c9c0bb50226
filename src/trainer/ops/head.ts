// The end of the model: last layer norm, logits against the embedding table (tied), cross-entropy.
// hidden [B, T, C], targets [B, T] integers -> logits [B, T, V], losses [B, T], output = their mean.

import { at, axis, call, given, program, read, readAt } from '../../ir/build.ts';
import type { Axis, Definition, Program, Tensor } from '../../ir/ir.ts';
import { mapped, point, stream, summed, weight } from './axes.ts';
import { layerNorm } from './layer-norm.ts';
import { logSumExp } from './log-sum-exp.ts';
import { meanOver } from './mean-loss.ts';
import type { Sizes } from './sizes.ts';

export function head(sizes: Sizes): Program {
  const hidden = stream('hidden', sizes.width);
  const gain = weight('norm_weight', [['model', sizes.width]]);
  const shift = weight('norm_bias', [['model', sizes.width]]);
  const table = weight('table', [
    ['word', sizes.vocabulary],
    ['model', sizes.width],
  ]);
  const targets = given('targets', hidden.axes.slice(0, 2), 'operand', 'integer');
  const x = layerNorm('x', hidden, gain, shift);
  const [batch, token, model] = hidden.axes as [Axis, Axis, Axis];
  const word = axis('word', sizes.vocabulary);
  const product = call('multiply', point(x.out, batch, token, model), point(table, word, model));
  const logits = summed('logits', [batch, token, word], [model], product);
  const loss = crossEntropy(logits.out, targets);
  return program({
    name: 'head',
    inputs: [hidden, gain, shift, table, targets],
    definitions: [...x.definitions, ...logits.definitions, ...loss.definitions],
    results: { logits: logits.out, losses: loss.losses, output: loss.mean },
  });
}

/** -log softmax(logits)[target] at each token and its mean. */
function crossEntropy(
  logits: Tensor, // [B, T, V]
  targets: Tensor, // [B, T]
): { readonly losses: Tensor; readonly mean: Tensor; readonly definitions: readonly Definition[] } {
  const [batch, token] = logits.axes as [Axis, Axis, Axis];
  const normaliser = logSumExp(logits);
  const aim = read(logits, [at(batch), at(token), point(targets, batch, token)], 0);
  const losses = mapped('losses', [batch, token], call('subtract', normaliser.value, aim));
  const mean = meanOver(batch, token, readAt(losses.out));
  return {
    losses: losses.out,
    mean: mean.out,
    definitions: [...normaliser.definitions, ...losses.definitions, ...mean.definitions],
  };
}
