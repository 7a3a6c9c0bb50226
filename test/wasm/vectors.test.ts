// PyTorch's vectors on the CPU, through the module that users get: every output and gradient within 2e-5 of the tensor's
// largest magnitude, with both sides of every threshold forced, and the same bits with any number of threads.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Program } from '../../src/ir/ir.ts';
import { deviceRunner } from '../../src/verify/device-runner.ts';
import { geometryOf, verify, type Runner } from '../../src/verify/run.ts';
import type { Device } from '../../targets/device.ts';
import { loadFile } from '../lower/load.ts';
import { compiledCases, pathOf, referenceCases, vectors, type VectorCase } from '../verify/cases.ts';
import { openTestCpu } from './open.ts';

const counts = [2, 1, 7];
let devices: readonly Device[];
beforeAll(async () => {
  devices = await Promise.all(counts.map((threads) => openTestCpu({ threads })));
});
afterAll(() => Promise.all(devices.map((device) => device.close())));

type Forced = Partial<PlanOptions> | ((program: Program) => Partial<PlanOptions>);

async function run([name, program, params]: VectorCase, forced: Forced, runnerOf = onOne) {
  const made = vectors(name);
  const { lowered } = loadFile(pathOf(program), { geometry: geometryOf(made.sizes), params });
  const plan = typeof forced === 'function' ? forced(lowered!.attend) : forced;
  const { rows, problems, passed } = await verify(lowered!.attend, made, runnerOf(plan), 2e-5);
  expect(problems).toEqual([]);
  expect(rows.filter((row) => row.error === null)).toEqual([]);
  expect(rows.filter((row) => !row.passed)).toEqual([]);
  return passed;
}

const onOne = (plan: Partial<PlanOptions>): Runner => deviceRunner(devices[0]!, { plan });

/** On every device, with the bits compared. */
const onAll =
  (plan: Partial<PlanOptions>): Runner =>
  async (task) => {
    const [first, ...others] = await Promise.all(devices.map((device) => deviceRunner(device, { plan })(task)));
    expect([...first!.outputs.values()].some((values) => Array.from(values).some((value) => value !== 0))).toBe(true);
    for (const other of others) {
      expect(other.outputs).toEqual(first!.outputs);
      expect(other.gradients).toEqual(first!.gradients);
    }
    return first!;
  };

const names = (program: Program): string[] => program.definitions.map(({ tensor }) => tensor.name);

const forced: readonly (readonly [string, Forced])[] = [
  ['as planned', {}],
  ['matrix products always, chunks of 4', { contract: 'always', chunk: 4 }],
  ['matrix products never, chunks of 4', { contract: 'never', chunk: 4 }],
  ['scores whole, every definition a buffer', (program) => ({ blockwise: false, root: names(program) })],
  ['everything inlined that may be', (program) => ({ inline: names(program) })],
];

describe.each(forced)('vectors on the CPU, %s', (_, plan) => {
  it.each(compiledCases)('%s', async (...vector) => {
    expect(await run(vector as VectorCase, plan)).toBe(true);
  });
});

describe('vectors beyond the examples', () => {
  it.each(referenceCases.slice(compiledCases.length))('%s', async (...vector) => {
    expect(await run(vector as VectorCase, {})).toBe(true);
  });
});

describe(`the same bits with ${counts.join(', ')} threads`, () => {
  const some = ['rope_split', 'carope', 'comrope_ld', 'fox'];
  it.each(referenceCases.filter(([name]) => some.includes(name)))('%s', async (...vector) => {
    expect(await run(vector as VectorCase, {}, onAll)).toBe(true);
  });
});
