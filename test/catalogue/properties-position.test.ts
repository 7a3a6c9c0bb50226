// Positions: what is added to the embedding, and positions that something else than the count of tokens makes.

import { describe, expect, it } from 'vitest';
import { evaluate, model, one, pairs, range, sumOf, zero, type Chosen, type Values } from './by-index.ts';

/** What is added to the embedding, [t, m]. */
const added = (path: string, { set, ...chosen }: Chosen = {}): ((t: number, m: number) => number) => {
  const values = evaluate(path, { ...chosen, part: 'embed', set: { embedding: zero, ...set } });
  return (t, m) => values('embedding_encoded', t, m);
};
const features = range(model.model_dim);
const dot = (code: ReturnType<typeof added>, i: number, j: number): number =>
  sumOf(features.map((m) => code(i, m) * code(j, m)));

describe.each(['sinusoidal', 'catalogue/position/sinusoidal_split', 'catalogue/position/sinusoidal_t2t'])(
  '%s',
  (path) => {
    it('the product of two codes depends on their offset alone, and is largest at 0', () => {
      const code = added(path);
      for (const [i, j] of pairs(9)) expect(dot(code, i + 1, j + 1)).toBeCloseTo(dot(code, i, j), 12);
      for (const n of range(9, 1)) expect(dot(code, n, 0)).toBeLessThan(dot(code, 0, 0));
      expect(dot(code, 4, 4)).toBeCloseTo(3, 12); // cos^2 + sin^2 for each frequency
    });
  },
);

it('the split sinusoidal code is the paper code with its features in another order', () => {
  const [paper, split] = [added('sinusoidal'), added('catalogue/position/sinusoidal_split')];
  for (const t of range(10)) {
    for (const k of range(3)) {
      expect(split(t, k)).toBeCloseTo(paper(t, 2 * k), 12);
      expect(split(t, k + 3)).toBeCloseTo(paper(t, 2 * k + 1), 12);
    }
  }
});

it('Tensor2Tensor: the slowest wave is base times the fastest, and positions may begin elsewhere', () => {
  const path = 'catalogue/position/sinusoidal_t2t';
  const code = added(path);
  for (const t of range(10)) {
    expect(code(t, 0)).toBeCloseTo(Math.sin(t), 12);
    expect(code(t, 2)).toBeCloseTo(Math.sin(t / 10000), 12);
  }
  const later = added(path, { params: { first: 2 } });
  for (const m of features) expect(later(3, m)).toBe(code(5, m));
});

it('learned absolute positions are no function of offsets: a shift changes their products', () => {
  const code = added('learned_absolute');
  expect(Math.abs(dot(code, 3, 2) - dot(code, 2, 1))).toBeGreaterThan(1e-3);
  const moved = added('learned_absolute', { set: { position: (t) => t + 3 } });
  for (const m of features) expect(moved(2, m)).toBe(code(5, m));
});

it('learnable Fourier features: products of features are a function of the difference of places', () => {
  const place = (t: number, k: number): number => (k === 0 ? Math.floor(t / 3) : t % 3);
  const values = evaluate('catalogue/position/fourier', {
    part: 'embed',
    params: { features: 5 },
    set: { position: place },
  });
  const product = (i: number, j: number): number =>
    sumOf(
      range(5).map(
        (f) => values('cosine', i, f) * values('cosine', j, f) + values('sine', i, f) * values('sine', j, f),
      ),
    );
  for (const i of range(10)) expect(product(i, i)).toBeCloseTo(0.5, 12); // 5 of 1 / (2 * 5)
  expect(product(4, 0)).toBeCloseTo(product(8, 4), 12); // one down, one to the right
  expect(Math.abs(product(4, 0) - product(3, 0))).toBeGreaterThan(1e-6);
});

it('CPE: the zeros before the first token tell where a sequence begins, and nothing else does', () => {
  const values = evaluate('catalogue/position/cpe', { part: 'embed', set: { embedding: one } });
  const code = (t: number): number => values('embedding_encoded', t, 2);
  for (const t of range(7, 3)) expect(code(t)).toBeCloseTo(code(2), 12);
  expect(code(0)).not.toBeCloseTo(code(2), 3);
  expect(code(1)).not.toBeCloseTo(code(2), 3);
});

