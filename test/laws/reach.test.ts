// Claims whose truth shows only far away: windows, tables and sums longer than the sequences that claims are tried on. What
// is true is never refuted, what is false is never said to hold: it is refuted, or not decided.

import { describe, expect, it } from 'vitest';
import { checkLaws, type LawResult } from '../../src/laws/laws.ts';
import { loadText, small } from '../lower/load.ts';

const tiny = { ...small, heads: 2, kv_heads: 2, head_dim: 8, model_dim: 6, context: 12 };

function decided(law: string, body: string, bidirectional = false): LawResult {
  const text = `encoding nope {}\nencoding test {\n ${body}\n expect ${law}\n}`;
  const { checked, lowered, diagnostics } = loadText(text, 'examples/test.pe', {
    geometry: { ...tiny, bidirectional },
  });
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  return checkLaws(checked!, lowered!, () => {})[0]!;
}

type Row = readonly [law: string, kind: LawResult['kind'], body: string];

const right: readonly Row[] = [
  ['bounded', 'proved', 'score[h, i, j] += -0.01 * min(i - j, 512)'],
  ['bounded', 'proved', 'score[h, i, j] += if i - j < 300 then i - j else 300'],
  ['bounded', 'proved', 'score[h, i, j] += 300 - max(300 - (i - j), 0)'],
  ['bounded', 'proved', 'score[h, i, j] += sum[s: token where i - 300 < s <= i](x[s, 0])'],
  ['bounded', 'proved', 'score[h, i, j] += sum[s: token where j < s <= i and i - s < 300](log_sigmoid(x[s, 0]))'],
  ['bounded', 'proved', 'score[h, i, j] += sum[s: token where s <= min(i, 300)](x[s, 0])'],
  [
    'bounded',
    'proved',
    'param w = 300\n score[h, i, j] += sum[s: token where i - w < s <= i](sum[u: token where s - w < u <= s](x[u, 0]))',
  ],
  ['bounded', 'undecided', 'score[h, i, j] += sum[s: token where s <= i](x[s, 0] * 0.999 ^ (i - s))'],
  ['bounded', 'tested', 'score[h, i, j] += sum[s: token where s <= i](x[s, 0] * 0.9 ^ (i - s))'],
  ['bounded', 'tested', 'score[h, i, j] += prod[s: token where j < s <= i](sigmoid(x[s, 0]))'],
  ['starts_as(nope)', 'tested', 'learn a ~ 1\n score[h, i, j] = score[h, i, j] * (if i - j < 600 then 1 else a)'],
  ['starts_as(nope)', 'tested', 'learn a ~ 0\n score[h, i, j] += if i - j < 600 then 0 * i else a * i'],
  ['relative', 'proved', 'visible[h, i, j] = i - j < 700'],
  ['relative', 'tested', 'score[h, i, j] += if i - j < 700 then 1.001 ^ position[i] * 1.001 ^ -position[j] else 1'],
  ['relative', 'tested', 'score[h, i, j] += if i > 0 then x[i - 1, 0] else 0'],
  ['causal', 'proved', 'query[t, h, d] += x[max(t - 300, 0), 0]'],
  ['causal', 'proved', 'query[t, h, d] += x[min(t, 300), 0]'],
  ['causal', 'proved', 'query[t, h, d] += if t < 300 then 0 else x[max(t, 300), 0]'],
  ['causal', 'proved', 'query[t, h, d] += sum[s: token where t - 300 < s <= t](x[s, 0])'],
];

describe('what is true', () => {
  it.each(right)('%s: %s: %s', (law, kind, body) => {
    expect(decided(law, body)).toMatchObject({ kind });
  });
});

