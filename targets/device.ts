// The device interface, and the types that a generated module and the trainer share. A generated module imports types
// alone.

/** Run-time sizes of one call. keys = first + tokens; capacity: rows allocated for history tensors (keys when training). */
export interface Sizes {
  readonly batch: number;
  readonly tokens: number;
  readonly keys: number;
  readonly first: number;
  readonly capacity: number;
}

/** Sizes of a whole sequence: first = 0, keys = capacity = tokens. */
export function wholeSequence(batch: number, tokens: number): Sizes {
  return { batch, tokens, keys: tokens, first: 0, capacity: tokens };
}

export type StorageType = 'f32' | 'bf16' | 'i32';

export const bytesOfElement: Readonly<Record<StorageType, number>> = { f32: 4, bf16: 2, i32: 4 };

/** The language of a kernel's text, and of what a device compiles. */
export type Language = 'wgsl' | 'cuda' | 'wasm';

export type Profile = 'software' | 'portable' | 'subgroups';

export interface KernelVariant {
  readonly profile: Profile;
  readonly workgroup: number;
  readonly code: string;
  /** Workgroups to dispatch. */
  groups(sizes: Sizes): number;
  /** WebAssembly: bytes of private memory that each thread needs. */
  scratch?(sizes: Sizes): number;
}

/** out[batch, m, n] = scale * sum over k of left[batch, m, k] * right[batch, n, k], added to out where `accumulate`. */
export interface MatrixProduct {
  readonly scale: number;
  readonly accumulate: boolean;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batches: readonly number[];
  readonly left: Operand;
  readonly right: Operand;
  readonly out: Operand;
}

/** A matrix in a binding; strides in elements: `rows` along m (of the right factor: n), `columns` along k (of out: n). */
export interface Operand {
  readonly binding: number; // in Kernel.bindings
  readonly offset: number;
  readonly rows: number;
  readonly columns: number;
  readonly batches: readonly number[];
}

/**
 * WGSL: binding 0 is the uniform block of sizes and the number of workgroups; binding k + 1 is `bindings[k]`. CUDA: sizes,
 * then a pointer for each binding. WebAssembly: `code` is a module in base64 that imports `env.memory` and exports
 * run(begin, end, call, scratch), all i32: it does the workgroups begin to end - 1; at the address `call` lie batch,
 * tokens, keys, first, capacity, then the address of each binding; at `scratch` the thread's private memory.
 */
export interface Kernel {
  readonly name: string;
  readonly language: Language;
  readonly source: string; // 'carope.pe:9', or the operation's name
  readonly bindings: readonly {
    readonly name: string;
    readonly type: StorageType;
    readonly access: 'read' | 'read_write';
  }[];
  readonly variants: readonly KernelVariant[];
  /** The matrix product that the kernel is; a library may do it instead. */
  readonly product: ((sizes: Sizes) => MatrixProduct) | null;
}

/** A tensor's storage as the tape sees it: temporary (planned by lifetime), or a view of something the device holds. */
export interface Buffer {
  readonly name: string;
  readonly elements: number;
  readonly type: StorageType;
  readonly storage: DeviceBuffer | null; // null: temporary
  readonly offset: number; // in elements, into storage; a multiple of 256 bytes
}

/** Records launches once a shape; a device turns the record into its own form. */
export interface Tape {
  readonly sizes: Sizes;
  /** The same record, with other sizes for what is launched through it. */
  at(sizes: Sizes): Tape;
  /** f32 unless said otherwise. */
  temporary(name: string, elements: number, type?: StorageType): Buffer;
  launch(kernel: Kernel, buffers: readonly Buffer[]): void;
  /** Fills with zeros. */
  clear(buffer: Buffer): void;
  copy(from: Buffer, to: Buffer): void;
}

export interface DeviceBuffer {
  readonly label: string;
  readonly bytes: number;
}

/** What stays of a record: all of it, or what reaches a buffer that the device holds. */
export type Keep = 'all' | 'needed';

/** What a tape has recorded, with buffers assigned, ready to run any number of times. */
export interface Recorded {
  readonly launches: number;
  readonly bytes: number; // of temporaries
}

export interface KernelTime {
  readonly kernel: string;
  readonly launches: number;
  readonly milliseconds: number;
}

export interface Device {
  readonly name: string; // 'webgpu'
  readonly language: Language;
  readonly description: string; // the adapter, for people
  readonly profile: Profile;
  readonly maxBufferBytes: number; // the largest one binding
  /** Matrix products go to a library: kernels are compiled for that (PlanOptions.library). CUDA's always are. */
  readonly library?: boolean;
  /** Compiles pipelines in parallel; a failure carries the kernel and its `.pe` line. */
  prepare(kernels: readonly Kernel[]): Promise<void>;
  allocate(bytes: number, label: string): DeviceBuffer;
  free(buffer: DeviceBuffer): void;
  /** Ordered with run. `offset` in bytes. */
  write(buffer: DeviceBuffer, offset: number, data: ArrayBufferView): void;
  /** `needed`: without what ends in temporaries that nothing reads. */
  record(build: (tape: Tape) => void, sizes: Sizes, keep?: Keep): Promise<Recorded>;
  /** Enqueues; never waits. */
  run(recorded: Recorded): void;
  release(recorded: Recorded): void;
  /** Waits for what was enqueued. `offset` and `bytes` in bytes. */
  read(buffer: DeviceBuffer, offset: number, bytes: number): Promise<ArrayBuffer>;
  /** Runs with a timestamp around every launch; null where the adapter has none. */
  profileRun(recorded: Recorded): Promise<readonly KernelTime[] | null>;
  /** Runs; seconds by the device's own clock, where it has one. */
  elapsed?(recorded: Recorded): Promise<number>;
  close(): Promise<void>;
}

