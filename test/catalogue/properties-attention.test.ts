// What becomes of the weights: sinks, windows, and what stands in the softmax's place; and labels in the place of positions.

import { describe, expect, it } from 'vitest';
import { evaluate, one, pairs, range, sumOf, zero, type Chosen, type Values } from './by-index.ts';

const sums = (values: Values, tokens = 10): readonly number[] =>
  range(tokens).map((i) => sumOf(range(i + 1).map((j) => values('attention', 0, i, j))));
const like = (of: Values, set: Chosen['set'] = {}): Chosen['set'] & object => ({
  query: (t, h, d) => of('query', t, h, d),
  key: (t, h, d) => of('key', t, h, d),
  ...set,
});
const plain = evaluate('nope');

describe('attention sink', () => {
  it('rows sum to less than 1, by what the empty logit takes', () => {
    const values = evaluate('catalogue/attention/sink', { set: like(plain, { empty: () => 0.5 }) });
    for (const [i, sum] of sums(values).entries()) {
      const all = sumOf(range(i + 1).map((j) => Math.exp(plain('score', 0, i, j))));
      expect(sum).toBeCloseTo(all / (all + Math.exp(0.5)), 12);
      expect(sum).toBeLessThan(1);
    }
  });

  it('leaves the ratios of weights, and all of them where the sink is low', () => {
    const values = evaluate('catalogue/attention/sink', { set: like(plain, { empty: () => -800 }) });
    for (const [i, j] of pairs(10)) expect(values('attention', 0, i, j)).toBeCloseTo(plain('attention', 0, i, j), 12);
  });
});

describe('stick-breaking', () => {
  const path = 'catalogue/attention/stick_breaking';

  it('rows sum to at most 1, what is left is what every key refused', () => {
    const values = evaluate(path, { set: like(plain) });
    for (const [i, sum] of sums(values).entries()) {
      const left = range(i).reduce((all, j) => all * (1 - 1 / (1 + Math.exp(-plain('score', 0, i, j)))), 1);
      expect(sum).toBeCloseTo(1 - left, 12);
      expect(sum).toBeLessThan(1);
    }
  });

  it('prefers the nearer of equal keys, and a token does not see itself', () => {
    const values = evaluate(path, { set: { query: zero, key: zero } });
    for (const i of range(10)) expect(values('attention', 0, i, i)).toBe(0);
    for (const j of range(9)) expect(values('attention', 0, 9, j)).toBeCloseTo(0.5 ** (9 - j), 12);
  });
});

describe('windows', () => {
  it('sliding without an encoding elsewhere: rotary in the window, every fourth layer is plain attention', () => {
    const path = 'catalogue/attention/sliding_nope';
    const turned = evaluate('rope_interleaved', { params: { base: 50000 } });
    const near = evaluate(path, { params: { window: 3 }, set: like(turned) });
    for (const [i, j] of pairs(10)) {
      if (i - j >= 3) expect(near('attention', 0, i, j)).toBe(0);
      else expect(near('score', 0, i, j)).toBeCloseTo(turned('score', 0, i, j), 12);
    }
    const all = evaluate(path, { params: { window: 3 }, geometry: { layer: 3 }, set: like(plain) });
    for (const [i, j] of pairs(10)) expect(all('attention', 0, i, j)).toBeCloseTo(plain('attention', 0, i, j), 12);
  });

  it('sliding in an encoder: as far to both sides, and every third layer sees all with another base', () => {
    const path = 'catalogue/attention/sliding_encoder';
    const [geometry, params] = [
      { bidirectional: true, layer: 1 },
      { window: 2, far_base: 500 },
    ];
    const [rope, slow] = [10000, 500].map((base) => evaluate('rope', { geometry, params: { base }, set: like(plain) }));
    const near = evaluate(path, { params, geometry, set: like(plain) });
    const all = evaluate(path, { params, geometry: { ...geometry, layer: 3 }, set: like(plain) });
    for (const i of range(10))
      for (const j of range(10)) {
        if (Math.abs(i - j) > 2) expect(near('attention', 0, i, j)).toBe(0);
        else expect(near('score', 0, i, j)).toBeCloseTo(rope!('score', 0, i, j), 12);
        expect(all('attention', 0, i, j)).toBeCloseTo(slow!('attention', 0, i, j), 12);
      }
  });

  it('sliding: exact zero outside, everything in every sixth layer, with another base', () => {
    const path = 'catalogue/attention/sliding';
    const rope = evaluate('rope');
    const near = evaluate(path, { params: { window: 3 }, set: like(rope) });
    for (const [i, j] of pairs(10)) {
      if (i - j >= 3) expect(near('attention', 0, i, j)).toBe(0);
      else expect(near('score', 0, i, j)).toBeCloseTo(rope('score', 0, i, j), 12);
    }
    for (const sum of sums(near)) expect(sum).toBeCloseTo(1, 12);
    const slow = evaluate('rope', { params: { base: 1e6 }, set: like(rope) });
    const far = evaluate(path, { params: { window: 3 }, geometry: { layer: 5 }, set: like(rope) });
    for (const [i, j] of pairs(10)) expect(far('attention', 0, i, j)).toBeCloseTo(slow('attention', 0, i, j), 12);
  });

  it('strided: the nearest keys and every third before them', () => {
    const values = evaluate('catalogue/attention/strided', { params: { stride: 3 } });
    const seen = range(10).filter((j) => values('attention', 0, 9, j) > 0);
    expect(seen).toEqual([0, 3, 6, 7, 8, 9]);
    for (const sum of sums(values)) expect(sum).toBeCloseTo(1, 12);
  });
});

