// Maps of tokens between key and query: which forms are recognised, what they mean (against keys that are carried from token
// to token by hand), their gradients (against central differences), and what laws say of them.

import { describe, expect, it } from 'vitest';
import { reverse } from '../../src/autodiff/reverse.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import { given } from '../../src/ir/build.ts';
import { verify } from '../../src/ir/verify.ts';
import { checkLaws } from '../../src/laws/laws.ts';
import { proveCausal } from '../../src/laws/causal.ts';
import { proveOrthogonal } from '../../src/laws/maps.ts';
import type { Lowered } from '../../src/lower/lower.ts';
import { simplify } from '../../src/passes/pipeline.ts';
import { loadText } from './load.ts';
import { inputsOf } from '../kernels/check-plan.ts';

const geometry = { heads: 4, kv_heads: 2, head_dim: 6, model_dim: 5, context: 8, layers: 1, layer: 0 };
const sizes = { batch: 2, tokens: 7 };

const directions = `learn U[m: model, h: kv_head, d: dim] ~ normal(0, 1)
  learn V[m: model, h: kv_head, d: dim] ~ normal(0, 1)
  learn s[m: model, h: kv_head] ~ normal(0, 1)
  let u[t: token, h: kv_head, d: dim] = sum[m: model](x[t, m] * U[m, h, d]) / 3
  let v[t: token, h: kv_head, d: dim] = sum[m: model](x[t, m] * V[m, h, d]) / 3
  let n[t: token, h: kv_head] = sum[d: dim](u[t, h, d] ^ 2)
  let a[t: token, h: kv_head] = sigmoid(sum[m: model](x[t, m] * s[m, h]))`;

const encoding = (matrix: string, more = ''): string =>
  `encoding test {\n  ${directions}\n  transport key [t, h, r, c] by ${matrix}\n  ${more}\n}`;

function load(matrix: string, more = ''): Lowered {
  const { lowered, diagnostics } = loadText(encoding(matrix, more), 'examples/test.pe', { geometry });
  expect(diagnostics.map(({ message }) => message)).toEqual([]);
  return lowered!;
}

type Values = ReadonlyMap<string, Float64Array>;

function run({ attend }: Lowered): Values {
  return interpret(attend, sizes, inputsOf(attend, sizes.batch, sizes.tokens) as Record<string, ArrayLike<number>>);
}

/** Scores by keys that every token changes as it arrives; `entry` is the matrix of a token. */
function byHand(values: Values, entry: (b: number, t: number, g: number, r: number, c: number) => number): number[] {
  const { heads, kv_heads: groups, head_dim: dim } = geometry;
  const { batch, tokens } = sizes;
  const scores = Array.from({ length: batch * heads * tokens * tokens }, () => 0);
  const [query, key] = [values.get('query')!, values.get('key')!];
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const g = Math.floor(h / (heads / groups));
      for (let j = 0; j < tokens; j++) {
        let carried = Array.from({ length: dim }, (_, d) => key[((b * tokens + j) * groups + g) * dim + d]!);
        for (let i = j; i < tokens; i++) {
          const old = carried;
          if (i > j) carried = old.map((_, r) => old.reduce((sum, value, c) => sum + entry(b, i, g, r, c) * value, 0));
          const dot = carried.reduce((sum, k, d) => sum + k * query[((b * tokens + i) * heads + h) * dim + d]!, 0);
          scores[((b * heads + h) * tokens + i) * tokens + j] = dot / Math.sqrt(dim);
        }
      }
    }
  }
  return scores;
}

function expectClose(found: ArrayLike<number>, wanted: ArrayLike<number>): void {
  const largest = Math.max(...Array.from(wanted, Math.abs));
  const worst = Math.max(...Array.from(found, (value, n) => Math.abs(value - wanted[n]!)));
  expect(worst).toBeLessThan(1e-12 * largest);
}

