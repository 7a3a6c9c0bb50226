// Encodings that draw, ask whether this is training, and add to the loss: forward and backward in the simulator against the
// float64 interpreter, in training and outside it.

import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { sampleInputs } from '../../src/laws/sample.ts';
import { hasGradient } from '../../src/compile.ts';
import type { Program } from '../../src/ir/ir.ts';
import { targetPlan } from '../../src/options.ts';
import { loadFile, loadText } from '../lower/load.ts';
import { checkCase } from './check-plan.ts';
import { decodeError, geometry } from './check-decode.ts';

const small: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  cape: {},
  abacus: {},
  sinespe: { realisations: 5 },
  seqpe: { digits: 2, width: 8, samples: 3, candidates: 4 },
};

const planned = (program: Program, output: string): Partial<PlanOptions> => {
  const results = program.results.has('loss') ? [output, 'loss'] : [output];
  const wanted = program.inputs.filter(hasGradient);
  const learned = wanted.filter(({ origin }) => origin.kind === 'learned');
  return {
    outputs: results,
    seeds: results,
    gradients: wanted.map(({ name }) => name),
    accumulate: learned.map(({ name }) => name),
  };
};

function check(program: Program, output: string, training: boolean, more: Partial<PlanOptions>): void {
  const [batch, tokens] = [2, 7];
  const { inputs } = sampleInputs(program, { seed: 3, batch, tokens, learned: 'around', positions: 'range', training });
  const options = { ...planned(program, output), ...more };
  const { errors } = checkCase({ program, batch, tokens, inputs, options, orders: ['random'] });
  expect(Object.keys(errors)).toContain(output);
  expect(Object.keys(errors).length).toBeGreaterThan(1);
  expect(Object.entries(errors).filter(([, error]) => !(error < 1e-5))).toEqual([]);
}

describe.each(Object.entries(small))('%s', (name, params) => {
  const { lowered } = loadFile(`test/fixtures/programs/${name}.pe`, { geometry, params });
  it.each([
    ['training', true, {}],
    ['outside, on a CPU', false, targetPlan('wasm', 'f32')],
  ] as const)('%s', (_, training, options) => {
    check(lowered!.attend, 'output', training, options);
    if (lowered!.embed !== null) check(lowered!.embed, 'embedding_encoded', training, options);
  });
});

it.each([[[1, 1, 1, 1, 1, 1, 1, 1, 1]], [[5, 1, 2, 1]]])('token by token, %j: decode makes no loss', (steps) => {
  const text = `encoding drawing {
    draw u[t: token] ~ uniform(-1, 1)
    draw z[h: head]  ~ normal(0, 1)
    learn w[h: head] ~ normal(0, 1)
    key[t, h, d] *= if training then 1 + u[t] else 1
    score[h, i, j] += w[h] * z[h] * (u[i] - u[j])
    loss += sum[t: token, h: head](u[t] * w[h] ^ 2)
  }`;
  const { lowered } = loadText(text, 'examples/test.pe', { geometry });
  const { entries } = buildPlan(lowered!.attend, { outputs: ['output', 'loss'] });
  const made = (name: string): string[] =>
    entries.find((entry) => entry.name === name)!.outputs.map(({ buffer }) => buffer.name);
  expect(made('forward')).toContain('loss');
  expect(made('decode')).not.toContain('loss');
  expect(decodeError(lowered!.attend, steps, { outputs: ['output', 'loss'] })).toBeLessThan(5e-6);
});
