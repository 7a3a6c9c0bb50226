// Encodings that draw numbers in training: what holds for every draw, and what is left of it in use. SeqPE's digits and loss;
// poses of the nearest tokens.

import { describe, expect, it } from 'vitest';
import { evaluate, model, one, pairs, range, sumOf, zero, type Chosen, type Values } from './by-index.ts';

const features = range(model.model_dim);
const added = (path: string, { set, ...chosen }: Chosen = {}): ((t: number, m: number) => number) => {
  const values = evaluate(path, { ...chosen, part: 'embed', set: { embedding: zero, ...set } });
  return (t, m) => values('embedding_encoded', t, m);
};
const dot = (code: ReturnType<typeof added>, i: number, j: number): number =>
  sumOf(features.map((m) => code(i, m) * code(j, m)));
const like = (of: Values, set: Chosen['set'] = {}): Chosen['set'] & object => ({
  query: (t, h, d) => of('query', t, h, d),
  key: (t, h, d) => of('key', t, h, d),
  ...set,
});

describe('SHAPE', () => {
  const path = 'catalogue/position/shape';
  const shifted = (training: number, k: number): ReturnType<typeof added> =>
    added(path, { set: { training: () => training, k: () => k } });

  it('is sinusoidal in use, and sinusoidal some places further in training', () => {
    const plain = added('sinusoidal', { tokens: 14 });
    for (const t of range(10)) {
      for (const m of features) {
        expect(shifted(0, 4)(t, m)).toBeCloseTo(plain(t, m), 12);
        expect(shifted(1, 4)(t, m)).toBeCloseTo(plain(t + 4, m), 12);
      }
    }
  });

  it('leaves products of codes as they are', () => {
    const [near, far] = [shifted(1, 3), shifted(1, 411)];
    for (const [i, j] of pairs(10)) expect(dot(far, i, j)).toBeCloseTo(dot(near, i, j), 9);
  });
});

describe('CAPE', () => {
  const path = 'catalogue/position/cape';
  const place = (set: Chosen['set'], training = 1): readonly number[] => {
    const values = evaluate(path, { part: 'embed', set: { training: () => training, ...set } });
    return range(10).map((t) => values('place', t));
  };

  it('is centred in use, whatever is drawn', () => {
    expect(place({}, 0)).toEqual(range(10).map((t) => t - 4.5));
  });

  it('shifts all, jitters each and scales in training', () => {
    expect(place({ all: () => 3, each: zero, stretch: one })).toEqual(range(10).map((t) => t - 1.5));
    const drawn = place({ all: zero, stretch: () => 2 });
    for (const t of range(10)) expect(Math.abs(drawn[t]! - 2 * (t - 4.5))).toBeLessThanOrEqual(1); // 2 * jitter
    expect(new Set(drawn.map((at, t) => at - 2 * t)).size).toBe(10);
  });
});

describe('PoSE', () => {
  const path = 'catalogue/position/pose';
  it('skips once in training, and never in use', () => {
    const places = (training: number): readonly number[] => {
      const values = evaluate(path, { set: { training: () => training, cut: () => 4, skip: () => 30 } });
      return range(10).map((t) => values('place', t));
    };
    expect(places(0)).toEqual(range(10));
    expect(places(1)).toEqual([0, 1, 2, 3, 34, 35, 36, 37, 38, 39]);
  });

  it('stays below the length that is aimed at', () => {
    for (const seed of range(6, 1)) {
      const values = evaluate(path, { seed, tokens: 16, set: { training: one } });
      expect(values('place', 15)).toBeLessThan(4 * model.context);
    }
  });
});

describe('randomised positions', () => {
  const path = 'catalogue/position/randomised';
  const places = (seed: number): readonly number[] => {
    const values = evaluate(path, { seed, tokens: 16, set: { training: one } });
    return range(16).map((t) => values('drawn', t));
  };

  it('are distinct, in order, and within the longer range, for every draw', () => {
    for (const seed of range(4, 1)) {
      const drawn = places(seed);
      for (const t of range(15)) expect(drawn[t + 1]!).toBeGreaterThan(drawn[t]!);
      expect(drawn[0]!).toBeGreaterThanOrEqual(0);
      expect(drawn[15]!).toBeLessThan(64);
      expect(drawn.every(Number.isInteger)).toBe(true);
    }
    expect(places(1)).not.toEqual(places(2));
  });

  it('are those of rotary in training, and plain rotary in use', () => {
    const rope = evaluate('rope');
    const use = evaluate(path, { set: like(rope) });
    for (const [i, j] of pairs(10)) expect(use('score', 0, i, j)).toBeCloseTo(rope('score', 0, i, j), 12);
    const drawn = evaluate(path, { set: like(rope, { training: one }) });
    const there = evaluate('rope', { set: like(rope, { position: (t) => drawn('drawn', t) }) });
    for (const [i, j] of pairs(10)) expect(drawn('score', 0, i, j)).toBeCloseTo(there('score', 0, i, j), 12);
  });
});

