// Generated encodings on the CPU device, with threads.

import { expect, it } from 'vitest';
import { agreeOn, encodingsAsked } from '../fuzz/devices.ts';
import { openTestCpu } from './open.ts';

it('generated encodings', async () => {
  const device = await openTestCpu();
  try {
    expect(await agreeOn(device)).toBeGreaterThanOrEqual(encodingsAsked);
  } finally {
    await device.close();
  }
});
