// Every kernel that pegen emits for CUDA, run on this CPU: the examples' encodings with fewer key heads than heads and the
// trainer's operations, forward and backward, float32 and bf16, against the float64 interpreter, in several orders of
// blocks and threads with the same bits. Needs g++.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configure } from '../../src/trainer/configuration.ts';
import { operationPrograms } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { segmentsOf } from '../../src/trainer/segments.ts';
import { bf16Tolerance } from '../../src/verify/run.ts';
import { openCuda, type CudaDevice } from '../../targets/cuda/device/index.ts';
import { differentiated } from '../kernels/differentiated.ts';
import { randomValues } from '../kernels/check-plan.ts';
import { loadFile, root } from '../lower/load.ts';
import { compiler } from './emulated.ts';
import { inAllOrders, type InAllOrders } from './orders.ts';
import { errorsOf, prepareProgram, type ProgramRun } from '../device/run-program.ts';

let device: CudaDevice;
let ordered: InAllOrders;
beforeAll(async () => {
  if (compiler === null) return;
  process.env['CXXFLAGS'] = '-O0'; // compiling takes longer than what runs
  device = await openCuda({ emulate: true });
  ordered = inAllOrders(device);
});
afterAll(() => device?.close());

async function check(run: ProgramRun): Promise<void> {
  const errors = await errorsOf(ordered, await prepareProgram(ordered, run));
  expect(await ordered.differences()).toEqual([]);
  expect(Object.keys(errors).length).toBeGreaterThan(0);
  const allowed = run.precision === 'bf16' ? bf16Tolerance : 2e-5;
  expect(Object.entries(errors).filter(([, error]) => !(error <= allowed))).toEqual([]);
}

const geometry = { heads: 4, kv_heads: 2, head_dim: 8, model_dim: 24, context: 16, layers: 2, layer: 1 };
const examples = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.pe'));

describe.skipIf(compiler === null).each(['f32', 'bf16'] as const)('examples in %s', (precision) => {
  it.each(examples)('%s', async (name) => {
    const { lowered } = loadFile(`examples/${name}`, { geometry });
    const { attend, embed } = lowered!;
    await check({ program: attend, options: differentiated(attend, 'output'), precision, batch: 2, tokens: 9 });
    if (embed === null) return;
    await check({
      program: embed,
      options: differentiated(embed, 'embedding_encoded'),
      precision,
      batch: 2,
      tokens: 9,
    });
  });
});

const vocabulary = 5;
const sizes = { width: 12, heads: 2, kv_heads: 1, head_dim: 6, vocabulary };
const tokens = Int32Array.of(3, 0, 4, 3, 3, 1);

/** The optimizer is given second moments and corrections that are positive, the embedding sorted tokens. */
function special(name: string, rows: { readonly decayed: number; readonly plain: number }) {
  if (name.startsWith('update')) {
    const scalars = Float32Array.of(0.01, 0.1, 0.9, 0.95, 0.1, 0.05, 1e-8);
    const elements = name === 'updateDecayed' ? rows.decayed : rows.plain;
    return { scalars, clip: [0.5], second: randomValues(elements, 5).map((value) => 0.1 + value ** 2) };
  }
  if (name === 'embed') {
    const { order, start } = segmentsOf(tokens, vocabulary);
    return { tokens, tokens_order: order, tokens_start: start };
  }
  return name === 'clip' ? { decayed_squares: [2], plain_squares: [0.5], limit: [1] } : {};
}

describe.skipIf(compiler === null).each(['f32', 'bf16'] as const)("the trainer's operations in %s", (precision) => {
  const layout = layOut(configure({ layers: 1, heads: 2, kv_heads: 1, width: 12 }), vocabulary, []);
  const programs = operationPrograms(sizes, layout, { gradientOfX: true, precision });
  it.each(Object.entries(programs))('%s', async (name, [program, options]) => {
    await check({ program, options, precision, batch: 2, tokens: 3, inputs: special(name, layout.size) });
  });
});
