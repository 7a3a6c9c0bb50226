// Relative encodings that meet queries, keys, weights and values, at the level of what their papers claim.

import { describe, expect, it } from 'vitest';
import { evaluate, one, pairs, range, sumOf, zero, type Chosen, type Values } from './by-index.ts';

const sameRow = (_: number, h: number, d: number): number => Math.sin(1 + 3 * h + d); // the same at each token

/** What is added to the scores with one query for all tokens and no keys, or the other way. */
const met = (path: string, who: 'query' | 'key', chosen: Chosen = {}): Values =>
  evaluate(path, { ...chosen, set: { query: zero, key: zero, [who]: sameRow, ...chosen.set } });

const byOffset: readonly (readonly [string, 'query' | 'key', Chosen])[] = [
  ['shaw', 'query', { params: { far: 4 } }],
  ['catalogue/relative/music_transformer', 'query', {}],
  ['catalogue/relative/transformer_xl', 'query', {}],
  ['catalogue/relative/deberta', 'query', { params: { far: 4 } }],
  ['catalogue/relative/deberta', 'key', { params: { far: 4 } }],
  ['catalogue/relative/deberta_v3', 'query', { params: { buckets: 4, far: 12 } }],
  ['catalogue/relative/deberta_v3', 'key', { params: { buckets: 4, far: 12 } }],
  ['catalogue/relative/shaw_keys', 'query', { params: { left: 4, right: 2 }, geometry: { bidirectional: true } }],
  ['catalogue/relative/conformer_relative', 'query', { geometry: { bidirectional: true } }],
];

describe.each(byOffset)('%s, met by a %s', (path, who, chosen) => {
  it('depends on i - j alone where the content is one', () => {
    const values = met(path, who, chosen);
    for (const [i, j] of pairs(9)) {
      expect(values('score', 1, i + 1, j + 1)).toBeCloseTo(values('score', 1, i, j), 12);
    }
    expect(new Set(range(10).map((n) => values('score', 1, 9, n))).size).toBeGreaterThan(3);
  });

  it('is linear in that content, and adds nothing to the product of query and key', () => {
    const twice = met(path, who, { ...chosen, set: { [who]: (t, h, d) => 2 * sameRow(t, h, d), ...silent(path) } });
    const once = met(path, who, { ...chosen, set: silent(path) });
    for (const [i, j] of pairs(10)) {
      expect(twice('score', 0, i, j)).toBeCloseTo(2 * once('score', 0, i, j), 12);
    }
  });
});

/** Transformer-XL and the Conformer have terms without a query; these are left out here. */
const silent = (path: string): Chosen['set'] & object => (/xl$|conformer/.test(path) ? { u: zero, v: zero } : {});

describe('offsets beyond the last have one vector', () => {
  it('Shaw, on keys and on values', () => {
    const values = met('shaw', 'query', { params: { far: 4 }, set: { value: zero } });
    for (const j of range(5)) expect(values('score', 0, 9, j)).toBe(values('score', 0, 9, 5));
    expect(values('score', 0, 9, 6)).not.toBe(values('score', 0, 9, 5));
    // without values and scores, the output is the mean of the vectors of the offsets seen
    const flat = evaluate('shaw', { params: { far: 4 }, set: { query: zero, key: zero, value: zero } });
    for (const i of range(10)) {
      const seen = range(i + 1).map((n) => flat('rv', Math.min(n, 4), 2));
      expect(flat('output', i, 0, 2)).toBeCloseTo(sumOf(seen) / (i + 1), 12);
    }
  });

  it('DeBERTa, the same row for query and key', () => {
    const values = met('catalogue/relative/deberta', 'key', { params: { far: 4 } });
    for (const j of range(5)) expect(values('score', 0, 9, j)).toBe(values('score', 0, 9, 5));
    const only = met('catalogue/relative/deberta', 'key', { params: { far: 4 }, set: { P: (n) => (n === 7 ? 1 : 0) } });
    expect(only('score', 0, 9, 0)).not.toBe(0); // i - j >= far - 1 is row 2 far - 1
    expect(only('score', 0, 9, 9)).toBe(0);
  });

  it('DeBERTa v3, in groups that grow like the offset, up to the last row', () => {
    const values = met('catalogue/relative/deberta_v3', 'query', { params: { buckets: 4, far: 9 } });
    const rows = range(10).map((n) => values('score', 0, 9, 9 - n));
    // m = 2, so rows of offsets are 0, 1, 2, then 2 + ceil(log(n / 2) / log(4))
    const named = rows.map((value) => rows.indexOf(value));
    expect(named).toEqual([0, 1, 2, 3, 3, 3, 3, 3, 3, 3]);
  });

  it('Shaw in an encoder of speech: far to the left, near to the right', () => {
    const both = { params: { left: 4, right: 2 }, geometry: { bidirectional: true } };
    const values = met('catalogue/relative/shaw_keys', 'query', both);
    const row = range(10).map((j) => values('score', 0, 5, j));
    expect(row.map((value) => row.indexOf(value))).toEqual([0, 0, 2, 3, 4, 5, 6, 7, 7, 7]);
  });
});

