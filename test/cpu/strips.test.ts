// Strips of queries in the simulator against the float64 interpreter: scores of every kind, forward and backward, blocks that
// are not full, heads that share keys or that scores mix, decode, and strips that are asked for as results.

import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Geometry } from '../../src/check/checked.ts';
import {
  attentionInput,
  attentionWeights,
  causal,
  pairAxes,
  products,
  scaledScore,
  weightedValues,
  type Visible,
} from '../../src/attention/compose.ts';
import { at, boolean, call, integer, program } from '../../src/ir/build.ts';
import type { Program, Scalar, Tensor } from '../../src/ir/ir.ts';
import { targetPlan } from '../../src/options.ts';
import { checkCase, inputsOf, randomValues } from '../kernels/check-plan.ts';
import { decodeError } from '../kernels/check-decode.ts';
import { runPlan, wholeSizes, type RunOptions } from '../kernels/run-plan.ts';
import { loadFile } from '../lower/load.ts';
import { runWasm } from '../wasm/run-kernel.ts';

const geometry: Geometry = { heads: 2, kv_heads: 2, head_dim: 8, model_dim: 8, context: 40, layers: 1, layer: 0 };
const shared: Partial<Geometry> = { heads: 4, kv_heads: 2 };
const one: Partial<Geometry> = { heads: 4, kv_heads: 1 };

const cpu = (options: Partial<PlanOptions> = {}): Partial<PlanOptions> => ({
  ...targetPlan('wasm', 'f32'),
  ...options,
});

const attend = (file: string, change: Partial<Geometry> = {}): Program =>
  loadFile(`${file}.pe`, { geometry: { ...geometry, ...change } }).lowered!.attend;

function gradientsOf(program: Program): readonly string[] {
  return program.inputs
    .filter(({ type, origin }) => type === 'real' && !(origin.kind === 'given' && origin.given === 'user'))
    .map(({ name }) => name);
}

/** Learned numbers of the size that they have, so that what a mask hides stays finite in float32. */
function check(
  program: Program,
  batch: number,
  tokens: number,
  options: Partial<PlanOptions> = {},
  run: RunOptions = {},
): number {
  const inputs = inputsOf(program, batch, tokens);
  const learned = program.inputs.flatMap(({ name, origin }, n) => {
    if (origin.kind !== 'learned') return [];
    return [[name, randomValues(inputs[name]!.length, n + 5).map((value) => 0.2 * value)] as const];
  });
  const { errors } = checkCase({
    program,
    batch,
    tokens,
    inputs: Object.fromEntries(learned),
    orders: ['random'],
    run,
    options: cpu({ gradients: gradientsOf(program), ...options }),
  });
  // A bias that a softmax takes away again has no gradient but rounding.
  return Math.max(...Object.entries(errors).map(([name, error]) => (name === 'd_b2' ? 0 : error)));
}

const kinds = (
  'alibi kerple t5 deberta transformer_xl shaw fox grape_a sandwich cope ' +
  'stick_breaking selective_attention sink fire tisa dape urpe gray rerope ssmax'
).split(' ');

describe.each(kinds)('%s', (name) => {
  const file = `test/fixtures/programs/${name}`;
  // Its gradients are sums of many terms that cancel.
  const tolerance = name === 'fire' ? 1e-4 : 1e-5;

  // Its gradients by distance are long sums for the simulator.
  const isLong = name === 'deberta';

  it.skipIf(isLong)('has the values of the interpreter where a block is not full', () => {
    expect(check(attend(file), 2, 19)).toBeLessThan(tolerance);
  });

  it('has them as WebAssembly, over several blocks', () => {
    expect(check(attend(file), 1, 45, {}, { execute: runWasm })).toBeLessThan(tolerance);
  });

  it('has them where heads share keys', () => {
    const run = isLong ? { execute: runWasm } : {};
    expect(check(attend(file, shared), 1, 6, {}, run)).toBeLessThan(tolerance);
  });
});

