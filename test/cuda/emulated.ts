// A few calls of the emulated driver for tests: a text of kernels comes in, it runs over arrays, and the arrays are what
// the kernels made of them.

import { createDriver, type Driver } from '../../targets/cuda/device/driver.ts';
import { loadForeign } from '../../targets/cuda/device/foreign.ts';
import {
  compileEmulated,
  emulatedDriver,
  findHostCompiler,
  type EmulatedUnit,
  type HostCompiler,
} from '../../targets/cuda/emulate/build.ts';

export const compiler: HostCompiler | null = await findHostCompiler();

export interface Emulated {
  readonly driver: Driver;
  readonly stream: bigint;
  /** Throws with the driver's own words. */
  call(...args: Parameters<Driver['code']>): void;
  /** An out value. */
  out(...args: Parameters<Driver['code']>): bigint;
  load(unit: Omit<EmulatedUnit, 'compiler'>): Promise<bigint>;
  address(of: ArrayBufferView): bigint;
  allocate(data: ArrayBufferView): bigint;
  read<T extends ArrayBufferView>(from: bigint, into: T): T;
  /** The code of the launch. */
  launch(kernel: bigint, blocks: number, threads: number, values: readonly (bigint | ArrayBufferView)[]): number;
  /** Forgets everything, errors too. */
  close(): void;
}

/** `flags`: of the driver's own build. */
export async function openEmulated(flags: readonly string[] = []): Promise<Emulated> {
  const foreign = await loadForeign();
  const library = foreign.open(await emulatedDriver(compiler!, undefined, flags));
  const driver = library === null ? null : createDriver(foreign, library);
  if (driver === null || 'missing' in driver) throw new Error(`the emulated driver lacks ${driver?.missing.join()}`);
  const call = (...args: Parameters<Driver['code']>): void => {
    const code = driver.code(...args);
    if (code !== 0) throw new Error(`${args[0]}: ${driver.describe(code)}`);
  };
  const place = new BigUint64Array(1);
  const out = (name: Parameters<Driver['code']>[0], ...rest: (number | bigint | ArrayBufferView | null)[]): bigint => {
    call(name, place, ...rest);
    return place[0]!;
  };
  call('cuInit', 0);
  call('cuCtxSetCurrent', out('cuDevicePrimaryCtxRetain', 0));
  const stream = out('cuStreamCreate', 1);
  return {
    driver,
    stream,
    call,
    out,
    address: foreign.address,
    async load(unit) {
      return out('cuModuleLoadData', await compileEmulated({ ...unit, compiler: compiler! }));
    },
    allocate(data) {
      const at = out('cuMemAlloc_v2', data.byteLength);
      call('cuMemcpyHtoDAsync_v2', at, foreign.address(data), data.byteLength, stream);
      return at;
    },
    read(from, into) {
      call('cuMemcpyDtoHAsync_v2', foreign.address(into), from, into.byteLength, stream);
      call('cuStreamSynchronize', stream);
      return into;
    },
    launch(kernel, blocks, threads, values) {
      const held = values.map((value) => (typeof value === 'bigint' ? BigUint64Array.of(value) : value));
      const pointers = BigUint64Array.from(held, (value) => foreign.address(value));
      const at = foreign.address(pointers);
      const code = driver.code('cuLaunchKernel', kernel, blocks, 1, 1, threads, 1, 1, 0, stream, at, 0n);
      held.length = 0; // alive until here
      return code;
    },
    close() {
      driver.code('cuDevicePrimaryCtxRelease_v2', 0);
    },
  };
}

/** NUL-terminated, for the driver. */
export const chars = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`);

/** Runs something with variables of the environment, which the emulated driver reads too. */
export async function withEnvironment<T>(
  variables: Readonly<Record<string, string>>,
  run: () => Promise<T>,
): Promise<T> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    return await run();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