export type DeviceErrorKind = 'unavailable' | 'lost' | 'out-of-memory' | 'invalid-kernel' | 'limit' | 'internal';

/** Every failure of a device, with what to do in the message. */
export class DeviceError extends Error {
  readonly kind: DeviceErrorKind;
  readonly kernel: string | null;
  readonly source: string | null; // 'carope.pe:9'

  constructor(kind: DeviceErrorKind, message: string, kernel: string | null = null, source: string | null = null) {
    super(message);
    this.name = 'DeviceError';
    this.kind = kind;
    this.kernel = kernel;
    this.source = source;
  }
}

/** A learned tensor of a module. `initial` fills it in row-major order; `random` gives uniform numbers in [0, 1) by draw. */
export interface Learned {
  readonly name: string;
  readonly shape: readonly number[];
  readonly shared: boolean; // one for all layers
  readonly trained: boolean;
  /**
   * Values in float64. `random(element, site)`: the uniform number of that element's `site`-th draw; `fixed(name)`: the values
   * of an untrained tensor, of the same layer where it is a layer's own.
   */
  initial(random: (element: number, site: number) => number, fixed: (name: string) => ArrayLike<number>): Float64Array;
}

/** A random tensor of a module, fresh for each step and sequence, the same in all layers. */
export interface Draw {
  readonly name: string;
  /**
   * One sequence's values in float64, row-major, rows of this call's tokens. `random(element, site)`: the uniform number of
   * that element's `site`-th draw; an element's number does not depend on the length of the sequence.
   */
  values(sizes: Sizes, random: (element: number, site: number) => number): Float64Array;
}

export interface Parameter {
  readonly name: string;
  readonly comment: string; // 'phase [batch, tokens, 4, 8]'
  readonly type: StorageType;
  /** Elements to allocate. */
  elements(sizes: Sizes): number;
}

export interface Entry {
  readonly inputs: readonly (Parameter & { readonly accumulate: boolean })[];
  readonly outputs: readonly (Parameter & { readonly saved: boolean; readonly aliases: string | null })[];
}

export type Buffers = Readonly<Record<string, Buffer>>;

/**
 * What every generated module exports. Each entry function records its launches on a tape: inputs by name in, outputs by
 * name out (what backward needs is among the outputs of step and forward). Names: `query`, `W`, `d_query`, `d_W`, ...
 */
export interface Module {
  readonly name: string;
  readonly source: { readonly file: string; readonly sha256: string };
  readonly geometry: Readonly<Record<string, number>>;
  readonly learned: readonly Learned[];
  /** The caller fills these inputs, [batch, ...] each; `training`, where an entry takes it, is 1 in a training step, else 0. */
  readonly draws?: readonly Draw[];
  /** Kernels of all entries, for Device.prepare. */
  readonly kernels: Readonly<Record<string, Kernel>>;
  readonly entries: Readonly<Record<string, Entry>>;
  /** Tables read by the entries, computed in float64. `given` has `position` ([rows] or [rows, axes]) and other given tensors. */
  tables(
    sizes: Sizes,
    given: Readonly<Record<string, ArrayLike<number>>>,
  ): Readonly<Record<string, Float32Array | Int32Array>>;
  embed?(tape: Tape, buffers: Buffers): Buffers;
  embed_backward?(tape: Tape, buffers: Buffers): Buffers;
  input?(tape: Tape, buffers: Buffers): Buffers;
  input_backward?(tape: Tape, buffers: Buffers): Buffers;
  input_decode?(tape: Tape, buffers: Buffers): Buffers;
  /** `shared` and `shared_finish`: once for all layers of the module; `step` and `finish`: for each. */
  shared?(tape: Tape, buffers: Buffers): Buffers;
  step?(tape: Tape, buffers: Buffers): Buffers;
  forward(tape: Tape, buffers: Buffers): Buffers;
  backward?(tape: Tape, buffers: Buffers): Buffers;
  finish?(tape: Tape, buffers: Buffers): Buffers;
  shared_finish?(tape: Tape, buffers: Buffers): Buffers;
  decode?(tape: Tape, buffers: Buffers): Buffers;
  embed_relevance?(tape: Tape, buffers: Buffers): Buffers;
  relevance_shared?(tape: Tape, buffers: Buffers): Buffers;
  relevance_step?(tape: Tape, buffers: Buffers): Buffers;
  relevance?(tape: Tape, buffers: Buffers): Buffers;
}
