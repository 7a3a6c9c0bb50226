// What every device does alike: a function that opens one comes in, a suite of tests goes out. Kernels are compiled from
// programs for the device's language; what needs a language's own text, or a driver's faults, is tested beside the device.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deviceRunner } from '../../src/verify/device-runner.ts';
import { makeEncodingCase, verifyEncoding } from '../../src/verify/embedding.ts';
import type { Device, Language } from '../../targets/device.ts';
import { loadText, root, small } from '../lower/load.ts';
import { failure, openFixture } from './fixture.ts';
import { describeKernels } from './kernels.ts';
import { describeLists } from './lists.ts';
import { describeMemory } from './memory.ts';

export interface DeviceSuite {
  readonly open: () => Promise<Device>;
  /** The device is not to be had here. */
  readonly skip?: boolean;
  readonly name: Device['name'];
  readonly language: Language;
}

export function describeDevice(title: string, { open, skip = false, name, language }: DeviceSuite): void {
  describe.skipIf(skip)(title, () => {
    const at = openFixture(open);

    it('says what it is', () => {
      const { device } = at;
      expect([device.name, device.language]).toEqual([name, language]);
      expect(device.description).not.toBe('');
      expect(['software', 'portable', 'subgroups']).toContain(device.profile);
      expect(device.maxBufferBytes).toBeGreaterThanOrEqual(2 ** 27);
    });

    describeMemory(at);
    describeLists(at);
    describeKernels(at);

    it.each(['rope', 'learned_absolute', 'carope'])('%s on it is what the interpreter says', async (encoding) => {
      const geometry = { ...small, heads: 2, kv_heads: 2, head_dim: 8, model_dim: 16, context: 8 };
      const path = `examples/${encoding}.pe`;
      const { checked, lowered } = loadText(readFileSync(join(root, path), 'utf8'), path, { geometry });
      const vectors = await makeEncodingCase(checked!, lowered!, { batch: 2, tokens: 11, seed: 4 });
      const { rows, problems, passed } = await verifyEncoding(lowered!, vectors, deviceRunner(at.device), 2e-5);
      expect(problems).toEqual([]);
      expect(rows.filter((row) => !row.passed)).toEqual([]);
      expect(passed).toBe(true);
    });

    it('says so when it has been closed', async () => {
      const closed = await open();
      const buffer = closed.allocate(16, 'small');
      await closed.close();
      await closed.close();
      const error = await failure(closed.read(buffer, 0, 4));
      expect([error.kind, error.message]).toEqual(['lost', 'the device has been closed']);
      expect(() => closed.write(buffer, 0, new Float32Array(1))).toThrow(/has been closed/);
    });
  });
}
