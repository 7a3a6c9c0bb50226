// Biases and multipliers that the content chooses, at the level of what their papers claim.

import { describe, expect, it } from 'vitest';
import { biasOf, evaluate, pairs, range, sumOf, zero, type Chosen, type Values } from './by-index.ts';

describe.each(['fox', 'catalogue/gates/cable'])('%s', (path) => {
  const bias = biasOf(path);

  it('only takes away, and more the farther the key', () => {
    for (const h of [0, 1]) {
      for (const i of range(10)) expect(bias(h, i, i)).toBe(0);
      for (const n of range(9)) expect(bias(h, 9, n)).toBeLessThan(bias(h, 9, n + 1));
    }
  });

  it('adds up over the tokens between', () => {
    for (const [i, j] of pairs(10)) {
      for (const k of range(i - j + 1, j)) expect(bias(0, i, k) + bias(0, k, j)).toBeCloseTo(bias(0, i, j), 12);
    }
  });

  it('asks each token behind the key, up to the query', () => {
    const x = evaluate(path);
    const other = biasOf(path, { set: { x: (t, m) => x('x', t, m) + (t === 4 ? 1 : 0) } });
    expect(other(0, 9, 4)).toBeCloseTo(bias(0, 9, 4), 12); // the key's own gate is not in it
    expect(Math.abs(other(0, 9, 3) - bias(0, 9, 3))).toBeGreaterThan(1e-6);
    expect(Math.abs(other(0, 4, 3) - bias(0, 4, 3))).toBeGreaterThan(1e-6); // the query's is
    expect(other(0, 3, 0)).toBe(bias(0, 3, 0));
  });
});

it('FoX with gates at 1 is no encoding', () => {
  const bias = biasOf('fox', { set: { w: zero, b: () => 800 } });
  for (const [i, j] of pairs(10)) expect(bias(0, i, j)).toBeCloseTo(0, 12);
});

it('GRAPE-A is ALiBi with slopes that query and key choose', () => {
  const values = evaluate('catalogue/gates/grape_a', { set: { query: zero, key: zero }, learned: 'initial' });
  const alibi = biasOf('alibi');
  for (const [i, j] of pairs(10)) {
    expect(values('score', 1, i, j)).toBeCloseTo(alibi(1, i, j) * 2 * Math.log(2), 12); // softplus(0), twice
  }
  const chosen = evaluate('catalogue/gates/grape_a', { set: { key: zero } });
  for (const n of range(8, 1)) {
    const slope = (j: number): number => (chosen('score', 0, 9, j) - chosen('score', 0, 9, 9)) / (9 - j);
    expect(slope(9 - n)).toBeCloseTo(slope(0), 12); // linear in the distance for one query
  }
});

describe('CoPE', () => {
  const values = evaluate('catalogue/gates/cope', { params: { longest: 4 }, tokens: 12 });

  it('counts places by gates, from the key to the query, up to the last', () => {
    for (const [i, j] of pairs(12)) {
      expect(values('count', 0, i, j)).toBeLessThanOrEqual(3);
      expect(values('count', 0, i, j)).toBeGreaterThan(0);
      if (j > 0) expect(values('count', 0, i, j)).toBeLessThanOrEqual(values('count', 0, i, j - 1));
    }
    expect(values('count', 0, 11, 0)).toBe(3);
  });

  it('is a plain relative position where every gate is open', () => {
    const open = evaluate('catalogue/gates/cope', { params: { longest: 4 }, set: { query: () => 40, key: () => 40 } });
    for (const [i, j] of pairs(10)) expect(open('count', 0, i, j)).toBeCloseTo(Math.min(i - j + 1, 3), 9);
  });

  it('adds query times table, on a line between whole places', () => {
    const set = {
      query: (_: number, __: number, d: number) => (d === 0 ? 1 : 0),
      e: (d: number, n: number) => (d === 0 ? 10 * n : 0),
    };
    const line = evaluate('catalogue/gates/cope', { params: { longest: 8 }, set });
    const plain = evaluate('nope', { set: { query: set.query, key: (t, h, d) => line('key', t, h, d) } });
    for (const [i, j] of pairs(10)) {
      expect(line('score', 0, i, j) - plain('score', 0, i, j)).toBeCloseTo(10 * line('count', 0, i, j), 9);
    }
  });
});

