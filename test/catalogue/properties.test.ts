// What papers claim of rotary encodings and their scaling, in float64: reduction to RoPE, shifts, norms, decay.

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { apart, changeByShift, changeOfNorm, falls, property, scoreByDistance, type Property } from './claims.ts';
import { runProperties } from './complete.ts';
import { difference, entry, evaluate, geometry, lowered, variant, type LoadOptions } from './interpreted.ts';

const exact = 1e-12;
const rope = variant('rope');
const carope = lowered({ path: 'examples/carope.pe', text: readFileSync('examples/carope.pe', 'utf8') });
const thetas = (name: string, params: Record<string, number> = {}): readonly number[] => [
  ...evaluate(entry(name, { params })).get('theta'),
];
const thetasOf = (name: string, tensor: string): Float64Array => evaluate(entry(name)).get(tensor);
const { head_dim } = geometry;
const ropeTheta = (p: number, base = 10000): number => base ** ((-2 * p) / head_dim);

/** Queries or keys, all the same: 1 in the named features, 0 in the others. */
const only = (...features: readonly number[]): readonly number[] =>
  Array.from({ length: 7 * geometry.heads * head_dim }, (_, n) => (features.includes(n % head_dim) ? 1 : 0));

/** Two encodings with params are one: the usual way to say that one generalises the other. */
const isRope = (name: string, params: Record<string, number>, other = rope): void =>
  expect(apart(entry(name, { params }), other)).toBeLessThan(exact);

/** The phase of a pair of the first head at the last of 7 tokens, read off a query that is 1 in its first feature. */
function turned(
  name: string,
  p: number,
  options: LoadOptions = {},
  inputs: Parameters<typeof evaluate>[1] = {},
): number {
  const { get } = evaluate(entry(name, options), { ...inputs, values: { query: only(p), ...inputs.values } });
  const at = 6 * geometry.heads * head_dim;
  const query = get('query_encoded');
  return Math.atan2(query[at + p + head_dim / 2]!, query[at + p]!);
}

