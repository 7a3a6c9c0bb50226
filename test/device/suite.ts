// What every device does alike: a function that opens one comes in, a suite of tests goes out. Kernels are compiled from
// programs for the device's language; what needs a language's own text, or a driver's faults, is tested beside the device.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { interpret } from '../../src/interpret/interpret.ts';
import { deviceRunner } from '../../src/verify/device-runner.ts';
import { makeEncodingCase, verifyEncoding } from '../../src/verify/embedding.ts';
import type { Buffer, Device, Kernel, KernelVariant, Language, Profile } from '../../targets/device.ts';
import { DeviceError, wholeSequence } from '../../targets/device.ts';
import { loadText, root, small } from '../lower/load.ts';
import * as programs from './programs.ts';
import { floats, holding, integers, kernelOf, launch, rowsOfTable, whole } from './programs.ts';

export interface DeviceSuite {
  readonly open: () => Promise<Device>;
  /** The device is not to be had here. */
  readonly skip?: boolean;
  readonly name: Device['name'];
  readonly language: Language;
}

const sizes = wholeSequence(1, 100);
const range = (count: number, at: (n: number) => number = (n) => n): number[] =>
  Array.from({ length: count }, (_, n) => at(n));
const ones = (count: number): Float32Array => new Float32Array(count).fill(1);

/** What a device says when it fails. */
export async function failure(promise: Promise<unknown>): Promise<DeviceError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DeviceError);
  return error as DeviceError;
}

