// What only a few encodings need of the language (rank, inverse, matrices of tokens, ...), on whole programs: gradients
// against central differences, kernels of GPUs and CPUs against the interpreter, and decode against the whole sequence.

import { describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program } from '../../src/ir/ir.ts';
import { targetPlan } from '../../src/options.ts';
import { gradientError } from '../autodiff/check-gradient.ts';
import { loadFile, loadText } from '../lower/load.ts';
import { runWasm } from '../wasm/run-kernel.ts';
import { decodeError } from './check-decode.ts';
import { checkCase, inputsOf } from './check-plan.ts';

const geometry: Geometry = {
  heads: 2,
  kv_heads: 2,
  head_dim: 8,
  model_dim: 6,
  context: 12,
  layers: 1,
  layer: 0,
};

interface Wanted {
  readonly params?: Readonly<Record<string, number>>;
  readonly looksAhead?: boolean;
  /** Short enough for `length` to pass it. */
  readonly context?: number;
  readonly tokens?: number;
  readonly tolerance?: number;
  /** A gradient that is 0 for every input, so that nothing but noise would be compared. */
  readonly nothing?: string;
}

/** Programs of the catalogue. */
const programs: Readonly<Record<string, Wanted>> = {
  string_cayley: {},
  gta: {},
  canon: {},
  randomised: { params: { longest: 20 } },
  rope_ntk_dynamic: { context: 3 },
  longrope: { context: 3 },
  // Angles of a hundred radians, which float32 has to 1e-5; a bias that all keys have in common changes no weight.
  knarpe: { params: { nearest: 2 }, looksAhead: true, tokens: 3, tolerance: 2e-5, nothing: 'key_bias' },
};

const texts: Readonly<Record<string, string>> = {
  // The nearest of what is seen, by a quantity of the model's own.
  nearest: `encoding nearest {
    learn w[m: model] ~ normal(0, 1)
    let a[t: token] = sum[m: model](w[m] * x[t, m])
    visible[h, i, j] = rank[j where j <= i]((a[i] - a[j]) ^ 2) < 3
  }`,
  // Everything that is cached changes with the length: a running sum, what is made of it, keys of neighbours.
  stretched: `encoding stretched {
    learn w[m: model] ~ normal(0, 1)
    learn g[h: kv_head, d: dim] ~ normal(0, 1)
    let a[t: token] = sum[m: model](w[m] * x[t, m]) / length
    let walk[t: token] = sum[s: token where s <= t](a[s])
    key[t, h, d] *= 1 + g[h, d] * log(length) * walk[t]
    key[t, h, d] += key[t - 1, h, d] / length
    value[t, h, d] *= walk[t]
    score[h, i, j] += sum[s: token where j < s <= i](a[s])
  }`,
  // Maps between keys and queries that change with the length.
  moved: `encoding moved {
    learn w[m: model, h: kv_head, d: dim] ~ normal(0, 0.3)
    let v[t: token, h: kv_head, d: dim] = sum[m: model](x[t, m] * w[m, h, d])
    let beta[t: token, h: kv_head] = log(1 + length) / (1 + sum[e: dim](v[t, h, e] ^ 2))
    transport key [t, h, r, c] by delta(r, c) - beta[t, h] * v[t, h, r] * v[t, h, c]
  }`,
};

function attendOf(name: string): Program {
  const { params = {}, context = geometry.context } = programs[name] ?? {};
  const text = texts[name];
  const { lowered, diagnostics } =
    text === undefined
      ? loadFile(`test/fixtures/programs/${name}.pe`, { geometry: { ...geometry, context }, params })
      : loadText(text, 'examples/test.pe', { geometry });
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  return lowered!.attend;
}

function options(program: Program, { nothing }: Wanted): Partial<PlanOptions> {
  const gradients = program.inputs
    .filter(({ name }) => name !== nothing)
    .filter(({ type, origin }) => type === 'real' && !(origin.kind === 'given' && origin.given === 'user'))
    .map(({ name }) => name);
  return { outputs: ['output', 'score', 'query_encoded', 'key_encoded'], gradients };
}

