// The one memory of the device: buffers in it, zeros when they are allocated, taken back at once (whatever uses them next is
// ordered after what was posted). It grows as needed, up to the 4 GiB that 32-bit addresses reach.

import { bytesText, exactBytesText } from '../../bytes.ts';
import { DeviceError } from '../../device.ts';
import type { DeviceBuffer } from '../../device.ts';
import type { Jobs } from './jobs.ts';
import { createSpace, rounded, type Block } from './space.ts';

export interface CpuBuffer extends DeviceBuffer {
  readonly address: number;
}

export interface Memory {
  /** Bytes that buffers may have in all. */
  readonly limit: number;
  allocate(bytes: number, label: string): CpuBuffer;
  /** The same with whatever lies there: for what is written before it is read. */
  scratch(bytes: number, label: string): CpuBuffer;
  free(buffer: CpuBuffer): void;
  write(address: number, data: Uint8Array): void;
}

export const pageBytes = 65536;

/** Kept free at both ends: vectors may be loaded over the borders of a buffer where a mask leaves elements out. */
const margin = 1024;
/** Grown by at least this. */
const step = 2 ** 25;

/** A shared memory of as many pages as the address space has room for. */
export function reserveMemory(maximum: number): { readonly memory: WebAssembly.Memory; readonly maximum: number } {
  for (let pages = maximum; ; pages = Math.floor(pages / 2)) {
    try {
      return { memory: new WebAssembly.Memory({ initial: 1, maximum: pages, shared: true }), maximum: pages };
    } catch (error) {
      if (pages > 1024) continue;
      const why = error instanceof Error ? error.message : String(error);
      throw new DeviceError('out-of-memory', `no memory for the CPU device: ${why}`);
    }
  }
}

/** `shared`: null where the thread has the memory. */
export function createMemory(jobs: Jobs, shared: WebAssembly.Memory | null, maximum: number): Memory {
  const limit = maximum * pageBytes - 2 * margin;
  const space = createSpace(margin, pageBytes - margin);
  const held = new Map<CpuBuffer, Block>();
  let pages = 1;
  let touched = margin; // everything from here on is zeros

  const refuse = (bytes: number, label: string, why: string): never => {
    throw new DeviceError(
      'out-of-memory',
      `no room for ${label} of ${exactBytesText(bytes)}: ${bytesText(space.used())} are in use, and ${why}; ` +
        'a smaller --batch, --context, --width or --vocabulary needs less',
    );
  };
  const grow = (bytes: number, label: string): void => {
    const needed = Math.ceil((space.top() + rounded(bytes) + margin) / pageBytes);
    if (needed > maximum)
      refuse(
        bytes,
        label,
        `WebAssembly reaches ${bytesText(maximum * pageBytes)} (the largest hole has ${bytesText(space.largest())})`,
      );
    const wanted = Math.min(maximum, Math.max(needed, pages + step / pageBytes));
    if (shared === null) jobs.lead({ kind: 'grow', pages: wanted - pages });
    else {
      try {
        shared.grow(wanted - pages);
      } catch {
        refuse(bytes, label, `this machine gives no more than ${bytesText(pages * pageBytes)}`);
      }
    }
    pages = wanted;
    space.extend(pages * pageBytes - margin);
  };
  const clear = (address: number, bytes: number): void => {
    if (shared === null || !jobs.idle()) jobs.lead({ kind: 'clear', address, bytes });
    else new Uint8Array(shared.buffer, address, bytes).fill(0);
  };
  const take = (bytes: number, label: string, zeros: boolean): CpuBuffer => {
    let block = space.take(bytes);
    if (block === null) {
      grow(bytes, label);
      block = space.take(bytes)!;
    }
    const end = block.address + block.bytes;
    if (zeros && block.address < touched) clear(block.address, Math.min(end, touched) - block.address);
    touched = Math.max(touched, end);
    const buffer = { label, bytes, address: block.address };
    held.set(buffer, block);
    return buffer;
  };
  return {
    limit,
    allocate: (bytes, label) => take(bytes, label, true),
    scratch: (bytes, label) => take(bytes, label, false),
    free(buffer) {
      const block = held.get(buffer);
      if (block === undefined) return;
      held.delete(buffer);
      space.give(block);
    },
    write(address, data) {
      if (data.byteLength === 0) return;
      if (shared !== null && jobs.idle()) new Uint8Array(shared.buffer, address, data.byteLength).set(data);
      else jobs.lead({ kind: 'write', address, data: new Uint8Array(data) });
    },
  };
}
