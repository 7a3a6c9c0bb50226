// Calls into a shared library from any thread, through the npm package koffi. Addresses are numbers: those of a process are
// below 2^53. A library stays loaded as long as what `open` gave is reachable.

/** As koffi spells them; memory of ours is passed as 'void *', texts as 'const char **'. */
export type Type =
  'int' | 'uint32_t' | 'int64_t' | 'float' | 'size_t' | 'uintptr_t' | 'void *' | 'const char **' | 'void' | 'str';
export type Value = number | ArrayBufferView | readonly string[];
export type Call<Result = number> = (...values: readonly Value[]) => Result;

export interface Library {
  /** null where there is nothing of this name. */
  find<Result = number>(name: string, result: Type, types: readonly Type[]): Call<Result> | null;
  /** The function at an address. */
  at<Result = number>(address: number, result: Type, types: readonly Type[]): Call<Result>;
}

export interface Foreign {
  /** A library, or why it does not load. */
  open(path: string): Library | string;
  address(memory: ArrayBufferView): number;
  /** Pointers that lie side by side. */
  pointers(address: number, count: number): readonly number[];
  text(address: number): string;
}

type Koffi = (typeof import('koffi'))['default'];

/** null where koffi is not installed, and outside Node. */
export function loadForeign(): Foreign | null {
  const koffi = requireKoffi();
  if (koffi === null) return null;
  return {
    open(path) {
      try {
        const handle = koffi.load(path);
        return {
          find(name, result, types) {
            try {
              return handle.func(name, result, [...types]);
            } catch {
              return null;
            }
          },
          at: (address, result, types) => koffi.decode(BigInt(address), koffi.proto(result, [...types])),
        };
      } catch (error) {
        return `${path} does not load: ${error instanceof Error ? error.message : String(error)}`;
      }
    },
    address: (memory) => Number(koffi.address(memory)),
    pointers: (address, count) => Array.from(new BigUint64Array(koffi.view(BigInt(address), 8 * count)), Number),
    text: (address) => koffi.decode.string(BigInt(address)),
  };
}

/** At once, since a thread takes its messages one after the other. */
function requireKoffi(): Koffi | null {
  if (typeof process !== 'object' || typeof process.getBuiltinModule !== 'function') return null;
  try {
    return process.getBuiltinModule('node:module').createRequire(import.meta.url)('koffi') as Koffi;
  } catch {
    return null;
  }
}