const wrong: readonly Row[] = [
  ['bounded', 'false', 'score[h, i, j] += if i - j > 1000 then i - j else 0'],
  ['bounded', 'undecided', 'score[h, i, j] += sum[s: token where s <= i - 300](x[s, 0])'],
  ['bounded', 'undecided', 'score[h, i, j] += sum[s: token where s <= i - 30](x[s, 0])'],
  ['bounded', 'undecided', 'score[h, i, j] += sum[s: token where i - 300 < s](x[s, 0])'],
  ['starts_as(nope)', 'false', 'visible[h, i, j] = i - j < 1024'],
  ['starts_as(nope)', 'false', 'visible[h, i, j] = i - j < 1000000'],
  ['starts_as(nope)', 'false', 'score[h, i, j] += if i - j > 300 then 1 else 0'],
  ['starts_as(nope)', 'false', 'score[h, i, j] += max(position[i] - 4096, 0) * max(position[j] - 4096, 0)'],
  ['starts_as(nope)', 'false', 'embedding[t, m] += if t > 5000 then 1 else 0'],
  ['starts_as(nope)', 'false', 'query[t, h, d] += x[t - 100, 0]'],
  ['starts_as(nope)', 'false', 'query[t, h, d] += sum[s: token where s <= t - 100](x[s, 0])'],
  ['starts_as(nope)', 'undecided', 'query[t, h, d] += sum[s: token where s <= t - 1000](x[s, 0])'],
  ['relative', 'false', 'score[h, i, j] += if i - j > 300 then position[i] * 0.1 else 0'],
  ['relative', 'false', 'score[h, i, j] += if i - j > 300 then i * 0.1 else 0'],
  ['relative', 'false', 'visible[h, i, j] = i - j < 700 or j < 4'],
  ['causal', 'false', 'query[t, h, d] += x[t + floor(t / 100), 0]'],
  ['causal', 'false', 'score[h, i, j] += if i > 900 then x[i + 1, 0] * j else 0'],
  ['causal', 'undecided', 'query[t, h, d] += x[t + floor(t / 300), 0]'],
  ['causal', 'undecided', 'query[t, h, d] += sum[s: token where s <= t + floor(t / 300)](x[s, 0])'],
];

describe('what is false', () => {
  it.each(wrong)('%s: %s: %s', (law, kind, body) => {
    expect(decided(law, body)).toMatchObject({ kind });
  });
});

const bothWays: readonly Row[] = [
  ['bounded', 'proved', 'score[h, i, j] += exp(-abs(i - j))'],
  ['bounded', 'false', 'score[h, i, j] += exp(j - i)'],
  ['bounded', 'proved', 'score[h, i, j] += if j > i then max(i - j, -300) else 0'],
  ['bounded', 'false', 'score[h, i, j] += -min(i - j, 512)'],
  ['bounded', 'proved', 'score[h, i, j] += sum[s: token where i - 300 < s < i + 300](x[s, 0])'],
  ['bounded', 'undecided', 'score[h, i, j] += sum[s: token where i - 300 < s](x[s, 0])'],
  ['bounded', 'false', 'score[h, i, j] += 0.1 * length'],
  ['relative', 'proved', 'visible[h, i, j] = abs(i - j) < 300'],
  ['relative', 'false', 'visible[h, i, j] = abs(i - j) < 300 or j == 0'],
  ['relative', 'false', 'score[h, i, j] += if j > i + 50 then 0.5 * j else 0'],
  ['causal', 'proved', 'visible[h, i, j] = j <= i'],
  // One part of a condition counts only where the others hold; parts that read guard those behind them alone.
  ['causal', 'proved', 'visible[h, i, j] = x[j, 0] > 0 and j <= i'],
  ['causal', 'proved', 'visible[h, i, j] = j <= i and rank[j where j <= i](x[j, 0] * x[i, 1]) < 3'],
  ['causal', 'false', 'visible[h, i, j] = x[j, 0] > 0 and x[i, 0] > 0'],
  ['causal', 'false', 'visible[h, i, j] = x[j, 0] > 0 or j <= i'],
  ['causal', 'false', 'visible[h, i, j] = j <= i + floor(i / 1000)'],
  ['starts_as(nope)', 'false', 'visible[h, i, j] = j - i < 1024'],
  ['orthogonal', 'false', 'query[t, h, d] *= if t > 500 then 2 else 1'],
  [
    'commuting',
    'false',
    'learn A[r: dim, c: dim] ~ normal(0, 0.3)\n learn B[r: dim, c: dim] ~ normal(0, 0.3)\n transform query [t, h, r, c] by ' +
      'expm[r, c](position[t] / 9 * (A[r, c] - A[c, r]) + max(position[t] - 300, 0) / 99 * (B[r, c] - B[c, r]))',
  ],
];

describe('in a bidirectional model', () => {
  it.each(bothWays)('%s: %s: %s', (law, kind, body) => {
    expect(decided(law, body, true)).toMatchObject({ kind });
  });
});

it('says what was tried, and where a counter-example is', () => {
  expect(decided('starts_as(nope)', 'visible[h, i, j] = i - j < 1024')).toMatchObject({
    counter: expect.stringContaining('of 9 tokens (tokens 0, 342, 684, ...) starts as'),
  });
  expect(decided('causal', 'query[t, h, d] += x[t + floor(t / 300), 0]')).toMatchObject({
    reason: 'nothing speaks against it among 9 tokens, but the program says 300',
  });
});
