// What the host and the threads say to each other about matrix products by a library: which library, and slices as it takes
// them. Plain data, since it is posted.

import type { Gather } from './gather.ts';
import type { Slice } from './slices.ts';

export interface FoundBlas {
  readonly kind: 'openblas';
  readonly path: string;
  readonly description: string; // 'OpenBLAS 0.3.21'
  readonly symbol: string; // 'cblas_sgemm'
  /** Whether its integers have 64 bits. */
  readonly wide: boolean;
}

export interface FoundRuntime {
  readonly kind: 'onnxruntime';
  readonly path: string;
  readonly description: string; // 'onnxruntime 1.30.0'
}

export type FoundLibrary = FoundBlas | FoundRuntime;

/** Addresses of onnxruntime's objects. `tensor` 0: made of what is gathered. */
export interface RuntimeWork {
  readonly session: number;
  readonly inputs: readonly { readonly tensor: number; readonly gather: Gather | null }[];
  readonly output: number;
}

/** A slice as the library takes it. */
export type Work = Slice | RuntimeWork;

/** Slices of a product in one place in memory. */
export interface PlannedWork {
  readonly works: readonly Work[];
  /** Bytes of private memory that a thread needs for any of them. */
  readonly scratch: number;
}

/** The host's side. */
export interface ProductLibrary {
  readonly found: FoundLibrary;
  readonly cores: number; // of the machine, however many threads there are
  /** null: a layout that it has no words for. */
  plan(slices: readonly Slice[]): PlannedWork | null;
  /** Of work that no thread has been told of. */
  free(planned: PlannedWork): void;
  /** A thread will free it, once it is done with it. */
  leave(planned: PlannedWork): void;
  /** After the threads have ended; frees what is left. */
  close(): void;
}

/** Copies within memory: addresses and bytes, as i32. */
export type Copy = (to: number, from: number, bytes: number) => void;

/** A thread's side. */
export interface Multiplier<Taken = Work> {
  /** Does a slice; `scratch` is the address of private memory. Throws what the library says. */
  multiply(work: Taken, scratch: number): void;
  /** No thread will do it again. */
  free(work: Taken): void;
}
