// Biases of scores, at the level of what their papers claim: what they depend on, how they fall, where they are shared.

import { describe, expect, it } from 'vitest';
import { biasOf, evaluate, one, pairs, range, sumOf, zero, type Chosen } from './by-index.ts';

const smallT5 = { buckets: 8, max_distance: 16 };
const byOffset: readonly (readonly [string, Chosen])[] = [
  ['alibi', {}],
  ['t5', { params: smallT5 }],
  ['catalogue/bias/t5_encoder', { params: smallT5, geometry: { bidirectional: true } }],
  ['catalogue/bias/alibi_heads', { geometry: { heads: 3, kv_heads: 3 } }],
  ['catalogue/bias/alibi_learned', {}],
  ['catalogue/bias/kerple_log', {}],
  ['catalogue/bias/kerple_power', {}],
  ['catalogue/bias/sandwich', { params: { waves: 4 } }],
  ['catalogue/bias/log_pe', { params: { reading: 1 } }],
  ['catalogue/bias/log_pe', { params: { reading: 2 } }],
  ['catalogue/bias/tisa', {}],
];

describe.each(byOffset)('%s %o', (path, chosen) => {
  const bias = biasOf(path, chosen);

  it('depends on i - j alone', () => {
    for (const [i, j] of pairs(9)) expect(bias(1, i + 1, j + 1)).toBeCloseTo(bias(1, i, j), 12);
    expect(new Set(range(10).map((n) => bias(1, 9, 9 - n))).size).toBeGreaterThan(1);
  });

  it('is added to the product of query and key', () => {
    const plain = evaluate('nope');
    const values = evaluate(path, {
      ...chosen,
      geometry: {},
      set: { query: (t, h, d) => plain('query', t, h, d), key: (t, h, d) => plain('key', t, h, d) },
    });
    const own = biasOf(path, { ...chosen, geometry: {} });
    for (const [i, j] of pairs(10)) {
      expect(values('score', 1, i, j)).toBeCloseTo(plain('score', 1, i, j) + own(1, i, j), 12);
    }
  });
});

it.each(['alibi', 'bias/alibi_heads', 'bias/alibi_learned', 'bias/kerple_log', 'bias/kerple_power'])(
  '%s is 0 at the query and falls with the distance',
  (name) => {
    const bias = biasOf(name === 'alibi' ? name : `catalogue/${name}`);
    for (const h of [0, 1]) {
      expect(bias(h, 9, 9)).toBe(0);
      for (const n of range(9)) expect(bias(h, 9, 9 - n - 1)).toBeLessThan(bias(h, 9, 9 - n));
    }
  },
);

it('KERPLE, logarithmic, falls ever more slowly; a power above 1 ever faster', () => {
  const log = biasOf('catalogue/bias/kerple_log');
  const power = biasOf('catalogue/bias/kerple_power', { set: { p: () => 1.5 } });
  const step = (bias: typeof log, n: number): number => bias(0, 9, 9 - n) - bias(0, 9, 9 - n - 1);
  for (const n of range(8)) {
    expect(step(log, n + 1)).toBeLessThan(step(log, n));
    expect(step(power, n + 1)).toBeGreaterThan(step(power, n));
  }
});

it('KERPLE has a gradient at the query itself: powers of 0 are left out', () => {
  const bias = biasOf('catalogue/bias/kerple_power', { set: { p: () => -5, a: () => -5 } });
  expect(bias(0, 3, 3)).toBe(0);
  expect(bias(0, 9, 0)).toBeCloseTo(-0.01 * 9 ** 0.01, 12); // both at their lower bounds
});

it('ALiBi for 12 heads has the slopes of 8, then every other one of 16', () => {
  const slopes = (path: string, heads: number): readonly number[] => {
    const bias = biasOf(path, { tokens: 2, geometry: { heads, kv_heads: heads } });
    return range(heads).map((h) => -bias(h, 1, 0));
  };
  const [eight, sixteen] = [slopes('alibi', 8), slopes('alibi', 16)];
  expect(eight.map((slope) => Math.log2(slope))).toEqual([-1, -2, -3, -4, -5, -6, -7, -8]);
  slopes('catalogue/bias/alibi_heads', 12).forEach((slope, h) => {
    expect(slope).toBeCloseTo(h < 8 ? eight[h]! : sixteen[2 * (h - 8)]!, 14);
  });
  for (const heads of [1, 2, 4, 8]) {
    slopes('catalogue/bias/alibi_heads', heads).forEach((slope, h) => {
      expect(slope).toBeCloseTo(slopes('alibi', heads)[h]!, 14);
    });
  }
});

