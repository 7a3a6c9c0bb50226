// What papers claim of encodings with several coordinates and of those that multiply by matrices, in float64.

import { expect } from 'vitest';
import { apart, changeByShift, changeOfNorm, property, type Property } from './claims.ts';
import { runProperties } from './complete.ts';
import { difference, entry, evaluate, geometry, lowered, variant } from './interpreted.ts';

const exact = 1e-12;
const rope = variant('rope');
const nope = variant('nope');
const neighbours = variant('frequencies', 'rotate query, key [t, h, p] by position[t] * theta[p] interleaved');
const { head_dim, heads } = geometry;
const T = 7;

/** Positions of T tokens: one list a coordinate. */
const at = (...lists: readonly (readonly number[])[]): readonly number[] =>
  Array.from({ length: T }, (_, t) => lists.map((list) => list[t]!)).flat();
const count = Array.from({ length: T }, (_, t) => t);
const zeros = count.map(() => 0);
const squares = count.map((t) => t * t);

/** Scores of one encoding with positions against another's with its own. */
function scoresApart(
  [one, a]: readonly [ReturnType<typeof entry>, Parameters<typeof evaluate>[1]],
  [other, b]: readonly [ReturnType<typeof entry>, Parameters<typeof evaluate>[1]],
): number {
  return difference(evaluate(one, a).get('score'), evaluate(other, b).get('score'));
}

/** Features of all queries or keys that are 1 and 0 by a condition on the feature. */
const where = (holds: (feature: number) => boolean): readonly number[] =>
  Array.from({ length: T * heads * head_dim }, (_, n) => (holds(n % head_dim) ? 1 + Math.sin(n) : 0));

/** Features of all queries or keys in another order: what stands at `from(d)` comes to d. */
const reordered = (values: readonly number[], from: (feature: number) => number): readonly number[] =>
  values.map((_, n) => values[n - (n % head_dim) + from(n % head_dim)]!);
const ofHalf = (d: number): number => Math.floor(d / (head_dim / 2));
/** Pairs of neighbours as pairs of halves. */
const halves = (values: readonly number[]): readonly number[] =>
  reordered(values, (d) => 2 * (d % (head_dim / 2)) + ofHalf(d));
/** Of pairs of halves, those with an even number before the others. */
const evenFirst = (values: readonly number[]): readonly number[] =>
  reordered(values, (d) => {
    const [p, n] = [d % (head_dim / 2), head_dim / 4];
    return 2 * (p % n) + Math.floor(p / n) + ofHalf(d) * 2 * n;
  });

const relativeAndOrthogonal = (name: string, shift: readonly number[], moved = 0): void => {
  expect(changeByShift(entry(name), shift, { moved })).toBeLessThan(1e-10);
  expect(changeOfNorm(entry(name), { moved })).toBeLessThan(1e-11);
};

