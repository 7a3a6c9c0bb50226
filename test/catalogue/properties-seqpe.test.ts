// What SeqPE claims: codes are of digits, go on behind the context, may be added, scored or turned by, and its two losses
// are least where numbers are as alike as they are near, wherever they stand. Losses are tried on codes written by hand.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dead } from '../../src/passes/dead.ts';
import { gradientError } from './gradients.ts';
import { evaluate, pairs, range, sumOf, zero } from './by-index.ts';
import { difference, entry, evaluate as run, geometry, lowered, variant } from './interpreted.ts';

const params = { digits: 2, width: 4, samples: 3, candidates: 4 };
const path = 'catalogue/position/seqpe';

describe('the code', () => {
  const codes = (change: Parameters<typeof evaluate>[1] = {}) => evaluate(path, { params, ...change });
  const features = range(4);
  const row = (values: ReturnType<typeof codes>, n: number): readonly number[] =>
    features.map((f) => values('code', n, f));

  it('is of the digits: another 1 changes numbers with a 1 and no others', () => {
    const [before, after] = [
      codes({ set: { E: (s, e) => Math.sin(3 * s + e) } }),
      codes({ set: { E: (s, e) => Math.sin(3 * s + e) + (s === 1 ? Math.cos(e) : 0) } }),
    ];
    for (const n of range(16)) {
      const change = difference(row(before, n), row(after, n));
      if (String(n).includes('1')) expect(change).toBeGreaterThan(1e-4);
      else expect(change).toBe(0);
    }
  });

  it('looks at no zeros in front of a number', () => {
    const wave = (...at: readonly number[]): number => Math.sin(at.reduce((sum, k) => 3 * sum + k + 1, 0));
    const [two, four] = [2, 4].map((digits) => {
      const F = (c: number, e: number): number => wave(c - digits, e); // the same from behind
      return codes({
        params: { ...params, digits },
        set: { E: wave, F, Q: wave, K: wave, V: wave, U: wave, D: wave, O: wave },
      });
    });
    for (const n of range(16)) expect(difference(row(two!, n), row(four!, n))).toBeLessThan(1e-14);
  });

  it('tells 12 from 21 by the places of their digits', () => {
    const values = codes({ params: { ...params, reach: 30 } });
    expect(difference(row(values, 12), row(values, 21))).toBeGreaterThan(1e-3);
    const blind = codes({
      params: { ...params, reach: 30 },
      set: { F: (c, e) => (c === 2 ? e : 0), Q: zero, K: zero, V: (l, a, e) => (l === 0 ? Math.sin(a + 2 * e) : 0) },
    });
    expect(difference(row(blind, 12), row(blind, 21))).toBeLessThan(1e-12);
  });
});

describe('scores', () => {
  const values = evaluate(path, { params, set: { query: zero, key: zero } });

  it('have a term of two places, whatever the words are', () => {
    const moved = evaluate(path, { params, set: { query: zero, key: zero, position: (t) => t + 3 } });
    for (const [i, j] of pairs(6)) expect(moved('score', 1, i, j)).toBeCloseTo(values('score', 1, i + 3, j + 3), 12);
    expect(Math.abs(values('score', 0, 9, 2) - values('score', 0, 8, 1))).toBeGreaterThan(1e-6); // learned, not relative
    expect(Math.abs(values('score', 0, 9, 2) - values('score', 1, 9, 2))).toBeGreaterThan(1e-6); // a head's own
  });

  it('are one for numbers of equal length, where digits have one code', () => {
    const same = evaluate(path, { params, set: { query: zero, key: zero, E: (_, e) => e } });
    for (const [i, j] of pairs(10)) expect(same('score', 0, i, j)).toBeCloseTo(same('score', 0, 0, 0), 10);
  });
});

describe('the additive form', () => {
  const additive = (change: Parameters<typeof evaluate>[1]) =>
    evaluate('catalogue/position/seqpe_additive', { part: 'embed', tokens: 10, ...change });
  const features = range(6);

  it('adds the code of the position, and has new ones behind the context', () => {
    const place = (t: number): number => 14 + 2 * t; // a context of 16
    const values = additive({ params: { ...params, reach: 40 }, set: { position: place } });
    const added = range(10).map((t) =>
      features.map((m) => values('embedding_encoded', t, m) - values('embedding', t, m)),
    );
    for (const t of range(10))
      for (const m of features) expect(added[t]![m]).toBeCloseTo(values('code', place(t), m), 14);
    for (const [s, t] of pairs(10)) if (s !== t) expect(difference(added[s]!, added[t]!)).toBeGreaterThan(1e-4);
  });

  it('stays at the last code that it has', () => {
    const values = additive({ params, set: { position: (t) => 12 + t, embedding: zero } });
    for (const t of range(10))
      for (const m of features) expect(values('embedding_encoded', t, m)).toBe(values('code', Math.min(12 + t, 15), m));
  });
});

describe('the rotary form', () => {
  const text = (code: string): string => `import "seqpe_rotary.pe"
encoding probe extends seqpe_rotary {
  let rate[p: pair]               = 10000 ^ (-2 * p / head_dim)
  let code[n: number, f: feature] = ${code}
}`;
  const parent = 'examples/catalogue/position/seqpe_rotary.pe';
  const probe = (code: string) =>
    lowered(
      {
        path: 'examples/catalogue/position/probe.pe',
        text: text(code),
        imports: { [parent]: readFileSync(parent, 'utf8') },
      },
      { params },
    );
  const interleaved = variant('frequencies', 'rotate query, key [t, h, p] by position[t] * theta[p] interleaved');

  it('is RoPE of neighbours, where the code is sines and cosines', () => {
    const made = probe('if f < head_dim / 2 then sin(n * rate[f: pair]) else cos(n * rate[f - head_dim / 2])');
    for (const name of ['query_encoded', 'key_encoded', 'score'])
      expect(difference(run(made).get(name), run(interleaved).get(name))).toBeLessThan(1e-13);
  });

  it('grows by the length of the code', () => {
    const [one, three] = ['1', '3'].map((size) => run(probe(`${size} * sin(n + f)`)).get('query_encoded'));
    expect(
      difference(
        one!.map((value) => 3 * value),
        three!,
      ),
    ).toBeLessThan(1e-13);
  });
});

