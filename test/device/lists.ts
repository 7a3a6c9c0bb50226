// Recorded lists of a device: replayed, overlapping, with temporaries, views and other sizes, timed; mistakes in them.

import { describe, expect, it } from 'vitest';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Buffer, Device, Kernel } from '../../targets/device.ts';
import { wholeSequence } from '../../targets/device.ts';
import type { Fixture } from './fixture.ts';
import { ones, range, sizes } from './fixture.ts';
import { backwards, curved, floats, integers, kernelOf, launch, whole } from './programs.ts';

type Four = [Buffer, Buffer, Buffer, Buffer];

export function describeLists(at: Fixture): void {
  describe('a recorded list', () => {
    it('runs again and again, in order with writes and reads', async () => {
      const [from, to] = [at.input(), at.output()];
      const recorded = await at.device.record((tape) => {
        const between = tape.temporary('between', 100);
        launch(tape, at.twice, { input: from, made: between });
        launch(tape, at.thrice, { input: between, made: to });
      }, sizes);
      expect([recorded.launches, recorded.bytes]).toEqual([2, 512]);
      for (const start of [0, 7, 11, -3]) {
        at.device.write(from.storage!, 0, Float32Array.from(range(100, (n) => start + n)));
        at.device.run(recorded);
        at.device.write(from.storage!, 0, new Float32Array(100)); // after the run: it does not see this
        expect(await floats(at.device, to)).toEqual(range(100, (n) => 6 * (start + n) + 400));
      }
      at.device.release(recorded);
    });

    it('gives the same bits each time, and so does another of the same', async () => {
      const kernel = await kernelOf(curved(), at.device.language);
      const data = Float32Array.from(range(1000, (n) => Math.sin(n) * 3));
      const [from, to] = [at.input(data), at.output(1000)];
      const record = () =>
        at.device.record(
          (tape) => {
            tape.clear(to);
            launch(tape, kernel, { input: from, made: to });
            tape.copy(to, from);
          },
          wholeSequence(1, 1000),
        );
      const results: number[][] = [];
      for (const recorded of [await record(), await record()]) {
        for (const _ of [0, 1, 2]) {
          at.device.write(from.storage!, 0, data);
          at.device.run(recorded);
          results.push(await integers(at.device, { ...from, type: 'i32' })); // bits
        }
      }
      for (const result of results) expect(result).toEqual(results[0]);
      const expected = interpret(curved(), { batch: 1, tokens: 1000 }, { input: data }).get('made')!;
      const made = await floats(at.device, from);
      expect(Math.max(...made.map((value, n) => Math.abs(value - expected[n]!)))).toBeLessThan(1e-5);
    });

    it('clears, copies, and takes views and other sizes', async () => {
      const pool = whole(at.device, 256, 'pool');
      const to = at.output(64);
      at.device.write(pool.storage!, 0, ones(256));
      const part = (offset: number): Buffer => ({ ...pool, name: `part ${offset}`, elements: 64, offset });
      const recorded = await at.device.record(
        (tape) => {
          tape.clear(part(64));
          tape.copy(part(128), to);
          const few = tape.temporary('few', 64);
          tape.clear(few);
          launch(tape.at(wholeSequence(1, 3)), at.twice, { input: part(128), made: few }); // three elements only
          tape.copy(few, part(128));
          launch(tape, at.twice, { input: to, made: part(192) });
        },
        wholeSequence(1, 64),
      );
      at.device.run(recorded);
      expect(await floats(at.device, pool)).toEqual([
        ...range(64, () => 1),
        ...range(64, () => 0),
        ...range(64, (n) => (n < 3 ? 5 : 0)),
        ...range(64, () => 66),
      ]);
      expect(await floats(at.device, to)).toEqual(range(64, () => 1));
    });

    it('has as much memory for temporaries as are alive together, and mixes none up', async () => {
      const tokens = 1000; // 4096 bytes each, in memory by 256
      const kernel = await kernelOf(backwards(), at.device.language);
      const [from, to] = [at.input(new Float32Array(tokens)), at.output(tokens)];
      const recorded = await at.device.record(
        (tape) => {
          const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((each) => tape.temporary(each, tokens)) as Four;
          launch(tape, kernel, { input: from, made: a });
          launch(tape, kernel, { input: a, made: b });
          launch(tape, kernel, { input: b, made: c }); // in the place of a
          launch(tape, kernel, { input: c, made: d }); // in that of b
          launch(tape, kernel, { input: d, made: to });
          tape.copy(c, from); // c is alive beside d
        },
        wholeSequence(1, tokens),
      );
      expect([recorded.launches, recorded.bytes]).toEqual([5, 2 * 4096]);
      for (const _ of [0, 1]) {
        at.device.write(from.storage!, 0, Float32Array.from(range(tokens)));
        at.device.run(recorded);
        expect(await floats(at.device, from)).toEqual(range(tokens, (n) => 8 * (tokens - 1 - n)));
        expect(await floats(at.device, to)).toEqual(range(tokens, (n) => 32 * (tokens - 1 - n)));
      }
    });

    it('does not wait for others, and each sees what was enqueued before it', async () => {
      const [x, y, z] = [at.input(ones(100)), at.output(), at.output()];
      const lists = [await at.doubling(x, y), await at.doubling(y, z), await at.doubling(z, x)] as const; // x -> y -> z -> x
      for (const _ of [0, 1]) for (const list of lists) at.device.run(list);
      const first = floats(at.device, x);
      at.device.write(y.storage!, 0, ones(100));
      at.device.run(lists[1]);
      const second = floats(at.device, z);
      at.device.run(lists[0]);
      const after = Array.from({ length: 6 }).reduce<number>((value) => 2 * value + 100, 1);
      expect((await first)[99]).toBe(after);
      expect((await second)[99]).toBe(102);
      expect((await floats(at.device, y))[0]).toBe(2 * after + 100);
      for (const list of lists) at.device.release(list);
    });

    it('reads see what was there when they were asked for', async () => {
      const [from, to] = [at.input(), at.output()];
      const recorded = await at.doubling(from, to);
      at.device.run(recorded);
      const first = floats(at.device, to);
      at.device.write(from.storage!, 0, ones(100));
      at.device.run(recorded);
      const second = floats(at.device, to);
      expect([(await first)[0], (await second)[0]]).toEqual([100, 102]);
    });

    it('does nothing where there is nothing to do', async () => {
      const [from, to] = [at.input(ones(4)), at.output(4)];
      const groups = (): number => 0;
      const none: Kernel = { ...at.twice, variants: at.twice.variants.map((variant) => ({ ...variant, groups })) };
      const record = (kernel: Kernel, tokens: number) =>
        at.device.record((tape) => launch(tape, kernel, { input: from, made: to }), wholeSequence(1, tokens));
      const lists = [await record(none, 4), await at.device.record(() => undefined, sizes), await record(at.twice, 0)];
      expect(lists.slice(0, 2).map(({ launches, bytes }) => [launches, bytes])).toEqual([
        [0, 0],
        [0, 0],
      ]);
      for (const list of [...lists, ...lists]) at.device.run(list);
      expect(await floats(at.device, to)).toEqual([0, 0, 0, 0]);
    });

    it('tells mistakes when it is made', async () => {
      const [from, to] = [at.input(), at.output()];
      const wrong: readonly (readonly [RegExp, Parameters<Device['record']>[0]])[] = [
        [/same storage/, (tape) => launch(tape, at.twice, { input: from, made: { ...from, name: 'y' } })],
        [/takes 2 buffers, not 1/, (tape) => tape.launch(at.twice, [from])],
        [/is f32, and made i32/, (tape) => launch(tape, at.twice, { input: from, made: { ...to, type: 'i32' } })],
        [/outside made/, (tape) => launch(tape, at.twice, { input: from, made: { ...to, elements: 101 } })],
        [/not at a multiple of 256 bytes/, (tape) => tape.clear({ ...to, offset: 1, elements: 1 })],
        [/read before anything wrote it/, (tape) => tape.copy(tape.temporary('t', 100), to)],
        [/100 elements of input to 50 of made/, (tape) => tape.copy(from, { ...to, elements: 50 })],
      ];
      for (const [message, build] of wrong) await expect(at.device.record(build, sizes)).rejects.toThrow(message);
    });

    it('is timed by kernel, where the device can, and runs then', async () => {
      const [from, to] = [at.input(), at.output()];
      const recorded = await at.device.record((tape) => {
        launch(tape, at.twice, { input: from, made: to });
        tape.clear(to);
        launch(tape, at.twice, { input: from, made: to });
      }, sizes);
      const times = await at.device.profileRun(recorded);
      if (times !== null) {
        expect(times.map(({ kernel, launches }) => [kernel, launches])).toEqual([[at.twice.name, 2]]);
        expect(times[0]!.milliseconds).toBeGreaterThanOrEqual(0);
        expect((await floats(at.device, to))[0]).toBe(100);
      }
      if (at.device.elapsed === undefined) return;
      at.device.write(to.storage!, 0, ones(100));
      expect(await at.device.elapsed(recorded)).toBeGreaterThanOrEqual(0);
      expect((await floats(at.device, to))[0]).toBe(100);
    });
  });
}
