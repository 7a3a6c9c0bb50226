// A record made ready to run: operations come in; with storage for temporaries and packed parameters they become a list of
// commands that run.ts enqueues again each time. Everything is checked before anything is allocated.

import { DeviceError, bytesOfElement } from '../../device.ts';
import type { Buffer, Kernel, Recorded, Sizes } from '../../device.ts';
import { planMemory } from '../../memory.ts';
import type { Operation } from '../../tape.ts';
import type { Foreign } from './foreign.ts';
import type { Kernels, Wanted } from './kernels.ts';
import type { CudaBuffer, Memory } from './memory.ts';
import type { PlannedProduct, Products } from './products.ts';

export type Command =
  | {
      readonly kind: 'launch';
      readonly kernel: Kernel;
      readonly handle: bigint;
      readonly groups: number;
      readonly lanes: number;
      readonly parameters: bigint; // the address of a list of addresses
    }
  | { readonly kind: 'product'; readonly kernel: Kernel; readonly planned: PlannedProduct }
  | { readonly kind: 'clear'; readonly address: bigint; readonly bytes: number }
  | { readonly kind: 'copy'; readonly from: bigint; readonly to: bigint; readonly bytes: number };

export interface CudaRecorded extends Recorded {
  readonly commands: readonly Command[];
  readonly kernels: readonly Kernel[]; // that it launches
  readonly slots: readonly CudaBuffer[];
  /** Holds the parameters that commands point to. */
  readonly parameters: ArrayBuffer;
  graph: Graph;
}

/** A record becomes a graph when it runs for the second time. */
export type Graph =
  | { readonly kind: 'none'; readonly runs: number }
  | { readonly kind: 'refused' }
  | { readonly kind: 'graph'; readonly executable: bigint };

const wideFrom = 2 ** 31; // elements of a buffer, or lanes of a launch
const mostGroups = 2 ** 31 - 1;

type Launch = Extract<Operation, { kind: 'launch' }>;

const isWide = ({ buffers, sizes }: Launch, workgroup: number, groups: (sizes: Sizes) => number): boolean =>
  buffers.some(({ elements }) => elements >= wideFrom) || groups(sizes) * workgroup >= wideFrom;

export interface Recorder {
  record(operations: readonly Operation[]): Promise<CudaRecorded>;
}

export function createRecorder(
  foreign: Foreign,
  description: string,
  kernels: Kernels,
  memory: Memory,
  products: Products | null,
): Recorder {
  const wanted = (launch: Launch): Wanted => {
    const { workgroup, groups } = kernels.variant(launch.kernel);
    const count = groups(launch.sizes);
    if (!Number.isSafeInteger(count) || count < 0 || count > mostGroups) {
      const { name, source } = launch.kernel;
      throw new DeviceError(
        'limit',
        `${name} needs ${count} workgroups; ${description} allows ${mostGroups}`,
        name,
        source,
      );
    }
    return { kernel: launch.kernel, wide: isWide(launch, workgroup, groups) };
  };

  return {
    async record(operations) {
      const launches = operations.filter((each) => each.kind === 'launch');
      const needs = new Map(launches.map((launch) => [launch, wanted(launch)]));
      const plan = planMemory(operations);
      const slots: CudaBuffer[] = [];
      const planned = new Map<Launch, PlannedProduct>();
      try {
        plan.slots.forEach(({ bytes }, index) => slots.push(memory.scratch(bytes, slotLabel(plan.slotOf, index))));
        const address = (buffer: Buffer): bigint => {
          const storage = buffer.storage === null ? slots[plan.slotOf.get(buffer)!]! : (buffer.storage as CudaBuffer);
          return storage.address + BigInt(buffer.offset * bytesOfElement[buffer.type]);
        };
        for (const launch of launches) {
          const product = products?.plan(launch.kernel, launch.sizes, launch.buffers.map(address)) ?? null;
          if (product !== null) planned.set(launch, product);
        }
        await kernels.prepare(launches.filter((each) => !planned.has(each)).map((each) => needs.get(each)!));
        const pack = packer(foreign, launches);
        const commands = operations.flatMap((operation): readonly Command[] => {
          switch (operation.kind) {
            case 'launch': {
              const { kernel, buffers, sizes } = operation;
              const product = planned.get(operation);
              if (product !== undefined) return [{ kind: 'product', kernel, planned: product }];
              const { workgroup, groups } = kernels.variant(kernel);
              const count = groups(sizes);
              if (count === 0) return [];
              const parameters = pack.add(sizes, count, buffers.map(address));
              const handle = kernels.get(kernel, needs.get(operation)!.wide);
              return [{ kind: 'launch', kernel, handle, groups: count, lanes: workgroup, parameters }];
            }
            case 'clear':
              return [{ kind: 'clear', address: address(operation.buffer), bytes: bytesOf(operation.buffer) }];
            case 'copy': {
              const { from, to } = operation;
              return [{ kind: 'copy', from: address(from), to: address(to), bytes: bytesOf(from) }];
            }
            default:
              return operation satisfies never;
          }
        });
        const run = commands.flatMap((each) => ('kernel' in each ? [each.kernel] : []));
        return {
          commands,
          slots,
          parameters: pack.memory,
          kernels: run,
          launches: run.length,
          bytes: plan.bytes,
          graph: { kind: 'none', runs: 0 },
        };
      } catch (error) {
        for (const product of planned.values()) products!.release(product);
        for (const slot of slots) memory.free(slot);
        throw error;
      }
    },
  };
}

const bytesOf = (buffer: Buffer): number => buffer.elements * bytesOfElement[buffer.type];

/** What a slot of temporaries is for: the largest of them. */
function slotLabel(slotOf: ReadonlyMap<Buffer, number>, index: number): string {
  const inside = [...slotOf].filter(([, slot]) => slot === index).map(([buffer]) => buffer);
  const largest = inside.reduce((a, b) => (bytesOf(b) > bytesOf(a) ? b : a));
  return `the temporary ${largest.name}`;
}

const sizesBytes = 24; // six int

/** Lays out each launch's arguments (the sizes, then pointers) and the list of their addresses that the driver takes. */
function packer(foreign: Foreign, launches: readonly Launch[]) {
  const bytes = launches.reduce(
    (sum, { buffers }) => sum + sizesBytes + 8 * buffers.length + 8 * (buffers.length + 1),
    0,
  );
  const memory = new ArrayBuffer(Math.max(8, bytes));
  const view = new DataView(memory);
  const base = foreign.address(memory);
  let at = 0;
  return {
    memory,
    /** The address of the list. */
    add({ batch, tokens, keys, first, capacity }: Sizes, groups: number, addresses: readonly bigint[]): bigint {
      const start = at;
      for (const value of [batch, tokens, keys, first, capacity, groups]) {
        view.setInt32(at, value, true);
        at += 4;
      }
      for (const address of addresses) {
        view.setBigUint64(at, address, true);
        at += 8;
      }
      const list = at;
      [start, ...addresses.map((_, index) => start + sizesBytes + 8 * index)].forEach((offset) => {
        view.setBigUint64(at, base + BigInt(offset), true);
        at += 8;
      });
      return base + BigInt(list);
    },
  };
}
