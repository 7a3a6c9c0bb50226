// Memory of the GPU: allocations filled with zeros, and freed once the stream has passed what may use them. When there is
// no room the message says how much was asked for what, how much is free, and what needs less.

import { bytesText, exactBytesText } from '../../bytes.ts';
import { DeviceError } from '../../device.ts';
import type { DeviceBuffer } from '../../device.ts';
import type { Driver } from './driver.ts';
import { results } from './driver.ts';
import type { Failures } from './errors.ts';
import type { Stream } from './stream.ts';

export interface CudaBuffer extends DeviceBuffer {
  readonly address: bigint;
}

export interface Memory {
  allocate(bytes: number, label: string): CudaBuffer;
  /** For temporaries, which nobody may read before writing: under emulation they are poison at first. */
  scratch(bytes: number, label: string): CudaBuffer;
  free(buffer: CudaBuffer): void;
  /** Frees what waited for the stream, which is idle. */
  settle(): void;
  close(): void;
}

const granularity = 256; // bytes
/** Under emulation memory of this size comes from the system as zeros, and much of it may never be touched. */
const freshBytes = 2 ** 26;

/** `emulated`: large allocations are zeros already (pages that nothing has touched), smaller ones poison. */
export function createMemory(driver: Driver, stream: Stream, failures: Failures, emulated: boolean): Memory {
  const held = new Map<bigint, number>(); // bytes by address
  let waiting: bigint[] = []; // freed, but the stream may still use them

  const release = (address: bigint): void => {
    held.delete(address);
    failures.call('cuMemFree_v2', address);
  };
  const settle = (): void => {
    const free = waiting;
    waiting = [];
    for (const address of free) release(address);
  };
  const refuse = (bytes: number, label: string, code: number): never => {
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    failures.call('cuMemGetInfo_v2', free, total);
    const own = [...held.values()].reduce((sum, each) => sum + each, 0);
    throw new DeviceError(
      'out-of-memory',
      `the GPU has no room for ${label} of ${exactBytesText(bytes)}: ${bytesText(Number(free[0]))} of ` +
        `${bytesText(Number(total[0]))} are free, and ${bytesText(own)} are in use here; ` +
        'a smaller --batch, --context or --width, or --precision bf16, needs less ' +
        `(cuMemAlloc: ${driver.describe(code)})`,
    );
  };
  const take = (bytes: number, label: string, zeros: boolean): CudaBuffer => {
    failures.check();
    const size = Math.max(granularity, Math.ceil(bytes / granularity) * granularity);
    const out = new BigUint64Array(1);
    let code = driver.code('cuMemAlloc_v2', out, size);
    if (code === results.outOfMemory && waiting.length > 0) {
      stream.block();
      settle();
      code = driver.code('cuMemAlloc_v2', out, size);
    }
    if (code === results.outOfMemory) refuse(bytes, label, code);
    if (code !== results.success) failures.refuse(code, 'cuMemAlloc_v2', { kind: 'task', what: `of ${label}` });
    const address = out[0]!;
    held.set(address, size);
    if (zeros) {
      failures.call('cuMemsetD8Async', address, 0, size, stream.handle);
      stream.enqueued();
    }
    return { label, bytes, address };
  };
  return {
    allocate: (bytes, label) => take(bytes, label, !emulated || bytes < freshBytes),
    scratch: (bytes, label) => take(bytes, label, !emulated),
    free(buffer) {
      if (!held.has(buffer.address) || waiting.includes(buffer.address)) return;
      if (stream.idle()) release(buffer.address);
      else waiting.push(buffer.address);
    },
    settle,
    close() {
      for (const address of held.keys()) driver.code('cuMemFree_v2', address);
      held.clear();
      waiting = [];
    },
  };
}
