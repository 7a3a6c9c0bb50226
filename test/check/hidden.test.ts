// Hidden scores are -infinity: what makes a number of that is accepted, everything else is an error at the score.

import { describe, expect, it } from 'vitest';
import { loadText } from '../lower/load.ts';

const pairs = 'let s[h: head, i: token, j: token] =';
const learned = 'learn w[h: head] ~ normal(0, 1)';
const geometry = { heads: 2, kv_heads: 2, head_dim: 4, model_dim: 6, context: 32, layers: 1, layer: 0 };

function saidOf(lines: readonly string[], bidirectional = false): readonly string[] {
  const text = `encoding made {\n${lines.join('\n')}\n}\n`;
  const { diagnostics } = loadText(text, 'examples/test.pe', { geometry: { ...geometry, bidirectional } });
  return diagnostics
    .filter(({ severity }) => severity === 'error')
    .map(({ code, span }) => `${code} ${text.slice(span.start, span.end)}`);
}

const accepted: readonly (readonly [what: string, ...lines: readonly string[]])[] = [
  ['its own score in a score line', learned, 'score[h, i, j] *= w[h]', 'score[h, i, j] += sin(score[h, i, j])'],
  ['its own scores of other heads', learned, 'score[h, i, j] += sum[g: head](w[g] * score[g, i, j])'],
  ['a squashed score', learned, `${pairs} w[h] * sigmoid(2 * score[h, i, j] + w[h])`],
  ['an exponential, its rate above 0', learned, `${pairs} exp(exp(w[h]) * score[h, i, j] / 3)`],
  ['the positive part', learned, `${pairs} w[h] * relu(score[h, i, j])`],
  ['a bound below', learned, `${pairs} w[h] * clamp(score[h, i, j], -5, 5)`],
  ['a comparison', learned, `${pairs} if score[h, i, j] > 0 then w[h] else 0`],
  ['a softmax', learned, `${pairs} w[h] * softmax[j](2 * score[h, i, j])`],
  ['a rank', learned, `${pairs} w[h] * rank[j](-score[h, i, j])`],
  ['the largest of a row', learned, 'let m[h: head, i: token] = w[h] * max[j: token](score[h, i, j])'],
  ['kept for a softmax', `${pairs} 3 * score[h, i, j]`, 'attention[h, i, j] = softmax[j](s[h, i, j])'],
  ['a sum of keys at or before the query', 'let m[h: head, i: token] = sum[j: token where j <= i](score[h, i, j])'],
  ['keys before the query', learned, `${pairs} if 0 < j < i then w[h] * score[0, i, j] else 0`],
  ['a neighbour that is a key before', learned, `${pairs} if j < i then w[h] * score[h, i, j + 1] else 0`],
  ['a later key, the query at most', learned, `${pairs} if j <= i then w[h] * score[h, i, min(j + 3, i)] else 0`],
  ['what is visible', learned, `${pairs} if visible[h, i, j] then w[h] * score[h, i, j] else 0`],
  [
    'keys before one that is visible',
    learned,
    `${pairs} if visible[h, i, j] then sum[k: token where k <= j](w[h] * score[h, i, k]) else 0`,
  ],
  [
    'what a window leaves',
    learned,
    'visible[h, i, j] = i - j < 3',
    `${pairs} if visible[h, i, j] then w[h] * score[h, i, j] else 0`,
  ],
  [
    'any head of a window that is one for all',
    learned,
    'visible[h, i, j] = i - j < 3',
    'let m[i: token, j: token] = if visible[0, i, j] then sum[g: head](w[g] * score[g, i, j]) else 0',
  ],
  [
    'the condition of a window in other words',
    learned,
    'visible[h, i, j] = i - j < 3 and j < i',
    `${pairs} sum[k: token where i - 2 <= k <= i - 1](w[h] * score[h, i, k]) + j`,
  ],
  ['a definition guarded where it is read', `${pairs} 2 * score[h, i, j]`, 'attention[h, i, j] += s[h, i, j]'],
  ['a window above the line alone', `${pairs} if j <= i then sin(score[h, i, j]) else 0`, 'visible[h, i, j] = i == j'],
  ['minus infinity that hides', 'score[h, i, j] += if i - j < 3 then 0 else -infinity'],
  ['bounds that are infinite', learned, `${pairs} w[h] * clamp(score[h, i, j], -4, infinity)`],
];

