// A device's memory: zeros at first, parts written and read in order, what cannot be had, what is freed too early.

import { describe, expect, it } from 'vitest';
import type { Fixture } from './fixture.ts';
import { failure, ones, range, sizes } from './fixture.ts';
import { floats, launch, whole } from './programs.ts';

export function describeMemory(at: Fixture): void {
  describe('memory', () => {
    it('is zero at first, whatever lay there before', async () => {
      for (const label of ['first', 'second']) {
        const buffer = whole(at.device, 1000, label);
        expect(await floats(at.device, buffer)).toEqual(range(1000, () => 0));
        at.device.write(buffer.storage!, 0, new Float32Array(1000).fill(7));
        at.device.free(buffer.storage!);
      }
    });

    it('takes and gives parts, in the order of the calls', async () => {
      const { storage } = whole(at.device, 64, 'x');
      at.device.write(storage!, 0, Float32Array.from(range(64)));
      at.device.write(storage!, 16, Float32Array.of(-1, -2));
      const data = Float32Array.from(range(8)).subarray(2, 4); // a view of something larger
      at.device.write(storage!, 240, data);
      data.fill(0); // it was taken when it was written
      expect([...new Float32Array(await at.device.read(storage!, 8, 20))]).toEqual([2, 3, -1, -2, 6]);
      expect([...new Float32Array(await at.device.read(storage!, 236, 20))]).toEqual([59, 2, 3, 62, 63]);
      expect((await at.device.read(storage!, 64, 0)).byteLength).toBe(0);
    });

    it('moves many megabytes', async () => {
      const elements = 3 * 2 ** 20 + 5;
      const large = whole(at.device, elements, 'large', 'i32');
      const data = Int32Array.from({ length: elements }, (_, n) => n ^ 0x5a5a);
      at.device.write(large.storage!, 0, data);
      const back = new Int32Array(await at.device.read(large.storage!, 0, 4 * elements));
      expect(back.findIndex((value, n) => value !== data[n])).toBe(-1);
      at.device.free(large.storage!);
    });

    it('refuses reads and writes outside a buffer', async () => {
      const buffer = at.device.allocate(16, 'small');
      expect(() => at.device.write(buffer, 8, new Float32Array(3))).toThrow(/small: 12 bytes at 8/);
      await expect(at.device.read(buffer, 0, 20)).rejects.toThrow(/small: 20 bytes/);
      await expect(at.device.read(buffer, 16, 4)).rejects.toThrow(/small: 4 bytes at 16/);
      at.device.free(buffer);
    });

    it('that cannot be had is told with what it was for, and the device works on', async () => {
      const kinds = ['limit', 'out-of-memory'];
      const error = await failure(Promise.resolve().then(() => at.device.allocate(2 ** 50, 'moments')));
      expect(kinds).toContain(error.kind);
      expect(error.message).toMatch(/moments/);
      const [from, to] = [at.input(ones(100)), at.output()];
      const record = at.device.record((tape) => {
        const scores = tape.temporary('scores', 2 ** 48);
        launch(tape, at.twice, { input: from, made: scores });
        launch(tape, at.twice, { input: scores, made: to });
      }, sizes);
      const temporary = await failure(record);
      expect(kinds).toContain(temporary.kind);
      expect(temporary.message).toMatch(/scores/);
      at.device.run(await at.doubling(from, to));
      expect((await floats(at.device, to))[0]).toBe(102);
    });

    it('that is freed while work waits is kept until the work is done', async () => {
      const [from, to] = [at.input(), at.output()];
      const recorded = await at.doubling(from, to);
      at.device.run(recorded);
      at.device.free(from.storage!);
      at.device.free(from.storage!); // at.twice does no harm
      at.device.release(recorded);
      expect((await floats(at.device, to))[0]).toBe(100);
    });
  });
}
