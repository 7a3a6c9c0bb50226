// verify in bf16: the vectors through plans that keep tensors as bf16, everywhere or only at the borders, run in the
// simulator; what the comparison sees, and that it sees mistakes; the interpreter with roundings, by hand.

import { describe, expect, it } from 'vitest';
import { roundToBf16 } from '../../codegen/bf16.ts';
import { at, axis, call, defined, given, map, program, read, real, reduce } from '../../src/ir/build.ts';
import type { Program } from '../../src/ir/ir.ts';
import { targetPlan } from '../../src/options.ts';
import { interpretRounded } from '../../src/verify/rounded.ts';
import { bf16Tolerance, geometryOf, verify, type Ran, type Runner } from '../../src/verify/run.ts';
import { loadFile, loadText } from '../lower/load.ts';
import { simulatorRunner } from '../kernels/simulator-runner.ts';
import { pathOf, referenceCases, vectors, type VectorCase } from './cases.ts';

const unit = 2 ** -8;
const subgroups = { profile: 'subgroups', subgroup: 32 } as const;
const bf16 = simulatorRunner(targetPlan('cuda', 'bf16'), subgroups);
const borders = simulatorRunner({ ...targetPlan('cuda', 'bf16'), inside: 'f32' }, subgroups);

const attendOf = ([name, program, params]: VectorCase): Program =>
  loadFile(pathOf(program), { geometry: geometryOf(vectors(name).sizes), params }).lowered!.attend;

/** A runner that runs once. */
function kept(runner: Runner): Runner {
  let ran: Promise<Ran> | null = null;
  return (task) => (ran ??= runner(task));
}

/** Held against the case's own numbers, of which nothing is rounded. */
const asPlain =
  (runner: Runner): Runner =>
  async (task) => {
    const { outputs, gradients } = await runner(task);
    return { outputs, gradients };
  };

describe('PyTorch vectors in bf16', () => {
  it.each(referenceCases)('%s', async (...vector) => {
    const made = vectors(vector[0]);
    const { rows, problems, passed } = await verify(attendOf(vector as VectorCase), made, bf16, bf16Tolerance);
    expect(problems).toEqual([]);
    expect(rows.filter((row) => row.error === null)).toEqual([]);
    expect(passed).toBe(true);
    for (const { tensor, kind, error, rounding } of rows) {
      // What is f32 has no rounding of its own; nothing is moved far by those of the others.
      const isLearned = made.learned[tensor] !== undefined;
      if (kind === 'gradient' && isLearned) expect(error, tensor).toBeLessThan(unit / 8);
      else expect(error, tensor).toBeLessThanOrEqual(unit);
      expect(rounding, tensor).toBeGreaterThanOrEqual(0);
      expect(rounding, tensor).toBeLessThan((kind === 'gradient' ? 4 : 2) * unit);
    }
  });
});

describe('PyTorch vectors with bf16 only at the borders', () => {
  it.each(referenceCases)('%s', async (...vector) => {
    const [attend, made] = [attendOf(vector as VectorCase), vectors(vector[0])];
    const ran = kept(borders);
    const { rows, problems, passed } = await verify(attend, made, ran, bf16Tolerance);
    expect([problems, passed]).toEqual([[], true]);
    for (const { tensor, kind, error, rounding } of rows) {
      expect(rounding, tensor).toBeLessThan(2 * unit); // by the inputs
      // One rounding, its own; what is f32 has none, be it that the program goes on with it.
      const isBf16 = tensor === 'output' || (kind === 'gradient' && made.inputs[tensor] !== undefined);
      expect(error, tensor).toBeLessThan(isBf16 ? 1.001 * unit : 1e-5);
      if (isBf16) expect(error, tensor).toBeGreaterThan(unit / 16);
    }
    const plain = await verify(attend, made, asPlain(ran), bf16Tolerance);
    expect(plain.rows.filter((row) => !row.passed)).toEqual([]);
  });

  it('whereas storage between the borders moves gradients past two roundings of plain float64', async () => {
    const past = async (vector: VectorCase, runner: Runner): Promise<readonly string[]> => {
      const { rows } = await verify(attendOf(vector), vectors(vector[0]), runner, bf16Tolerance);
      return rows.filter((row) => !row.passed).map(({ tensor }) => tensor);
    };
    const carope: VectorCase = ['carope', 'carope', {}];
    expect(await past(carope, asPlain(bf16))).toEqual(['x', 'W']);
    expect(await past(['comrope_ld_1d', 'comrope_ld_1d', {}], asPlain(bf16))).toContain('theta');
    // A plan that says it has nothing between its borders is not forgiven what it stores there.
    const claims: Runner = async (task) => {
      const ran = await bf16(task);
      return { ...ran, kept: { ...ran.kept!, inside: 'f32' } };
    };
    expect(await past(carope, claims)).toContain('W');
  });
});

