// The CUDA device: openCuda finds the driver, a GPU and a compiler and gives a Device; with `emulate` kernels run on this
// CPU through the same calls. Writes, runs and reads happen in the order of their calls, on one stream.

import type { Device, DeviceBuffer, Profile, Recorded } from '../../device.ts';
import { recordOperations } from '../../tape.ts';
import { prelude } from '../prelude.ts';
import { checkVariable } from './blame.ts';
import { openCache } from './cache.ts';
import { cardAt, openDriver, versionText, type Card } from './card.ts';
import type { Compiler, Progress } from './compile.ts';
import { createCublasLt, findCublasLt, type FoundCublasLt } from './cublaslt.ts';
import { openEmulation } from './emulated.ts';
import { createFailures, type Failures } from './errors.ts';
import type { Driver } from './driver.ts';
import { loadForeign } from './foreign.ts';
import { createKernels } from './kernels.ts';
import { createMemory, type CudaBuffer } from './memory.ts';
import type { Products } from './products.ts';
import { createRecorder, type CudaRecorded } from './record.ts';
import { createRunner } from './run.ts';
import { createStaging } from './staging.ts';
import { createStream } from './stream.ts';
import { compilerNamed, findCompiler, type CompilerChoice } from './toolchain.ts';

export { listCuda, type CudaListing } from './list.ts';

export interface CudaOptions {
  /** Kernels run on this CPU, built by g++. */
  readonly emulate?: boolean;
  /** Which GPU, as the driver counts them. */
  readonly ordinal?: number;
  /** Where compiled kernels are kept; null: nowhere. */
  readonly cache?: string | null;
  /** The default is the variable PEGEN_CUDA_COMPILER, else auto: NVRTC, else nvcc. */
  readonly compiler?: CompilerChoice;
  /** Matrix products by cuBLASLt where it is found; under emulation by a mock of it, if asked for. */
  readonly library?: boolean;
  /** Which variants of kernels to run. */
  readonly profile?: Profile;
  /** Every launch is waited for, so that a fault names its kernel; the default is the variable PEGEN_CUDA_CHECK. */
  readonly check?: boolean;
  /** Told while kernels are compiled that were not in the cache: kernels done, of how many. */
  readonly onCompile?: Progress;
}

export interface CudaDevice extends Device {
  readonly name: 'cuda';
  readonly card: Card;
  readonly emulated: boolean;
  /** How a record runs: launch by launch as yet, always so, or as a graph. */
  graphOf(recorded: Recorded): 'none' | 'refused' | 'graph';
}