it('T5 has buckets of one distance each, then shared ones, to the last from max_distance on', () => {
  const buckets = (params: Record<string, number>, count: number): readonly number[] => {
    const bias = biasOf('t5', { tokens: count, params, set: { table: (b) => b } });
    return range(count).map((n) => bias(0, count - 1, count - 1 - n));
  };
  const all = buckets(smallT5, 30);
  expect(all.slice(0, 4)).toEqual([0, 1, 2, 3]);
  for (const n of range(29)) expect([0, 1]).toContain(all[n + 1]! - all[n]!);
  expect(all.indexOf(7)).toBeLessThan(16);
  expect(all.slice(16)).toEqual(range(14).map(() => 7));
  const sizes = range(8).map((b) => all.slice(0, 16).filter((each) => each === b).length);
  for (const b of [4, 5, 6]) expect(sizes[b + 1]!).toBeGreaterThanOrEqual(sizes[b]!);
  const paper = buckets({ buckets: 32, max_distance: 128 }, 21);
  expect(paper.slice(0, 17)).toEqual(range(17));
  expect(paper[20]).toBe(17);
});

it('T5 in an encoder: half of the buckets for each side, 0 for the token itself', () => {
  const chosen = { params: smallT5, geometry: { bidirectional: true }, tokens: 25 };
  const bias = biasOf('catalogue/bias/t5_encoder', { ...chosen, set: { table: (b) => b } });
  const [before, behind] = [range(13).map((n) => bias(0, 12, 12 - n)), range(13).map((n) => bias(0, 12, 12 + n))];
  expect(before.slice(0, 3)).toEqual([0, 1, 2]); // two of one distance each, then 2 .. 5, then the last
  expect([before[5], before[6], before[12]]).toEqual([2, 3, 3]);
  expect(behind).toEqual(before.map((bucket, n) => (n === 0 ? 0 : bucket + 4)));
});

it('WavLM: the bias of an encoder of T5, times a gate between 1 and 2 + c of the head that asks', () => {
  const table = (b: number, h: number): number => Math.sin(1 + b + 8 * h);
  const chosen = { params: smallT5, geometry: { bidirectional: true, model_dim: 8 } };
  const plainT5 = biasOf('catalogue/bias/t5_encoder', { ...chosen, set: { table } });
  const gated = (set: Chosen['set']) => biasOf('catalogue/bias/wavlm', { ...chosen, set: { table, ...set } });
  const still = gated({ w: zero, bias: zero, c: () => 3 }); // both sigmoids are 1/2: 1/2 (3/2 - 1) + 2
  const open = gated({ w: zero, bias: () => 800, c: () => 3 });
  const shut = gated({ w: zero, bias: (g) => (g === 0 ? 800 : -800) });
  const own = gated({ x: (t, m) => (m < 4 ? 1 : t), bias: zero }); // the first head's part is the same in all frames
  for (const i of range(10))
    for (const j of range(10)) {
      expect(still(1, i, j)).toBeCloseTo(2.25 * plainT5(1, i, j), 12);
      expect(open(1, i, j)).toBeCloseTo(4 * plainT5(1, i, j), 12);
      expect(shut(1, i, j)).toBeCloseTo(plainT5(1, i, j), 12);
      expect(own(0, i, j) / plainT5(0, i, j)).toBeCloseTo(own(0, 0, 0) / plainT5(0, 0, 0), 12);
    }
  expect(Math.abs(own(1, 9, 9) / plainT5(1, 9, 9) - own(1, 0, 0) / plainT5(1, 0, 0))).toBeGreaterThan(1e-4);
});

it('Sandwich is largest at the query, falls over powers of the distance, and is tempered by 8 (h + 1) / heads', () => {
  const values = biasOf('catalogue/bias/sandwich', { tokens: 7, set: { position: (t) => (t === 0 ? 0 : 4 ** t) } });
  for (const i of range(6, 1)) expect(values(0, i, 0)).toBeLessThan(values(0, i - 1, 0));
  expect(values(0, 0, 0)).toBeCloseTo(64 / 4, 12); // 64 cosines of 0 over the ratio 8 / 2
  for (const i of range(7)) expect(values(0, i, 0)).toBeCloseTo(2 * values(1, i, 0), 12);
});

