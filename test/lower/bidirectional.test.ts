// A bidirectional model: every token sees every token of its sequence. Against sums written out here, gradients against
// central differences, kernels of every target against the interpreter; what laws, entries and the trainer say of it.

import { describe, expect, it } from 'vitest';
import { compile, hasGradient } from '../../src/compile.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program } from '../../src/ir/ir.ts';
import { checkLaws } from '../../src/laws/laws.ts';
import { dead } from '../../src/passes/dead.ts';
import { targetPlan } from '../../src/options.ts';
import { createLoader } from '../../src/load-module.ts';
import { assemble } from '../../src/trainer/assemble.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { gradientError } from '../catalogue/gradients.ts';
import { sayText } from '../diagnostics/front.ts';
import { checkCase, inputsOf } from '../kernels/check-plan.ts';
import { interpretedDevice } from '../trainer/interpreted.ts';
import { runWasm } from '../wasm/run-kernel.ts';
import { loadFile, loadText, small, type Loaded } from './load.ts';

const geometry = { ...small, heads: 2, kv_heads: 1, head_dim: 8, model_dim: 6, context: 24, bidirectional: true };
const load = (name: string, change: Partial<typeof geometry> = {}): Loaded =>
  loadFile(`examples/${name}.pe`, { geometry: { ...geometry, ...change } });
const attend = (name: string): Program => load(name).lowered!.attend;

/** Softmax over all tokens of scores that a function makes of query . key, and the values it weighs. [i, h, d] */
function byHand(program: Program, tokens: number, term: (h: number, i: number, j: number) => number): number[] {
  const { query, key, value } = inputsOf(program, 1, tokens) as Record<string, ArrayLike<number>>;
  const { heads, head_dim } = geometry;
  const features = Array.from({ length: head_dim }, (_, d) => d);
  const all = Array.from({ length: tokens }, (_, t) => t);
  return all.flatMap((i) =>
    [0, 1].flatMap((h) => {
      const dot = (j: number): number =>
        features.reduce((sum, d) => sum + query![(i * heads + h) * head_dim + d]! * key![j * head_dim + d]!, 0);
      const weights = all.map((j) => Math.exp(dot(j) / Math.sqrt(head_dim) + term(h, i, j)));
      const total = weights.reduce((a, b) => a + b, 0);
      return features.map((d) => weights.reduce((sum, w, j) => sum + (w / total) * value![j * head_dim + d]!, 0));
    }),
  );
}

function output(program: Program, tokens: number, more: Record<string, ArrayLike<number>> = {}): Float64Array {
  const inputs = inputsOf(program, 1, tokens, more) as Record<string, ArrayLike<number>>;
  return interpret(program, { batch: 1, tokens }, inputs).get('output')!;
}

const gap = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (value, n) => Math.abs(value - b[n]!)));

describe('means', () => {
  it('a softmax over all tokens', () => {
    const program = attend('nope');
    expect(
      gap(
        output(program, 5),
        byHand(program, 5, () => 0),
      ),
    ).toBeLessThan(1e-14);
  });

  it('a bias of both signs of the distance', () => {
    const program = attend('alibi');
    const slope = (h: number): number => 2 ** (-4 * (h + 1));
    expect(
      gap(
        output(program, 5),
        byHand(program, 5, (h, i, j) => -slope(h) * (i - j)),
      ),
    ).toBeLessThan(1e-14);
  });

  it('an empty sum between a query and a later key', () => {
    const text = `encoding e {
  learn g[h: head] ~ 0
  score[h, i, j] += sum[s: token where j < s <= i](g[h] * (1 + s))
}`;
    const program = loadText(text, 'examples/test.pe', { geometry }).lowered!.attend;
    const between = (i: number, j: number): number => ((i + 1) * (i + 2) - (j + 1) * (j + 2)) / 2;
    const term = (h: number, i: number, j: number): number => (j < i ? (h === 0 ? 0.1 : -0.2) * between(i, j) : 0);
    expect(gap(output(program, 6, { g: [0.1, -0.2] }), byHand(program, 6, term))).toBeLessThan(1e-13);
  });

  it('what a causal model has, where `visible` hides later keys', () => {
    const text = `encoding e {
  learn w[m: model, h: head] ~ normal(0, 0.02)
  let log_f[t: token, h: head] = log_sigmoid(sum[m: model](x[t, m] * w[m, h]))
  score[h, i, j]   += sum[s: token where j < s <= i](log_f[s, h])
  visible[h, i, j]  = j <= i
}`;
    const [both, causal] = [true, false].map(
      (bidirectional) =>
        loadText(text, 'examples/test.pe', { geometry: { ...geometry, bidirectional } }).lowered!.attend,
    );
    expect(gap(output(both!, 6), output(causal!, 6))).toBeLessThan(1e-14);
  });
});

/** Distances in tables, gates between two tokens, running sums, what is done to values, matrices of blocks. */
const chosen = ['rope', 't5', 'shaw', 'urpe', 'fox', 'carope', 'comrope_ld_1d'];