describe('any number of tokens', () => {
  it.each([1, 2, 15, 16, 17, 31, 33, 70])('%i', (tokens) => {
    expect(check(attend('examples/nope'), 1, tokens)).toBeLessThan(5e-6);
  });

  it('and one key head for all', () => {
    expect(check(attend('examples/carope', one), 2, 18)).toBeLessThan(5e-6);
  });

  it('and features that are no multiple of four', () => {
    expect(check(attend('examples/alibi', { head_dim: 6 }), 1, 18)).toBeLessThan(5e-6);
    expect(check(attend('examples/alibi', { head_dim: 2, ...shared }), 1, 18)).toBeLessThan(5e-6);
  });
});

describe('decode', () => {
  it.each([
    ['examples/alibi', {}, [20, 18, 1]],
    ['examples/carope', shared, [3, 17, 1, 1]],
    ['test/fixtures/programs/stick_breaking', {}, [17, 2]],
  ] as const)('%s', (file, change, steps) => {
    expect(decodeError(attend(file, change), steps, cpu())).toBeLessThan(5e-6);
  });
});

/** Attention without an encoding, where a query sees what `visible` says. */
function attention(visible: Visible): Program {
  const ends = (['query', 'key', 'value'] as const).map((kind) => attentionInput(kind, geometry));
  const [query, key, value] = ends as [Tensor, Tensor, Tensor];
  const product = products('query_key', query, key, geometry);
  const score = scaledScore('score', product.tensor, geometry);
  const axes = pairAxes(geometry);
  const [, h, i, j] = axes.map(at) as [Scalar, Scalar, Scalar, Scalar];
  const weights = attentionWeights('attention', score.tensor, axes, visible({ head: h, query: i, key: j }));
  const output = weightedValues('output', weights.tensor, value, geometry);
  const definitions = [product, score, weights, output];
  return program({ name: 'attention', inputs: ends, definitions, results: { output: output.tensor } });
}

describe('a query may see', () => {
  it.each<readonly [string, Visible]>([
    ['every key', () => boolean(true)],
    ['the first keys and those before it', ({ query, key }) => call('less_equal', key, call('max', query, integer(5)))],
    [
      'a few keys before it',
      ({ query, key }) =>
        call('and', causal({ head: query, query, key }), call('less', call('subtract', query, key), integer(3))),
    ],
    ['only keys before it, and the first query none', ({ query, key }) => call('less', key, query)],
    ['keys after it', ({ query, key }) => call('less_equal', query, key)],
  ])('%s', (_, visible) => {
    expect(check(attention(visible), 1, 19)).toBeLessThan(5e-6);
  });
});

describe('results', () => {
  it('may be strips: they are stored, with zeros for the keys that are hidden', () => {
    const outputs = ['output', 'attention', 'score'];
    const encoded = attend('examples/alibi', shared);
    expect(check(encoded, 1, 18, { outputs })).toBeLessThan(5e-6);
    const plan = buildPlan(encoded, cpu({ outputs }));
    const values = runPlan(plan, wholeSizes(1, 3), inputsOf(encoded, 1, 3), { only: ['forward'] });
    const weights = Array.from(values.get('attention')!.slice(0, 9));
    expect([weights[1], weights[2], weights[5]]).toEqual([0, 0, 0]);
  });

  it('are added to where the caller wants', () => {
    const encoded = attend('test/fixtures/programs/t5');
    expect(check(encoded, 2, 18, { accumulate: ['B'] })).toBeLessThan(5e-6);
  });

  it('have the same bits whatever the order of items', () => {
    const encoded = attend('test/fixtures/programs/shaw');
    const plan = buildPlan(encoded, cpu({ gradients: gradientsOf(encoded) }));
    const inputs = { ...inputsOf(encoded, 2, 18), d_output: randomValues(2 * 18 * 16, 3) };
    const bits = (order: 'forward' | 'reverse' | 'random') =>
      [...runPlan(plan, wholeSizes(2, 18), inputs, { order })].map(([name, data]) => [name, Array.from(data)]);
    expect(bits('reverse')).toEqual(bits('forward'));
  });
});
