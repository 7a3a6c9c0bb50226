// The CPU device, the same in Node and in browsers: WebAssembly kernels on threads over one memory. Writes, runs and reads
// happen in the order of their calls; the host never computes, and nothing depends on how many threads there are.

import type { Device, DeviceBuffer, KernelTime, Recorded } from '../../device.ts';
import { DeviceError } from '../../device.ts';
import { bytesText } from '../../bytes.ts';
import { recordOperations } from '../../tape.ts';
import { startJobs } from './jobs.ts';
import { hasFused } from './fused.ts';
import { createKernels } from './kernels.ts';
import { describeMachine, type Machine } from './machine.ts';
import { createMemory, pageBytes, reserveMemory, type CpuBuffer } from './memory.ts';
import { createRecorder, type CpuRecorded } from './record.ts';
import { openLibrary } from './products/library.ts';
import type { Chosen, Probe, ProductChoice } from './products/choose.ts';
import { rounded } from './space.ts';
import { inNode } from './start.ts';

export type { Probe, ProductChoice } from './products/choose.ts';
export { describeMachine, type Machine } from './machine.ts';

export interface CpuChoice {
  /** As many as the machine runs at once, if not said. */
  readonly threads?: number;
  /** Bytes of memory at most; 4 GiB is what WebAssembly reaches. */
  readonly memory?: number;
  /** Whether threads share memory; where they cannot there is one. */
  readonly shared?: boolean;
  /** Whether products may be added to sums in one instruction, without rounding them, where the engine has it. */
  readonly fused?: boolean;
  /** Where a bundler has put worker.js. */
  readonly script?: URL;
  /** Who does matrix products; if not said, PEGEN_PRODUCTS says, or the fastest that is there. */
  readonly products?: ProductChoice;
  /** A kernel of our own to hold libraries against; without, any library is taken. */
  readonly probe?: Probe;
}

export interface CpuDevice extends Device {
  readonly name: 'cpu';
  readonly threads: number;
  /** Who does matrix products, and why: 'onnxruntime 1.30.0, 2.9 times as fast as our own'. */
  readonly products: string;
}

export const mostThreads = 256;
const mostPages = 65536;
/** Of memory. */
export const mostBytes = mostPages * pageBytes;

/** Throws DeviceError 'unavailable' where WebAssembly has no vectors. */
export async function openCpu(choice: CpuChoice = {}): Promise<CpuDevice> {
  const machine = describeMachine();
  if (!machine.vectors)
    throw new DeviceError('unavailable', 'WebAssembly has no SIMD instructions here; use a newer browser or Node');
  const shared = machine.shared && choice.shared !== false;
  const threads = shared ? checkedThreads(choice.threads ?? Math.min(machine.threads, mostThreads)) : 1;
  const pages = Math.max(1, Math.min(mostPages, Math.floor((choice.memory ?? mostBytes) / pageBytes)));
  const products = shared ? await chosenProducts(choice) : { found: null, why: 'own kernels' };
  const reserved = shared ? reserveMemory(pages) : { memory: null, maximum: pages };
  const jobs = await startJobs({
    threads,
    memory: reserved.memory ?? { initial: 1, maximum: pages },
    script: choice.script,
    kernelOf: (record, command) => recorder.get(record)?.kernels[command] ?? null,
  });
  const memory = createMemory(jobs, reserved.memory, reserved.maximum);
  const kernels = await createKernels(jobs, shared, choice.fused !== false && hasFused());
  const library = products.found === null ? null : openLibrary(products.found, reserved.memory!);
  if (products.found !== null) jobs.tell({ kind: 'library', found: products.found });
  const recorder = createRecorder(jobs, kernels, memory, library);

  // Private memory of the threads: as much as the record needs that needs most.
  let stride = 0;
  let scratch: CpuBuffer | null = null;
  const need = (bytes: number): void => {
    if (bytes <= stride) return;
    if (scratch !== null) memory.free(scratch);
    [scratch, stride] = [null, 0];
    const wanted = rounded(bytes);
    scratch = memory.scratch(wanted * threads, 'private memory of the threads');
    stride = wanted;
  };
  const at = (): readonly [number, number] => [scratch?.address ?? 0, stride];

  const timed = async (recorded: Recorded): Promise<Float64Array> => {
    jobs.check();
    return jobs.timed(cpuOf(recorded).id, ...at());
  };
  return {
    name: 'cpu',
    language: 'wasm',
    description: description(machine, threads, shared, products.found),
    library: library !== null,
    products: products.why,
    profile: 'software',
    maxBufferBytes: memory.limit,
    threads,
    prepare(given) {
      jobs.check();
      return kernels.prepare(given);
    },
    allocate(bytes, label): CpuBuffer {
      jobs.check();
      if (bytes <= memory.limit) return memory.allocate(bytes, label);
      throw new DeviceError(
        'limit',
        `${label} needs a buffer of ${bytesText(bytes)} (${bytes} bytes); WebAssembly allows ` +
          `${bytesText(memory.limit)} (${memory.limit} bytes): use a smaller model or another device`,
      );
    },
    free(buffer) {
      memory.free(stored(buffer));
    },
    write(buffer, offset, data) {
      jobs.check();
      checkInside(buffer, offset, data.byteLength, 'written into');
      memory.write(stored(buffer).address + offset, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    },
    async record(build, sizes, keep): Promise<CpuRecorded> {
      jobs.check();
      const operations = recordOperations(build, sizes, keep);
      await kernels.prepare([...new Set(operations.flatMap((each) => (each.kind === 'launch' ? [each.kernel] : [])))]);
      jobs.check();
      const recorded = recorder.record(operations);
      try {
        need(recorded.scratch);
      } catch (error) {
        recorder.release(recorded);
        throw error;
      }
      return recorded;
    },
    run(recorded) {
      jobs.check();
      jobs.run(cpuOf(recorded).id, ...at());
    },
    release(recorded) {
      recorder.release(cpuOf(recorded));
    },
    async read(buffer, offset, bytes) {
      jobs.check();
      checkInside(buffer, offset, bytes, 'read out of');
      return jobs.read(stored(buffer).address + offset, bytes);
    },
    async profileRun(recorded) {
      return sumTimes(cpuOf(recorded), await timed(recorded));
    },
    async elapsed(recorded) {
      const times = await timed(recorded);
      return (times.at(-1)! - times[0]!) / 1000;
    },
    async close() {
      await jobs.close();
      library?.close();
    },
  };
}

const stored = (buffer: DeviceBuffer): CpuBuffer => buffer as CpuBuffer;
const cpuOf = (recorded: Recorded): CpuRecorded => recorded as CpuRecorded;

function checkedThreads(threads: number): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= mostThreads) return threads;
  throw new DeviceError('limit', `${threads} threads; a CPU device has 1 to ${mostThreads}`);
}

