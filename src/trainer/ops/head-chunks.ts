// The end of the model without logits of the whole vocabulary: a chunk of W words at a time, rows `first` to `first + W - 1`
// of the embedding table (tied). Forward leaves log-sum-exp and the target's logit of each token, [B, T], and so the losses;
// backward makes a chunk's logits again, [B, T, W], and adds up the gradients of x and of the chunk's rows.

import { at, axis, call, given, integer, program, read, readAt } from '../../ir/build.ts';
import type { Axis, Program, Scalar, Tensor } from '../../ir/ir.ts';
import { batchAxis, mapped, point, stream, summed, tokenAxis, weight } from './axes.ts';
import type { Part } from './axes.ts';
import { layerNorm } from './layer-norm.ts';
import { logSumExp } from './log-sum-exp.ts';
import { meanOver } from './mean-loss.ts';
import type { Sizes } from './sizes.ts';

type Widths = Pick<Sizes, 'width'>;

/** hidden [B, T, C] -> x, its layer norm. */
export function lastNorm({ width }: Widths): Program {
  const hidden = stream('hidden', width);
  const gain = weight('norm_weight', [['model', width]]);
  const shift = weight('norm_bias', [['model', width]]);
  const { out, definitions } = layerNorm('x', hidden, gain, shift);
  return program({ name: 'last_norm', inputs: [hidden, gain, shift], definitions, results: { x: out } });
}

interface ChunkParts {
  readonly inputs: readonly Tensor[];
  readonly logits: Part; // [B, T, W]
  readonly axes: readonly [batch: Axis, token: Axis, word: Axis];
  readonly first: Scalar;
  readonly target: Scalar; // counted from `first`, so that some are outside the chunk
}

function chunkParts(width: number, words: number): ChunkParts {
  const x = stream('x', width);
  const [batch, token, model] = x.axes as [Axis, Axis, Axis];
  const table = weight('table', [
    ['word', words],
    ['model', width],
  ]);
  const word = axis('word', words);
  const targets = given('targets', [batch, token], 'operand', 'integer');
  const first = given('first', [], 'operand', 'integer');
  const product = call('multiply', point(x, batch, token, model), point(table, word, model));
  return {
    inputs: [x, table, targets, first],
    logits: summed('logits', [batch, token, word], [model], product),
    axes: [batch, token, word],
    first: readAt(first),
    target: call('subtract', point(targets, batch, token), readAt(first)),
  };
}

/** Adds a chunk to what the chunks before it gave: `normaliser`, the log of the sum of exponentials, and `aim`, the target's logit. */
export function chunkScores({ width }: Widths, words: number): Program {
  const { inputs, logits, axes, first, target } = chunkParts(width, words);
  const [batch, token] = axes;
  const state = (name: string): Tensor => given(name, [batch, token], 'operand');
  const [normaliser, aim] = [state('normaliser'), state('aim')];
  const own = logSumExp(logits.out);
  const fresh = mapped('fresh', [batch, token], own.value);
  const [before, here] = [point(normaliser, batch, token), point(fresh.out, batch, token)];
  const both = call('add', before, call('softplus', call('subtract', here, before)));
  const isFirst = call('equal', first, integer(0));
  const after = mapped('normaliser_after', [batch, token], call('select', isFirst, here, both));
  const logit = read(logits.out, [at(batch), at(token), target], 0); // 0: the target is in another chunk
  const aimed = mapped('aim_after', [batch, token], call('add', point(aim, batch, token), logit));
  return program({
    name: 'chunk_scores',
    inputs: [...inputs, normaliser, aim],
    definitions: [
      ...logits.definitions,
      ...own.definitions,
      ...[fresh, after, aimed].flatMap((part) => part.definitions),
    ],
    results: { normaliser_after: after.out, aim_after: aimed.out },
  });
}

/** normaliser, aim [B, T] -> losses [B, T], and output, their mean. */
export function chunkLosses(): Program {
  const [batch, token] = [batchAxis(), tokenAxis()];
  const state = (name: string): Tensor => given(name, [batch, token], 'operand');
  const [normaliser, aim] = [state('normaliser'), state('aim')];
  const loss = call('subtract', point(normaliser, batch, token), point(aim, batch, token));
  const losses = mapped('losses', [batch, token], loss);
  const mean = meanOver(batch, token, readAt(losses.out));
  return program({
    name: 'chunk_losses',
    inputs: [normaliser, aim],
    definitions: [...losses.definitions, ...mean.definitions],
    results: { losses: losses.out, output: mean.out },
  });
}

/**
 * What has the mean loss's gradient by the chunk's logits, (exp(logit - normaliser) - [word is the target]) / tokens, where
 * the normaliser is given: the chunk's share of probability less the target's logit. Its value is of no use.
 */
export function chunkShare({ width }: Widths, words: number): Program {
  const { inputs, logits, axes, target } = chunkParts(width, words);
  const [batch, token, word] = axes;
  const normaliser = given('normaliser', [batch, token], 'operand');
  const logit = point(logits.out, ...axes);
  const probability = call('exp', call('subtract', logit, point(normaliser, batch, token)));
  const own = call('select', call('equal', at(word), target), logit, call('real', integer(0)));
  const share = summed('share', [batch, token], [word], call('subtract', probability, own));
  const mean = meanOver(batch, token, readAt(share.out));
  return program({
    name: 'chunk_share',
    inputs: [...inputs, normaliser],
    definitions: [...logits.definitions, ...share.definitions, ...mean.definitions],
    results: { logits: logits.out, output: mean.out },
  });
}
