// Storage for temporaries: operations come in, slots and the slot of each temporary go out. Two temporaries share a slot
// only if one is used for the last time before the other is first used. Largest first, each into the first slot that is
// free during its life: simple, deterministic, and close to the peak of what is alive.

import { bytesOfElement } from './device.ts';
import type { Buffer } from './device.ts';
import type { Operation } from './tape.ts';

export interface MemoryPlan {
  readonly slots: readonly { readonly bytes: number }[];
  readonly slotOf: ReadonlyMap<Buffer, number>;
  readonly bytes: number;
}

interface Life {
  readonly buffer: Buffer;
  readonly first: number;
  last: number;
}

const granularity = 256; // bytes

export function planMemory(operations: readonly Operation[]): MemoryPlan {
  const lives = livesOf(operations);
  const order = lives.toSorted((a, b) => b.buffer.elements - a.buffer.elements || a.first - b.first);
  const slots: { bytes: number; readonly lives: Life[] }[] = [];
  const slotOf = new Map<Buffer, number>();
  for (const life of order) {
    const free = slots.findIndex((slot) =>
      slot.lives.every((other) => other.last < life.first || life.last < other.first),
    );
    const index = free === -1 ? slots.length : free;
    const slot = slots[index] ?? { bytes: 0, lives: [] };
    slots[index] = slot;
    slot.lives.push(life);
    slot.bytes = Math.max(slot.bytes, bytesOf(life.buffer));
    slotOf.set(life.buffer, index);
  }
  return {
    slots: slots.map(({ bytes }) => ({ bytes })),
    slotOf,
    bytes: slots.reduce((sum, slot) => sum + slot.bytes, 0),
  };
}

const bytesOf = (buffer: Buffer): number =>
  Math.max(granularity, Math.ceil((buffer.elements * bytesOfElement[buffer.type]) / granularity) * granularity);

/** First and last operation that uses each temporary, in order of first use. */
export function livesOf(operations: readonly Operation[]): readonly Life[] {
  const lives = new Map<Buffer, Life>();
  operations.forEach((operation, index) => {
    for (const buffer of usedBy(operation)) {
      if (buffer.storage !== null) continue;
      const life = lives.get(buffer);
      if (life === undefined) lives.set(buffer, { buffer, first: index, last: index });
      else life.last = index;
    }
  });
  return [...lives.values()];
}

function usedBy(operation: Operation): readonly Buffer[] {
  switch (operation.kind) {
    case 'launch':
      return operation.buffers;
    case 'clear':
      return [operation.buffer];
    case 'copy':
      return [operation.from, operation.to];
    default:
      return operation satisfies never;
  }
}
