// What the page or process (the host) and its threads say to each other, and the few words of memory through which threads
// keep step. Every thread gets messages in the order in which they were posted; the first thread is the leader.

import type { FoundLibrary, Work } from './products/work.ts';

/** Jobs go to all threads, or to the leader alone where `leader` is said. */
export type ToThread =
  | {
      readonly kind: 'begin';
      readonly thread: number;
      readonly threads: number;
      /** Pages: the thread makes a memory of its own, where nothing can be shared. */
      readonly memory: WebAssembly.Memory | { readonly initial: number; readonly maximum: number };
      readonly control: Int32Array;
    }
  | { readonly kind: 'module'; readonly id: number; readonly module: WebAssembly.Module }
  /** Comes before the first record, where a library does matrix products. */
  | { readonly kind: 'library'; readonly found: FoundLibrary }
  | {
      readonly kind: 'record';
      readonly id: number;
      readonly commands: Int32Array;
      /** Matrix products by the library, in slices. */
      readonly products: readonly (readonly Work[])[];
    }
  | { readonly kind: 'forget'; readonly id: number }
  /** `reply`: the number of the reply with the leader's clock, or null. Scratch of thread n is at scratch + n * stride. */
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly scratch: number;
      readonly stride: number;
      readonly reply: number | null;
    }
  | LeaderJob;

export type LeaderJob =
  | { readonly kind: 'write'; readonly address: number; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'clear'; readonly address: number; readonly bytes: number }
  | { readonly kind: 'read'; readonly address: number; readonly bytes: number; readonly reply: number }
  | { readonly kind: 'grow'; readonly pages: number };

export type FromThread =
  | { readonly kind: 'ready' }
  /** Of a read: the bytes. Of a run: milliseconds (float64) at its beginning and after each command. */
  | { readonly kind: 'reply'; readonly reply: number; readonly data: ArrayBuffer }
  /** A command of a run that did not end; what came after it in the run was left out. `command` is -1 outside a run. */
  | { readonly kind: 'failed'; readonly record: number; readonly command: number; readonly text: string };

/** A command is a row of six i32: what, x, y, bytes, items, chunk. Addresses and bytes are unsigned. */
export const commandWords = 6;
/** `what` of a launch is the number of its module (x: the call); of others one of these (y: where to). */
export const clearCommand = -1;
export const copyCommand = -2;
/** x: which of the record's products; its items are slices. */
export const productCommand = -3;

/** Bytes that one item of a clear or copy moves. */
export const movedBytes = 2 ** 18;

/** Words of control memory, each on a line of the cache (and its neighbour) of its own. */
const line = 32;
export const word = {
  /** Leader's jobs that are done. */
  done: 0,
  /** Counts meetings; threads sleep on it. */
  meeting: line,
  arrived: 2 * line,
  sleeping: 3 * line,
  /** 1 + the command that failed. */
  failed: 4 * line,
  /** Not 0: leave out what is left. */
  stop: 5 * line,
  /** Length of the text of a failure, and the text, a character a word. */
  text: 6 * line,
  /** Items of its own share that are taken, for each thread. */
  taken: 14 * line,
} as const;
export const mostText = word.taken - word.text - 1;

export const takenWord = (thread: number): number => word.taken + thread * line;
export const controlBytes = (threads: number): number => 4 * (word.taken + threads * line);
