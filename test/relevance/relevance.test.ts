// Relevance: it is kept on its way (conservation), positions get what PA-LRP (arXiv 2506.02138) says, and kernels compute what the
// interpreter does.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { relevance } from '../../src/autodiff/relevance.ts';
import { compile } from '../../src/compile.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program } from '../../src/ir/ir.ts';
import { verify } from '../../src/ir/verify.ts';
import { sampleInputs } from '../../src/laws/sample.ts';
import type { Sample } from '../../src/laws/sample.ts';
import { targetPlan } from '../../src/options.ts';
import { checkCase } from '../kernels/check-plan.ts';
import { loadFile, loadText, root, small } from '../lower/load.ts';
import { runWasm } from '../wasm/run-kernel.ts';

const geometry = { ...small, heads: 2, kv_heads: 1, head_dim: 8, model_dim: 6, context: 12 };
const examples = readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.pe'));

/** So small that no relevance is kept by values near 0. */
const epsilon = 1e-14;

interface Flow {
  readonly sample: Sample;
  readonly forward: ReadonlyMap<string, Float64Array>;
  readonly values: ReadonlyMap<string, Float64Array>;
  readonly arriving: number;
  readonly departing: number;
}

const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

/** Random relevance of the results, and where it goes. */
function flow(program: Program, seeded: readonly string[], seed = 1): Flow {
  const made = relevance(program, seeded, epsilon);
  expect(verify(made.program)).toEqual([]);
  const sample = sampleInputs(made.program, { seed, batch: 2, tokens: 5, learned: 'around', positions: 'range' });
  // A value that is exactly 0 has nothing that its relevance could go to: hidden scores, a relu.
  const before = interpret(program, sample.sizes, sample.inputs);
  for (const name of seeded) {
    const arriving = sample.inputs[`relevance_of_${name}`]!;
    before.get(program.results.get(name)!.name)!.forEach((value, n) => void (value === 0 && (arriving[n] = 0)));
  }
  const values = interpret(made.program, sample.sizes, sample.inputs);
  const results = [...made.program.results.keys()].filter((name) => name !== 'relevance_position');
  return {
    sample,
    values,
    forward: before,
    arriving: sum(seeded.flatMap((name) => [...sample.inputs[`relevance_of_${name}`]!])),
    departing: sum(results.flatMap((name) => [...values.get(made.program.results.get(name)!.name)!])),
  };
}

const program = (name: string): Program => loadFile(`examples/${name}`, { geometry }).lowered!.attend;

describe('conservation', () => {
  it.each(examples)('%s: what arrives at the encoded queries and keys goes to queries, keys and positions', (file) => {
    const { arriving, departing } = flow(program(file), ['query_encoded', 'key_encoded']);
    expect(Math.abs(arriving)).toBeGreaterThan(0.1);
    expect(departing).toBeCloseTo(arriving, 8);
  });

  it.each(['alibi.pe', 'comrope_ld.pe', 'carope.pe'])('%s: of scores', (file) => {
    const { arriving, departing } = flow(program(file), ['score']);
    expect(departing).toBeCloseTo(arriving, 8);
  });

  const bodies = {
    'attention without a softmax': 'attention[h, i, j] = sigmoid(score[h, i, j])',
    'a table by offset': `axis n = 5
      learn r[n: n, d: dim] ~ normal(0, 1)
      score[h, i, j] += scale * sum[d: dim](query[i, h, d] * r[clamp(i - j, 0, 4), d])
      attention[h, i, j] = relu(score[h, i, j])`,
    'maps of tokens between key and query': `learn U[m: model, h: kv_head, d: dim] ~ normal(0, 1)
      let w[t: token, h: kv_head, d: dim] = sum[m: model](x[t, m] * U[m, h, d])
      transport key [t, h, r, c] by delta(r, c) - w[t, h, r] * w[t, h, c] / 9
      attention[h, i, j] = score[h, i, j] ^ 2`,
    'gates from the token': `learn g[m: model, h: head] ~ normal(0, 1)
      let gate[t: token, h: head] = log_sigmoid(sum[m: model](x[t, m] * g[m, h]))
      score[h, i, j] += sum[s: token where j < s <= i](gate[s, h])
      attention[h, i, j] = score[h, i, j] ^ 2`,
    'decay of keys': `key[t, h, d] *= 0.9 ^ t
      attention[h, i, j] = abs(score[h, i, j]) / (i + 1)`,
    'a product of gates': `learn g[m: model, h: head] ~ normal(0, 1)
      let gate[t: token, h: head] = sigmoid(sum[m: model](x[t, m] * g[m, h]))
      attention[h, i, j] = abs(score[h, i, j]) * prod[s: token where s <= j](gate[s, h])`,
    'a product for pairs': `let one[t: token] = sum[m: model](x[t, m] ^ 2)
      attention[h, i, j] = abs(score[h, i, j]) * prod[s: token where j <= s <= i](one[s])`,
    'the largest': `value[t, h, d] += max[e: dim](value[t, h, e])
      attention[h, i, j] = exp(score[h, i, j])`,
  };
  it.each(Object.entries(bodies))('%s: of the output', (_, body) => {
    const { lowered, diagnostics } = loadText(`encoding test {\n${body}\n}`, 'examples/test.pe', { geometry });
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    const { arriving, departing } = flow(lowered!.attend, ['output']);
    expect(departing).toBeCloseTo(arriving, 8);
  });
});

