// GPT-2's steps with its matrix products done by the library (a mock of cuBLASLt), in float32 and bf16: the losses are
// PyTorch's, and every product that kernels describe went there. Needs g++.

import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { createLoader } from '../../src/load-module.ts';
import { assemble } from '../../src/trainer/assemble.ts';
import { compileEncoding, programCompiler } from '../../src/trainer/compile-encoding.ts';
import { openTrainer } from '../../src/trainer/session.ts';
import type { CudaRecorded } from '../../targets/cuda/device/record.ts';
import type { Recorded } from '../../targets/device.ts';
import { fixtureWeights, readFixture } from '../trainer/fixture.ts';
import { emulates, openTestDevice } from './device-fixture.ts';

describe.skipIf(!emulates)('a training step with a library', () => {
  it.each([
    ['f32', 1e-3],
    ['bf16', 2e-2],
  ] as const)('in %s', async (precision, room) => {
    const opened = await openTestDevice({ library: true });
    const records: CudaRecorded[] = [];
    const device = {
      ...opened,
      async record(...args: Parameters<typeof opened.record>): Promise<Recorded> {
        const recorded = await opened.record(...args);
        records.push(recorded as CudaRecorded);
        return recorded;
      },
    };
    try {
      const fixture = await readFixture('rope');
      const load = createLoader();
      const configuration = { ...fixture.configuration, precision };
      const text = await readFile(new URL('../../examples/rope.pe', import.meta.url), 'utf8');
      const rope = { source: { path: 'rope.pe', text }, encoding: null, params: {} };
      const { encoding } = await compileEncoding(rope, configuration, load, {}, 'cuda');
      const compile = programCompiler(load, {}, { target: 'cuda', precision });
      const { model } = await assemble(device, encoding!, configuration, fixture.vocabulary, compile);
      model.store.write('weight', fixtureWeights(fixture));
      const trainer = await openTrainer(device, model, configuration);
      for (let step = 1; step <= 3; step += 1) {
        trainer.step(() => fixture, step);
        expect(Math.abs((await trainer.read(1)).loss - fixture.losses[step - 1]!)).toBeLessThan(room);
      }
      const commands = records.flatMap((each) => each.commands);
      const products = commands.filter(({ kind }) => kind === 'product');
      const own = commands.filter((each) => each.kind === 'launch' && each.kernel.product !== null);
      expect(products.length).toBeGreaterThan(20);
      expect(own).toEqual([]);
      expect(records.map(({ graph }) => graph.kind)).toContain('graph');
    } finally {
      await opened.close();
    }
  });
});