/** Matrices, and their entries from the values of u, v (of a feature) and a, n (of a token). */
type At = (name: 'u' | 'v', d: number) => number;
const forms: readonly (readonly [string, (at: At, a: number, n: number, r: number, c: number) => number])[] = [
  ['delta(r, c) - a[t, h] * u[t, h, r] * u[t, h, c]', (at, a, _, r, c) => -a * at('u', r) * at('u', c)],
  ['delta(c, r) - 2 * u[t, h, c] / n[t, h] * u[t, h, r]', (at, _, n, r, c) => (-2 / n) * at('u', r) * at('u', c)],
  ['-(u[t, h, r] * v[t, h, c] / 3) + delta(r, c)', (at, _, _n, r, c) => -(at('u', r) * at('v', c)) / 3],
  ['a[t, h] * (v[t, h, r] * u[t, h, c]) + delta(r, c)', (at, a, _, r, c) => a * at('v', r) * at('u', c)],
  [
    'delta(r, c) - exp(u[t, h, r]) * tanh(v[t, h, c]) * a[t, h] ^ 2',
    (at, a, _, r, c) => -Math.exp(at('u', r)) * Math.tanh(at('v', c)) * a ** 2,
  ],
];

describe('a matrix that is the identity less an outer product', () => {
  it.each(forms)('%s', (matrix, rest) => {
    const lowered = load(matrix);
    expect(verify(lowered.attend)).toEqual([]);
    const values = run(lowered);
    const { tokens } = sizes;
    const { kv_heads: groups, head_dim: dim } = geometry;
    const wanted = byHand(values, (b, t, g, r, c) => {
      const place = (b * tokens + t) * groups + g;
      const vector: At = (name, d) => values.get(name)![place * dim + d]!;
      const number = (name: string): number => values.get(name)?.[place] ?? NaN;
      return (r === c ? 1 : 0) + rest(vector, number('a'), number('n'), r, c);
    });
    expectClose(values.get('score')!, wanted);
  });

  it('says nothing of scores where the strength is 0', () => {
    const plain = run(load('delta(r, c)'));
    expectClose(run(load('delta(r, c) - 0 * a[t, h] * u[t, h, r] * u[t, h, c]')).get('score')!, plain.get('score')!);
    const still = load('delta(r, c) - (a[t, h] - a[t, h]) * u[t, h, r] * u[t, h, c]');
    expect(still.attend.results.has('key_transported')).toBe(true);
    expectClose(run(still).get('score')!, plain.get('score')!);
  });

  it('one token sees its own key as it is', () => {
    const { attend } = load(forms[0]![0]);
    const inputs = inputsOf(attend, 1, 1) as Record<string, ArrayLike<number>>;
    const plain = interpret(load('delta(r, c)').attend, { batch: 1, tokens: 1 }, inputs);
    expectClose(interpret(attend, { batch: 1, tokens: 1 }, inputs).get('output')!, plain.get('output')!);
  });
});

describe('other matrices', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['a[t, h] * delta(r, c) - u[t, h, r] * u[t, h, c]', /no `delta\(r, c\)` in it/],
    ['u[t, h, r] * u[t, h, c] - delta(r, c)', /no `delta\(r, c\)` in it/],
    ['delta(r, c) - u[t, h, r] * u[t, h, c] - v[t, h, r] * v[t, h, c]', /more than one term/],
    ['delta(r, c) - exp(u[t, h, r] * u[t, h, c])', /no product of a part with the row/],
    ['delta(r, c) - a[t, h] * u[t, h, r]', /same for all rows or columns/],
  ];
  it.each(refused)('%s', (matrix, message) => {
    const { lowered, diagnostics } = loadText(encoding(matrix), 'examples/test.pe', { geometry });
    expect(lowered).toBeNull();
    expect(diagnostics.map(({ code }) => code)).toEqual(['PE0501']);
    expect(diagnostics[0]!.message).toMatch(message);
    expect(diagnostics[0]!.hint).toContain('delta(r, c) - strength[t, h] * w[t, h, r] * w[t, h, c]');
  });

  it('a second site is refused where it stands', () => {
    const second = 'transport key [t, h, r, c] by delta(r, c) - v[t, h, r] * v[t, h, c]';
    const text = encoding('delta(r, c) - u[t, h, r] * u[t, h, c]', second);
    const { lowered, diagnostics } = loadText(text, 'examples/test.pe', { geometry });
    expect(lowered).toBeNull();
    expect(diagnostics.map(({ code, span }) => [code, text.slice(span.start, span.end)])).toEqual([['PE0501', second]]);
  });
});

