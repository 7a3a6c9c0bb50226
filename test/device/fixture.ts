// The device of a suite, opened before its tests and closed after them; two kernels, and buffers for them.

import { afterAll, beforeAll, expect } from 'vitest';
import type { Buffer, Device, Kernel, Recorded } from '../../targets/device.ts';
import { DeviceError, wholeSequence } from '../../targets/device.ts';
import { holding, kernelOf, launch, scaled, whole } from './programs.ts';

export const sizes = wholeSequence(1, 100);

export const range = (count: number, at: (n: number) => number = (n) => n): number[] =>
  Array.from({ length: count }, (_, n) => at(n));

export const ones = (count: number): Float32Array => new Float32Array(count).fill(1);

/** What a device says when it fails. */
export async function failure(promise: Promise<unknown>): Promise<DeviceError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DeviceError);
  return error as DeviceError;
}

/** `device` and the kernels are there while tests run. */
export interface Fixture {
  readonly device: Device;
  readonly twice: Kernel; // 2 input + tokens
  readonly thrice: Kernel;
  input(data?: Float32Array | Int32Array): Buffer;
  output(elements?: number): Buffer;
  /** A list of one launch of `twice`. */
  doubling(from: Buffer, to: Buffer): Promise<Recorded>;
}

export function openFixture(open: () => Promise<Device>): Fixture {
  let opened: { readonly device: Device; readonly twice: Kernel; readonly thrice: Kernel } | null = null;
  const there = (): NonNullable<typeof opened> => {
    if (opened === null) throw new Error('the device is open while tests run');
    return opened;
  };
  beforeAll(async () => {
    const device = await open();
    const [twice, thrice] = await Promise.all([2, 3].map((factor) => kernelOf(scaled(factor), device.language)));
    opened = { device, twice: twice!, thrice: thrice! };
  });
  afterAll(() => opened?.device.close());
  return {
    get device() {
      return there().device;
    },
    get twice() {
      return there().twice;
    },
    get thrice() {
      return there().thrice;
    },
    input: (data = new Float32Array(100)) => holding(there().device, 'input', data),
    output: (elements = 100) => whole(there().device, elements, 'made'),
    doubling: (from, to) =>
      there().device.record((tape) => launch(tape, there().twice, { input: from, made: to }), sizes),
  };
}