const sameContent = (path: string, chosen: Chosen, of: Values): Values =>
  evaluate(path, {
    ...chosen,
    set: { query: (t, h, d) => of('query', t, h, d), key: (t, h, d) => of('key', t, h, d), ...chosen.set },
  });

describe.each(['dape', 'dape_v2'])('%s', (name) => {
  const path = `catalogue/gates/${name}`;
  const params = { units: 8 };

  it('is ALiBi where the network gives nothing', () => {
    const alibi = evaluate('alibi');
    const values = sameContent(path, { params, set: { w2: zero } }, alibi);
    for (const [i, j] of pairs(10)) expect(values('score', 1, i, j)).toBeCloseTo(alibi('score', 1, i, j), 12);
  });

  it('mixes the heads of a pair, and neighbouring keys where it convolves, never the future', () => {
    const before = evaluate(path, { params });
    const changed = sameContent(
      path,
      { params, set: { key: (t, h, d) => before('key', t, h, d) + (h === 1 && t === 5 ? 1 : 0) } },
      before,
    );
    const moved = (i: number, j: number): boolean =>
      Math.abs(changed('score', 0, i, j) - before('score', 0, i, j)) > 1e-9;
    expect(moved(9, 5)).toBe(true);
    expect(moved(9, 4)).toBe(name === 'dape_v2');
    expect(moved(9, 6)).toBe(name === 'dape_v2');
    expect(moved(9, 3)).toBe(false);
    expect(moved(4, 4)).toBe(false); // key 5 is behind query 4
  });
});

describe('TAPA', () => {
  const path = 'catalogue/gates/tapa';

  it('only turns: no score is larger than its amplitude, which the query has for its own key', () => {
    const values = evaluate(path);
    const amplitude = (i: number, j: number): number =>
      sumOf([0, 1].map((d) => values('query', i, 0, d) * values('key', j, 0, d))) / Math.SQRT2;
    for (const [i, j] of pairs(10)) {
      expect(Math.abs(values('score', 0, i, j))).toBeLessThanOrEqual(Math.abs(amplitude(i, j)) + 1e-12);
    }
    for (const i of range(10)) expect(values('score', 0, i, i)).toBeCloseTo(amplitude(i, i), 12);
  });

  it('does not see the distance where the second half of the query is 0', () => {
    const same = (_: number, __: number, d: number): number => (d < 2 ? 1 + d : 0);
    const values = evaluate(path, { set: { query: same, key: () => 1 } });
    for (const [i, j] of pairs(10)) expect(values('score', 0, i, j)).toBeCloseTo(3 / Math.SQRT2, 12);
  });
});

describe('selective attention', () => {
  const plain = evaluate('nope');
  const values = sameContent('catalogue/gates/selective_attention', {}, plain);
  const taken = (h: number, i: number, j: number): number => values('score', h, i, j) - plain('score', h, i, j);

  it('never takes from the first token nor from a token itself, and from the next query on for all heads', () => {
    for (const i of range(10)) {
      expect(taken(1, i, 0)).toBeCloseTo(0, 12);
      expect(taken(1, i, i)).toBeCloseTo(0, 12);
      if (i > 0) expect(taken(1, i, i - 1)).toBeCloseTo(0, 12);
    }
    for (const [i, j] of pairs(10)) expect(taken(0, i, j)).toBeCloseTo(taken(1, i, j), 12);
  });

  it('takes ever more of a key', () => {
    for (const [i, j] of pairs(9)) expect(taken(0, i + 1, j)).toBeLessThanOrEqual(taken(0, i, j) + 1e-12);
    expect(taken(0, 9, 1)).toBeLessThan(-0.01);
  });
});

it('SSMax: the weight of a key that stands out grows with the context, where the softmax lets it fade', () => {
  const set = { query: () => 1, key: (t: number) => (t === 0 ? 2 : 0) };
  const scalable = evaluate('catalogue/gates/ssmax', { set, learned: 'initial' });
  const plain = evaluate('nope', { set });
  for (const i of range(8, 1)) {
    expect(scalable('attention', 0, i + 1, 0)).toBeGreaterThan(scalable('attention', 0, i, 0));
    expect(plain('attention', 0, i + 1, 0)).toBeLessThan(plain('attention', 0, i, 0));
  }
});