describe('gradients are central differences', () => {
  it.each([forms[0]![0], forms[2]![0]])('%s', (matrix) => {
    const { attend } = load(matrix);
    const wanted = attend.inputs;
    const made = attend.results.get('output')!;
    const seed = given('seed', made.axes, 'cotangent');
    const gradient = simplify(reverse(attend, new Map([[made, seed]]), wanted), true);
    expect(verify(gradient)).toEqual([]);
    const values = inputsOf(gradient, 1, 4) as Record<string, Float64Array>;
    const found = interpret(gradient, { batch: 1, tokens: 4 }, values);
    const along = inputsOf(attend, 1, 4, { x: Float64Array.from(values['query']!.slice(0, 20)) });
    let slope = 0;
    for (const { name } of wanted) {
      const d = gradient.results.get(`d_${name}`);
      if (d !== undefined) found.get(d.name)!.forEach((value, n) => (slope += value * along[name]![n]!));
    }
    const moved = (h: number): number => {
      const shifted = Object.fromEntries(
        wanted.map(({ name }) => [name, values[name]!.map((value, n) => value + h * along[name]![n]!)]),
      );
      const output = interpret(attend, { batch: 1, tokens: 4 }, shifted).get('output')!;
      return output.reduce((sum, value, n) => sum + value * values['seed']![n]!, 0);
    };
    const h = 1e-4;
    const difference = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
    expect(Math.abs(slope - difference)).toBeLessThan(1e-8 * Math.max(1, Math.abs(slope)));
    expect(Math.abs(slope)).toBeGreaterThan(1e-3);
  });
});

describe('laws', () => {
  const unit = 'u[t, h, r] * u[t, h, c] / n[t, h]';
  const claim = (matrix: string, law: string): readonly [kind: string, counter: string] => {
    const { checked, lowered } = loadText(encoding(matrix, `expect ${law}`), 'examples/test.pe', { geometry });
    const errors: string[] = [];
    const [result] = checkLaws(checked!, lowered!, ({ message, hint = '' }) => void errors.push(`${message} ${hint}`));
    return [result!.kind, errors.join('; ')];
  };

  it.each([
    [`delta(r, c) - 2 * ${unit}`, 'tested'], // reflections
    ['delta(r, c) - 0 * u[t, h, r] * u[t, h, c]', 'proved'],
  ])('orthogonal: %s', (matrix, kind) => {
    expect(claim(matrix, 'orthogonal')).toEqual([kind, '']);
  });

  it.each([
    ['orthogonal', `delta(r, c) - ${unit}`, /the norm of key/],
    ['orthogonal', `delta(r, c) - 2 * a[t, h] * ${unit}`, /the norm of key/],
    ['commuting', `delta(r, c) - 2 * ${unit}`, /the maps of key at tokens/],
  ])('not %s: %s', (law, matrix, counter) => {
    const [kind, message] = claim(matrix, law);
    expect(kind).toBe('false');
    expect(message).toMatch(counter);
    expect(proveOrthogonal(load(matrix).attend)).toBeNull();
  });

  it('causal unless a direction looks ahead', () => {
    expect(proveCausal(load(`delta(r, c) - ${unit}`))).not.toBeNull();
    expect(claim('delta(r, c) - a[t + 1, h] * u[t, h, r] * u[t, h, c]', 'causal')[0]).toBe('false');
  });

  it('relative unless a strength reads a position', () => {
    expect(claim(`delta(r, c) - ${unit}`, 'relative')).toEqual(['proved', '']);
    expect(claim(`delta(r, c) - ${unit} / (position[t] + 2)`, 'relative')[0]).toBe('false');
  });
});
