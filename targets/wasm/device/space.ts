// Which bytes of an address space are taken: blocks at multiples of 256, the lowest place that is large enough first; what
// is given back joins its neighbours. Addresses only: whose memory it is, and what lies there, is memory.ts's.

export const granularity = 256;

export interface Block {
  readonly address: number;
  readonly bytes: number; // a multiple of the granularity
}

export interface Space {
  /** null where no hole is large enough. */
  take(bytes: number): Block | null;
  give(block: Block): void;
  /** Bytes in blocks. */
  used(): number;
  /** The end of the last block. */
  top(): number;
  /** Of the largest hole below `end`. */
  largest(): number;
  /** The space ends here from now on. */
  extend(end: number): void;
}

interface Hole {
  address: number;
  bytes: number;
}

export const rounded = (bytes: number): number => Math.max(1, Math.ceil(bytes / granularity)) * granularity;

export function createSpace(begin: number, end: number): Space {
  const holes: Hole[] = end > begin ? [{ address: begin, bytes: end - begin }] : []; // by address, none next to another
  let limit = end;
  let used = 0;

  const add = ({ address, bytes }: Block): void => {
    const next = firstFrom(holes, address);
    const before = holes[next - 1];
    const after = holes[next];
    const joinsBefore = before !== undefined && before.address + before.bytes === address;
    const joinsAfter = after !== undefined && address + bytes === after.address;
    if (joinsBefore) {
      before.bytes += bytes + (joinsAfter ? after.bytes : 0);
      if (joinsAfter) holes.splice(next, 1);
    } else if (joinsAfter) {
      after.address = address;
      after.bytes += bytes;
    } else holes.splice(next, 0, { address, bytes });
  };

  return {
    take(wanted) {
      const bytes = rounded(wanted);
      const index = holes.findIndex((hole) => hole.bytes >= bytes);
      const hole = holes[index];
      if (hole === undefined) return null;
      const { address } = hole;
      if (hole.bytes === bytes) holes.splice(index, 1);
      else {
        hole.address += bytes;
        hole.bytes -= bytes;
      }
      used += bytes;
      return { address, bytes };
    },
    give(block) {
      used -= block.bytes;
      add(block);
    },
    used: () => used,
    top() {
      const last = holes.at(-1);
      return last !== undefined && last.address + last.bytes === limit ? last.address : limit;
    },
    largest: () => holes.reduce((most, { bytes }) => Math.max(most, bytes), 0),
    extend(to) {
      if (to > limit) add({ address: limit, bytes: to - limit });
      limit = Math.max(limit, to);
    },
  };
}

/** The index of the first hole at or above an address. */
function firstFrom(holes: readonly Hole[], address: number): number {
  let [low, high] = [0, holes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holes[middle]!.address < address) low = middle + 1;
    else high = middle;
  }
  return low;
}