export function describeDevice(title: string, { open, skip = false, name, language }: DeviceSuite): void {
  describe.skipIf(skip)(title, () => {
    let device: Device;
    let twice: Kernel;
    let thrice: Kernel;
    beforeAll(async () => {
      device = await open();
      [twice, thrice] = (await Promise.all(
        [2, 3].map((factor) => kernelOf(programs.scaled(factor), device.language)),
      )) as [Kernel, Kernel];
    });
    afterAll(() => device?.close());

    const input = (data: Float32Array | Int32Array = new Float32Array(100)): Buffer => holding(device, 'input', data);
    const output = (elements = 100): Buffer => whole(device, elements, 'made');
    /** 2 input + tokens */
    const doubling = (from: Buffer, to: Buffer) =>
      device.record((tape) => launch(tape, twice, { input: from, made: to }), sizes);

    it('says what it is', () => {
      expect([device.name, device.language]).toEqual([name, language]);
      expect(device.description).not.toBe('');
      expect(['software', 'portable', 'subgroups']).toContain(device.profile);
      expect(device.maxBufferBytes).toBeGreaterThanOrEqual(2 ** 27);
    });

    describe('memory', () => {
      it('is zero at first, whatever lay there before', async () => {
        for (const label of ['first', 'second']) {
          const buffer = whole(device, 1000, label);
          expect(await floats(device, buffer)).toEqual(range(1000, () => 0));
          device.write(buffer.storage!, 0, new Float32Array(1000).fill(7));
          device.free(buffer.storage!);
        }
      });

      it('takes and gives parts, in the order of the calls', async () => {
        const { storage } = whole(device, 64, 'x');
        device.write(storage!, 0, Float32Array.from(range(64)));
        device.write(storage!, 16, Float32Array.of(-1, -2));
        const data = Float32Array.from(range(8)).subarray(2, 4); // a view of something larger
        device.write(storage!, 240, data);
        data.fill(0); // it was taken when it was written
        expect([...new Float32Array(await device.read(storage!, 8, 20))]).toEqual([2, 3, -1, -2, 6]);
        expect([...new Float32Array(await device.read(storage!, 236, 20))]).toEqual([59, 2, 3, 62, 63]);
        expect((await device.read(storage!, 64, 0)).byteLength).toBe(0);
      });

      it('moves many megabytes', async () => {
        const elements = 3 * 2 ** 20 + 5;
        const large = whole(device, elements, 'large', 'i32');
        const data = Int32Array.from({ length: elements }, (_, n) => n ^ 0x5a5a);
        device.write(large.storage!, 0, data);
        const back = new Int32Array(await device.read(large.storage!, 0, 4 * elements));
        expect(back.findIndex((value, n) => value !== data[n])).toBe(-1);
        device.free(large.storage!);
      });

      it('refuses reads and writes outside a buffer', async () => {
        const buffer = device.allocate(16, 'small');
        expect(() => device.write(buffer, 8, new Float32Array(3))).toThrow(/small: 12 bytes at 8/);
        await expect(device.read(buffer, 0, 20)).rejects.toThrow(/small: 20 bytes/);
        await expect(device.read(buffer, 16, 4)).rejects.toThrow(/small: 4 bytes at 16/);
        device.free(buffer);
      });

      it('that cannot be had is told with what it was for, and the device works on', async () => {
        const kinds = ['limit', 'out-of-memory'];
        const error = await failure(Promise.resolve().then(() => device.allocate(2 ** 50, 'moments')));
        expect(kinds).toContain(error.kind);
        expect(error.message).toMatch(/moments/);
        const [from, to] = [input(ones(100)), output()];
        const record = device.record((tape) => {
          const scores = tape.temporary('scores', 2 ** 48);
          launch(tape, twice, { input: from, made: scores });
          launch(tape, twice, { input: scores, made: to });
        }, sizes);
        const temporary = await failure(record);
        expect(kinds).toContain(temporary.kind);
        expect(temporary.message).toMatch(/scores/);
        device.run(await doubling(from, to));
        expect((await floats(device, to))[0]).toBe(102);
      });

      it('that is freed while work waits is kept until the work is done', async () => {
        const [from, to] = [input(), output()];
        const recorded = await doubling(from, to);
        device.run(recorded);
        device.free(from.storage!);
        device.free(from.storage!); // twice does no harm
        device.release(recorded);
        expect((await floats(device, to))[0]).toBe(100);
      });
    });

    describe('a recorded list', () => {
      it('runs again and again, in order with writes and reads', async () => {
        const [from, to] = [input(), output()];
        const recorded = await device.record((tape) => {
          const between = tape.temporary('between', 100);
          launch(tape, twice, { input: from, made: between });
          launch(tape, thrice, { input: between, made: to });
        }, sizes);
        expect([recorded.launches, recorded.bytes]).toEqual([2, 512]);
        for (const start of [0, 7, 11, -3]) {
          device.write(from.storage!, 0, Float32Array.from(range(100, (n) => start + n)));
          device.run(recorded);
          device.write(from.storage!, 0, new Float32Array(100)); // after the run: it does not see this
          expect(await floats(device, to)).toEqual(range(100, (n) => 6 * (start + n) + 400));
        }
        device.release(recorded);
      });

      it('gives the same bits each time, and so does another of the same', async () => {
        const kernel = await kernelOf(programs.curved(), device.language);
        const data = Float32Array.from(range(1000, (n) => Math.sin(n) * 3));
        const [from, to] = [input(data), output(1000)];
        const record = () =>
          device.record(
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
            device.write(from.storage!, 0, data);
            device.run(recorded);
            results.push(await integers(device, { ...from, type: 'i32' })); // bits
          }
        }
        for (const result of results) expect(result).toEqual(results[0]);
        const expected = interpret(programs.curved(), { batch: 1, tokens: 1000 }, { input: data }).get('made')!;
        const made = await floats(device, from);
        expect(Math.max(...made.map((value, n) => Math.abs(value - expected[n]!)))).toBeLessThan(1e-5);
      });

      it('clears, copies, and takes views and other sizes', async () => {
        const pool = whole(device, 256, 'pool');
        const to = output(64);
        device.write(pool.storage!, 0, ones(256));
        const part = (offset: number): Buffer => ({ ...pool, name: `part ${offset}`, elements: 64, offset });
        const recorded = await device.record(
          (tape) => {
            tape.clear(part(64));
            tape.copy(part(128), to);
            const few = tape.temporary('few', 64);
            tape.clear(few);
            launch(tape.at(wholeSequence(1, 3)), twice, { input: part(128), made: few }); // three elements only
            tape.copy(few, part(128));
            launch(tape, twice, { input: to, made: part(192) });
          },
          wholeSequence(1, 64),
        );
        device.run(recorded);
        expect(await floats(device, pool)).toEqual([
          ...range(64, () => 1),
          ...range(64, () => 0),
          ...range(64, (n) => (n < 3 ? 5 : 0)),
          ...range(64, () => 66),
        ]);
        expect(await floats(device, to)).toEqual(range(64, () => 1));
      });

      it('has as much memory for temporaries as are alive together, and mixes none up', async () => {
        const [from, to] = [input(), output()];
        const recorded = await device.record((tape) => {
          const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((each) => tape.temporary(each, 100)) as [
            Buffer,
            Buffer,
            Buffer,
            Buffer,
          ];
          launch(tape, twice, { input: from, made: a }); // 2 n + 100
          launch(tape, thrice, { input: a, made: b }); // 6 n + 400
          launch(tape, twice, { input: b, made: c }); // 12 n + 900: in the place of a
          launch(tape, twice, { input: c, made: d });
          launch(tape, twice, { input: d, made: to });
          tape.copy(c, from); // c is alive beside d
        }, sizes);
        expect([recorded.launches, recorded.bytes]).toEqual([5, 2 * 512]);
        for (const _ of [0, 1]) {
          device.write(from.storage!, 0, Float32Array.from(range(100)));
          device.run(recorded);
          expect(await floats(device, from)).toEqual(range(100, (n) => 12 * n + 900));
          expect(await floats(device, to)).toEqual(range(100, (n) => 4 * (12 * n + 900) + 300));
        }
      });

      it('does not wait for others, and each sees what was enqueued before it', async () => {
        const [x, y, z] = [input(ones(100)), output(), output()];
        const lists = [await doubling(x, y), await doubling(y, z), await doubling(z, x)] as const; // x -> y -> z -> x
        for (const _ of [0, 1]) for (const list of lists) device.run(list);
        const first = floats(device, x);
        device.write(y.storage!, 0, ones(100));
        device.run(lists[1]);
        const second = floats(device, z);
        device.run(lists[0]);
        const after = Array.from({ length: 6 }).reduce<number>((value) => 2 * value + 100, 1);
        expect((await first)[99]).toBe(after);
        expect((await second)[99]).toBe(102);
        expect((await floats(device, y))[0]).toBe(2 * after + 100);
        for (const list of lists) device.release(list);
      });

      it('reads see what was there when they were asked for', async () => {
        const [from, to] = [input(), output()];
        const recorded = await doubling(from, to);
        device.run(recorded);
        const first = floats(device, to);
        device.write(from.storage!, 0, ones(100));
        device.run(recorded);
        const second = floats(device, to);
        expect([(await first)[0], (await second)[0]]).toEqual([100, 102]);
      });

      it('launches nothing where there is nothing to do', async () => {
        const [from, to] = [input(ones(4)), output(4)];
        const none = await device.record((tape) => launch(tape, twice, { input: from, made: to }), wholeSequence(1, 0));
        expect(none.launches).toBe(0);
        for (const _ of [0, 1]) device.run(none);
        expect(await floats(device, to)).toEqual([0, 0, 0, 0]);
        const empty = await device.record(() => undefined, sizes);
        expect([empty.launches, empty.bytes]).toEqual([0, 0]);
        device.run(empty);
      });

      it('tells mistakes when it is made', async () => {
        const [from, to] = [input(), output()];
        const wrong: readonly (readonly [RegExp, Parameters<Device['record']>[0]])[] = [
          [/same storage/, (tape) => launch(tape, twice, { input: from, made: { ...from, name: 'y' } })],
          [/takes 2 buffers, not 1/, (tape) => tape.launch(twice, [from])],
          [/is f32, and made i32/, (tape) => launch(tape, twice, { input: from, made: { ...to, type: 'i32' } })],
          [/outside made/, (tape) => launch(tape, twice, { input: from, made: { ...to, elements: 101 } })],
          [/not at a multiple of 256 bytes/, (tape) => tape.clear({ ...to, offset: 1, elements: 1 })],
          [/read before anything wrote it/, (tape) => tape.copy(tape.temporary('t', 100), to)],
          [/100 elements of input to 50 of made/, (tape) => tape.copy(from, { ...to, elements: 50 })],
        ];
        for (const [message, build] of wrong) await expect(device.record(build, sizes)).rejects.toThrow(message);
      });

      it('is timed by kernel, where the device can, and runs then', async () => {
        const [from, to] = [input(), output()];
        const recorded = await device.record((tape) => {
          launch(tape, twice, { input: from, made: to });
          tape.clear(to);
          launch(tape, twice, { input: from, made: to });
        }, sizes);
        const times = await device.profileRun(recorded);
        if (times !== null) {
          expect(times.map(({ kernel, launches }) => [kernel, launches])).toEqual([[twice.name, 2]]);
          expect(times[0]!.milliseconds).toBeGreaterThanOrEqual(0);
          expect((await floats(device, to))[0]).toBe(100);
        }
        if (device.elapsed === undefined) return;
        device.write(to.storage!, 0, ones(100));
        expect(await device.elapsed(recorded)).toBeGreaterThanOrEqual(0);
        expect((await floats(device, to))[0]).toBe(100);
      });
    });

    describe('kernels', () => {
      it('of more tokens than one row of workgroups has, and none too many', async () => {
        const tokens = 65_536 * 64 + 3;
        const [from, to] = [input(ones(tokens)), output(tokens + 64)];
        device.write(to.storage!, 4 * tokens, ones(64));
        const record = device.record(
          (tape) => launch(tape, twice, { input: from, made: { ...to, elements: tokens } }),
          wholeSequence(1, tokens),
        );
        device.run(await record);
        const made = new Float32Array(await device.read(to.storage!, 0, 4 * (tokens + 64)));
        expect(made.findIndex((value, n) => value !== (n < tokens ? Math.fround(tokens + 2) : 1))).toBe(-1);
        for (const { storage } of [from, to]) device.free(storage!);
      });

      it('of several sequences', async () => {
        const kernel = await kernelOf(programs.batched(), device.language);
        const [from, to] = [input(Float32Array.from(range(3 * 37))), output(3 * 37)];
        const record = device.record((tape) => launch(tape, kernel, { input: from, made: to }), wholeSequence(3, 37));
        device.run(await record);
        expect(await floats(device, to)).toEqual(range(3 * 37, (n) => n + 37 * Math.floor(n / 37)));
      });

      it('of whole numbers, and of places by them', async () => {
        const [counted, looked] = await Promise.all(
          [programs.counted(), programs.looked()].map((each) => kernelOf(each, device.language)),
        );
        const numbers = [0, 6, 7, 8, 100, -1, -5, -6, 16_777_217, 2_147_483_647, -2_147_483_648];
        const made = whole(device, numbers.length, 'made', 'i32');
        const index = Int32Array.of(0, 7, 3, 3, rowsOfTable, -1, 2_147_483_647, -2_147_483_648, 1, 6, 5);
        const found = output(index.length);
        const table = Float32Array.from(range(rowsOfTable, (n) => n + 0.5));
        const record = device.record(
          (tape) => {
            launch(tape, counted!, { input: input(Int32Array.from(numbers)), made });
            launch(tape, looked!, {
              table: holding(device, 'table', table),
              index: holding(device, 'index', index),
              made: found,
            });
          },
          wholeSequence(1, numbers.length),
        );
        device.run(await record);
        expect(await integers(device, made)).toEqual(numbers.map((n) => ((Math.max(n, -5) % 7) + 7) % 7));
        expect(await floats(device, found)).toEqual([...index].map((n) => table[n] ?? 0));
      });

      it('of one name with different texts stand side by side', async () => {
        const from = input(ones(100));
        const to = [output(), output()] as const;
        expect(twice.name).toBe(thrice.name);
        await device.prepare([twice, thrice, twice]);
        const record = device.record((tape) => {
          launch(tape, twice, { input: from, made: to[0] });
          launch(tape, thrice, { input: from, made: to[1] });
        }, sizes);
        device.run(await record);
        expect([(await floats(device, to[0]))[0], (await floats(device, to[1]))[0]]).toEqual([102, 103]);
      });

      it('are run in the variant for the device', async () => {
        const five = await kernelOf(programs.scaled(5), device.language);
        const variant = (profile: Profile, { variants }: Kernel): KernelVariant => ({ ...variants[0]!, profile });
        const factorOf = async (variants: readonly KernelVariant[]): Promise<number> => {
          const [from, to] = [input(ones(100)), output()];
          const kernel = { ...twice, variants };
          device.run(await device.record((tape) => launch(tape, kernel, { input: from, made: to }), sizes));
          return (await floats(device, to))[0]! - 100;
        };
        const [software, portable, subgroups] = [
          variant('software', twice),
          variant('portable', thrice),
          variant('subgroups', five),
        ];
        const best = { software: 2, portable: 3, subgroups: 5 }[device.profile];
        expect(await factorOf([software, portable, subgroups])).toBe(best);
        expect(await factorOf([subgroups, portable, software])).toBe(best);
        expect(await factorOf([portable])).toBe(3); // where there is no better one
        expect(await factorOf([software])).toBe(2);
      });

      it('of another language are refused by name, and the device works on', async () => {
        const other = await kernelOf(programs.scaled(2), device.language === 'wgsl' ? 'cuda' : 'wgsl');
        const error = await failure(device.prepare([twice, other]));
        expect([error.kind, error.kernel, error.source]).toEqual(['invalid-kernel', 'made', 'scaled_by_2']);
        await device.prepare([twice]);
      });
    });

    it.each(['rope', 'learned_absolute', 'carope'])('%s on it is what the interpreter says', async (encoding) => {
      const geometry = { ...small, heads: 2, kv_heads: 2, head_dim: 8, model_dim: 16, context: 8 };
      const path = `examples/${encoding}.pe`;
      const { checked, lowered } = loadText(readFileSync(join(root, path), 'utf8'), path, { geometry });
      const vectors = await makeEncodingCase(checked!, lowered!, { batch: 2, tokens: 11, seed: 4 });
      const { rows, problems, passed } = await verifyEncoding(lowered!, vectors, deviceRunner(device), 2e-5);
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