describe.each([...Object.keys(programs), ...Object.keys(texts)])('%s', (name) => {
  const wanted = programs[name] ?? {};
  const { tolerance = 5e-6, looksAhead = false, tokens = 9 } = wanted;

  it('has the gradients of its differences', () => {
    expect(gradientError(attendOf(name), 'output', Math.min(tokens, 5))).toBeLessThan(1e-7);
  });

  it.each([
    ['matrix products and short chunks', { contract: 'always', chunk: 4 }, tokens],
    ['loops', { contract: 'never' }, 2],
  ] as const)('kernels of a GPU, %s', (_, how, count) => {
    const program = attendOf(name);
    const all = { ...options(program, wanted), ...how };
    const given = { program, batch: 2, tokens: count, orders: ['random'] as const, options: all };
    const { errors, worst } = checkCase(given);
    expect(worst, JSON.stringify(errors)).toBeLessThan(tolerance);
  });

  it.each([1, tokens])('kernels of a CPU, %i tokens', (count) => {
    const program = attendOf(name);
    const cpu = { ...options(program, wanted), ...targetPlan('wasm', 'f32'), outputs: ['output'] };
    const given = { program, batch: 2, tokens: count, orders: ['forward'] as const, run: { execute: runWasm } };
    const { errors, worst } = checkCase({ ...given, options: cpu });
    expect(worst, JSON.stringify(errors)).toBeLessThan(2e-5);
  });

  it.skipIf(looksAhead)('token by token', () => {
    expect(decodeError(attendOf(name), [4, 1, 2, 1], { chunk: 4 })).toBeLessThan(5e-6);
    const cpu = targetPlan('wasm', 'f32');
    expect(decodeError(attendOf(name), [1, 1, 1, 1, 1], cpu, { execute: runWasm })).toBeLessThan(2e-5);
  });
});

/** What is done to x before query, key and value are made of it: neighbours, and something made of learned tensors alone. */
const changed = `encoding changed {
  axis tap = 3
  learn a[k: tap, m: model] ~ uniform(-1, 1)
  learn w[m: model] ~ normal(0, 1)
  let weight[k: tap, m: model] = softmax[k](a[k, m])
  let before[t: token] = sum[m: model](w[m] * x[t, m])
  x[t, m] += sum[k: tap](weight[k, m] * x[t - k, m]) + before[t - 1]
  score[h, i, j] += sum[m: model](w[m] * x[j, m]) - before[i]
}`;

describe('a site on x', () => {
  const load = (text: string) => loadText(text, 'examples/test.pe', { geometry }).lowered!;
  const canon = () => loadFile('test/fixtures/programs/canon.pe', { geometry }).lowered!;
  const gradients = { outputs: ['x_encoded'], once: false };

  it.each([
    ['canon', canon],
    ['with lets', () => load(changed)],
  ])('%s: gradients, kernels, and token by token', (_, make) => {
    const program = make().input!;
    expect(gradientError(program, 'x_encoded', 5)).toBeLessThan(1e-7);
    const options = { ...gradients, gradients: program.inputs.map(({ name }) => name) };
    const given = { program, batch: 2, tokens: 9, orders: ['random'] as const };
    const gpu = checkCase({ ...given, options: { ...options, chunk: 4 } });
    expect(gpu.worst, JSON.stringify(gpu.errors)).toBeLessThan(5e-6);
    const cpu = { ...options, ...targetPlan('wasm', 'f32') };
    const { worst, errors } = checkCase({ ...given, run: { execute: runWasm }, options: cpu });
    expect(worst, JSON.stringify(errors)).toBeLessThan(2e-5);
    expect(decodeError(program, [4, 1, 2, 1], { once: false, chunk: 4 }, {}, 'x_encoded')).toBeLessThan(5e-6);
  });

  it('leaves attention what the sites below it are, of the changed x and of the x above', () => {
    const { attend, input } = load(changed);
    const sizes = { batch: 1, tokens: 5 };
    const inputs = inputsOf(attend, 1, 5) as Record<string, ArrayLike<number>>;
    const found = interpret(attend, sizes, inputs);
    const own = interpret(input!, sizes, inputs);
    const [score, encoded, before] = [found.get('score')!, own.get('x_encoded')!, own.get('before')!];
    const { head_dim, heads, model_dim } = geometry;
    const dot = (name: string, t: number, other: string, s: number): number => {
      const row = (of: string, at: number) =>
        Array.from(inputs[of]!).slice(at * heads * head_dim, at * heads * head_dim + head_dim);
      return row(name, t).reduce((sum, value, d) => sum + value * row(other, s)[d]!, 0);
    };
    const [i, j] = [4, 2];
    const w = inputs['w']!;
    const ofKey = Array.from({ length: model_dim }, (_, m) => w[m]! * encoded[j * model_dim + m]!);
    const wanted = dot('query', i, 'key', j) / Math.sqrt(head_dim) + ofKey.reduce((a, b) => a + b) - before[i]!;
    expect(score[i * 5 + j]).toBeCloseTo(wanted, 12);
  });
});