const largest = (values: ArrayLike<number>): number => Math.max(...Array.from(values, Math.abs));

describe('what it sees', () => {
  const vector: VectorCase = ['carope', 'carope', {}];
  const made = vectors('carope');

  /** Changes one number of what a runner returns. */
  const changed =
    (change: (ran: Ran) => void): Runner =>
    async (task) => {
      const ran = await bf16(task);
      change(ran);
      return ran;
    };
  const run = (runner: Runner) => verify(attendOf(vector), made, runner, bf16Tolerance);

  it.each([
    ['output', (ran: Ran) => ran.outputs.get('output')!],
    ['W', (ran: Ran) => ran.gradients.get('W')!],
  ])('%s moved by four roundings', async (name, of) => {
    const { rows, passed } = await run(
      changed((ran) => {
        const data = of(ran) as Float32Array;
        data[0]! += 4 * unit * largest(data);
      }),
    );
    expect(passed).toBe(false);
    expect(rows.filter((row) => !row.passed).map((row) => row.tensor)).toEqual([name]);
  });

  it('a case that is wrong, though the runner is right', async () => {
    const wrong = {
      ...made.outputs['output']!,
      data: Float64Array.from(made.outputs['output']!.data, (x) => x * 1.01),
    };
    const { rows } = await verify(
      attendOf(vector),
      { ...made, outputs: { ...made.outputs, output: wrong } },
      bf16,
      bf16Tolerance,
    );
    expect(rows.find((row) => row.tensor === 'output')!.passed).toBe(false);
  });

  it('another encoding', async () => {
    const text =
      'encoding carope {\n  learn W[m: model, h: kv_head] ~ normal(0, 0.02)\n  rotate query, key [t, h, p] by position[t] * sum[m: model](x[t, m] * W[m, h])\n}\n';
    const { lowered } = loadText(text, 'other.pe', { geometry: geometryOf(made.sizes) });
    const { passed } = await verify(lowered!.attend, made, bf16, bf16Tolerance);
    expect(passed).toBe(false);
  });

  it('f32 plans have nothing rounded', async () => {
    const { rows, passed } = await verify(attendOf(vector), made, simulatorRunner(targetPlan('cuda', 'f32')), 2e-5);
    expect(passed).toBe(true);
    expect(rows.every((row) => row.rounding === 0)).toBe(true);
  });
});

describe('the interpreter with roundings', () => {
  const [b, n] = [axis('b', 'batch', 'batch'), axis('n', 3, 'feature')];
  const x = given('x', [b, n], 'operand');
  const square = defined('square', [b, n]);
  const total = defined('total', [b]);
  const squares = map(square, call('multiply', read(x, [at(b), at(n)]), read(x, [at(b), at(n)])));
  const sum = reduce('sum', total, [n], read(square, [at(b), at(n)]));
  const made = program({
    name: 'squares',
    inputs: [x],
    definitions: [squares, sum, map(defined('twice', [b]), call('multiply', real(2), read(total, [at(b)])))],
    results: { total },
  });
  const inputs = { x: [1.001, 0.3, -7.77] };
  const run = (...narrow: (typeof x)[]) => interpretRounded(made, { batch: 1, tokens: 1 }, inputs, new Set(narrow));

  it('is the interpreter where nothing is rounded', () => {
    expect(run().get('total')![0]).toBeCloseTo(
      inputs.x.reduce((all, value) => all + value ** 2, 0),
      14,
    );
  });

  it('reads rounded inputs and rounded intermediate values, and gives what is not yet rounded', () => {
    const rounded = inputs.x.map(roundToBf16);
    expect(Array.from(run(x).get('square')!)).toEqual(rounded.map((value) => value * value));
    const kept = run(x, square);
    expect(Array.from(kept.get('square')!)).toEqual(rounded.map((value) => value * value));
    const squared = rounded.map((value) => roundToBf16(value * value));
    expect(kept.get('total')![0]).toBe(squared.reduce((all, value) => all + value, 0));
    expect(run(total).get('twice')![0]).toBe(2 * roundToBf16(run().get('total')![0]!));
  });
});
