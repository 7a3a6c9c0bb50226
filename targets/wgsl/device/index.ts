// The WebGPU device, the same in Node and in browsers: openWebGpu finds an adapter and gives a Device. Writes, runs and
// reads happen in the order of their calls; whatever fails comes out of the next call that waits, as a DeviceError.

import type { Device, DeviceBuffer, Recorded } from '../../device.ts';
import { DeviceError } from '../../device.ts';
import { bytesText } from '../../bytes.ts';
import { recordOperations } from '../../tape.ts';
import { findAdapter, openAdapter, type AdapterChoice, type AdapterSummary } from './adapter.ts';
import { mapModeRead, usage } from './constants.ts';
import { createFailures } from './errors.ts';
import { createPipelines } from './pipelines.ts';
import { createRecorder, createStorage, type StoredBuffer, type WebGpuRecorded } from './record.ts';
import { submit, submitTimed } from './run.ts';

export type { AdapterChoice, AdapterSummary } from './adapter.ts';

export interface WebGpuDevice extends Device {
  readonly name: 'webgpu';
  readonly adapter: AdapterSummary;
  /** For tests, and for pages that draw with the same device. */
  readonly gpu: GPUDevice;
}

/** Throws DeviceError 'unavailable' where there is no adapter. */
export async function openWebGpu(choice: AdapterChoice = {}): Promise<WebGpuDevice> {
  const { device, browser, summary } = await openAdapter(choice);
  const failures = createFailures(device);
  const pipelines = createPipelines(device, summary, failures);
  const recorder = createRecorder(device, summary, pipelines, failures);
  const staging: GPUBuffer[] = []; // for reads, free ones
  const { limits } = summary;

  const read = async (buffer: DeviceBuffer, offset: number, bytes: number): Promise<ArrayBuffer> => {
    failures.check();
    if (offset % 4 !== 0 || bytes % 4 !== 0 || offset + bytes > buffer.bytes) {
      throw new Error(`${buffer.label}: ${bytes} bytes at ${offset} cannot be read out of ${buffer.bytes}`);
    }
    if (bytes === 0) return new ArrayBuffer(0);
    const free = staging.findIndex((each) => each.size >= bytes);
    const target =
      free === -1
        ? device.createBuffer({ label: 'staging', size: bytes, usage: usage.mapRead | usage.copyTo })
        : staging.splice(free, 1)[0]!;
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(stored(buffer).buffer, offset, target, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await failures.wait(target.mapAsync(mapModeRead, 0, bytes));
    const data = target.getMappedRange(0, bytes).slice(0);
    target.unmap();
    staging.push(target);
    return data;
  };

  return {
    name: 'webgpu',
    language: 'wgsl',
    description: summary.description,
    profile: summary.profile,
    maxBufferBytes: Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize),
    adapter: summary,
    gpu: device,
    prepare(kernels) {
      return pipelines.prepare(kernels);
    },
    allocate(bytes, label): StoredBuffer {
      failures.check();
      if (bytes > limits.maxBufferSize) {
        throw new DeviceError(
          'limit',
          `${label} needs a buffer of ${bytesText(bytes)} (${bytes} bytes); ${summary.description} allows ` +
            `${bytesText(limits.maxBufferSize)} (${limits.maxBufferSize} bytes): use a smaller model or another device`,
        );
      }
      const size = Math.max(16, Math.ceil(bytes / 16) * 16);
      return { label, bytes, buffer: createStorage(device, size, label, failures) };
    },
    free(buffer) {
      stored(buffer).buffer.destroy();
    },
    write(buffer, offset, data) {
      failures.check();
      if (offset % 4 !== 0 || data.byteLength % 4 !== 0 || offset + data.byteLength > buffer.bytes) {
        throw new Error(
          `${buffer.label}: ${data.byteLength} bytes at ${offset} cannot be written into ${buffer.bytes}`,
        );
      }
      device.queue.writeBuffer(
        stored(buffer).buffer,
        offset,
        data.buffer as ArrayBuffer,
        data.byteOffset,
        data.byteLength,
      );
    },
    async record(build, sizes, keep): Promise<WebGpuRecorded> {
      failures.check();
      const operations = recordOperations(build, sizes, keep);
      const kernels = new Set(operations.flatMap((each) => (each.kind === 'launch' ? [each.kernel] : [])));
      await pipelines.prepare([...kernels]);
      const recorded = recorder.record(operations);
      await failures.wait(Promise.resolve());
      return recorded;
    },
    run(recorded) {
      failures.check();
      submit(device, webGpu(recorded).commands, browser);
    },
    release(recorded) {
      for (const slot of webGpu(recorded).slots) slot.destroy();
    },
    read,
    async profileRun(recorded) {
      failures.check();
      if (!device.features.has('timestamp-query')) return null;
      return failures.wait(submitTimed(device, webGpu(recorded).commands));
    },
    async close() {
      failures.close();
      device.destroy();
      await device.lost;
    },
  };
}

const stored = (buffer: DeviceBuffer): StoredBuffer => buffer as StoredBuffer;
const webGpu = (recorded: Recorded): WebGpuRecorded => recorded as WebGpuRecorded;

/** The adapters that can be opened, best first; in Node also the software driver. */
export async function listAdapters(): Promise<readonly AdapterSummary[]> {
  const first = await findAdapter({});
  if (first === null) return [];
  const second = first.summary.source === 'system' ? await findAdapter({ adapter: 'swiftshader' }) : null;
  return [first.summary, ...(second === null ? [] : [second.summary])];
}