it('retention: scores of RoPE that decay, slower in later heads, and no softmax', () => {
  const rope = evaluate('rope');
  const values = evaluate('catalogue/attention/retention', { set: like(rope) });
  for (const h of [0, 1]) {
    const rate = (i: number, j: number): number => values('attention', h, i, j) / rope('score', h, i, j);
    for (const [i, j] of pairs(10)) {
      expect(rate(i, j)).toBeCloseTo(rate(1, 0) ** (i - j), 9);
      if (i > j) expect(rate(i, j)).toBeLessThan(1);
    }
    expect(rate(1, 0)).toBeCloseTo(1 - 1 / (32 * 2 ** h), 12);
  }
});

describe('cosFormer', () => {
  const path = 'catalogue/attention/cosformer';

  it('weights are not negative, sum to 1, and fall with the distance of equal keys', () => {
    const values = evaluate(path, { set: { query: (t, h, d) => Math.abs(plain('query', t, h, d)), key: one } });
    for (const [i, j] of pairs(10)) expect(values('attention', 0, i, j)).toBeGreaterThanOrEqual(0);
    for (const sum of sums(values)) expect(sum).toBeCloseTo(1, 12);
    for (const n of range(9)) expect(values('attention', 0, 9, n)).toBeLessThan(values('attention', 0, 9, n + 1));
  });

  it('is a sum of two products of what query and key alone know', () => {
    const values = evaluate(path, { set: { query: one, key: one } });
    const weight = (i: number, j: number): number => values('s', 0, i, j) / values('s', 0, 0, 0);
    const turn = (t: number): number => (Math.PI / 2) * (t / 16);
    for (const [i, j] of pairs(10)) {
      expect(weight(i, j)).toBeCloseTo(
        Math.cos(turn(i)) * Math.cos(turn(j)) + Math.sin(turn(i)) * Math.sin(turn(j)),
        12,
      );
    }
  });
});

describe('structure labels', () => {
  it('StructureAPE: tokens with the same labels get the same code of them', () => {
    const label = (t: number, l: number): number => (t % 5) * (l + 1);
    const values = evaluate('catalogue/structure/structure_ape', { part: 'embed', set: { label, embedding: zero } });
    const time = evaluate('sinusoidal', { part: 'embed', set: { embedding: zero } });
    const code = (t: number, m: number): number => values('embedding_encoded', t, m) - time('embedding_encoded', t, m);
    for (const t of range(5)) for (const m of range(6)) expect(code(t + 5, m)).toBeCloseTo(code(t, m), 12);
    expect(code(1, 0)).not.toBeCloseTo(code(2, 0), 6);
    for (const m of range(6)) expect(code(0, m)).toBeCloseTo(m % 2 === 0 ? 0 : 4, 12); // four codes of label 0
  });

  it('RoPE over labels: scores see differences of labels only, and nothing where labels agree', () => {
    const path = 'catalogue/structure/structure_rope';
    const label = (t: number, l: number): number => Math.floor(t / (l + 1));
    const values = evaluate(path, { set: like(plain, { label }) });
    const moved = evaluate(path, { set: like(plain, { label: (t, l) => label(t, l) + 10 * (l + 1) }) });
    for (const [i, j] of pairs(10)) expect(moved('score', 0, i, j)).toBeCloseTo(values('score', 0, i, j), 12);
    expect(Math.abs(values('score', 0, 9, 0) - plain('score', 0, 9, 0))).toBeGreaterThan(1e-3);
    const equal = evaluate(path, { set: like(plain, { label: () => 7 }) });
    for (const [i, j] of pairs(10)) expect(equal('score', 0, i, j)).toBeCloseTo(plain('score', 0, i, j), 12);
  });
});

describe('GPSA', () => {
  const place = (t: number, k: number): number => (k === 0 ? Math.floor(t / 4) : t % 4);
  const gated = (gate: number): Values => {
    const geometry = { heads: 4, kv_heads: 4, bidirectional: true };
    const set = { position: place, g: () => gate };
    return evaluate('catalogue/attention/gpsa', { tokens: 16, geometry, learned: 'initial', set });
  };

  it('weights sum to 1; an open gate leaves the content alone, which sees all keys', () => {
    const [content, both] = [gated(-800), gated(1)];
    for (const i of range(16)) {
      const weights = range(16).map((j) => Math.exp(content('score', 2, i, j)));
      for (const j of range(16)) expect(content('attention', 2, i, j)).toBeCloseTo(weights[j]! / sumOf(weights), 12);
      expect(sumOf(range(16).map((j) => both('attention', 2, i, j)))).toBeCloseTo(1, 12);
    }
  });

  it('at first the four heads look at the four corners of a square around the patch', () => {
    const values = gated(800);
    const seen = range(4).map((h) => {
      const row = range(16).map((j) => values('attention', h, 5, j)); // row 1, column 1
      const most = Math.max(...row);
      return range(16).filter((j) => row[j]! > most - 1e-12);
    });
    expect(seen).toEqual([
      [0, 1, 4, 5],
      [4, 5, 8, 9],
      [1, 2, 5, 6],
      [5, 6, 9, 10],
    ]);
  });
});
