// Kernels on a device: many workgroups, several sequences, integers, variants, names that are alike, other languages.

import { describe, expect, it } from 'vitest';
import type { Kernel, KernelVariant, Profile } from '../../targets/device.ts';
import { wholeSequence } from '../../targets/device.ts';
import type { Fixture } from './fixture.ts';
import { failure, ones, range, sizes } from './fixture.ts';
import {
  batched,
  counted,
  floats,
  holding,
  integers,
  kernelOf,
  launch,
  looked,
  rowsOfTable,
  scaled,
  whole,
} from './programs.ts';

const variant = (profile: Profile, { variants }: Kernel): KernelVariant => ({ ...variants[0]!, profile });

export function describeKernels(at: Fixture): void {
  describe('kernels', () => {
    it('of more tokens than one row of workgroups has, and none too many', async () => {
      const tokens = 65_536 * 64 + 3;
      const [from, to] = [at.input(ones(tokens)), at.output(tokens + 64)];
      at.device.write(to.storage!, 4 * tokens, ones(64));
      const record = at.device.record(
        (tape) => launch(tape, at.twice, { input: from, made: { ...to, elements: tokens } }),
        wholeSequence(1, tokens),
      );
      at.device.run(await record);
      const made = new Float32Array(await at.device.read(to.storage!, 0, 4 * (tokens + 64)));
      expect(made.findIndex((value, n) => value !== (n < tokens ? Math.fround(tokens + 2) : 1))).toBe(-1);
      for (const { storage } of [from, to]) at.device.free(storage!);
    });

    it('of several sequences', async () => {
      const kernel = await kernelOf(batched(), at.device.language);
      const [from, to] = [at.input(Float32Array.from(range(3 * 37))), at.output(3 * 37)];
      const record = at.device.record((tape) => launch(tape, kernel, { input: from, made: to }), wholeSequence(3, 37));
      at.device.run(await record);
      expect(await floats(at.device, to)).toEqual(range(3 * 37, (n) => n + 37 * Math.floor(n / 37)));
    });

    it('of whole numbers, and of places by them', async () => {
      const [count, look] = await Promise.all([counted(), looked()].map((each) => kernelOf(each, at.device.language)));
      const numbers = [0, 6, 7, 8, 100, -1, -5, -6, 16_777_217, 2_147_483_647, -2_147_483_648];
      const made = whole(at.device, numbers.length, 'made', 'i32');
      const index = Int32Array.of(0, 7, 3, 3, rowsOfTable, -1, 2_147_483_647, -2_147_483_648, 1, 6, 5);
      const found = at.output(index.length);
      const table = Float32Array.from(range(rowsOfTable, (n) => n + 0.5));
      const record = at.device.record(
        (tape) => {
          launch(tape, count!, { input: at.input(Int32Array.from(numbers)), made });
          launch(tape, look!, {
            table: holding(at.device, 'table', table),
            index: holding(at.device, 'index', index),
            made: found,
          });
        },
        wholeSequence(1, numbers.length),
      );
      at.device.run(await record);
      expect(await integers(at.device, made)).toEqual(numbers.map((n) => ((Math.max(n, -5) % 7) + 7) % 7));
      expect(await floats(at.device, found)).toEqual([...index].map((n) => table[n] ?? 0));
    });

    it('of one name with different texts stand side by side', async () => {
      const from = at.input(ones(100));
      const to = [at.output(), at.output()] as const;
      expect(at.twice.name).toBe(at.thrice.name);
      await at.device.prepare([at.twice, at.thrice, at.twice]);
      const record = at.device.record((tape) => {
        launch(tape, at.twice, { input: from, made: to[0] });
        launch(tape, at.thrice, { input: from, made: to[1] });
      }, sizes);
      at.device.run(await record);
      expect([(await floats(at.device, to[0]))[0], (await floats(at.device, to[1]))[0]]).toEqual([102, 103]);
    });

    it('are run in the variant for the device', async () => {
      const five = await kernelOf(scaled(5), at.device.language);
      const factorOf = async (variants: readonly KernelVariant[]): Promise<number> => {
        const [from, to] = [at.input(ones(100)), at.output()];
        const kernel = { ...at.twice, variants };
        at.device.run(await at.device.record((tape) => launch(tape, kernel, { input: from, made: to }), sizes));
        return (await floats(at.device, to))[0]! - 100;
      };
      const [software, portable, subgroups] = [
        variant('software', at.twice),
        variant('portable', at.thrice),
        variant('subgroups', five),
      ];
      const best = { software: 2, portable: 3, subgroups: 5 }[at.device.profile];
      expect(await factorOf([software, portable, subgroups])).toBe(best);
      expect(await factorOf([subgroups, portable, software])).toBe(best);
      expect(await factorOf([portable])).toBe(3); // where there is no better one
      expect(await factorOf([software])).toBe(2);
    });

    it('of another language are refused by name, and the device works on', async () => {
      const other = await kernelOf(scaled(2), at.device.language === 'wgsl' ? 'cuda' : 'wgsl');
      const error = await failure(at.device.prepare([at.twice, other]));
      expect([error.kind, error.kernel, error.source]).toEqual(['invalid-kernel', 'made', 'scaled_by_2']);
      await at.device.prepare([at.twice]);
    });
  });
}
