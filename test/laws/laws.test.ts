// Claims: those of every example hold, and false ones fail with a counter-example (agree.test.ts compares proofs with tests).

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';
import { checkLaws, looksAhead, type LawResult } from '../../src/laws/laws.ts';
import { loadFile, loadText, root, small } from '../lower/load.ts';

const tiny = { ...small, heads: 2, kv_heads: 2, head_dim: 8, model_dim: 6, context: 12 };

function claims(text: string, geometry = tiny): { results: readonly LawResult[]; errors: readonly Diagnostic[] } {
  const { checked, lowered, diagnostics } = loadText(text, 'examples/test.pe', { geometry });
  if (checked === null || lowered === null) throw new Error(diagnostics.map((d) => d.message).join('; '));
  const errors: Diagnostic[] = [];
  return { results: checkLaws(checked, lowered, (d) => void errors.push(d)), errors };
}

/** How each claim of an example is decided. */
const decided: Readonly<Record<string, string>> = {
  alibi: 'relative proved, causal proved',
  carope: 'orthogonal proved, causal proved',
  carope_rope_init: 'orthogonal proved, causal proved, starts_as(rope) tested',
  comrope_ap: 'relative proved, orthogonal proved, causal proved, commuting proved',
  comrope_ld: 'relative proved, orthogonal proved, causal proved, commuting proved',
  comrope_ld_1d: 'relative proved, orthogonal proved, causal proved, commuting proved',
  learned_absolute: 'causal proved',
  nope: 'relative proved, causal proved',
  path: 'relative proved, causal proved',
  path_fox: 'relative proved, causal proved',
  rope: 'relative proved, orthogonal proved, causal proved',
  rope_interleaved: 'relative proved, orthogonal proved, causal proved',
  rope_learned: 'relative proved, orthogonal proved, causal proved, starts_as(rope) tested',
  rope_ntk: 'relative proved, orthogonal proved, causal proved',
  rope_partial: 'relative proved, orthogonal proved, causal proved',
  sinusoidal: 'causal proved, bounded proved',
  t5: 'relative proved, causal proved, bounded proved',
  urpe: 'relative proved, causal proved, starts_as(nope) proved',
  fox: 'causal proved',
  shaw: 'relative proved, causal proved',
};

describe('claims of the examples', () => {
  it.each(Object.entries(decided))('%s: %s', (name, wanted) => {
    const geometry = { ...tiny, kv_heads: 1 };
    const { checked, lowered } = loadFile(`examples/${name}.pe`, { geometry });
    const errors: Diagnostic[] = [];
    const results = checkLaws(checked!, lowered!, (d) => void errors.push(d));
    expect(results.map((result) => `${result.text} ${result.kind}`).join(', ')).toBe(wanted);
    expect(errors).toEqual([]);
  });

  it('every example is in the table', () => {
    const names = readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.pe'));
    expect(names.map((file) => file.replace('.pe', '')).toSorted()).toEqual(Object.keys(decided).toSorted());
  });
});