const properties: readonly Property[] = [
  property('conformer', 'is RoPE in what it makes of queries and keys', () => {
    const [a, b] = [evaluate(entry('conformer')), evaluate(rope)];
    for (const name of ['query_encoded', 'key_encoded']) expect(difference(a.get(name), b.get(name))).toBe(0);
  }),
  property('conformer', 'scores of earlier and later keys are those of their distance, whatever the positions', () => {
    expect(changeByShift(entry('conformer'))).toBeLessThan(1e-11);
    const { get, tokens } = evaluate(entry('conformer'), { values: { query: only(0), key: only(0) } });
    const score = get('score');
    for (let i = 0; i < tokens; i++)
      for (let j = 0; j < tokens; j++) expect(score[i * tokens + j]).toBeCloseTo(Math.cos(i - j) / 4, 12);
  }),
  property('conformer', 'the last token reaches every output, and its own is that of a causal RoPE', () => {
    const conformer = entry('conformer');
    const earlier = 6 * geometry.heads * head_dim;
    const of = (last: number): Float64Array => {
      const value = Array.from({ length: 7 * geometry.heads * head_dim }, (_, n) => (n < earlier ? Math.sin(n) : last));
      return evaluate(conformer, { values: { value } }).get('output');
    };
    const [without, whole, causal] = [of(0), of(1), evaluate(rope).get('output')];
    without.forEach((before, n) => expect(Math.abs(before - whole[n]!)).toBeGreaterThan(1e-9));
    const own = evaluate(conformer).get('output');
    expect(difference(own.slice(earlier), causal.slice(earlier))).toBeLessThan(exact);
    expect(difference(own.slice(0, earlier), causal.slice(0, earlier))).toBeGreaterThan(0.1);
  }),
  property('linear', 'factor 1 is RoPE', () =>
    expect(apart(entry('linear', { params: { factor: 1 } }), rope)).toBeLessThan(exact),
  ),
  property('linear', 'factor 4 at positions 4 t is RoPE at t', () => {
    const positions = Array.from({ length: 7 }, (_, t) => 4 * t);
    const [a, b] = [evaluate(entry('linear'), { positions }), evaluate(rope)];
    a.get('score').forEach((value, n) => {
      if (Number.isFinite(value)) expect(value).toBeCloseTo(b.get('score')[n]!, 11);
    });
  }),
  property('ntk', 'factor 1 is RoPE', () =>
    expect(apart(entry('ntk', { params: { factor: 1 } }), rope)).toBeLessThan(exact),
  ),
  property('ntk', 'the fastest pair keeps its frequency, the slowest has it divided by the factor', () => {
    const theta = thetas('ntk', { factor: 8 });
    expect(theta[0]).toBe(1);
    expect(theta.at(-1)).toBeCloseTo(ropeTheta(head_dim / 2 - 1) / 8, 15);
  }),
  property('ntk_dynamic', 'is RoPE up to the context, and beyond it NTK by how much longer a sequence is', () => {
    const dynamic = entry('ntk_dynamic', { params: { factor: 4 } });
    expect(apart(dynamic, rope, { tokens: geometry.context })).toBeLessThan(exact);
    const tokens = 2 * geometry.context; // 4 x 2 - 3 = 5
    expect(apart(dynamic, entry('ntk', { params: { factor: 5 } }), { tokens })).toBeLessThan(1e-11);
    expect(apart(dynamic, rope, { tokens })).toBeGreaterThan(0.01);
  }),
  property('yarn', 'factor 1 is RoPE', () =>
    expect(apart(entry('yarn', { params: { factor: 1 } }), rope)).toBeLessThan(exact),
  ),
  property('yarn', 'scores of equal tokens are those of RoPE times the square of 0.1 ln s + 1', () => {
    const params = { factor: 4 };
    const [a, b] = [scoreByDistance(entry('yarn', { params })), scoreByDistance(rope)];
    expect(a[0]! / b[0]!).toBeCloseTo((0.1 * Math.log(4) + 1) ** 2, 12);
  }),
  property('xpos', 'only differences of positions matter', () =>
    expect(changeByShift(entry('xpos'), 5)).toBeLessThan(1e-10),
  ),
  property('xpos', 'a pair that hardly turns decays with the distance, by zeta each unit', () => {
    const last = only(head_dim / 2 - 1);
    const made = entry('xpos', { params: { base: 1e300, unit: 8 } });
    const decay = scoreByDistance(made, { values: { query: last, key: last } });
    expect(falls(decay)).toBe(true);
    expect(decay[6]! / decay[0]!).toBeCloseTo((((head_dim - 2) / head_dim + 0.4) / 1.4) ** (6 / 8), 12);
  }),
  property('yarn_paper', 'factor 1 is RoPE', () => isRope('yarn_paper', { factor: 1 })),
  property(
    'yarn_paper',
    'pairs that turn often keep their frequency, those that turn less than once are divided',
    () => {
      const theta = [...evaluate(entry('yarn_paper', { context: 4096 })).get('theta')];
      expect(theta[0]).toBe(1);
      expect(theta.at(-1)).toBeCloseTo(ropeTheta(head_dim / 2 - 1) / 4, 15);
      expect(theta.every((value, p) => value <= ropeTheta(p) && value >= ropeTheta(p) / 4)).toBe(true);
    },
  ),
  property('llama3', 'factor 1 is RoPE', () => isRope('llama3', { factor: 1 })),
  property('llama3', 'the bands of Llama 3.1: below 2048 tokens kept, above 8192 divided by 8, a blend between', () => {
    const theta = [...evaluate(entry('llama3', { head_dim: 128, params: { base: 500000 } })).get('theta')];
    theta.forEach((value, p) => {
      const plain = 500000 ** (-p / 64);
      const wave = (2 * Math.PI) / plain;
      if (wave < 2048) expect(value / plain).toBeCloseTo(1, 12);
      else if (wave > 8192) expect(value / plain).toBeCloseTo(1 / 8, 12);
      else expect(value / plain).toBeGreaterThan(1 / 8);
    });
    expect(falls(theta)).toBe(true);
  }),
  property('longrope', 'divisors 1 are RoPE, with scores times 1 + ln s / ln L', () => {
    const [a, b] = [evaluate(entry('longrope')).get('score'), evaluate(rope).get('score')];
    const factor = 1 + Math.log(8) / Math.log(geometry.context);
    expect(
      difference(
        a,
        b.map((value) => value * factor),
      ),
    ).toBeLessThan(exact);
  }),
  property('longrope', 'divisors s are linear interpolation; the first tokens can be left alone', () => {
    const values = { divisor: 4 };
    const plain = { factor: 1 };
    expect(apart(entry('longrope', { params: plain }), entry('linear'), { values })).toBeLessThan(exact);
    expect(apart(entry('longrope', { params: { ...plain, kept: 7 } }), rope, { values })).toBeLessThan(exact);
  }),
  property('longrope_tables', 'LongRoPE with the short table up to the context, with the long one beyond', () => {
    for (const [context, divisor] of [
      [7, 2],
      [6, 5],
    ] as const) {
      const [made, one] = [entry('longrope_tables', { context }), entry('longrope', { context })];
      expect(apart(made, one, { values: { short: 2, long: 5, divisor } })).toBeLessThan(exact);
    }
  }),
  property('yarn', 'whole 0 moves the ends of the ramp to where a pair turns just so often', () => {
    const context = 4096;
    const [kept, moved] = [1, 0].map((whole) => evaluate(entry('yarn', { context, params: { whole } })).get('theta'));
    const share = (of: Float64Array, p: number): number => (1 - of[p]! / ropeTheta(p)) / (1 - 1 / 4);
    const at = (n: number): number => (head_dim * Math.log(context / (2 * Math.PI * n))) / (2 * Math.log(10000));
    const ramp = (p: number, first: number, last: number): number =>
      Math.min(Math.max((p - first) / (last - first), 0), 1);
    for (let p = 0; p < head_dim / 2; p++) {
      expect(share(kept!, p)).toBeCloseTo(ramp(p, Math.floor(at(32)), Math.ceil(at(1))), 12);
      expect(share(moved!, p)).toBeCloseTo(ramp(p, at(32), at(1)), 12);
    }
  }),
  property('resonance', 'every pair repeats after a whole number of tokens near its own wavelength', () => {
    thetas('resonance').forEach((value, p) => {
      const wave = (2 * Math.PI) / value;
      expect(wave).toBeCloseTo(Math.round(wave), 9);
      expect(Math.abs(wave - (2 * Math.PI) / ropeTheta(p))).toBeLessThanOrEqual(0.5);
    });
  }),
  property('proportional', 'other layers are RoPE, every sixth is p-RoPE with a large base', () => {
    expect(apart(entry('proportional', { layer: 3 }), rope)).toBeLessThan(exact);
    const global = entry('p_rope', { params: { share: 0.25, base: 1e6 } });
    expect(apart(entry('proportional', { layer: 5, layers: 6 }), global)).toBeLessThan(exact);
  }),
  property('p_rope', 'turns whole pairs only: three of five where the share is 3.75', () => {
    const theta = [...evaluate(entry('p_rope', { head_dim: 10 })).get('theta')];
    expect(theta.map((value) => value > 0)).toEqual([true, true, true, false, false]);
  }),
  property('p_rope', 'share 1 is RoPE, share 0 is no encoding', () => {
    isRope('p_rope', { share: 1 });
    isRope('p_rope', { share: 0 }, variant('nope'));
  }),
  property('partial', 'features behind the first rotary_dim pass, and all of them are interleaved RoPE', () => {
    const raw = { query: 1, key: 1 };
    const encoded = evaluate(entry('partial'), { values: raw }).get('query_encoded');
    encoded.forEach((value, n) => {
      if (n % head_dim >= head_dim / 4) expect(value).toBe(1);
    });
    expect(encoded[6 * geometry.heads * head_dim]).toBeCloseTo(Math.cos(6) - Math.sin(6), 12);
    const neighbours = variant('frequencies', 'rotate query, key [t, h, p] by position[t] * theta[p] interleaved');
    isRope('partial', { rotary_dim: head_dim }, neighbours);
  }),
  property('hope', 'with a context of many waves it is RoPE; with a short one slow pairs stand still', () => {
    expect(apart(entry('hope', { context: 1e6 }), variant('rope', '', { context: 1e6 }))).toBeLessThan(exact);
    thetas('hope').forEach((value, p) => {
      expect(value).toBe((2 * Math.PI) / ropeTheta(p) <= geometry.context ? ropeTheta(p) : 0);
    });
  }),
  property('fope', 'without the mix it is hope, of neighbours', () => {
    const moving = '(if turns(theta[p], context) >= 1 then theta[p] else 0)';
    const hope = variant('frequencies', `rotate query, key [t, h, p] by position[t] * ${moving} interleaved`);
    expect(apart(entry('fope'), hope, { values: { mix: 0 } })).toBeLessThan(exact);
  }),
  property('pope', 'a score is a sum of waves whose sizes do not depend on the position', () => {
    const near = scoreByDistance(entry('pope'), { values: { query: 0, key: 0, bias: 0 } });
    const size = Math.log(2) ** 2 / Math.sqrt(head_dim);
    near.forEach((value, distance) => {
      let sum = 0;
      for (let c = 0; c < head_dim; c++) sum += Math.cos(distance * 10000 ** (-c / head_dim));
      expect(value).toBeCloseTo(size * sum, 12);
    });
    expect(changeByShift(entry('pope'), 100)).toBeLessThan(1e-11);
  }),
  property('lerope', 'alpha 0 is RoPE, and alpha ln s everywhere is interpolation by 1 / s', () => {
    expect(apart(entry('lerope'), rope)).toBeLessThan(exact);
    const values = { alpha: -Math.log(4) };
    expect(apart(entry('lerope'), entry('linear'), { values })).toBeLessThan(exact);
  }),
  property('darope', 'with w = 0 and a = 1 the chosen coordinate is the position: RoPE', () =>
    expect(apart(entry('darope'), rope, { values: { w: 0, a: 1 } })).toBeLessThan(1e-11),
  ),
  property('darope', 'fast pairs do not see the content', () => {
    const phase = (x: number): number => turned('darope', 0, {}, { values: { x } });
    expect(phase(0.3)).toBeCloseTo(phase(-2), 12);
    expect(turned('darope', 7, {}, { values: { x: 2 } })).not.toBeCloseTo(
      turned('darope', 7, {}, { values: { x: -2 } }),
      6,
    );
  }),
  property('rove', 'an output depends on differences of positions alone, and values keep their sizes', () => {
    expect(changeByShift(entry('rove'), 50)).toBeLessThan(1e-11);
    const first = evaluate(entry('rove'), { tokens: 1 });
    expect(difference(first.get('output'), evaluate(rope, { tokens: 1 }).get('output'))).toBeLessThan(exact);
    expect(apart(entry('rove'), rope)).toBeGreaterThan(0.01);
  }),
  property('irope', 'plain layers are interleaved RoPE, every fourth only scales its queries', () => {
    const neighbours = variant('frequencies', 'rotate query, key [t, h, p] by position[t] * theta[p] interleaved');
    expect(apart(entry('irope', { layer: 0 }), neighbours)).toBeLessThan(exact);
    expect(apart(entry('irope', { layer: 3 }), variant('nope'))).toBeLessThan(exact); // before position 8191
    const params = { floor_scale: 1 };
    const [a, b] = [evaluate(entry('irope', { layer: 3, params })), evaluate(variant('nope'))];
    const T = 7;
    for (let i = 0; i < T; i++)
      expect(a.get('score')[i * T]! / b.get('score')[i * T]!).toBeCloseTo(1 + 0.1 * Math.log1p(i + 1), 12);
  }),
  property('irope', 'rotary layers see the keys of their own chunk, the others all', () => {
    const params = { chunk: 3 };
    const [inside, all] = [0, 3].map((layer) => evaluate(entry('irope', { layer, params })).get('attention'));
    const T = 7;
    for (let i = 0; i < T; i++)
      for (let j = 0; j <= i; j++) {
        expect(inside![i * T + j]! > 0).toBe(Math.floor(i / 3) === Math.floor(j / 3));
        expect(all![i * T + j]).toBeGreaterThan(0);
      }
  }),
  property('rnope', 'RoPE in three layers of four, nothing in the fourth', () => {
    for (const layer of [0, 1, 2]) expect(apart(entry('rnope', { layer }), rope)).toBeLessThan(exact);
    expect(apart(entry('rnope', { layer: 3 }), variant('nope'))).toBeLessThan(exact);
  }),
  property('rerope', 'with a window beyond the sequence it is RoPE; outside of the window distances are one', () => {
    isRope('rerope', { window: 100 });
    const values = { query: 1, key: 1 };
    const far = scoreByDistance(entry('rerope', { params: { window: 3 } }), { values });
    expect(far.slice(3).every((value) => Math.abs(value - far[3]!) < exact)).toBe(true);
    expect(far.slice(0, 4).map((v, n) => Math.abs(v - scoreByDistance(rope, { values })[n]!) < exact)).not.toContain(
      false,
    );
  }),
  property('leaky_rerope', 'slowness 1 is RoPE, endless slowness ReRoPE', () => {
    isRope('leaky_rerope', { window: 2, slowness: 1 });
    isRope('leaky_rerope', { window: 2, slowness: 1e15 }, entry('rerope', { params: { window: 2 } }));
  }),
  property('self_extend', 'groups of one are RoPE, a window beyond the sequence is RoPE', () => {
    isRope('self_extend', { window: 2, group: 1 });
    isRope('self_extend', { window: 100 });
  }),
  property('self_extend', 'beyond the window tokens of one group are equally far', () => {
    const values = { query: 1, key: 1 };
    const score = scoreByDistance(entry('self_extend', { params: { window: 2, group: 2 } }), { values });
    expect(score[5]).toBeCloseTo(score[6]!, 12); // tokens 1 and 0
    expect(score[3]).toBeCloseTo(score[4]!, 12); // tokens 3 and 2
    expect(Math.abs(score[4]! - score[5]!)).toBeGreaterThan(1e-6);
  }),
  property('selective_rope', 'equal steps of 1 in every pair turn pair p by heat p a token; norms stay', () => {
    const heat = thetasOf('selective_rope', 'heat');
    expect(heat[0]).toBe(0);
    expect([...heat].every((value, n) => n === 0 || value > heat[n - 1]!)).toBe(true);
    const values = { W: 0, b: 0.001 };
    expect(turned('selective_rope', 3, {}, { values })).toBeCloseTo(7 * 0.001 * heat[3]!, 12);
    expect(changeOfNorm(entry('selective_rope'), { moved: 0.3 })).toBeLessThan(exact);
  }),
  property('grape_m_ctx', 'equal steps turn clockwise by the number of earlier tokens times frequency', () => {
    const step = 1 / (1 + Math.exp(-Math.log(Math.expm1(0.001)) / 16));
    expect(turned('grape_m_ctx', 2, {}, { values: { W: 0 } })).toBeCloseTo(-6 * step * ropeTheta(2), 12);
    expect(changeOfNorm(entry('grape_m_ctx'), { moved: 0.3 })).toBeLessThan(exact);
  }),
  property(
    'carope_embedding',
    'a token has the same frequency wherever it stands and whatever stands around it',
    () => {
      const words = [3, 1, 4, 1, 5, 1, 3];
      const row = (word: number) =>
        Array.from({ length: geometry.model_dim }, (_, m) => Math.sin(1 + 7 * word + 3 * m));
      const frequency = (ids: readonly number[]) =>
        evaluate(entry('carope_embedding'), { values: { embedding: ids.flatMap(row) }, moved: 0.3 }).get('f');
      const [found, turnedAround] = [frequency(words), frequency(words.toReversed())];
      const at = (f: Float64Array, t: number): number[] => [...f.subarray(2 * t, 2 * (t + 1))];
      expect(at(found, 3)).toEqual(at(found, 1));
      expect(at(found, 0)).toEqual(at(turnedAround, 6));
      expect(at(found, 0)).not.toEqual(at(found, 1));
    },
  ),
  property('carope_embedding', 'it reads no input of a layer; where the two are the same numbers it is CARoPE', () => {
    expect(entry('carope_embedding').attend.inputs.map(({ name }) => name)).not.toContain('x');
    const e = Array.from({ length: 7 * geometry.model_dim }, (_, n) => Math.sin(n * n));
    const [own, plain] = [
      evaluate(entry('carope_embedding'), { values: { embedding: e }, moved: 0.3 }),
      evaluate(carope, { values: { x: e }, moved: 0.3 }),
    ];
    expect(difference(own.get('phase'), plain.get('phase'))).toBe(0);
    expect(changeOfNorm(entry('carope_embedding'), { moved: 0.3 })).toBeLessThan(exact);
  }),
  property('accumulated', 'where every token has x = 1, a pair turns evenly by the sum of its weights', () => {
    const W = 0.01 / geometry.model_dim;
    expect(turned('accumulated', 4, {}, { values: { x: 1, W } })).toBeCloseTo(7 * 0.01, 12);
    expect(changeOfNorm(entry('accumulated'), { moved: 0.3 })).toBeLessThan(exact);
  }),
  property('mapformer', 'a movement and its opposite lead back: the phase is a path integral', () => {
    const x = Array.from({ length: 7 * geometry.model_dim }, (_, n) => {
      const t = Math.floor(n / geometry.model_dim);
      return t === 6 ? 0 : (t % 2 === 0 ? 1 : -1) * Math.sin(1 + (n % geometry.model_dim));
    });
    expect(turned('mapformer', 0, {}, { values: { x }, moved: 0.3 })).toBeCloseTo(0, 12);
    expect(turned('mapformer', 0, {}, { values: { x: x.map((v, n) => (n < 6 ? v : 0)) }, moved: 0.3 })).not.toBeCloseTo(
      0,
      4,
    );
  }),
  property('mamba3', 'a step size near 0 stops the turning; otherwise it is step size times speed, summed', () => {
    expect(Math.abs(turned('mamba3', 1, {}, { values: { w: 0, b: -60, W: 1 } }))).toBeLessThan(1e-20);
    const values = { x: 1, w: 0, b: Math.log(Math.expm1(0.02)), W: 1 / geometry.model_dim };
    expect(turned('mamba3', 1, {}, { values })).toBeCloseTo(7 * 0.02 * Math.PI * Math.tanh(1), 12);
  }),
];

runProperties(['scaling', 'rotary'], properties);
