// A test of the tests: kernels that pegen emits lose one barrier, and running them in several orders of threads must show
// it, for each of their barriers; with all of them every order gives the same bits. Needs g++.

import { describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { loadModule } from '../../src/load-module.ts';
import { openCuda } from '../../targets/cuda/device/index.ts';
import { loadFile } from '../lower/load.ts';
import { compiler } from './emulated.ts';
import { inAllOrders } from './orders.ts';
import { errorsOf, prepareProgram, type Prepared } from '../device/run-program.ts';

const barrier = '__syncthreads();';
// Sizes at which every barrier is needed: several rounds of a product, more keys than lanes.
const geometry = { heads: 2, kv_heads: 1, head_dim: 48, model_dim: 96, context: 64, layers: 1, layer: 0 };

/** What shows of a module: results far from the interpreter's, orders that differ, a fault. */
async function shown(prepared: Prepared | null, plan: Partial<PlanOptions>, text: string | null) {
  const device = await openCuda({ emulate: true });
  try {
    const ordered = inAllOrders(device);
    const made = prepared ?? (await prepareProgram(ordered, taskOf(plan)));
    const errors = await errorsOf(ordered, made, text ?? made.module);
    const differences = await ordered.differences();
    const wrong = Object.entries(errors).filter(([, error]) => !(error <= 2e-5));
    return { prepared: made, found: [...differences, ...wrong.map(([name, error]) => `${name}: ${error}`)] };
  } catch (error) {
    if (prepared === null) throw error;
    return { prepared, found: [String(error)] };
  } finally {
    await device.close();
  }
}

const taskOf = (plan: Partial<PlanOptions>) => ({
  program: loadFile('examples/rope.pe', { geometry }).lowered!.attend,
  options: plan,
  precision: 'f32' as const,
  batch: 1,
  tokens: 70,
});

/** The module with one kernel's barriers taken away, one after the other. */
function withoutBarrier(module: string, code: string): readonly string[] {
  const parts = code.split(barrier);
  return parts.slice(1).map((_, at) => {
    const left = parts.map((part, index) => (index === 0 ? part : (index === at + 1 ? ';' : barrier) + part)).join('');
    return module.replace(code, () => left);
  });
}

describe.skipIf(compiler === null)('a barrier that is missing shows', () => {
  it.each([
    ['a matrix product in shared memory', 'query_key', { contract: 'always' }],
    ['a softmax by warps', 'attention', { rows: 'subgroup', lanes: 64 }],
    [
      'a gradient of the softmax by workgroups',
      'd_attention_logit',
      { rows: 'workgroup', lanes: 64, gradients: ['query'], seeds: ['output'] },
    ],
  ] as const)('%s', async (_, wanted, plan) => {
    process.env['CXXFLAGS'] = '-O0'; // compiling takes longer than what runs
    const { prepared, found } = await shown(null, plan, null);
    expect(found).toEqual([]);
    const { kernels } = await loadModule(prepared.module);
    const code = Object.values(kernels).find(({ name }) => name.endsWith(wanted))!.variants[0]!.code;
    expect(prepared.module).toContain(code);
    const broken = withoutBarrier(prepared.module, code);
    expect(broken.length).toBeGreaterThan(0);
    for (const [at, text] of broken.entries()) {
      const { found: told } = await shown(prepared, plan, text);
      expect(told, `barrier ${at + 1} of ${broken.length} in ${wanted}`).not.toEqual([]);
    }
  });
});