/** Numbers on a circle, alike by the cosine of their distance; and on a line, alike by their product. */
const circle = (speed: number, size = 1): string => `
  param features = 2
  let code[n: number, f: feature] = ${size} * (if f == 0 then cos(${speed} * n) else sin(${speed} * n))`;
const line = `
  param features = 1
  let code[n: number, f: feature] = 0.2 * n`;
const losses = (body: string, more: Readonly<Record<string, number>> = {}) =>
  variant('digits', body, { params: { ...params, width: 2, ...more } });

describe('the contrastive loss', () => {
  // None of the candidates is as near as another one.
  const values = { anchor: [3, 0, 9], other: [5, 9, 11, 4, 11, 1, 4, 7, 2, 7, 10, 5] };
  const contrastive = (body: string): number => run(losses(body), { values }).get('contrastive')[0]!;

  it('is a cross entropy of which candidate is nearest', () => {
    const nearest = [4, 1, 10];
    const expected = nearest.map((near, a) => {
      const alike = values.other.slice(4 * a, 4 * a + 4).map((n) => Math.cos(0.2 * (n - values.anchor[a]!)));
      return Math.log(sumOf(alike.map(Math.exp))) - Math.cos(0.2 * (near - values.anchor[a]!));
    });
    expect(contrastive(circle(0.2))).toBeCloseTo(sumOf(expected) / 3, 13);
  });

  it('goes to 0 where near numbers are the more alike, and not where they are not', () => {
    const monotone = [1, 4, 16, 64].map((size) => contrastive(circle(0.2, size)));
    expect(monotone).toEqual(monotone.toSorted((a, b) => b - a));
    expect(monotone.at(-1)).toBeLessThan(1e-9);
    // Half a turn for one step: the next number is the least alike.
    for (const size of [1, 4, 16])
      expect(contrastive(circle(Math.PI, size))).toBeGreaterThan(contrastive(circle(0.2, size)));
    expect(contrastive(circle(Math.PI, 16))).toBeGreaterThan(100);
  });
});

describe('the transfer loss', () => {
  const transfer = (body: string, move: number, teach = 1): number =>
    run(losses(body, { teach }), { values: { move: [move] } }).get('transfer')[0]!;

  it('is 0 where likeness is of the distance alone, and of unmoved numbers', () => {
    for (const move of range(9)) expect(transfer(circle(0.7, 3), move)).toBeLessThan(1e-13);
    expect(transfer(line, 0)).toBe(0);
    const [near, far] = [transfer(line, 2), transfer(line, 8)];
    expect([near > 1e-3, far > near]).toEqual([true, true]);
  });

  it('is the mean over pairs of both divergences', () => {
    const rows = (from: number): readonly (readonly number[])[] =>
      range(3, from).map((a) => {
        const weights = range(3, from).map((c) => Math.exp(0.04 * a * c));
        return weights.map((w) => w / sumOf(weights));
      });
    const kl = (p: readonly number[], q: readonly number[]): number => sumOf(p.map((v, k) => v * Math.log(v / q[k]!)));
    const [first, moved] = [rows(0), rows(5)];
    const both = sumOf(first.map((p, a) => kl(p, moved[a]!) + kl(moved[a]!, p)));
    for (const teach of [0, 0.3, 1]) expect(transfer(line, 5, teach)).toBeCloseTo(both / 9, 13);
  });
});

describe('gradients', () => {
  const only = (made: ReturnType<typeof entry>, name: string) =>
    dead({ ...made.attend, results: new Map([[name, made.attend.results.get(name)!]]) });

  it('of the contrastive loss are those of its differences, through the encoder', () => {
    expect(gradientError(only(entry('seqpe_additive', { params }), 'contrastive'), 'contrastive', 3)).toBeLessThan(
      1e-7,
    );
  });

  /** The codes of the numbers that stand first are learned, or those of all others; no number is moved to the first. */
  const learned = (first: boolean): string => `
  param features = 2
  learn w[f: feature] ~ 0.5 + f
  draw move           ~ 3 + floor(uniform(0, 6))
  let code[n: number, f: feature] = sin(n + f) * (if ${first ? '' : 'not '}n < 3 then w[f] else 1)`;
  const error = (first: boolean, teach: number): number =>
    gradientError(only(losses(learned(first), { teach }), 'transfer'), 'transfer', 2);

  it.each([
    ['moved numbers from the first', 1, false],
    ['the first from moved ones, the other way round', 0, true],
  ] as const)('of the transfer loss let learn %s', (_, teach, first) => {
    expect(error(first, teach)).toBeLessThan(1e-7);
    expect(error(!first, teach)).toBeGreaterThan(1e-3); // who teaches has differences, and no gradient
  });
});

it('counts once in a model, however many layers it has', () => {
  const loss = (layers: number): number => run(entry('seqpe', { params, layers, layer: 0 })).get('loss')[0]!;
  expect(loss(1)).toBeGreaterThan(1e-3);
  expect(4 * loss(4)).toBeCloseTo(loss(1), 14);
  expect(geometry.layers).toBeGreaterThan(1);
});
