// What the CPU is: its name, how many threads it runs at once, whether WebAssembly has vectors and shared memory here.

import { inNode } from './start.ts';

export interface Machine {
  readonly name: string; // 'AMD EPYC 7763', or 'this CPU' where nobody says
  readonly threads: number;
  /** Whether threads may share memory; a page must be cross-origin isolated for that. */
  readonly shared: boolean;
  readonly vectors: boolean;
}

export function describeMachine(): Machine {
  const os = inNode() ? process.getBuiltinModule('node:os') : null;
  const name = os?.cpus()[0]?.model.trim().replace(/\s+/g, ' ') ?? '';
  return {
    name: name === '' || name === 'unknown' ? 'this CPU' : name,
    threads: os?.availableParallelism() ?? globalThis.navigator?.hardwareConcurrency ?? 1,
    shared: typeof SharedArrayBuffer === 'function' && (os !== null || globalThis.crossOriginIsolated),
    vectors: WebAssembly.validate(vectorModule()),
  };
}

// prettier-ignore
const vectorModule = (): Uint8Array<ArrayBuffer> => new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
  0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, // () -> v128
  0x03, 0x02, 0x01, 0x00,
  0x0a, 0x08, 0x01, 0x06, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x0b, // i8x16.splat(0)
]);
