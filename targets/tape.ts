// Records what a step does: a function that launches kernels on a tape comes in, the list of its operations goes out, with
// every mistake that can be known without a device refused (wrong number of buffers, a view outside its storage, a buffer
// bound for writing and once more, a temporary read before anything wrote it). Pure: no device is touched.

import { bytesOfElement } from './device.ts';
import type { Buffer, Keep, Kernel, Sizes, Tape } from './device.ts';

export type Operation =
  | { readonly kind: 'launch'; readonly kernel: Kernel; readonly buffers: readonly Buffer[]; readonly sizes: Sizes }
  | { readonly kind: 'clear'; readonly buffer: Buffer }
  | { readonly kind: 'copy'; readonly from: Buffer; readonly to: Buffer };

/** Views begin at multiples of this many bytes, which every adapter allows. */
const viewAlignment = 256;

export function recordOperations(build: (tape: Tape) => void, sizes: Sizes, keep: Keep = 'all'): readonly Operation[] {
  const operations: Operation[] = [];
  const written = new Set<Buffer>(); // temporaries
  const own = new Set<Buffer>();

  const checkBuffer = (buffer: Buffer, user: string): void => {
    if (buffer.storage === null) {
      if (!own.has(buffer)) throw new Error(`${user}: the temporary ${buffer.name} belongs to another record`);
      return;
    }
    if ((buffer.offset * bytesOfElement[buffer.type]) % viewAlignment !== 0) {
      throw new Error(
        `${user}: the view ${buffer.name} begins at ${buffer.offset}, not at a multiple of ${viewAlignment} bytes`,
      );
    }
    if (buffer.offset < 0 || (buffer.offset + buffer.elements) * bytesOfElement[buffer.type] > buffer.storage.bytes) {
      throw new Error(
        `${user}: the view ${buffer.name} of ${buffer.elements} elements at ${buffer.offset} is outside ` +
          `${buffer.storage.label}, which has ${buffer.storage.bytes / bytesOfElement[buffer.type]}`,
      );
    }
  };
  const checkWritten = (buffer: Buffer, user: string): void => {
    if (buffer.storage === null && !written.has(buffer)) {
      throw new Error(`${user}: the temporary ${buffer.name} is read before anything wrote it`);
    }
  };

  const tapeOf = (current: Sizes): Tape => ({
    sizes: current,
    at: tapeOf,
    temporary(name, elements, type = 'f32') {
      if (!Number.isSafeInteger(elements) || elements < 0) throw new Error(`${name}: ${elements} elements`);
      const buffer: Buffer = { name, elements, type, storage: null, offset: 0 };
      own.add(buffer);
      return buffer;
    },
    launch(kernel, buffers) {
      if (buffers.length !== kernel.bindings.length) {
        throw new Error(`${kernel.name} takes ${kernel.bindings.length} buffers, not ${buffers.length}`);
      }
      kernel.bindings.forEach((binding, index) => {
        const buffer = buffers[index];
        if (buffer === undefined) throw new Error(`${kernel.name}: no buffer for ${binding.name}`);
        checkBuffer(buffer, kernel.name);
        if (binding.type !== buffer.type) {
          throw new Error(`${kernel.name}: ${binding.name} is ${binding.type}, and ${buffer.name} ${buffer.type}`);
        }
        if (binding.access === 'read') checkWritten(buffer, kernel.name);
      });
      checkAliases(kernel, buffers);
      kernel.bindings.forEach((binding, index) => {
        if (binding.access === 'read_write') written.add(buffers[index]!);
      });
      operations.push({ kind: 'launch', kernel, buffers, sizes: current });
    },
    clear(buffer) {
      checkBuffer(buffer, 'clear');
      written.add(buffer);
      operations.push({ kind: 'clear', buffer });
    },
    copy(from, to) {
      checkBuffer(from, 'copy');
      checkBuffer(to, 'copy');
      checkWritten(from, 'copy');
      if (from.type !== to.type) throw new Error(`copy of ${from.name} (${from.type}) to ${to.name} (${to.type})`);
      if (from.elements !== to.elements) {
        throw new Error(`copy of ${from.elements} elements of ${from.name} to ${to.elements} of ${to.name}`);
      }
      if (storageOf(from) === storageOf(to)) throw new Error(`copy of ${from.name} inside one storage`);
      written.add(to);
      operations.push({ kind: 'copy', from, to });
    },
  });
  build(tapeOf(sizes));
  return keep === 'all' ? operations : needed(operations);
}

/** Those that write what the device holds, or a temporary that one of these reads later. */
function needed(operations: readonly Operation[]): readonly Operation[] {
  const read = new Set<Buffer>();
  const kept = operations.toReversed().filter((operation) => {
    const { reads, writes } = usesOf(operation);
    if (!writes.some((buffer) => buffer.storage !== null || read.has(buffer))) return false;
    reads.forEach((buffer) => read.add(buffer));
    return true;
  });
  return kept.toReversed();
}

/** A kernel may read what it writes, and may write only a part. */
function usesOf(operation: Operation): { readonly reads: readonly Buffer[]; readonly writes: readonly Buffer[] } {
  switch (operation.kind) {
    case 'launch': {
      const { kernel, buffers } = operation;
      return { reads: buffers, writes: buffers.filter((_, n) => kernel.bindings[n]!.access === 'read_write') };
    }
    case 'clear':
      return { reads: [], writes: [operation.buffer] };
    case 'copy':
      return { reads: [operation.from], writes: [operation.to] };
    default:
      return operation satisfies never;
  }
}

const storageOf = (buffer: Buffer): object => buffer.storage ?? buffer;

/** Two bindings of one storage, one of them for writing, are invalid in WebGPU even where the views are apart. */
function checkAliases(kernel: Kernel, buffers: readonly Buffer[]): void {
  kernel.bindings.forEach((binding, index) => {
    for (let other = index + 1; other < buffers.length; other += 1) {
      const [a, b] = [buffers[index]!, buffers[other]!];
      const second = kernel.bindings[other]!;
      if (storageOf(a) !== storageOf(b)) continue;
      const both = binding.access === 'read_write' && second.access === 'read_write';
      const neither = binding.access === 'read' && second.access === 'read';
      const apart = a !== b && (a.offset + a.elements <= b.offset || b.offset + b.elements <= a.offset);
      if (neither || (both && apart)) continue;
      throw new Error(
        `${kernel.name}: ${binding.name} and ${second.name} are bound to the same storage ` +
          `(${a.name}, ${b.name}), and one of them is written`,
      );
    }
  });
}