/** Throws DeviceError 'unavailable' where there is no driver, GPU or C++ compiler, with what to install. */
export async function openCuda(options: CudaOptions = {}): Promise<CudaDevice> {
  const { emulate = false, ordinal = 0, profile = 'subgroups', onCompile = () => undefined } = options;
  const checked = options.check ?? !['', '0', undefined].includes(process.env[checkVariable]);
  const foreign = await loadForeign();
  const cache = await openCache(options.cache);
  const emulation = emulate ? await openEmulation() : null;
  const opened = openDriver(foreign, emulation?.driver ?? null);
  const { driver, version } = opened;
  const card = cardAt(opened, ordinal);
  const compiler =
    emulation?.compiler ??
    (await findCompiler(foreign, options.compiler ?? compilerNamed(process.env), card.capability, version));
  const failures = createFailures(driver, checked || emulate);
  const library =
    (options.library ?? !emulate) ? findCublasLt(foreign, majorOf(version), emulation?.driver ?? null) : null;
  const { stream, products } = openContext(driver, failures, card, library);
  const description = describe(card, version, emulate, compiler, products);

  const memory = createMemory(driver, stream, failures, emulate);
  const staging = createStaging(driver, stream, failures);
  const able = { description, profile, capability: card.capability, maxThreads: card.maxThreads };
  const kernels = createKernels(driver, failures, able, compiler, prelude, cache, onCompile);
  const recorder = createRecorder(foreign, description, kernels, memory, products);
  const runner = createRunner(driver, stream, failures, products, checked);
  const settle = (): void => {
    if (stream.idle()) memory.settle();
  };
  let closed = false;

  return {
    name: 'cuda',
    language: 'cuda',
    description,
    profile,
    maxBufferBytes: card.bytes,
    card,
    emulated: emulate,
    async prepare(wanted) {
      // What the library may do is compiled when a record finds that it does not.
      const own = products === null ? wanted : wanted.filter(({ product }) => product === null);
      await kernels.prepare(own.map((kernel) => ({ kernel, wide: false })));
    },
    allocate: (bytes, label) => memory.allocate(bytes, label),
    free(buffer) {
      memory.free(stored(buffer));
    },
    write(buffer, offset, data) {
      failures.check();
      checkInside(buffer, offset, data.byteLength, 'written into');
      staging.write(
        stored(buffer).address + BigInt(offset),
        new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      );
    },
    async record(build, sizes, keep): Promise<CudaRecorded> {
      failures.check();
      return recorder.record(recordOperations(build, sizes, keep));
    },
    run(recorded) {
      runner.run(cudaOf(recorded));
    },
    release(recorded) {
      runner.release(cudaOf(recorded));
      for (const slot of cudaOf(recorded).slots) memory.free(slot);
    },
    async read(buffer, offset, bytes) {
      failures.check();
      checkInside(buffer, offset, bytes, 'read out of');
      if (bytes === 0) return new ArrayBuffer(0);
      const data = await staging.read(stored(buffer).address + BigInt(offset), bytes);
      settle();
      return data;
    },
    async profileRun(recorded) {
      const times = await runner.timed(cudaOf(recorded));
      settle();
      return times;
    },
    async elapsed(recorded) {
      const seconds = await runner.elapsed(cudaOf(recorded));
      settle();
      return seconds;
    },
    graphOf: (recorded) => cudaOf(recorded).graph.kind,
    async close() {
      if (closed) return;
      closed = true;
      await stream.wait().catch(() => undefined);
      failures.close();
      products?.close();
      kernels.close();
      staging.close();
      memory.close();
      stream.close();
      driver.code('cuDevicePrimaryCtxRelease_v2', card.handle);
    },
  };
}

const stored = (buffer: DeviceBuffer): CudaBuffer => buffer as CudaBuffer;
const cudaOf = (recorded: Recorded): CudaRecorded => recorded as CudaRecorded;

function checkInside(buffer: DeviceBuffer, offset: number, bytes: number, what: string): void {
  if (offset < 0 || bytes < 0 || offset + bytes > buffer.bytes) {
    throw new Error(`${buffer.label}: ${bytes} bytes at ${offset} cannot be ${what} ${buffer.bytes}`);
  }
}

const majorOf = (version: number): number => Math.floor(version / 1000);

/** The card's context with what lives in it; nothing is held where that fails. */
function openContext(driver: Driver, failures: Failures, card: Card, library: FoundCublasLt | null) {
  const out = new BigUint64Array(1);
  failures.call('cuDevicePrimaryCtxRetain', out, card.handle);
  try {
    failures.call('cuCtxSetCurrent', out[0]!);
    const stream = createStream(driver, failures);
    return { stream, products: library === null ? null : createCublasLt(library, driver, stream.handle, failures) };
  } catch (error) {
    driver.code('cuDevicePrimaryCtxRelease_v2', card.handle);
    throw error;
  }
}

/** 'NVIDIA H200 (sm_90, CUDA 13.0, NVRTC 13.0, cuBLASLt 13.1)', 'emulated CUDA on this CPU (g++ 12.2.0)'. */
function describe(
  card: Card,
  version: number,
  emulated: boolean,
  compiler: Compiler,
  products: Products | null,
): string {
  const tools = [compiler.description, ...(products === null ? [] : [products.description])];
  if (emulated) return `emulated CUDA on this CPU (${tools.join(', ')})`;
  return `${card.name} (${[`sm_${card.capability}`, `CUDA ${versionText(version)}`, ...tools].join(', ')})`;
}