const properties: readonly Property[] = [
  property('axial', 'shifts of rows and of columns change nothing, and norms stay', () =>
    relativeAndOrthogonal('axial', [3, -8]),
  ),
  property('axial', 'the first half sees rows alone', () => {
    const half = where((d) => d < head_dim / 2);
    const values = { query: half, key: half };
    const one = evaluate(entry('axial'), { values, positions: at(count, count) });
    const other = evaluate(entry('axial'), { values, positions: at(count, zeros) });
    expect(difference(one.get('score'), other.get('score'))).toBeLessThan(exact);
  }),
  property('axial_split', 'it is axial with its features in another order', () => {
    relativeAndOrthogonal('axial_split', [3, -8]);
    const positions = at(count, squares);
    const [query, key] = [where((d) => d !== 3), where((d) => d > 4)];
    const split = { positions, values: { query: halves(query), key: halves(key) } };
    expect(
      scoresApart([entry('axial'), { positions, values: { query, key } }], [entry('axial_split'), split]),
    ).toBeLessThan(exact);
  }),
  property('pixtral', 'rows and columns share out the frequencies of RoPE: on the diagonal it is RoPE', () => {
    relativeAndOrthogonal('pixtral', [3, -8]);
    const [query, key] = [where((d) => d !== 3), where((d) => d > 4)];
    const values = { query: evenFirst(query), key: evenFirst(key) };
    const diagonal = { positions: at(count, count), values };
    expect(scoresApart([entry('pixtral'), diagonal], [rope, { values: { query, key } }])).toBeLessThan(exact);
  }),
  property(
    'dinov3',
    'shifts of rows and of columns change nothing, norms stay, and a token at (0, 0) does not turn',
    () => {
      relativeAndOrthogonal('dinov3', [0.3, -0.8]);
      expect(scoresApart([entry('dinov3'), { positions: at(zeros, zeros) }], [nope, {}])).toBeLessThan(exact);
    },
  ),
  property('dinov3', 'in training all places move and stretch together, outside of it nothing is drawn', () => {
    const [rows, columns] = [count.map((t) => Math.sin(t)), count.map((t) => Math.cos(t))];
    const values = { s: [0.2, -0.1], e: [1.2, 0.9], r: [1.5] };
    const moved = at(
      rows.map((y) => (y + 0.2) * 1.2 * 1.5),
      columns.map((x) => (x - 0.1) * 0.9 * 1.5),
    );
    const drawn = { positions: at(rows, columns), values };
    const by = (training: boolean, positions: readonly number[]): number =>
      scoresApart([entry('dinov3'), { ...drawn, training }], [entry('dinov3'), { positions }]);
    expect(by(true, moved)).toBeLessThan(1e-11);
    expect(by(false, at(rows, columns))).toBeLessThan(exact);
    expect(by(true, at(rows, columns))).toBeGreaterThan(1e-3);
  }),
  property('mixed', 'shifts of rows and of columns change nothing, and norms stay', () =>
    relativeAndOrthogonal('mixed', [3, -8], 0.3),
  ),
  property('mixed', 'at first a pair and its partner have one speed in two directions at right angles', () => {
    const speeds = evaluateLearned('mixed', 'speed'); // [k, h, p]
    const n = head_dim / 2;
    const speed = (k: number, h: number, p: number): number => speeds[(k * heads + h) * n + p]!;
    for (let h = 0; h < heads; h++)
      for (let b = 0; b < n / 2; b++) {
        const [first, second] = [b, b + n / 2].map((p) => [speed(0, h, p), speed(1, h, p)] as const);
        expect(Math.hypot(...first!)).toBeCloseTo(10 ** ((-4 * b) / head_dim), 12);
        expect(Math.hypot(...second!)).toBeCloseTo(10 ** ((-4 * b) / head_dim), 12);
        expect(first![0] * second![0] + first![1] * second![1]).toBeCloseTo(0, 12);
      }
  }),
  property('mrope', 'text, with three equal coordinates, is RoPE', () => {
    const plain = variant('rope', 'param base = 1000000');
    expect(scoresApart([entry('mrope'), { positions: at(count, count, count) }], [plain, {}])).toBeLessThan(exact);
  }),
  property('mrope', 'sections of 64 pairs are 16, 24 and 24, as in Qwen2-VL', () =>
    expect(sections('mrope')).toEqual([16, 24, 24]),
  ),
  property('mrope_interleaved', 'text is RoPE, and 64 pairs are shared 24, 20, 20, as in Qwen3-VL', () => {
    const plain = variant('rope', 'param base = 5000000');
    const positions = at(count, count, count);
    expect(scoresApart([entry('mrope_interleaved'), { positions }], [plain, {}])).toBeLessThan(exact);
    expect(sections('mrope_interleaved')).toEqual([24, 20, 20]);
  }),
  property('video', 'shifts of all three axes change nothing, and norms stay', () =>
    relativeAndOrthogonal('video', [2, 5, -7]),
  ),
  property('video', 'a quarter of the features sees the frame alone', () => {
    const quarter = where((d) => d < head_dim / 4);
    const values = { query: quarter, key: quarter };
    const one = evaluate(entry('video'), { values, positions: at(count, count, zeros) });
    const other = evaluate(entry('video'), { values, positions: at(count, zeros, count) });
    expect(difference(one.get('score'), other.get('score'))).toBeLessThan(exact);
  }),
  property('videorope', 'without offsets it is RoPE where a frame is two places', () => {
    const plain = variant('rope', 'param base = 1000000');
    const positions = at(count, zeros, zeros);
    const doubled = { positions: count.map((t) => 2 * t) };
    expect(scoresApart([entry('videorope'), { positions }], [plain, doubled])).toBeLessThan(exact);
    expect(changeByShift(entry('videorope'), [4, 3, -6])).toBeLessThan(1e-10);
  }),
  property('videorope', 'of the fast pairs the first, third and so on see time and row alone', () => {
    const even = where((d) => d % 2 === 0 && d % (head_dim / 2) < (3 * head_dim) / 8);
    const values = { query: even, key: even };
    const seen = (rows: readonly number[], columns: readonly number[]): Float64Array =>
      evaluate(entry('videorope'), { values, positions: at(count, rows, columns) }).get('score');
    expect(difference(seen(count, count), seen(count, zeros))).toBeLessThan(exact);
    expect(difference(seen(count, count), seen(zeros, count))).toBeGreaterThan(1e-3);
  }),
  property('videorope', 'slow pairs see time alone', () => {
    const slow = where((d) => d % (head_dim / 2) >= (3 * head_dim) / 8);
    const values = { query: slow, key: slow };
    const one = evaluate(entry('videorope'), { values, positions: at(count, count, zeros) });
    const other = evaluate(entry('videorope'), { values, positions: at(count, zeros, count) });
    expect(difference(one.get('score'), other.get('score'))).toBeLessThan(exact);
  }),
  property('heading', 'a whole turn of an agent changes nothing, and neither does turning all of them', () => {
    const direction = count.map((t) => Math.sin(t));
    const turnedBy = (by: (t: number) => number): number => {
      const other = direction.map((angle, t) => angle + by(t));
      const [a, b] = [direction, other].map((values) => evaluate(entry('heading'), { values: { direction: values } }));
      return difference(a!.get('score'), b!.get('score'));
    };
    expect(turnedBy((t) => (t === 3 ? 2 * Math.PI : 0))).toBeLessThan(exact);
    expect(turnedBy(() => 1)).toBeLessThan(exact);
    expect(turnedBy((t) => (t === 3 ? 1 : 0))).toBeGreaterThan(1e-3);
  }),
  property('v2pe', 'without visual tokens, or where they advance by 1, it is RoPE', () => {
    expect(apart(entry('v2pe'), rope, { values: { visual: 0 } })).toBeLessThan(exact);
    const whole = entry('v2pe', { params: { advance: 1 } });
    expect(apart(whole, rope, { values: { visual: [0, 1, 1, 0, 1, 0, 0] } })).toBeLessThan(exact);
  }),
  property('v2pe', 'a visual token is a sixteenth behind the token before it, a word a whole place', () => {
    const visual = [0, 1, 1, 0, 1, 0, 0];
    const places = [0, 0.0625, 0.125, 1.125, 1.1875, 2.1875, 3.1875];
    const { get } = evaluate(entry('v2pe'), { values: { visual } });
    expect(difference(get('place'), places)).toBeLessThan(exact);
  }),
  property('comrope_text', 'at first interleaved RoPE, with blocks of 2, 4 and 8', () => {
    for (const block of [2, 4, 8])
      expect(apart(entry('comrope_text', { params: { block } }), neighbours)).toBeLessThan(1e-11);
  }),
  property('comrope_text', 'relative and orthogonal wherever its matrices have gone', () =>
    relativeAndOrthogonal('comrope_text', [9], 0.2),
  ),
  property('comrope_frames', 'relative and orthogonal with blocks of 2 and 4', () => {
    relativeAndOrthogonal('comrope_frames', [0.3, -0.2, 0.7], 0.2);
    expect(changeByShift(entry('comrope_frames', { params: { block: 2 } }), [0.3, -0.2, 0.7])).toBeLessThan(1e-10);
  }),
  property('comrope_frames', 'each block serves one coordinate', () => {
    const second = where((d) => d >= 4 && d < 8);
    const values = { query: second, key: second };
    const one = evaluate(entry('comrope_frames'), { values, positions: at(count, count, zeros) });
    const other = evaluate(entry('comrope_frames'), { values, positions: at(zeros, count, count) });
    expect(difference(one.get('score'), other.get('score'))).toBeLessThan(exact);
  }),
  property('comrope_ld_shared', 'relative and orthogonal, blocks of 2 to 8', () => {
    relativeAndOrthogonal('comrope_ld_shared', [0.3, -0.2], 0.2);
    for (const block of [2, 4])
      expect(changeByShift(entry('comrope_ld_shared', { params: { block } }), [0.3, -0.2])).toBeLessThan(1e-10);
  }),
  property('comrope_ld_shared', 'with blocks of 2 it is rotary by the sum over coordinates of learned speeds', () => {
    const params = { block: 2 };
    const text = `import "std/plane"
encoding pairs extends plane {
  axis place = head_dim / 2, side = 2
  learn P[h: kv_head, b: place, r: side, c: side] ~ 0
  learn theta[b: place, k: coordinate] ~ 0
  rotate query, key [t, h, p] by sum[k: coordinate](position[t, k] * theta[p: place, k])
    * (P[h, p: place, 1, 0] - P[h, p: place, 0, 1]) interleaved
}`;
    const pairs = lowered({ path: 'pairs.pe', text });
    const numbers = (n: number, k: number): readonly number[] => Array.from({ length: n }, (_, m) => Math.sin(k + m));
    const values = { P: numbers(heads * head_dim * 2, 1), theta: numbers(head_dim, 9) };
    expect(apart(entry('comrope_ld_shared', { params }), pairs, { values })).toBeLessThan(1e-11);
  }),
  property('comrope_tuned', 'it leaves a trained model as it is, and what it learns keeps it relative', () => {
    expect(apart(entry('comrope_tuned'), nope)).toBeLessThan(exact);
    relativeAndOrthogonal('comrope_tuned', [0.3, -0.2], 0.2);
  }),
  property('comrope_perturbed', 'outside of training, and with sigma 0, positions are the given ones', () => {
    const plain = entry('comrope_perturbed', { params: { sigma: 0 } });
    expect(apart(entry('comrope_perturbed'), plain)).toBeLessThan(exact);
    const moved = evaluate(entry('comrope_perturbed'), { training: true }).get('score');
    expect(difference(moved, evaluate(plain, { training: true }).get('score'))).toBeGreaterThan(1e-4);
  }),
  property('comrope_perturbed', 'a position moves by half a patch at most', () => {
    const values = { noise: 100 };
    const far = evaluate(entry('comrope_perturbed'), { training: true, values });
    const half = count.map((t) => t + 1 / 28);
    const plain = evaluate(entry('comrope_perturbed'), { positions: at(half, half) });
    expect(difference(far.get('score'), plain.get('score'))).toBeLessThan(1e-11);
  }),
  property('liere', 'on one axis it is relative; with two, whose generators do not commute, it is not', () => {
    const on = (columns: readonly number[], by: readonly number[]): number =>
      changeByShift(entry('liere'), by, { positions: at(count, columns), moved: 0.2 });
    expect(on(zeros, [4, 0])).toBeLessThan(1e-11);
    expect(
      on(
        count.map((t) => t * t),
        [4, 3],
      ),
    ).toBeGreaterThan(1e-3);
    expect(changeOfNorm(entry('liere'), { moved: 0.2 })).toBeLessThan(1e-11);
  }),
  property('string_circulant', 'generators of different coordinates commute: shifts change nothing', () =>
    relativeAndOrthogonal('string_circulant', [4, -3], 0.1),
  ),
  property('string_circulant', 'it commutes with turning all features around the ring', () => {
    const around = (values: readonly number[]): readonly number[] =>
      values.map((_, n) => values[n - (n % head_dim) + (((n % head_dim) + 1) % head_dim)]!);
    const [query, key] = [where((d) => d < 9), where((d) => d > 4)];
    const one = evaluate(entry('string_circulant'), { values: { query, key } });
    const other = evaluate(entry('string_circulant'), { values: { query: around(query), key: around(key) } });
    expect(difference(one.get('score'), other.get('score'))).toBeLessThan(1e-11);
  }),
  property('masa', 'the basis is orthogonal and drops out at equal positions: scores are those of no encoding', () => {
    relativeAndOrthogonal('masa', [4, -3], 0.1);
    const positions = at(
      count.map(() => 3),
      count.map(() => 5),
    );
    expect(scoresApart([entry('masa'), { positions, moved: 0.1 }], [nope, {}])).toBeLessThan(1e-11);
  }),
  property('string_cayley', 'the basis is orthogonal and drops out at equal positions; S = 0 is rotary', () => {
    relativeAndOrthogonal('string_cayley', [4, -3], 0.1);
    const positions = at(
      count.map(() => 3),
      count.map(() => 5),
    );
    expect(scoresApart([entry('string_cayley'), { positions, moved: 0.1 }], [nope, {}])).toBeLessThan(1e-11);
    const line = { positions: at(count, zeros), values: { S: 0 } };
    expect(scoresApart([entry('string_cayley'), line], [rope, {}])).toBeLessThan(1e-11);
  }),
  property('harope', 'at first RoPE; afterwards relative, with norms that change', () => {
    expect(apart(entry('harope'), rope)).toBeLessThan(exact);
    expect(changeByShift(entry('harope'), 20, { moved: 0.2 })).toBeLessThan(1e-10);
    expect(changeOfNorm(entry('harope'), { moved: 0.2 })).toBeGreaterThan(1e-2);
  }),
  property('harope', 'with gain 1 the matrix is orthogonal', () =>
    expect(changeOfNorm(entry('harope'), { moved: 0.2, values: { gain: 1 } })).toBeLessThan(1e-11),
  ),
  property('grape_m', 'relative and orthogonal, and speed 0 is no encoding', () => {
    relativeAndOrthogonal('grape_m', [9], 0.2);
    expect(apart(entry('grape_m'), nope, { values: { speed: 0 } })).toBeLessThan(exact);
  }),
  property('grape_m', 'only the plane of a and b turns, by the area between them each token (Rodrigues)', () => {
    const unit = (d: number): readonly number[] =>
      Array.from({ length: heads * head_dim }, (_, n) => (n % head_dim === d ? 0.7 : 0));
    const plane = `rotate query, key [t, h, b: one] by position[t] * 0.49 interleaved`;
    const turned = variant('nope', `axis one = 1\n${plane}`);
    const values = { a: unit(0), b: unit(1), speed: 1 };
    expect(apart(entry('grape_m'), turned, { values })).toBeLessThan(1e-11);
  }),
  property('gta', 'identity poses are no encoding', () =>
    expect(apart(entry('gta'), nope, { values: { view: poses(() => 0), back: poses(() => 0) } })).toBeLessThan(exact),
  ),
  property('gta', 'a change of the world that all poses share changes nothing', () => {
    // rotations of the first two of four coordinates: views are R(angle), their inverses R(-angle)
    const seen = (shift: number): ReturnType<typeof evaluate> =>
      evaluate(entry('gta'), {
        values: { view: poses((t) => 0.4 * t * t + shift), back: poses((t) => -0.4 * t * t - shift) },
      });
    for (const name of ['score', 'output'])
      expect(difference(seen(0).get(name), seen(1.3).get(name))).toBeLessThan(1e-11);
    expect(
      scoresApart([entry('gta'), { values: { view: poses((t) => t), back: poses((t) => -t) } }], [nope, {}]),
    ).toBeGreaterThan(0.01);
  }),
];

/** 4 x 4 matrices a token that turn the first two coordinates. */
function poses(angle: (t: number) => number): readonly number[] {
  return count.flatMap((t) => {
    const [c, s] = [Math.cos(angle(t)), Math.sin(angle(t))];
    return [c, -s, 0, 0, s, c, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  });
}

/** Initial values of a learned tensor. */
function evaluateLearned(name: string, tensor: string): Float64Array {
  const made = entry(name);
  const input = made.attend.inputs.find((each) => each.name === tensor)!;
  const results = new Map([...made.attend.results, [tensor, input] as const]);
  return evaluate({ ...made, attend: { ...made.attend, results } }).get(tensor);
}

/** How many of 64 pairs follow each of three coordinates: those that turn when it alone is not 0. */
function sections(name: string): readonly number[] {
  const made = entry(name, { head_dim: 128 });
  return [0, 1, 2].map((k) => {
    const positions = at(...[0, 1, 2].map((each) => (each === k ? count.map(() => 1) : zeros)));
    const encoded = evaluate(made, { positions, values: { query: 1 } }).get('query_encoded');
    return Array.from({ length: 64 }, (_, p) => encoded[p]! !== 1).filter(Boolean).length;
  });
}

runProperties(['axes', 'matrices'], properties);
