// A record made ready to run: operations come in, with storage for temporaries, bind groups and dispatch sizes they become
// a list that run.ts encodes again each time. Everything is checked against the limits before anything is created.

import { bytesText } from '../../bytes.ts';
import type { Buffer, DeviceBuffer, Recorded, Sizes } from '../../device.ts';
import { DeviceError, bytesOfElement } from '../../device.ts';
import { planMemory } from '../../memory.ts';
import type { Operation } from '../../tape.ts';
import type { AdapterSummary } from './adapter.ts';
import { usage } from './constants.ts';
import type { Failures } from './errors.ts';
import { checkBinding, type Pipelines } from './pipelines.ts';

export interface StoredBuffer extends DeviceBuffer {
  readonly buffer: GPUBuffer;
}

interface View {
  readonly buffer: GPUBuffer;
  readonly offset: number; // bytes
  readonly bytes: number;
}

export type Command =
  | {
      readonly kind: 'dispatch';
      readonly name: string;
      readonly pipeline: GPUComputePipeline;
      readonly group: GPUBindGroup;
      readonly x: number;
      readonly y: number;
    }
  | { readonly kind: 'clear'; readonly view: View }
  | { readonly kind: 'copy'; readonly from: View; readonly to: View };

export interface WebGpuRecorded extends Recorded {
  readonly commands: readonly Command[];
  readonly slots: readonly GPUBuffer[];
}

export interface Recorder {
  record(operations: readonly Operation[]): WebGpuRecorded;
}

const bytesOf = (buffer: Buffer): number => Math.max(1, buffer.elements) * bytesOfElement[buffer.type];

/** A line of workgroups, or a rectangle of nearly equal rows where one line is too long. */
export function dispatchSize(groups: number, most: number): readonly [number, number] {
  if (groups <= most) return [groups, 1];
  const rows = Math.ceil(groups / most);
  return [Math.ceil(groups / rows), rows];
}

export function createRecorder(
  device: GPUDevice,
  summary: AdapterSummary,
  pipelines: Pipelines,
  failures: Failures,
): Recorder {
  const blocks = new Map<string, GPUBuffer>();

  /** The uniform block of a launch; launches of equal sizes share it. */
  const blockOf = (sizes: Sizes, groups: number): GPUBuffer => {
    const values = [sizes.batch, sizes.tokens, sizes.keys, sizes.first, sizes.capacity, groups];
    const key = values.join();
    const known = blocks.get(key);
    if (known !== undefined) return known;
    const block = device.createBuffer({ label: `sizes ${key}`, size: 32, usage: usage.uniform | usage.copyTo });
    device.queue.writeBuffer(block, 0, new Int32Array([...values, 0, 0]));
    blocks.set(key, block);
    return block;
  };

  const check = (operations: readonly Operation[]): void => {
    const most = summary.limits.maxComputeWorkgroupsPerDimension;
    for (const operation of operations) {
      if (operation.kind !== 'launch') continue;
      const { kernel, buffers, sizes } = operation;
      for (const buffer of buffers) checkBinding(buffer.name, bytesOf(buffer), summary, kernel);
      const groups = pipelines.get(kernel).variant.groups(sizes);
      if (!Number.isSafeInteger(groups) || groups < 0 || groups > most * most || groups > 2 ** 31 - 1) {
        throw new DeviceError(
          'limit',
          `${kernel.name} needs ${groups} workgroups; ${summary.description} allows ${Math.min(most * most, 2 ** 31 - 1)}`,
          kernel.name,
          kernel.source,
        );
      }
    }
  };

  return {
    record(operations) {
      check(operations);
      const memory = planMemory(operations);
      const slots = memory.slots.map(({ bytes }, index) =>
        createStorage(device, bytes, `temporary ${index}`, failures),
      );
      const view = (buffer: Buffer): View => ({
        buffer: buffer.storage === null ? slots[memory.slotOf.get(buffer)!]! : (buffer.storage as StoredBuffer).buffer,
        offset: buffer.offset * bytesOfElement[buffer.type],
        bytes: bytesOf(buffer),
      });
      const commands = operations.flatMap((operation): readonly Command[] => {
        switch (operation.kind) {
          case 'launch': {
            const { kernel, buffers, sizes } = operation;
            const { pipeline, layout, variant } = pipelines.get(kernel);
            const groups = variant.groups(sizes);
            if (groups === 0) return [];
            const [x, y] = dispatchSize(groups, summary.limits.maxComputeWorkgroupsPerDimension);
            const group = device.createBindGroup({
              label: kernel.name,
              layout,
              entries: [
                { binding: 0, resource: { buffer: blockOf(sizes, groups) } },
                ...buffers.map((buffer, index) => {
                  const { buffer: storage, offset, bytes } = view(buffer);
                  return { binding: index + 1, resource: { buffer: storage, offset, size: bytes } };
                }),
              ],
            });
            return [{ kind: 'dispatch', name: kernel.name, pipeline, group, x, y }];
          }
          case 'clear':
            return [{ kind: 'clear', view: view(operation.buffer) }];
          case 'copy':
            return [{ kind: 'copy', from: view(operation.from), to: view(operation.to) }];
          default:
            return operation satisfies never;
        }
      });
      const launches = commands.filter(({ kind }) => kind === 'dispatch').length;
      return { commands, slots, launches, bytes: memory.bytes };
    },
  };
}

/** A storage buffer; running out of memory is told with its label at the next await. */
export function createStorage(device: GPUDevice, bytes: number, label: string, failures: Failures): GPUBuffer {
  device.pushErrorScope('out-of-memory');
  const buffer = device.createBuffer({ label, size: bytes, usage: usage.storage | usage.copyFrom | usage.copyTo });
  failures.watch(
    device.popErrorScope(),
    (message) =>
      new DeviceError(
        'out-of-memory',
        `the GPU has no room for ${label} of ${bytesText(bytes)} (${message}): use a smaller batch, context or model`,
      ),
  );
  return buffer;
}