describe('FIRE', () => {
  const values = evaluate('catalogue/bias/fire', { tokens: 14, params: { threshold: 5 }, set: { multiple: one } });

  it('has an argument from 0 at the query to 1 at the first token of a sequence longer than the threshold', () => {
    for (const [i, j] of pairs(14)) {
      expect(values('near', i, j)).toBeGreaterThanOrEqual(0);
      expect(values('near', i, j)).toBeLessThanOrEqual(1 + 1e-15);
    }
    for (const i of range(14)) expect(values('near', i, i)).toBe(0);
    for (const i of range(9, 5)) expect(values('near', i, 0)).toBeCloseTo(1, 12);
    for (const j of range(12)) expect(values('near', 13, j)).toBeGreaterThan(values('near', 13, j + 1));
  });

  it('depends on i - j alone up to the threshold, and on i beyond it', () => {
    const bias = biasOf('catalogue/bias/fire', { tokens: 14, params: { threshold: 5 }, set: { multiple: one } });
    for (const [i, j] of pairs(5)) expect(bias(1, i + 1, j + 1)).toBeCloseTo(bias(1, i, j), 12);
    expect(Math.abs(bias(1, 13, 10) - bias(1, 9, 6))).toBeGreaterThan(1e-4);
  });
});

describe('Log-PE', () => {
  const context = 33;
  const of = (reading: number): readonly number[] => {
    const bias = biasOf('catalogue/bias/log_pe', { tokens: 36, params: { reading }, geometry: { context } });
    return range(36).map((n) => bias(0, 35, 35 - n));
  };

  it.each([1, 2])('in reading %i: whole, not negative, never rising', (reading) => {
    const bias = of(reading);
    for (const value of bias) expect(Number.isInteger(value) && value >= 0).toBe(true);
    for (const n of range(35)) expect(bias[n + 1]!).toBeLessThanOrEqual(bias[n]!);
    expect(bias.at(-1)).toBe(0);
  });

  it('loses 1 where the distance and 1 double, in reading 1', () => {
    const bias = of(1);
    expect(bias[0]).toBe(5); // log2(32), exactly
    for (const n of range(16)) expect(bias[2 * (n + 1) - 1]).toBe(Math.max(bias[n]! - 1, 0));
  });

  it('is the number of bits of what is left of the context, in reading 2', () => {
    const bias = of(2);
    for (const n of range(32)) {
      const left = context - n;
      expect(2 ** bias[n]!).toBeGreaterThanOrEqual(left);
      if (left > 1) expect(2 ** (bias[n]! - 1)).toBeLessThan(left);
    }
  });
});

describe('Gray-PE', () => {
  const values = evaluate('catalogue/bias/gray_pe', { tokens: 40, set: { query: one, key: one } });
  const full = 4 + 7; // all features equal, and all bits
  const apart = (i: number, j: number): number => full - values('attention', 0, i, j) / 0.5;

  it('codes of neighbours differ in one bit, those at powers of two in two, wherever they are', () => {
    for (const i of range(39)) expect(apart(i + 1, i)).toBe(1);
    for (const step of [2, 4, 8, 16, 32]) for (const i of range(40 - step)) expect(apart(i + step, i)).toBe(2);
  });

  it('is not relative at other offsets, and counts equal spikes', () => {
    expect(new Set(range(37).map((i) => apart(i + 3, i))).size).toBeGreaterThan(1);
    const spikes = evaluate('catalogue/bias/gray_pe', {
      tokens: 4,
      set: { query: (_, __, d) => d % 2, key: (t, __, d) => (t < 2 ? d % 2 : 1) },
    });
    expect(spikes('attention', 0, 1, 1)).toBe(0.5 * full);
    expect(spikes('attention', 0, 2, 2)).toBe(0.5 * (full - 2));
  });

  it('on a grid, a step to a neighbour changes one bit', () => {
    const set = { query: one, key: one, position: (t: number, k: number) => (k === 0 ? Math.floor(t / 4) : t % 4) };
    const grid = evaluate('catalogue/bias/gray_pe_2d', { tokens: 16, set });
    const bits = (i: number, j: number): number => 4 + 2 * 4 - grid('attention', 0, i, j) / 0.5;
    for (const i of range(12)) expect(bits(i + 4, i)).toBe(1); // a row further
    for (const i of range(15)) if (i % 4 < 3) expect(bits(i + 1, i)).toBe(1); // a column further
    expect(bits(5, 0)).toBe(2);
  });
});

it('TISA has its bump at the learned offset', () => {
  const set = { a: (_: number, s: number) => (s === 0 ? 2 : 0), c: () => -3, b: () => -0.5 };
  const bias = biasOf('catalogue/bias/tisa', { set });
  const row = range(10).map((n) => bias(0, 9, 9 - n));
  expect(row[3]).toBe(2);
  expect(row.indexOf(Math.max(...row))).toBe(3);
  expect(row[2]).toBeCloseTo(row[4]!, 12);
});

