// A device that runs everything in several orders of blocks and threads, each from the same contents of its buffers, and
// remembers what came out otherwise than the first time: a correct kernel gives the same bits in every order.

import type { Device, DeviceBuffer } from '../../targets/device.ts';

export const orders = ['forward', 'reverse', 'random:1'] as const;

export interface InAllOrders extends Device {
  /** What differed since the last call: 'd_query in reverse order: 3 of 64 words, the first at 17'. */
  differences(): Promise<readonly string[]>;
}

export function inAllOrders(device: Device): InAllOrders {
  const live = new Set<DeviceBuffer>();
  const written: { readonly buffer: DeviceBuffer; readonly offset: number; readonly data: Uint8Array }[] = [];
  const runs: Promise<readonly string[]>[] = [];
  const contents = (): readonly (readonly [DeviceBuffer, Promise<ArrayBuffer>])[] =>
    [...live].map((buffer) => [buffer, device.read(buffer, 0, buffer.bytes)] as const);
  return {
    ...device,
    allocate(bytes, label) {
      const buffer = device.allocate(bytes, label);
      live.add(buffer);
      return buffer;
    },
    free(buffer) {
      live.delete(buffer);
      device.free(buffer);
    },
    write(buffer, offset, data) {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
      written.push({ buffer, offset, data: bytes });
      device.write(buffer, offset, data);
    },
    run(recorded) {
      const before = process.env['PEGEN_EMULATE_ORDER'];
      const made = orders.map((order) => {
        for (const { buffer, offset, data } of written) if (live.has(buffer)) device.write(buffer, offset, data);
        process.env['PEGEN_EMULATE_ORDER'] = order;
        device.run(recorded);
        return contents();
      });
      if (before === undefined) delete process.env['PEGEN_EMULATE_ORDER'];
      else process.env['PEGEN_EMULATE_ORDER'] = before;
      runs.push(compare(made));
    },
    async differences() {
      const found = await Promise.all(runs.splice(0));
      written.length = 0;
      return found.flat();
    },
  };
}

type Contents = readonly (readonly [DeviceBuffer, Promise<ArrayBuffer>])[];

async function compare([first, ...others]: readonly Contents[]): Promise<readonly string[]> {
  const words = async (contents: Contents, at: number): Promise<Int32Array> => new Int32Array(await contents[at]![1]);
  const found: string[] = [];
  for (const [at, [buffer]] of first!.entries()) {
    const expected = await words(first!, at);
    for (const [which, contents] of others.entries()) {
      const got = await words(contents, at);
      const differ = Array.from(got.keys()).filter((word) => got[word] !== expected[word]);
      if (differ.length === 0) continue;
      found.push(
        `${buffer.label} in ${orders[which + 1]} order: ${differ.length} of ${got.length} words, the first at ${differ[0]}`,
      );
    }
  }
  return found;
}
