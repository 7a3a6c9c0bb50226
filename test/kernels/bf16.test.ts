// Plans that keep tensors as bf16, in the simulator: every example and GPT-2's own operations, forward and backward, within
// two roundings of float64 arithmetic on tensors rounded in the same places; and what the roundings cost themselves.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { Plan, PlanOptions, Profile } from '../../codegen/plan/plan.ts';
import { verifyPlan } from '../../codegen/plan/verify.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program } from '../../src/ir/ir.ts';
import { targetPlan } from '../../src/options.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { operationPrograms } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { interpretRounded } from '../../src/verify/rounded.ts';
import { bf16Tolerance } from '../../src/verify/run.ts';
import { loadFile, root } from '../lower/load.ts';
import { inputsOf } from './check-plan.ts';
import { runPlan, wholeSizes, worstError, type Values } from './run-plan.ts';

type Inputs = Record<string, ArrayLike<number>>;

interface Bf16Run {
  readonly plan: Plan;
  /** By result: from arithmetic on rounded tensors, and how far that is from arithmetic without roundings. */
  readonly errors: Readonly<Record<string, number>>;
  readonly rounding: Readonly<Record<string, number>>;
  of(result: string): { readonly got: ArrayLike<number>; readonly expected: Float64Array };
}

function runBf16(program: Program, options: Partial<PlanOptions>, given: Values = {}, profile?: Profile): Bf16Run {
  const sizes = { batch: 2, tokens: 9 };
  const plan = buildPlan(program, { ...targetPlan('cuda', 'bf16'), ...options });
  expect(verifyPlan(plan, 64)).toEqual([]);
  const all = plan.gradients ?? program;
  const inputs = inputsOf(all, sizes.batch, sizes.tokens, given) as Inputs;
  const expected = interpretRounded(all, sizes, inputs, plan.narrow);
  const exact = interpret(all, sizes, inputs);
  const run = { order: 'random', subgroup: 32, ...(profile ? { profile } : {}) } as const;
  const actual = runPlan(plan, wholeSizes(sizes.batch, sizes.tokens), inputs, run);
  const returned = [...all.results].filter(
    ([name, tensor]) => name.startsWith('d_') || (options.outputs?.includes(name) && tensor.type === 'real'),
  );
  const byName = (error: (name: string, tensor: string) => number): Record<string, number> =>
    Object.fromEntries(returned.map(([name, tensor]) => [name, error(name, tensor.name)]));
  const got = (name: string, tensor: string): ArrayLike<number> => (actual.get(name) ?? actual.get(tensor))!;
  return {
    plan,
    errors: byName((name, tensor) => worstError(got(name, tensor), expected.get(tensor) ?? inputs[tensor]!)),
    rounding: byName((_, tensor) => worstError(expected.get(tensor) ?? inputs[tensor]!, exact.get(tensor)!)),
    of(name) {
      const tensor = all.results.get(name)!.name;
      return { got: got(name, tensor), expected: expected.get(tensor)! };
    },
  };
}

const worst = (errors: Readonly<Record<string, number>>): number => Math.max(0, ...Object.values(errors));

const names = readdirSync(join(root, 'examples'))
  .filter((file) => file.endsWith('.pe'))
  .map((file) => file.replace('.pe', ''));

const geometry: Geometry = { heads: 4, kv_heads: 2, head_dim: 8, model_dim: 12, context: 9, layers: 1, layer: 0 };

/** Those that are tried without matrix products too. */
const loops = ['rope', 'carope', 'comrope_ap', 'alibi', 'sinusoidal'];

const encodings = (name: string): Program[] => {
  const params = name.startsWith('comrope') && !name.endsWith('1d') ? { block: 4 } : {};
  const { attend, embed } = loadFile(`examples/${name}.pe`, { geometry, params }).lowered!;
  return embed === null ? [attend] : [attend, embed];
};

const optionsOf = (program: Program): Partial<PlanOptions> => ({
  outputs: program.results.has('output') ? ['output', 'query_encoded', 'key_encoded'] : ['embedding_encoded'],
  gradients: program.inputs
    .filter(({ type, origin }) => type === 'real' && !(origin.kind === 'given' && origin.given === 'user'))
    .map(({ name }) => name),
});

describe.each(names)('%s', (name) => {
  const choices: readonly (readonly [string, Partial<PlanOptions>, Profile])[] = [
    ['as for CUDA', {}, 'subgroups'],
    ['loops, no library', { contract: 'never', library: false, chunk: 4, access: 4 }, 'software'],
  ];
  it.each(loops.includes(name) ? choices : choices.slice(0, 1))('%s', (_, choice, profile) => {
    for (const program of encodings(name)) {
      const { errors, rounding } = runBf16(program, { ...optionsOf(program), ...choice }, {}, profile);
      expect(worst(errors), JSON.stringify(errors)).toBeLessThanOrEqual(bf16Tolerance);
      const { output, query_encoded, key_encoded } = rounding;
      expect(Math.max(output ?? 0, query_encoded ?? 0, key_encoded ?? 0)).toBeLessThanOrEqual(bf16Tolerance);
    }
  });
});

it('phases are as exact as without bf16: rounding the streams is all that moves what is turned', () => {
  const [program] = encodings('carope') as [Program];
  const options = { ...optionsOf(program), outputs: ['output', 'phase'], gradients: [] };
  const { errors, plan } = runBf16(program, options);
  expect([...plan.narrow].map(({ name }) => name)).toContain('query_encoded');
  expect(errors['phase']).toBeLessThan(1e-6);
});

it('a weight of attention is rounded once', () => {
  const [program] = encodings('nope') as [Program];
  const { of } = runBf16(program, { outputs: ['attention', 'output'], gradients: [] });
  const { got, expected } = of('attention');
  const relative = expected.map((weight, n) => (weight === 0 ? Math.abs(got[n]!) : Math.abs(got[n]! / weight - 1)));
  expect(Math.max(...relative)).toBeLessThanOrEqual(2 ** -8 * (1 + 1e-3));
});

describe('GPT-2', () => {
  const configuration = configure({ layers: 1, heads: 2, kv_heads: 1, width: 12 });
  const sizes = { width: 12, heads: 2, kv_heads: 1, head_dim: 6, vocabulary: 7 };
  const choice = { gradientOfX: true, precision: 'bf16' } as const;
  const programs = operationPrograms(sizes, layOut(configuration, sizes.vocabulary, []), choice);
  it.each(['project', 'mix', 'mlp', 'head'] as const)('%s', (name) => {
    const [program, options] = programs[name];
    for (const library of [true, false]) {
      const { errors, plan } = runBf16(program, { ...options, library });
      expect(worst(errors), JSON.stringify(errors)).toBeLessThanOrEqual(bf16Tolerance);
      const learned = [...plan.gradients!.results.values()].filter(({ axes }) => axes[0]?.extent !== 'batch');
      expect(learned.filter((tensor) => plan.narrow.has(tensor))).toEqual([]);
    }
  });
});
