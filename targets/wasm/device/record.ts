// A record made ready to run: operations come in; with storage for temporaries and a block of calls they become rows of
// numbers that every thread goes through. Everything is checked before anything is allocated.

import { DeviceError, bytesOfElement } from '../../device.ts';
import type { Buffer, Kernel, Recorded } from '../../device.ts';
import { planMemory } from '../../memory.ts';
import type { Operation } from '../../tape.ts';
import type { Jobs } from './jobs.ts';
import type { Kernels } from './kernels.ts';
import type { CpuBuffer, Memory } from './memory.ts';
import { planProduct } from './products/library.ts';
import type { PlannedWork, ProductLibrary } from './products/work.ts';
import { clearCommand, commandWords, copyCommand, movedBytes, productCommand } from './protocol.ts';

export interface CpuRecorded extends Recorded {
  readonly id: number;
  /** Of each command; null: a clear or a copy. */
  readonly kernels: readonly (Kernel | null)[];
  /** Bytes of private memory that each thread needs. */
  readonly scratch: number;
  readonly held: readonly CpuBuffer[];
  /** Matrix products by the library. */
  readonly products: readonly PlannedWork[];
}

export interface Recorder {
  record(operations: readonly Operation[]): CpuRecorded;
  release(recorded: CpuRecorded): void;
  get(id: number): CpuRecorded | undefined;
}

type Launch = Extract<Operation, { kind: 'launch' }>;

const mostItems = 2 ** 30;
/** So many chunks has a thread's share of the items, where it has as many: others may take some. */
const chunksOfShare = 16;
const sizesWords = 5;

export function createRecorder(jobs: Jobs, kernels: Kernels, memory: Memory, library: ProductLibrary | null): Recorder {
  const records = new Map<number, CpuRecorded>();
  let last = 0;

  const itemsOf = ({ kernel, sizes }: Launch): number => {
    const items = kernels.variant(kernel).groups(sizes);
    if (Number.isSafeInteger(items) && items >= 0 && items <= mostItems) return items;
    throw new DeviceError(
      'limit',
      `${kernel.name} needs ${items} items of work; a CPU takes ${mostItems}`,
      kernel.name,
      kernel.source,
    );
  };
  const planned = ({ kernel, sizes }: Launch, addresses: readonly number[]): PlannedWork | null => {
    if (library === null || kernel.product === null || kernel.bindings.some(({ type }) => type !== 'f32')) return null;
    return planProduct(library, kernel.product(sizes), addresses);
  };
  const chunkOf = (items: number): number => Math.max(1, Math.floor(items / (jobs.threads * chunksOfShare)));

  return {
    record(all) {
      const operations = all.filter((each) =>
        each.kind === 'launch' ? itemsOf(each) > 0 : bytesOf(bufferOf(each)) > 0,
      );
      const launches = operations.filter((each) => each.kind === 'launch');
      let scratch = launches.reduce(
        (most, { kernel, sizes }) => Math.max(most, kernels.variant(kernel).scratch?.(sizes) ?? 0),
        0,
      );
      const products: PlannedWork[] = [];
      const plan = planMemory(all);
      const held: CpuBuffer[] = [];
      try {
        plan.slots.forEach(({ bytes }, index) => held.push(memory.scratch(bytes, slotLabel(plan.slotOf, index))));
        const address = (buffer: Buffer): number => {
          const storage = buffer.storage === null ? held[plan.slotOf.get(buffer)!]! : (buffer.storage as CpuBuffer);
          return storage.address + buffer.offset * bytesOfElement[buffer.type];
        };
        const words = launches.map(({ sizes, buffers }) => [
          sizes.batch,
          sizes.tokens,
          sizes.keys,
          sizes.first,
          sizes.capacity,
          ...buffers.map(address),
        ]);
        const calls = memory.scratch(4 * words.flat().length, 'calls');
        held.push(calls);
        memory.write(calls.address, new Uint8Array(new Int32Array(words.flat()).buffer));

        let call = calls.address;
        const row = (what: number, x: number, y: number, bytes: number, items: number): readonly number[] => [
          what,
          x,
          y,
          bytes,
          items,
          chunkOf(items),
        ];
        const rows = operations.map((operation): readonly number[] => {
          switch (operation.kind) {
            case 'launch': {
              const at = call;
              call += 4 * (sizesWords + operation.buffers.length);
              const work = planned(operation, operation.buffers.map(address));
              if (work !== null) {
                scratch = Math.max(scratch, work.scratch);
                return row(productCommand, products.push(work) - 1, 0, 0, work.works.length);
              }
              return row(kernels.moduleOf(operation.kernel), at, 0, 0, itemsOf(operation));
            }
            case 'clear': {
              const bytes = bytesOf(operation.buffer);
              return row(clearCommand, address(operation.buffer), 0, bytes, Math.ceil(bytes / movedBytes));
            }
            case 'copy': {
              const bytes = bytesOf(operation.from);
              const [from, to] = [address(operation.from), address(operation.to)];
              return row(copyCommand, from, to, bytes, Math.ceil(bytes / movedBytes));
            }
            default:
              return operation satisfies never;
          }
        });
        last += 1;
        const commands = new Int32Array(rows.length * commandWords);
        commands.set(rows.flat());
        jobs.tell({ kind: 'record', id: last, commands, products: products.map(({ works }) => works) });
        const recorded: CpuRecorded = {
          id: last,
          kernels: operations.map((each) => (each.kind === 'launch' ? each.kernel : null)),
          scratch,
          held,
          products,
          launches: launches.length,
          bytes: plan.bytes,
        };
        records.set(last, recorded);
        return recorded;
      } catch (error) {
        held.forEach(memory.free);
        products.forEach((each) => library!.free(each));
        throw error;
      }
    },
    release(recorded) {
      if (!records.delete(recorded.id)) return;
      jobs.tell({ kind: 'forget', id: recorded.id });
      recorded.products.forEach((each) => library!.leave(each));
      recorded.held.forEach(memory.free);
    },
    get: (id) => records.get(id),
  };
}

const bufferOf = (operation: Exclude<Operation, Launch>): Buffer =>
  operation.kind === 'clear' ? operation.buffer : operation.from;

const bytesOf = (buffer: Buffer): number => buffer.elements * bytesOfElement[buffer.type];

/** What a slot of temporaries is for: the largest of them. */
function slotLabel(slotOf: ReadonlyMap<Buffer, number>, index: number): string {
  const inside = [...slotOf].filter(([, slot]) => slot === index).map(([buffer]) => buffer);
  return `the temporary ${inside.reduce((a, b) => (bytesOf(b) > bytesOf(a) ? b : a)).name}`;
}
