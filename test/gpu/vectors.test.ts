// PyTorch's vectors on WebGPU, through the module that users get: every output and gradient within 2e-5 of the tensor's
// largest magnitude, with both sides of every threshold forced.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Program } from '../../src/ir/ir.ts';
import { deviceRunner } from '../../src/verify/device-runner.ts';
import { geometryOf, verify } from '../../src/verify/run.ts';
import type { Device } from '../../targets/device.ts';
import { loadFile } from '../lower/load.ts';
import { compiledCases, pathOf, referenceCases, vectors, type VectorCase } from '../verify/cases.ts';
import { openTestDevice } from './swiftshader.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device?.close());

type Forced = Partial<PlanOptions> | ((program: Program) => Partial<PlanOptions>);

async function run([name, program, params]: VectorCase, forced: Forced) {
  const made = vectors(name);
  const { lowered } = loadFile(pathOf(program), { geometry: geometryOf(made.sizes), params });
  const plan = typeof forced === 'function' ? forced(lowered!.attend) : forced;
  const { rows, problems, passed } = await verify(lowered!.attend, made, deviceRunner(device, { plan }), 2e-5);
  expect(problems).toEqual([]);
  expect(rows.filter((row) => row.error === null)).toEqual([]);
  return { rows, passed };
}

const names = (program: Program): string[] => program.definitions.map(({ tensor }) => tensor.name);

const forced: readonly (readonly [string, Forced])[] = [
  ['as planned', {}],
  ['matrix products always, chunks of 4', { contract: 'always', chunk: 4 }],
  ['matrix products never, chunks of 4', { contract: 'never', chunk: 4 }],
  ['rows by workgroups, every definition a buffer', (program) => ({ rows: 'workgroup', root: names(program) })],
  ['rows by subgroups, everything inlined that may be', (program) => ({ rows: 'subgroup', inline: names(program) })],
];

describe.each(forced)('vectors on WebGPU, %s', (_, plan) => {
  it.each(compiledCases)('%s', async (...vector) => {
    const { rows, passed } = await run(vector as VectorCase, plan);
    expect(rows.filter((row) => !row.passed)).toEqual([]);
    expect(passed).toBe(true);
  });
});

describe('vectors beyond the examples', () => {
  it.each(referenceCases.slice(compiledCases.length))('%s', async (...vector) => {
    const { rows } = await run(vector as VectorCase, {});
    expect(rows.filter((row) => !row.passed)).toEqual([]);
  });
});