it('DeBERTa divides three terms by sqrt(3): words alone are the plain score over it', () => {
  const plain = evaluate('nope');
  const set = {
    query: (t: number, h: number, d: number) => plain('query', t, h, d),
    key: (t: number, h: number, d: number) => plain('key', t, h, d),
  };
  const values = evaluate('catalogue/relative/deberta', { params: { far: 4 }, set: { P: zero, ...set } });
  for (const [i, j] of pairs(10)) {
    expect(values('score', 0, i, j) * Math.sqrt(3)).toBeCloseTo(plain('score', 0, i, j), 12);
  }
});

it('Transformer-XL: u meets the key wherever it is, v meets the offset whatever the query is', () => {
  const key = evaluate('catalogue/relative/transformer_xl', { set: { query: zero, v: zero } });
  for (const [i, j] of pairs(10)) expect(key('score', 0, i, j)).toBeCloseTo(key('score', 0, j, j), 12);
  const offset = evaluate('catalogue/relative/transformer_xl', { set: { query: zero, u: zero } });
  for (const [i, j] of pairs(9)) expect(offset('score', 0, i + 1, j + 1)).toBeCloseTo(offset('score', 0, i, j), 12);
});

it('the Conformer meets later frames by the opposite offset', () => {
  const path = 'catalogue/relative/conformer_relative';
  const geometry = { bidirectional: true };
  const values = evaluate(path, { geometry, set: { query: zero, key: zero, W: (m, _, d) => (m === d ? 1 : 0) } });
  // v . R_n, whose sines are odd in n and whose cosines are even
  const part = (i: number, j: number, even: number): number =>
    sumOf([0, 1, 2, 3].filter((d) => d % 2 === even).map((d) => values('v', 0, d) * values('R', i - j + 15, d)));
  for (const [i, j] of pairs(10)) {
    expect(values('score', 0, i, j)).toBeCloseTo((part(i, j, 0) + part(i, j, 1)) / 2, 12);
    expect(part(j, i, 0)).toBeCloseTo(-part(i, j, 0), 12);
    expect(part(j, i, 1)).toBeCloseTo(part(i, j, 1), 12);
  }
});

describe('URPE', () => {
  it('multiplies weights by a number of the offset', () => {
    const values = evaluate('urpe', { set: { query: zero, key: zero } });
    const weight = (i: number, j: number): number => (i + 1) * values('attention', 1, i, j); // the softmax is 1 / (i + 1)
    for (const [i, j] of pairs(9)) expect(weight(i + 1, j + 1)).toBeCloseTo(weight(i, j), 12);
    for (const n of range(10)) expect(weight(9, 9 - n)).toBeCloseTo(values('c', n + 15, 1), 12);
  });

  it('does not normalise rows again', () => {
    const values = evaluate('urpe', {});
    const sums = range(10).map((i) => sumOf(range(i + 1).map((j) => values('attention', 0, i, j))));
    expect(Math.max(...sums.map((sum) => Math.abs(sum - 1)))).toBeGreaterThan(0.05);
  });

  it('tells places apart where all tokens are the same, which no bias before a softmax can', () => {
    const set = { query: one, key: one, value: one };
    const spread = (path: string, chosen: Chosen = {}): number => {
      const values = evaluate(path, { ...chosen, set });
      const first = range(10).map((i) => values('output', i, 0, 0));
      return Math.max(...first) - Math.min(...first);
    };
    expect(spread('urpe')).toBeGreaterThan(0.01);
    for (const path of ['alibi', 'rope', 'catalogue/relative/transformer_xl']) expect(spread(path)).toBeLessThan(1e-12);
  });

  it('with RoPE: weights of RoPE times the multiplier', () => {
    const rope = evaluate('rope', {});
    const set = {
      query: (t: number, h: number, d: number) => rope('query', t, h, d),
      key: (t: number, h: number, d: number) => rope('key', t, h, d),
    };
    const values = evaluate('catalogue/relative/rope_urpe', { set });
    for (const [i, j] of pairs(10)) {
      expect(values('attention', 0, i, j)).toBeCloseTo(rope('attention', 0, i, j) * values('c', i - j + 15, 0), 12);
    }
  });
});
