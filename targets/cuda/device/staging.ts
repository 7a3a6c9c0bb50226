// Transfers through pinned memory of the host, which the GPU reads and writes by itself. Writes go through a ring of
// blocks: the caller's data is copied at once, and a block is used again when the stream has passed its last copy.

import { bytesText } from '../../bytes.ts';
import { DeviceError } from '../../device.ts';
import { results, type Driver } from './driver.ts';
import type { Failures } from './errors.ts';
import type { Stream } from './stream.ts';

export interface Staging {
  write(address: bigint, data: Uint8Array): void;
  read(address: bigint, bytes: number): Promise<ArrayBuffer>;
  close(): void;
}

interface Block {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly event: bigint;
  pending: boolean; // the event stands behind copies that may not be done
}

const blockBytes = 4 * 2 ** 20;
const blocks = 4;
/** A larger read is copied by the driver itself, which waits. */
const largestPinnedRead = 64 * 2 ** 20;

export function createStaging(driver: Driver, stream: Stream, failures: Failures): Staging {
  const ring: Block[] = [];
  let current = 0;
  let used = 0; // bytes of the current block
  const free: { readonly address: bigint; readonly bytes: ArrayBuffer }[] = []; // for reads
  const pinned: bigint[] = [];

  const pin = (bytes: number): { readonly address: bigint; readonly bytes: ArrayBuffer } => {
    const out = new BigUint64Array(1);
    const code = driver.code('cuMemHostAlloc', out, bytes, 0);
    if (code === results.outOfMemory) {
      throw new DeviceError('out-of-memory', `this machine has no ${bytesText(bytes)} of memory left for transfers`);
    }
    if (code !== 0) failures.refuse(code, 'cuMemHostAlloc', null);
    pinned.push(out[0]!);
    return { address: out[0]!, bytes: driver.foreign.view(out[0]!, bytes) };
  };
  const blockAt = (index: number): Block => {
    const known = ring[index];
    if (known !== undefined) return known;
    const { address, bytes } = pin(blockBytes);
    const block = { address, bytes: new Uint8Array(bytes), event: stream.event(false), pending: false };
    ring[index] = block;
    return block;
  };
  const nextBlock = (): void => {
    const full = blockAt(current);
    stream.record(full.event);
    full.pending = true;
    current = (current + 1) % blocks;
    used = 0;
    const block = blockAt(current);
    if (block.pending) failures.call('cuEventSynchronize', block.event);
    block.pending = false;
  };
  return {
    write(address, data) {
      for (let done = 0; done < data.length;) {
        if (used === blockBytes) nextBlock();
        const block = blockAt(current);
        const count = Math.min(data.length - done, blockBytes - used);
        block.bytes.set(data.subarray(done, done + count), used);
        failures.call(
          'cuMemcpyHtoDAsync_v2',
          address + BigInt(done),
          block.address + BigInt(used),
          count,
          stream.handle,
        );
        stream.enqueued();
        used = Math.min(blockBytes, Math.ceil((used + count) / 16) * 16);
        done += count;
      }
    },
    async read(address, bytes) {
      if (bytes > largestPinnedRead) {
        const result = new ArrayBuffer(bytes);
        failures.call('cuMemcpyDtoHAsync_v2', driver.foreign.address(result), address, bytes, stream.handle);
        stream.enqueued();
        await stream.wait();
        return result;
      }
      const found = free.findIndex((each) => each.bytes.byteLength >= bytes);
      const target = found === -1 ? pin(2 ** Math.ceil(Math.log2(Math.max(4096, bytes)))) : free.splice(found, 1)[0]!;
      failures.call('cuMemcpyDtoHAsync_v2', target.address, address, bytes, stream.handle);
      stream.enqueued();
      await stream.wait();
      const data = target.bytes.slice(0, bytes);
      free.push(target);
      return data;
    },
    close() {
      for (const { event } of ring) stream.destroyEvent(event);
      for (const address of pinned) driver.code('cuMemFreeHost', address);
    },
  };
}