describe.each(chosen)('%s', (name) => {
  const program = attend(name);
  const options = {
    outputs: ['output'],
    seeds: ['output'],
    gradients: program.inputs.filter(hasGradient).map((tensor) => tensor.name),
    decode: false,
  };

  it('has the gradients of central differences', () => {
    const only = dead({ ...program, results: new Map([['output', program.results.get('output')!]]) });
    expect(gradientError(only, 'output', 5, 1)).toBeLessThan(1e-7);
  });

  it.each([
    ['wgsl', 2, 6],
    ['cuda', 1, 6],
    ['wasm', 2, 23], // strips of queries, whose blocks do not fill
  ] as const)('runs as in the interpreter: %s', (target, batch, tokens) => {
    const { worst } = checkCase({
      program,
      options: { ...targetPlan(target, 'f32'), ...options },
      batch,
      tokens,
      orders: ['random'],
      ...(target === 'wasm' ? { run: { execute: runWasm } } : {}),
    });
    expect(worst).toBeLessThan(2e-5);
  });
});

describe('says', () => {
  const lawsOf = (name: string) => {
    const { checked, lowered } = load(name);
    return checkLaws(checked!, lowered!, () => {}).map(({ text, kind }) => [text, kind]);
  };

  it('that a claim of causality is false, and what else holds', () => {
    expect(lawsOf('rope')).toEqual([
      ['relative', 'proved'],
      ['orthogonal', 'proved'],
      ['causal', 'false'],
    ]);
    expect(lawsOf('t5')).toEqual([
      ['relative', 'proved'],
      ['causal', 'false'],
      ['bounded', 'proved'],
    ]);
  });

  it('what is hardly meant of later keys, and only there', () => {
    const said = (value: string, bidirectional: boolean): readonly string[] =>
      sayText(`encoding e {\n  ${value}\n}\n`, { bidirectional }).diagnostics.map(({ code }) => code);
    expect(said('visible[h, i, j] = j <= i', true)).toEqual([]);
    expect(said('visible[h, i, j] = j <= i', false)).toEqual(['PE0730']);
    expect(said('score[h, i, j] += sqrt(i - j)', true)).toEqual(['PE0734']);
    expect(said('score[h, i, j] += sqrt(i - j)', false)).toEqual([]);
    expect(said('score[h, i, j] += log(1 + i - j)', true)).toEqual(['PE0734']);
  });

  it('that distances are followed in both directions by `bounded`', () => {
    const said = (bidirectional: boolean) =>
      sayText('encoding e {\n  score[h, i, j] += max(i - j, -4) + min(0, j - i)\n\n  expect bounded\n}\n', {
        bidirectional,
      }).diagnostics.map(({ code }) => code);
    expect([said(false), said(true)]).toEqual([[], []]);
    const grows = (bidirectional: boolean) =>
      sayText('encoding e {\n  score[h, i, j] += -max(j - i, 0)\n\n  expect bounded\n}\n', {
        bidirectional,
      }).diagnostics.map(({ code }) => code);
    expect([grows(false), grows(true)]).toEqual([[], ['PE0710']]);
  });
});

describe('a module', () => {
  const text = 'encoding e {\n  x[t, m] *= 2\n  rotate query, key [t, h, p] by position[t] * 0.5 ^ p\n}\n';
  const source = { path: 'e.pe', text };

  it.each(['wgsl', 'cuda', 'wasm'] as const)('has no entry for single tokens and says so: %s', async (target) => {
    const made = async (bidirectional: boolean) =>
      (await compile(source, { geometry: { ...geometry, bidirectional }, target })).module!;
    const [both, causal] = [await made(true), await made(false)];
    expect(both).toMatch(/bidirectional: 1/);
    expect(both).toMatch(/Every token sees every token/);
    expect(causal).not.toMatch(/bidirectional|Every token sees/);
    const entriesOf = async (module: string) =>
      Object.keys((await createLoader()({ key: module, make: () => Promise.resolve(module) })).entries);
    expect(await entriesOf(causal)).toEqual(expect.arrayContaining(['forward', 'backward', 'decode', 'input_decode']));
    expect((await entriesOf(both)).filter((name) => /decode/.test(name))).toEqual([]);
    expect(await entriesOf(both)).toEqual(expect.arrayContaining(['input', 'forward', 'backward']));
  });

  it('is refused by the trainer', async () => {
    const { module, encoding } = await compile(source, { geometry });
    const loaded = await createLoader()({ key: module!, make: () => Promise.resolve(module!) });
    const { lowered } = loadText(text, 'examples/test.pe', { geometry });
    const trained = { name: encoding!.name, layers: [{ module: loaded, ...lowered! }] };
    const refused = assemble(interpretedDevice(), trained, configure({}), 10, () => Promise.reject(new Error('never')));
    await expect(refused).rejects.toThrow(/compiled for a bidirectional model/);
  });
});