describe('a grid of patches', () => {
  const place = (t: number, k: number): number => (k === 0 ? Math.floor(t / 4) : t % 4);
  const geometry = { model_dim: 8 };
  const codeOf = (name: string, chosen: Chosen = {}): ReturnType<typeof added> =>
    added(`catalogue/position/${name}`, { tokens: 16, geometry, ...chosen, set: { position: place, ...chosen.set } });
  const product = (code: ReturnType<typeof added>, i: number, j: number): number =>
    sumOf(range(8).map((m) => code(i, m) * code(j, m)));

  it('sincos_2d: products depend on the offset on the grid alone; the first half is the column', () => {
    const code = codeOf('sincos_2d');
    for (const j of [0, 1, 2, 4, 5, 6])
      for (const [i, from] of [
        [j + 5, 5],
        [j + 9, 9],
      ] as const)
        if (j % 4 < 3) expect(product(code, i, from)).toBeCloseTo(product(code, j, 0), 12);
    for (const t of range(12)) for (const m of range(4)) expect(code(t + 4, m)).toBe(code(t, m));
    for (const t of range(4)) for (const m of range(4)) expect(code(t, m + 4)).toBe(code(0, m + 4));
    for (const m of range(4)) expect(code(4, m + 4)).toBeCloseTo(code(1, m), 12); // a row as a column
  });

  it('factorised: a part of the row and a part of the column', () => {
    const code = codeOf('factorised', { params: { side: 4 } });
    for (const t of range(16)) {
      for (const m of range(8)) expect(code(t, m) + code(0, m)).toBeCloseTo(code(t - (t % 4), m) + code(t % 4, m), 12);
    }
    expect(Math.abs(code(1, 0) - code(4, 0))).toBeGreaterThan(1e-4);
  });

  it('cpe_grid: a patch is made of its neighbours, and a row does not go on in the next one', () => {
    const at = (t: number, m: number): number => Math.sin(5 * t + m);
    const run = (changed: number | null): Values =>
      evaluate('catalogue/position/cpe_grid', {
        part: 'embed',
        tokens: 16,
        geometry,
        params: { columns: 4 },
        set: { embedding: (t, m) => (t === changed ? 9 : at(t, m)) },
      });
    const before = run(null);
    for (const changed of range(16)) {
      const after = run(changed);
      for (const t of range(16)) {
        const moves = after('embedding_encoded', t, 1) !== before('embedding_encoded', t, 1);
        const near = [0, 1].every((k) => Math.abs(place(t, k) - place(changed, k)) <= 1);
        expect(moves, `patch ${t} by ${changed}`).toBe(near);
      }
    }
  });
});

const ends = (t: number): number => ([2, 3, 6].includes(t) ? 1 : 0); // segments 0-2, 3, 4-6, 7-9
const segmentOf = [0, 0, 0, 1, 2, 2, 2, 3, 3, 3];
const placeIn = [0, 1, 2, 0, 0, 1, 2, 0, 1, 2];

describe('BiPE', () => {
  it.each(['bipe', 'bipe_alibi'])('%s: places begin anew in each segment', (name) => {
    const code = added(`catalogue/position/${name}`, { set: { ends } });
    for (const t of range(10)) for (const m of features) expect(code(t, m)).toBe(code(placeIn[t]!, m));
    expect(new Set(range(3).map((t) => code(t, 0))).size).toBe(3);
  });

  it('turns by the number of the segment', () => {
    const rope = evaluate('rope', { set: { position: (t) => segmentOf[t]! } });
    const set = {
      ends,
      query: (t: number, h: number, d: number) => rope('query', t, h, d),
      key: (t: number, h: number, d: number) => rope('key', t, h, d),
    };
    const values = evaluate('catalogue/position/bipe', { set });
    for (const [i, j] of pairs(10)) expect(values('score', 0, i, j)).toBeCloseTo(rope('score', 0, i, j), 12);
  });

  it('has a bias by segments between, none within', () => {
    const values = evaluate('catalogue/position/bipe_alibi', { set: { ends, query: zero, key: zero } });
    const alibi = evaluate('alibi', { set: { query: zero, key: zero } });
    for (const [i, j] of pairs(10)) {
      expect(values('score', 1, i, j)).toBeCloseTo(alibi('score', 1, segmentOf[i]! - segmentOf[j]!, 0), 12);
    }
  });
});

const like = (of: Values, set: Chosen['set'] = {}): Chosen['set'] & object => ({
  query: (t, h, d) => of('query', t, h, d),
  key: (t, h, d) => of('key', t, h, d),
  ...set,
});

describe('RePo', () => {
  const rope = evaluate('rope');
  const path = 'catalogue/position/repo';

  it('is RoPE in the layers before the first, and from there the content says where a token is', () => {
    const before = evaluate(path, { geometry: { layer: 4 }, set: like(rope) });
    for (const [i, j] of pairs(10)) expect(before('score', 0, i, j)).toBeCloseTo(rope('score', 0, i, j), 12);
    const same = evaluate(path, { geometry: { layer: 5 }, params: { width: 4 }, set: like(rope, { x: one }) });
    const plain = evaluate('nope', { set: like(rope) });
    for (const [i, j] of pairs(10)) expect(same('score', 0, i, j)).toBeCloseTo(plain('score', 0, i, j), 12);
  });
});

it('SeqPE from outside adds what the caller gives', () => {
  const code = added('catalogue/position/seqpe_table', { set: { code: (t, m) => 10 * t + m } });
  for (const t of range(10)) for (const m of features) expect(code(t, m)).toBe(10 * t + m);
});

describe('canon', () => {
  const at = (t: number, d: number): number => Math.sin(7 * t + d);
  const keys = (changed: number | null) =>
    evaluate('catalogue/position/canon', { set: { key: (t, _, d) => (t === changed ? 9 : at(t, d)) } });

  it('a key is made of the last taps tokens and no other', () => {
    const before = keys(null);
    for (const changed of range(8)) {
      const after = keys(changed);
      for (const t of range(9)) {
        const moves = after('key_encoded', t, 0, 1) !== before('key_encoded', t, 0, 1);
        expect(moves, `key ${t} by token ${changed}`).toBe(t >= changed && t < changed + 4);
      }
    }
  });

  it('the same tokens later in the sequence have the same keys: a convolution knows no place but the beginning', () => {
    const later = evaluate('catalogue/position/canon', { set: { key: (t, _, d) => at(t - 3, d) } });
    const here = keys(null);
    for (const t of range(4, 3))
      expect(later('key_encoded', t + 3, 0, 1)).toBeCloseTo(here('key_encoded', t, 0, 1), 12);
    expect(Math.abs(later('key_encoded', 3, 0, 1) - here('key_encoded', 0, 0, 1))).toBeGreaterThan(1e-3);
  });
});
