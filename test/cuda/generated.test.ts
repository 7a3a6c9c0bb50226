// Generated encodings as CUDA on this CPU. Needs g++.

import { expect, it } from 'vitest';
import { openCuda } from '../../targets/cuda/device/index.ts';
import { agreeOn, encodingsAsked } from '../fuzz/devices.ts';
import { compiler } from './emulated.ts';

it.skipIf(compiler === null)('generated encodings', async () => {
  process.env['CXXFLAGS'] = '-O0'; // compiling takes longer than what runs
  const device = await openCuda({ emulate: true });
  try {
    expect(await agreeOn(device)).toBeGreaterThanOrEqual(encodingsAsked);
  } finally {
    await device.close();
  }
});
