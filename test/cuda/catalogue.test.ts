// Files of the catalogue as CUDA on this CPU, forward and backward, in several orders of blocks and threads, against the float64
// interpreter. A few by default, every one with PEGEN_CATALOGUE=all. Needs g++.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCuda, type CudaDevice } from '../../targets/cuda/device/index.ts';
import { forSlowDevices, partsOfEntry } from '../catalogue/parts.ts';
import { errorsOf, prepareProgram } from '../device/run-program.ts';
import { differentiated } from '../kernels/differentiated.ts';
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

describe.skipIf(compiler === null)('on emulated CUDA', () => {
  it.each(forSlowDevices)('%s', async (_, entry) => {
    for (const [program, output] of partsOfEntry(entry)) {
      const run = { program, options: differentiated(program, output), precision: 'f32', batch: 2, tokens: 6 } as const;
      const errors = await errorsOf(ordered, await prepareProgram(ordered, run));
      expect(await ordered.differences()).toEqual([]);
      expect(Object.keys(errors).length).toBeGreaterThan(0);
      expect(Object.entries(errors).filter(([, error]) => !(error <= 5e-5))).toEqual([]);
    }
  });
});
