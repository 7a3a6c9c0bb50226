// Calls into shared libraries, through the npm package koffi, which is loaded when a CUDA device is first asked for.
// Pointers and handles are bigints on both sides; memory is passed as its address or as a typed array.

import { DeviceError } from '../../device.ts';

export type Argument = number | bigint | ArrayBufferView | null;

export interface ForeignFunction {
  (...args: readonly Argument[]): number;
  /** The same on another thread: the event loop lives on. */
  async(...args: readonly unknown[]): void;
}

/** 'pointer': an address, or memory of ours; 'handle': an address that only the library reads. */
export type ForeignType = 'int' | 'uint' | 'float' | 'handle' | 'pointer' | 'size';

export interface Library {
  readonly path: string;
  /** A function that returns an int (or a size); null where the library has none of this name. */
  find(name: string, types: readonly ForeignType[], result?: 'int' | 'size'): ForeignFunction | null;
}

export interface Foreign {
  /** null where there is no such library, or it does not load. */
  open(path: string): Library | null;
  address(memory: ArrayBufferView | ArrayBuffer): bigint;
  /** Memory of a library as ours. */
  view(address: bigint, bytes: number): ArrayBuffer;
  /** Text that ends in a zero. */
  text(address: bigint): string;
}

const spelling: Readonly<Record<ForeignType, string>> = {
  int: 'int',
  uint: 'uint32_t',
  float: 'float',
  handle: 'uint64_t',
  pointer: 'void *',
  size: 'size_t',
};

export async function loadForeign(): Promise<Foreign> {
  const koffi = await import('koffi').then(
    (module) => module.default,
    () => null,
  );
  if (koffi === null) {
    throw new DeviceError(
      'unavailable',
      'the npm package koffi, which calls the CUDA driver, is not installed: run npm install koffi',
    );
  }
  return {
    open(path) {
      let handle: ReturnType<typeof koffi.load>;
      try {
        handle = koffi.load(path);
      } catch {
        return null;
      }
      return {
        path,
        find(name, types, result = 'int') {
          try {
            const found = handle.func(
              name,
              spelling[result],
              types.map((type) => spelling[type]),
            );
            return found as unknown as ForeignFunction;
          } catch {
            return null;
          }
        },
      };
    },
    address: (memory) => koffi.address(memory),
    view: (address, bytes) => koffi.view(address, bytes),
    text: (address) => (address === 0n ? '' : koffi.decode.string(address)),
  };
}

/** Calls on another thread and waits for what it returns. */
export function callAsync(call: ForeignFunction, ...args: readonly Argument[]): Promise<number> {
  return new Promise((resolve, reject) => {
    call.async(...args, (error: unknown, result: number) => {
      if (error === null || error === undefined) resolve(result);
      else reject(error instanceof Error ? error : new Error(String(error)));
    });
  });
}

/** Text as C takes it. */
export const zeroEnded = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`);