describe('false claims', () => {
  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ['relative', 'score[h, i, j] *= log(i + 2)', /score\[h \d, i \d, j \d\] of \d tokens is .* when every position is/],
    ['relative', 'score[h, i, j] += position[i] * 0.1', /score/],
    ['relative', 'rotate query [t, h, p] by position[t] * (p + 1)', /score/],
    ['relative', 'attention[h, i, j] *= cos(position[i])', /attention/],
    [
      'relative',
      'rotate query, key [t, h, p] by position[t] * (p + 1)\n rotate query, key [t, h, p] by position[t] * 0.3 interleaved',
      /score/,
    ],
    [
      'relative',
      'learn a[r: dim, c: dim] ~ normal(0, 1)\n transform query [t, h, r, c] by expm[r, c](position[t] / 9 * (a[r, c] - a[c, r]))\n' +
        ' transform key [t, h, r, c] by expm[r, c](position[t] / 9 * (a[c, r] - a[r, c]))',
      /score/,
    ],
    [
      'relative',
      'learn a[r: dim, c: dim] ~ normal(0, 0.1)\n transform query, key [t, h, r, c] by expm[r, c](position[t] / 999 * (a[r, c] + a[c, r]))',
      /score/,
    ],
    [
      'orthogonal',
      'learn a[r: dim, c: dim] ~ normal(0, 1)\n let M[r: dim, c: dim] = expm[r, c](a[r, c] - a[c, r])\n transform key [t, h, r, c] by M[r, r]',
      /the norm of key/,
    ],
    ['orthogonal', 'query[t, h, d] *= 1.1', /the norm of query\[t 0, h 0\] is .* before and .* after/],
    [
      'orthogonal',
      'learn P[h: kv_head, r: dim, c: dim] ~ normal(0, 1)\n transform key [t, h, r, c] by expm[r, c](P[h, r, c])',
      /the norm of key/,
    ],
    [
      'causal',
      'let a[t: token] = sum[s: token](x[s, 0])\n score[h, i, j] += a[j] * j',
      /when the tokens after \d change/,
    ],
    ['causal', 'let a[t: token] = x[t + 1, 0]\n query[t, h, d] *= a[t]', /output\[t \d/],
    ['causal', 'given g[t: token]\n embedding[t, m] += sum[s: token where s >= t](g[s])', /embedding_encoded\[t/],
    [
      'commuting',
      'axis k = 2\n given position[t: token, n: k]\n learn G[n: k, r: dim, c: dim] ~ normal(0, 0.3)\n' +
        ' transform query [t, h, r, c] by expm[r, c](sum[n: k](position[t, n] * (G[n, r, c] - G[n, c, r])))',
      /the maps of query at tokens \d and \d \(head 0\)/,
    ],
    ['bounded', 'score[h, i, j] += -0.1 * (i - j)', /at most .* up to a distance of 4000000 tokens/],
    ['bounded', 'score[h, i, j] += exp(i - j)', /is Infinity at a distance of 4000 tokens/],
    [
      'bounded',
      'score[h, i, j] += exp(position[i]) * 2 ^ -position[i] * exp(-position[j])',
      /is (NaN|Infinity) at a distance/,
    ],
    ['bounded', 'let a[t: token] = exp(t)\n score[h, i, j] += a[i] * (i - j)', /is (NaN|Infinity) at a distance/],
    ['bounded', 'score[h, i, j] += -log1p(i - j)', /joins the score/],
    [
      'bounded',
      'score[h, i, j] += sum[s: token where j < s <= i](log_sigmoid(x[s, 0]))',
      /joins the score is on average .* among 8, .* among 24, .* among 72 and .* among 200 tokens/,
    ],
    [
      'bounded',
      'let a[t: token] = sum[s: token where s <= t](x[s, 0])\n score[h, i, j] += a[i] - a[j]',
      /among 200 tokens/,
    ],
    ['bounded', 'embedding[t, m] += position[t] * 0.001', /joins the embedding/],
    ['starts_as(nope)', 'rotate query, key [t, h, p] by position[t] * (p + 1)', /starts as .* and as .* in `nope`/],
    ['starts_as(nope)', 'embedding[t, m] += 1', /embedding_encoded/],
    ['starts_as(nope)', 'embedding[t, m] = 1', /embedding_encoded/],
  ];
  it.each(wrong)('%s: %s', (law, body, counter) => {
    const { results, errors } = claims(`encoding test {\n ${body}\n expect ${law}\n}`);
    expect(results[0]!.kind).toBe('false');
    expect(errors.map((d) => d.code)).toEqual(['PE0710']);
    expect(errors[0]!.message).toMatch(counter);
  });
});

describe('true claims that have no proof are tested', () => {
  const right: readonly (readonly [string, string])[] = [
    ['relative', 'query[t, h, d] *= 1.001 ^ position[t]\n key[t, h, d] *= 1.001 ^ -position[t]'],
    [
      'relative',
      'learn a[r: dim, c: dim] ~ normal(0, 1)\n transform query, key [t, h, r, c] by expm[r, c](position[t] / 10 * a[r, c] - position[t] / 10 * a[c, r])',
    ],
    ['causal', 'attention[h, i, j] *= sigmoid(logsumexp[k: token](score[h, i, k]))'],
    ['starts_as(nope)', 'learn a ~ 3\n score[h, i, j] = score[h, i, j] * a / a'],
    ['bounded', 'score[h, i, j] += sum[s: token where s <= i](x[s, 0]) / (i + 1)'],
    ['bounded', 'score[h, i, j] += sum[s: token where s <= i](x[s, 0] * 0.5 ^ (i - s))'],
    ['bounded', 'score[h, i, j] += exp(position[j] - position[i])'],
    ['bounded', 'score[h, i, j] += 1 / (1 + exp(-0.1 * log1p(position[i] - position[j])))'],
  ];
  it.each(right)('%s: %s', (law, body) => {
    const { results, errors } = claims(`encoding test {\n ${body}\n expect ${law}\n}`);
    expect(errors).toEqual([]);
    expect(results[0]!.kind).toBe('tested');
  });
});

it('says whether an encoding may train a causal model', () => {
  const ahead = loadText('encoding test {\n let a[t: token] = sum[s: token](x[s, 0])\n score[h, i, j] += a[j] * j\n}');
  expect(looksAhead(ahead.lowered!)).toMatch(/when the tokens after \d change/);
  expect(looksAhead(loadFile('examples/carope.pe').lowered!)).toBeNull();
});
