// The CPU device: order of jobs, threads, memory that grows, and what is said when a kernel faults. Kernels are assembled
// by hand; what every device does alike is in test/device.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wholeSequence } from '../../targets/device.ts';
import type { Buffer, Device } from '../../targets/device.ts';
import type { CpuDevice } from '../../targets/wasm/device/index.ts';
import { assemble, binding, element, handmade, op } from './hand.ts';
import { openTestCpu } from './open.ts';

const sizes = wholeSequence(1, 100);

const whole = (device: Device, elements: number, name: string): Buffer => ({
  name,
  elements,
  type: 'i32',
  storage: device.allocate(elements * 4, name),
  offset: 0,
});
const numbers = async (device: Device, buffer: Buffer): Promise<number[]> => [
  ...new Int32Array(await device.read(buffer.storage!, 0, buffer.elements * 4)),
];

/** b1[item] = 3 b0[item] + tokens */
const triple = handmade({
  name: 'triple',
  items: ({ tokens }) => tokens,
  access: ['read', 'read_write'],
  code: assemble(element(1), element(0), op.load(), op.i32(3), op.mul, op.call, op.load(4), op.add, op.store),
});

describe.each([1, 2, 3, 7])('%i threads', (threads) => {
  let device: CpuDevice;
  beforeAll(async () => {
    device = await openTestCpu({ threads });
  });
  afterAll(() => device?.close());

  it('run every item of many launches once, in order', async () => {
    const [a, b] = [whole(device, 100, 'a'), whole(device, 100, 'b')];
    const recorded = await device.record((tape) => {
      for (let time = 0; time < 500; time += 1) {
        tape.launch(triple, [a, b]);
        tape.launch(triple, [b, a]);
      }
    }, sizes);
    expect(recorded.launches).toBe(1000);
    device.run(recorded);
    let expected = 0;
    for (let time = 0; time < 1000; time += 1) expected = (Math.imul(expected, 3) + 100) | 0;
    expect(await numbers(device, a)).toEqual(Array(100).fill(expected));
  });
});
