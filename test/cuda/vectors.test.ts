// PyTorch's vectors on emulated CUDA, through the module that users get, with both sides of every threshold forced: float32
// within 2e-5 of the tensor's largest magnitude, bf16 within two of its roundings, of plain float64 where only the borders
// are bf16; each in several orders of blocks and threads, with the same bits. Needs g++.

import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Program } from '../../src/ir/ir.ts';
import { deviceRunner } from '../../src/verify/device-runner.ts';
import { bf16Tolerance, geometryOf, verify, type Runner } from '../../src/verify/run.ts';
import { openCuda, type CudaDevice } from '../../targets/cuda/device/index.ts';
import { loadFile } from '../lower/load.ts';
import { compiledCases, pathOf, referenceCases, vectors, type VectorCase } from '../verify/cases.ts';
import { compiler } from './emulated.ts';
import { inAllOrders, type InAllOrders } from './orders.ts';

let device: CudaDevice;
let ordered: InAllOrders;
beforeAll(async () => {
  if (compiler === null) return;
  process.env['CXXFLAGS'] = '-O0'; // compiling takes longer than what runs
  device = await openCuda({ emulate: true });
  ordered = inAllOrders(device);
});
afterAll(() => device?.close());

type Forced = Partial<PlanOptions> | ((program: Program) => Partial<PlanOptions>);

async function run(
  [name, program, params]: VectorCase,
  forced: Forced,
  precision: 'f32' | 'bf16' = 'f32',
  on: InAllOrders = ordered,
) {
  const made = vectors(name);
  const { lowered } = loadFile(pathOf(program), { geometry: geometryOf(made.sizes), params });
  const plan = typeof forced === 'function' ? forced(lowered!.attend) : forced;
  const tolerance = precision === 'bf16' ? bf16Tolerance : 2e-5;
  const runner = deviceRunner(on, { plan, precision });
  const held = plan.inside === 'f32' ? asPlain(runner) : runner;
  const { rows, problems, passed } = await verify(lowered!.attend, made, held, tolerance);
  expect(await on.differences()).toEqual([]);
  expect(problems).toEqual([]);
  expect(rows.filter((row) => row.error === null)).toEqual([]);
  expect(rows.filter((row) => !row.passed)).toEqual([]);
  return passed;
}

/** Held against the vectors' own numbers, of which nothing is rounded, not even the inputs. */
const asPlain =
  (runner: Runner): Runner =>
  async (task) => {
    const { outputs, gradients, kept } = await runner(task);
    expect(kept!.narrow.size).toBeGreaterThan(6);
    return { outputs, gradients };
  };

const names = (program: Program): string[] => program.definitions.map(({ tensor }) => tensor.name);

const forced: readonly (readonly [string, Forced])[] = [
  ['as planned', {}],
  ['matrix products always, chunks of 4', { contract: 'always', chunk: 4 }],
  ['matrix products never, chunks of 4, elements one by one', { contract: 'never', chunk: 4, access: 4, lanes: 64 }],
  ['rows by workgroups, every definition a buffer', (program) => ({ rows: 'workgroup', root: names(program) })],
  ['rows by subgroups, everything inlined that may be', (program) => ({ rows: 'subgroup', inline: names(program) })],
];

describe.skipIf(compiler === null).each(forced)('vectors on emulated CUDA, %s', (_, plan) => {
  it.each(compiledCases)('%s', async (...vector) => {
    expect(await run(vector as VectorCase, plan)).toBe(true);
  });
});

describe.skipIf(compiler === null)('vectors beyond the examples', () => {
  it.each(referenceCases.slice(compiledCases.length))('%s', async (...vector) => {
    await run(vector as VectorCase, {});
  });
});

describe.skipIf(compiler === null)('vectors in bf16', () => {
  it.each(referenceCases)('%s', async (...vector) => {
    await run(vector as VectorCase, {}, 'bf16');
  });
  it.each(referenceCases)('%s, only at the borders: within two roundings of float64', async (...vector) => {
    await run(vector as VectorCase, { inside: 'f32' }, 'bf16');
  });
});

// As a GPU rounds: once for a product and a sum.
const fused = existsSync('/proc/cpuinfo') && / fma /.test(readFileSync('/proc/cpuinfo', 'utf8'));

describe.skipIf(compiler === null || !fused)('vectors with products and sums in one operation', () => {
  const some = compiledCases.filter(([name]) => ['rope_split', 'carope', 'comrope_ld'].includes(name));
  it.each(some)('%s', async (...vector) => {
    process.env['CXXFLAGS'] = '-O1 -mfma -ffp-contract=fast';
    const own = await openCuda({ emulate: true });
    expect(await run(vector as VectorCase, {}, 'f32', inAllOrders(own))).toBe(true);
    await own.close();
  });
});