/** Libraries are called in Node, on memory that the host sees too. Throws DeviceError where one is asked for that is not there. */
export async function chosenProducts({ products, probe }: CpuChoice): Promise<Chosen> {
  if (!inNode()) return { found: null, why: 'own kernels' };
  const { chooseProducts, productChoices } = await import('./products/choose.ts');
  const wanted = products ?? process.env['PEGEN_PRODUCTS'] ?? 'auto';
  const known = productChoices.find((each) => each === (wanted === '' ? 'auto' : wanted));
  if (known !== undefined) return chooseProducts({ wanted: known, probe: probe ?? null });
  throw new DeviceError('unavailable', `PEGEN_PRODUCTS is ${wanted}; it is one of ${productChoices.join(', ')}`);
}

/** 'CPU: AMD EPYC 7763, 2 threads (WebAssembly SIMD, matrix products by onnxruntime 1.30.0)'. */
function description({ name }: Machine, threads: number, shared: boolean, found: Chosen['found']): string {
  const count = threads === 1 ? '1 thread' : `${threads} threads`;
  const why = shared ? '' : ', since the page is not cross-origin isolated';
  return `CPU: ${name}, ${count}${why} (WebAssembly SIMD${found === null ? '' : `, matrix products by ${found.description}`})`;
}

function checkInside(buffer: DeviceBuffer, offset: number, bytes: number, what: string): void {
  if (offset >= 0 && bytes >= 0 && offset % 4 === 0 && bytes % 4 === 0 && offset + bytes <= buffer.bytes) return;
  throw new Error(`${buffer.label}: ${bytes} bytes at ${offset} cannot be ${what} ${buffer.bytes}`);
}

/** The time of each kernel, longest first. */
function sumTimes({ kernels }: CpuRecorded, times: Float64Array): readonly KernelTime[] {
  const totals = new Map<string, { launches: number; milliseconds: number }>();
  kernels.forEach((kernel, index) => {
    if (kernel === null) return;
    const total = totals.get(kernel.name) ?? { launches: 0, milliseconds: 0 };
    total.launches += 1;
    total.milliseconds += times[index + 1]! - times[index]!;
    totals.set(kernel.name, total);
  });
  return [...totals]
    .map(([kernel, total]) => ({ kernel, ...total }))
    .toSorted((a, b) => b.milliseconds - a.milliseconds);
}