describe('Abacus', () => {
  const path = 'catalogue/position/abacus';
  const is_digit = (t: number): number => ([1, 2, 3, 6, 7].includes(t) ? 1 : 0); // two numbers, of three and two digits
  const code = (training: number, first: number): ReturnType<typeof added> =>
    added(path, { set: { is_digit, training: () => training, first: () => first } });

  it('gives equal places in a number equal codes, and nothing to other tokens', () => {
    const at = code(0, 5);
    for (const m of features) {
      expect(at(6, m)).toBe(at(1, m));
      expect(at(7, m)).toBe(at(2, m));
      expect(at(2, m)).not.toBe(at(1, m));
      for (const t of [0, 4, 5, 8, 9]) expect(at(t, m)).toBe(0);
    }
  });

  it('starts anywhere in training', () => {
    const [from0, from1] = [code(1, 0), code(1, 1)];
    for (const m of features) {
      expect(from1(1, m)).toBe(from0(2, m)); // one row further
      expect(from0(1, m)).toBe(code(0, 9)(1, m)); // in use from row 0
    }
  });
});

describe.each(['catalogue/position/sinespe', 'catalogue/structure/f_stripe'])('%s', (path) => {
  it('has scores whose mean over draws depends on the difference of places', () => {
    const label = (t: number): number => 2 * Math.floor(t / 2);
    const isLabel = path.endsWith('stripe');
    const params = { sines: 1, realisations: 3000 };
    const geometry = { heads: 1, kv_heads: 1, head_dim: 2 };
    const set = { query: one, key: one, frequency: zero, offset: zero, gain: zero, ...(isLabel ? { label } : {}) };
    const values = evaluate(path, { params, geometry, tokens: 5, set });
    const place = isLabel ? label : (t: number): number => t;
    // the mean: 2 features, gains softplus(0), frequency sigmoid(0) / 2; the deviation of 3000 draws is below 2 percent of it
    for (const [i, j] of pairs(5)) {
      const mean = (2 / Math.SQRT2) * Math.log(2) ** 2 * Math.cos((Math.PI / 2) * (place(i) - place(j)));
      expect(Math.abs(values('score', 0, i, j) - mean)).toBeLessThan(0.06);
    }
  });
});

describe('KNARPE', () => {
  const path = 'catalogue/structure/knarpe';
  const params = { nearest: 3, waves: 2 };
  const pose = (t: number, k: number): number => (k === 2 ? Math.sin(t) : Math.cos(3 * t + k) * (t + 1));
  const plain = evaluate('nope');
  const values = evaluate(path, { params, set: like(plain, { pose }) });

  it('sees the nearest tokens only, the query itself among them', () => {
    const far = (i: number, j: number): number => Math.hypot(pose(i, 0) - pose(j, 0), pose(i, 1) - pose(j, 1));
    for (const i of range(10)) {
      const seen = range(i + 1).filter((j) => values('attention', 0, i, j) > 0);
      expect(seen.length).toBe(Math.min(i + 1, 3));
      expect(seen).toContain(i);
      const hidden = range(i + 1).filter((j) => !seen.includes(j));
      for (const j of hidden) expect(far(i, j)).toBeGreaterThanOrEqual(Math.max(...seen.map((s) => far(i, s))));
    }
  });

  it('sees relative poses only: a move and a turn of the whole scene change nothing', () => {
    const [cos, sin] = [Math.cos(0.7), Math.sin(0.7)];
    const turned = (t: number, k: number): number => {
      const [x, y] = [pose(t, 0), pose(t, 1)];
      return k === 0 ? cos * x - sin * y + 5 : k === 1 ? sin * x + cos * y - 2 : pose(t, 2) + 0.7;
    };
    const moved = evaluate(path, {
      params,
      set: like(plain, { pose: turned, value: (t, h, d) => values('value', t, h, d) }),
    });
    for (const [i, j] of pairs(10)) expect(moved('score', 0, i, j)).toBeCloseTo(values('score', 0, i, j), 10);
    for (const i of range(10)) expect(moved('output', i, 0, 1)).toBeCloseTo(values('output', i, 0, 1), 10);
  });

  it('a whole turn of one agent changes nothing', () => {
    const turned = (t: number, k: number): number => pose(t, k) + (t === 4 && k === 2 ? 2 * Math.PI : 0);
    const moved = evaluate(path, { params, set: like(plain, { pose: turned }) });
    for (const [i, j] of pairs(10)) expect(moved('score', 0, i, j)).toBeCloseTo(values('score', 0, i, j), 10);
  });
});
