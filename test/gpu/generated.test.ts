// Generated encodings on WebGPU.

import { expect, it } from 'vitest';
import { agreeOn, encodingsAsked } from '../fuzz/devices.ts';
import { openTestDevice } from './swiftshader.ts';

it('generated encodings', async () => {
  const device = await openTestDevice();
  try {
    expect(await agreeOn(device)).toBeGreaterThanOrEqual(encodingsAsked);
  } finally {
    await device.close();
  }
});