const score = 'PE0414 score[h, i, j]';
const refused: readonly (readonly [what: string, said: string, ...lines: readonly string[]])[] = [
  ['a product of unknown sign', score, learned, `${pairs} w[h] * score[h, i, j]`],
  ['that inside a sigmoid', score, learned, `${pairs} sigmoid(w[h] * score[h, i, j])`],
  ['a square', score, `${pairs} score[h, i, j] ^ 2`],
  ['a sine', score, `${pairs} sin(score[h, i, j])`],
  ['gelu, whose slope needs the square', score, `${pairs} gelu(score[h, i, j])`],
  ['the exponential of what is hidden below 0', score, `${pairs} exp(-score[h, i, j])`],
  ['a difference of hidden scores', 'PE0414 score[0, i, j]', `${pairs} score[0, i, j] - score[1, i, j]`],
  ['a mean of a row', score, 'let m[h: head, i: token] = mean[j: token](score[h, i, j])'],
  ['a running sum', score, 'let m[h: head, i: token] = sum[j: token where j <= i + 1](score[h, i, j])'],
  ['the lowest of a row', score, learned, 'output[i, h, d] += min[j: token](score[h, i, j])'],
  ['the next key', 'PE0414 score[h, i, j + 1]', learned, 'score[h, i, j] += w[h] * score[h, i, j + 1]'],
  ['an output', 'PE0414 score[h, i, 0]', 'visible[h, i, j] = j == i', 'output[i, h, d] += relu(-score[h, i, 0])'],
  ['a branch for the others', score, learned, `${pairs} if j < i then 0 else w[h] * score[h, i, j]`],
  [
    'a window that the condition forgets',
    score,
    learned,
    'visible[h, i, j] = i - j < 3',
    `${pairs} if j <= i then w[h] * score[h, i, j] else 0`,
  ],
  [
    'another head than the one that sees',
    'PE0414 score[1, i, j]',
    learned,
    'visible[h, i, j] = i - j < 3 + h',
    'let m[i: token, j: token] = if visible[0, i, j] then w[0] * score[1, i, j] else 0',
  ],
  [
    'a window of which only the first line is asked',
    score,
    learned,
    'let near[h: head, i: token, j: token] = if visible[h, i, j] then 1 else 0',
    'visible[h, i, j] = i - j < 3',
    `${pairs} if near[h, i, j] > 0 then w[h] * score[h, i, j] else 0`,
  ],
  ['a row whose other elements are hidden', score, learned, 'attention[h, i, j] = softmax[j](w[h] * score[h, i, j])'],
  [
    'the same under a condition on one of them',
    score,
    learned,
    `${pairs} if j <= i then softmax[j](w[h] * score[h, i, j]) else 0`,
  ],
  ['a definition that is -infinity', score, learned, `${pairs} 2 * score[h, i, j]`, 'loss += s[0, 0, 1]'],
  ['rows that may see nothing', score, 'visible[h, i, j] = j < i', 'output[i, h, d] += max[j: token](score[h, i, j])'],
  [
    'minus infinity of the line above',
    'PE0414 -infinity',
    learned,
    'score[h, i, j] += if i - j < 3 then 0 else -infinity',
    `${pairs} if visible[h, i, j] then w[h] * score[h, i, j] else 0`,
  ],
];

describe('hidden scores', () => {
  it.each(accepted)('%s', (_, ...lines) => expect(saidOf(lines)).toEqual([]));
  it.each(refused)('not %s', (_, said, ...lines) => expect(saidOf(lines)).toContain(said));
  it('are none where the model shows every key', () => {
    const lines = [learned, `${pairs} w[h] * score[h, i, j]`];
    expect(saidOf(lines, true)).toEqual([]);
    expect(saidOf(['visible[h, i, j] = i - j < 3', ...lines], true)).toEqual([score]);
  });
});