describe('what PA-LRP says', () => {
  it('a position that is added gets its part of the sum (eq. 5)', () => {
    const { lowered } = loadFile('examples/sinusoidal.pe', { geometry });
    const embed = lowered!.embed!;
    const { sample, forward, values } = flow(embed, ['embedding_encoded']);
    const embedding = sample.inputs['embedding']!;
    const arriving = sample.inputs['relevance_of_embedding_encoded']!;
    const whole = forward.get('embedding_encoded')!;
    const content = values.get('relevance_embedding')!;
    const position = values.get('position_embedding_encoded')!;
    for (const [n, relevance] of arriving.entries()) {
      expect(content[n]).toBeCloseTo((embedding[n]! * relevance) / whole[n]!, 9);
      expect(position[n]).toBeCloseTo(((whole[n]! - embedding[n]!) * relevance) / whole[n]!, 9);
    }
  });

  it('a rotation keeps half of each pair (eq. 10), and of what does not turn nothing', () => {
    const { lowered } = loadFile('examples/rope_partial.pe', { geometry });
    const { sample, values } = flow(lowered!.attend, ['query_encoded']);
    const arriving = sample.inputs['relevance_of_query_encoded']!;
    const [query, position] = ['relevance_query', 'position_query_encoded'].map((name) => values.get(name)!);
    const [dim, turning] = [geometry.head_dim, position!.length / (arriving.length / geometry.head_dim)];
    expect(2 * turning).toBeLessThan(dim);
    for (let row = 0; row < arriving.length / dim; row += 1) {
      for (let pair = 0; pair < turning; pair += 1) {
        const both = (of: Float64Array): number => of[row * dim + pair]! + of[row * dim + pair + turning]!;
        expect(position![row * turning + pair]).toBeCloseTo(both(arriving) / 2, 9);
        expect(both(query!)).toBeCloseTo(both(arriving) / 2, 9);
      }
      for (let d = 2 * turning; d < dim; d += 1) expect(query![row * dim + d]).toBeCloseTo(arriving[row * dim + d]!, 9);
    }
  });

  it('tokens get the magnitudes of what stayed with their positions', () => {
    const { values } = flow(program('rope.pe'), ['query_encoded', 'key_encoded']);
    const byToken = values.get('relevance_position')!;
    const all = ['position_query_encoded', 'position_key_encoded'].flatMap((name) => [...values.get(name)!]);
    expect(sum(byToken)).toBeCloseTo(sum(all.map(Math.abs)), 9);
  });
});

/** Values of one sign, so that no share is of a number near 0, where float32 has nothing to say. */
const positive = (of: Program): Record<string, number[]> => {
  const { inputs } = sampleInputs(of, { seed: 3, batch: 2, tokens: 9, learned: 'around', positions: 'range' });
  const isOutput = (name: string): boolean => name.startsWith('relevance_of_');
  return Object.fromEntries(
    Object.entries(inputs).map(([name, values]) => [
      name,
      [...values].map((value) =>
        ['query', 'key', 'value', 'embedding'].includes(name) || isOutput(name) ? 0.5 + Math.abs(value) : value,
      ),
    ]),
  );
};

describe('kernels', () => {
  const check = (of: Program, output: string, options: object, run: object): void => {
    const { program: all } = relevance(of, [output]);
    const { errors } = checkCase({
      program: all,
      options: { ...options, outputs: [...all.results.keys()], decode: false, inPlace: [] },
      inputs: positive(all),
      orders: ['forward'],
      ...run,
    });
    expect(Object.keys(errors)).toContain(output === 'output' ? 'relevance_query' : 'relevance_embedding');
    expect(Object.entries(errors).filter(([, error]) => !(error <= 2e-4))).toEqual([]);
  };
  const wasm = { run: { execute: runWasm } };
  it.each(['alibi', 'carope', 'comrope_ld', 'rope_partial', 'learned_absolute'])('%s on a CPU', (name) => {
    const { attend, embed } = loadFile(`examples/${name}.pe`, { geometry }).lowered!;
    check(attend, 'output', targetPlan('wasm', 'f32'), wasm);
    if (embed !== null) check(embed, 'embedding_encoded', targetPlan('wasm', 'f32'), wasm);
  });
  it.each(['carope.pe', 'alibi.pe'])('%s on a GPU, in the simulator', (file) => {
    check(program(file), 'output', {}, {});
  });
});

it('a module has entries of relevance beside those of gradients', async () => {
  const text = readFileSync(join(root, 'examples/comrope_ld.pe'), 'utf8');
  const { module, plan } = await compile({ path: 'comrope_ld.pe', text }, { relevance: true, target: 'wasm' });
  for (const entry of ['forward', 'backward', 'relevance', 'relevance_step'])
    expect(module).toContain(`export function ${entry}(`);
  expect(plan!.relevance).toHaveLength(1);
  const plain = await compile({ path: 'comrope_ld.pe', text }, { target: 'wasm' });
  expect(plain.module).not.toContain('relevance');
});
