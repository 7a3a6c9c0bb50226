// Files of the catalogue as WGSL on a device, forward and backward, against the float64 interpreter. A few by default,
// every one with PEGEN_CATALOGUE=all.

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Device } from '../../targets/device.ts';
import { forSlowDevices, partsOfEntry } from '../catalogue/parts.ts';
import { errorsOf, prepareProgram } from '../device/run-program.ts';
import { differentiated } from '../kernels/differentiated.ts';
import { openTestDevice } from './swiftshader.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device?.close());

it.each(forSlowDevices)('%s', async (_, entry) => {
  for (const [program, output] of partsOfEntry(entry)) {
    const run = { program, options: differentiated(program, output), precision: 'f32', batch: 2, tokens: 6 } as const;
    const errors = await errorsOf(device, await prepareProgram(device, run));
    expect(Object.keys(errors).length).toBeGreaterThan(0);
    expect(Object.entries(errors).filter(([, error]) => !(error <= 5e-5))).toEqual([]);
  }
});
