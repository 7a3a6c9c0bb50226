// Relevance: it is kept on its way (conservation), positions get what PA-LRP (arXiv 2506.02138) says, and kernels compute what the
// interpreter does.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { relevance } from '../../src/autodiff/relevance.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program } from '../../src/ir/ir.ts';
import { verify } from '../../src/ir/verify.ts';
import { sampleInputs } from '../../src/laws/sample.ts';
import type { Sample } from '../../src/laws/sample.ts';
import { loadFile, loadText, root, small } from '../lower/load.ts';

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