it('TUPE has a term of places beside that of words, each over sqrt(2)', () => {
  const quiet = biasOf('catalogue/bias/tupe', { set: { P: zero } });
  for (const [i, j] of pairs(9)) expect(quiet(0, i + 1, j + 1)).toBe(quiet(0, i, j));
  const places = (from: number): ReturnType<typeof biasOf> =>
    biasOf('catalogue/bias/tupe', { set: { b: zero, position: (t) => t + from } });
  const [here, moved] = [places(0), places(1)];
  for (const [i, j] of pairs(9)) expect(moved(0, i, j)).toBeCloseTo(here(0, i + 1, j + 1), 12); // places, not tokens
  expect(Math.abs(moved(0, 5, 2) - here(0, 5, 2))).toBeGreaterThan(1e-6);
  const plain = evaluate('nope');
  const words = evaluate('catalogue/bias/tupe', {
    set: { P: zero, b: zero, query: (t, h, d) => plain('query', t, h, d), key: (t, h, d) => plain('key', t, h, d) },
  });
  for (const [i, j] of pairs(10)) expect(words('score', 0, i, j) * Math.SQRT2).toBeCloseTo(plain('score', 0, i, j), 12);
});

describe.each(['swin_table', 'log_cpb'])('%s', (name) => {
  const params: Record<string, number> = name === 'log_cpb' ? { units: 8 } : { window: 4 };
  const grid = (dy: number, dx: number): ReturnType<typeof biasOf> =>
    biasOf(`catalogue/bias/${name}`, {
      tokens: 16,
      params,
      set: { position: (t, k) => (k === 0 ? Math.floor(t / 4) + dy : (t % 4) + dx) },
    });
  const bias = grid(0, 0);

  it('is the same at the same offset on the grid, wherever the two are', () => {
    for (const [i, j] of [
      [5, 0],
      [9, 4],
      [14, 9],
      [11, 6],
    ] as const)
      expect(bias(0, i, j)).toBe(bias(0, 5, 0));
    const moved = grid(7, 3);
    for (const [i, j] of pairs(16)) expect(moved(0, i, j)).toBe(bias(0, i, j));
  });

  it('tells a row from a column', () => {
    expect(bias(0, 4, 0)).not.toBe(bias(0, 1, 0));
    expect(bias(0, 4, 3)).not.toBe(bias(0, 1, 0)); // neighbours in the sequence, not on the grid
  });

  it('stays between its bounds', () => {
    if (name === 'log_cpb') for (const [i, j] of pairs(16)) expect(bias(0, i, j) > 0 && bias(0, i, j) < 16).toBe(true);
    const far = biasOf(`catalogue/bias/${name}`, { params, set: { position: (t) => 1000 * t } });
    expect(Number.isFinite(sumOf(pairs(10).map(([i, j]) => far(0, i, j))))).toBe(true);
    if (name === 'swin_table') expect(far(0, 9, 0)).toBe(far(0, 1, 0)); // beyond the window: its border
  });
});

describe('decomposed', () => {
  const place = (t: number, k: number): number => (k === 0 ? Math.floor(t / 4) : t % 4);
  const score = (times: number): ((i: number, j: number) => number) => {
    const query = (_: number, h: number, d: number): number => times * (h + d + 1);
    const set = { position: place, key: zero, query };
    const values = evaluate('catalogue/bias/decomposed', { tokens: 16, params: { window: 4 }, set });
    return (i, j) => values('score', 0, i, j);
  };
  const [one, two] = [score(1), score(2)];

  it('is a part of the row and a part of the column', () => {
    for (const dy of range(3, 1))
      for (const dx of range(3, 1))
        expect(one(15, 15 - 4 * dy - dx) + one(15, 15)).toBeCloseTo(one(15, 15 - 4 * dy) + one(15, 15 - dx), 12);
    expect(Math.abs(one(13, 9) - one(13, 12))).toBeGreaterThan(1e-4);
    expect(one(13, 8)).toBeCloseTo(one(9, 4), 12);
  });

  it('is met by the query, which nothing scales', () => {
    for (const [i, j] of pairs(16)) expect(two(i, j)).toBeCloseTo(2 * one(i, j), 12);
    const vector = (n: number, d: number): number => (n === 5 && d === 1 ? 1 : 0); // two rows below
    const set = { position: place, key: zero, query: () => 3, Ry: vector, Rx: zero };
    const values = evaluate('catalogue/bias/decomposed', { tokens: 16, params: { window: 4 }, set });
    for (const [i, j] of pairs(16)) expect(values('score', 0, i, j)).toBe(place(i, 0) - place(j, 0) === 2 ? 3 : 0);
  });
});
