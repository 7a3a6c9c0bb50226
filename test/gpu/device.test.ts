// The WebGPU device on SwiftShader: order of writes, runs and reads; equal bits; limits, lost devices and kernels that do
// not compile are told as DeviceErrors with what is needed to act.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { KernelBody } from '../../codegen/kernel.ts';
import {
  add,
  f32,
  i32,
  laneIndex,
  less,
  letOf,
  load,
  local,
  multiply,
  sizeOf,
  store,
  toF32,
  when,
  workgroupIndex,
} from '../../codegen/kernel-build.ts';
import type { Buffer, Device, Kernel } from '../../targets/device.ts';
import { DeviceError, wholeSequence } from '../../targets/device.ts';
import { dispatchSize } from '../../targets/wgsl/device/record.ts';
import type { WebGpuDevice } from '../../targets/wgsl/device/index.ts';
import { wgsl } from '../../targets/wgsl/printer.ts';
import { kernelFrom } from './kernels.ts';
import { openTestDevice } from './swiftshader.ts';

const sizes = wholeSequence(1, 100);

/** result[k] = 2 input[k] + tokens, for k < tokens. */
const double: KernelBody = {
  name: 'double',
  workgroup: 32,
  bindings: [
    { name: 'input', type: 'f32', access: 'read' },
    { name: 'result', type: 'f32', access: 'read_write' },
  ],
  shared: [],
  arrays: [],
  statements: [
    letOf('index', add(multiply(workgroupIndex, i32(32)), laneIndex)),
    ...when(less(local('index', 'i32'), sizeOf('tokens')), [
      store(
        'result',
        local('index', 'i32'),
        add(multiply(f32(2), load('input', local('index', 'i32'))), toF32(sizeOf('tokens'))),
      ),
    ]),
  ],
};
const doubled = kernelFrom(double, ({ tokens }) => Math.ceil(tokens / 32));

const whole = (device: Device, elements: number, name: string): Buffer => ({
  name,
  elements,
  type: 'f32',
  storage: device.allocate(elements * 4, name),
  offset: 0,
});
const floats = async (device: Device, buffer: Buffer): Promise<number[]> => [
  ...new Float32Array(await device.read(buffer.storage!, buffer.offset * 4, buffer.elements * 4)),
];
const failure = async (promise: Promise<unknown>): Promise<DeviceError> => {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DeviceError);
  return error as DeviceError;
};

describe('one device', () => {
  let device: WebGpuDevice;
  beforeAll(async () => {
    device = await openTestDevice();
  });
  afterAll(() => device?.close());

  it('says what it is', () => {
    expect(device.description).toContain('SwiftShader');
    expect(device.profile).toBe('software');
    expect(device.maxBufferBytes).toBeGreaterThanOrEqual(128 * 2 ** 20);
  });

  it('runs what was recorded, again and again, in order with writes and reads', async () => {
    const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
    const recorded = await device.record((tape) => {
      const between = tape.temporary('between', 100);
      tape.launch(doubled, [input, between]);
      tape.launch(doubled, [between, output]);
    }, sizes);
    expect(recorded.launches).toBe(2);
    expect(recorded.bytes).toBe(512);
    for (const start of [0, 7]) {
      device.write(
        input.storage!,
        0,
        Float32Array.from({ length: 100 }, (_, index) => start + index),
      );
      device.run(recorded);
      device.write(input.storage!, 0, new Float32Array(100)); // after the run: it does not see this
      const result = await floats(device, output);
      expect(result).toEqual(Array.from({ length: 100 }, (_, index) => 4 * (start + index) + 300));
    }
    device.release(recorded);
  });

  it('gives the same bits each time', async () => {
    const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
    device.write(
      input.storage!,
      0,
      Float32Array.from({ length: 100 }, (_, index) => Math.sin(index) / 3),
    );
    const recorded = await device.record((tape) => tape.launch(doubled, [input, output]), sizes);
    device.run(recorded);
    const first = await floats(device, output);
    device.write(output.storage!, 0, new Float32Array(100));
    device.run(recorded);
    expect(await floats(device, output)).toEqual(first);
  });

  it('clears, copies, and takes views and other sizes', async () => {
    const pool = whole(device, 256, 'pool');
    const output = whole(device, 64, 'output');
    device.write(pool.storage!, 0, new Float32Array(256).fill(1));
    const part = (offset: number): Buffer => ({ ...pool, name: `part ${offset}`, elements: 64, offset });
    const recorded = await device.record(
      (tape) => {
        tape.clear(part(64));
        tape.copy(part(128), output);
        const t = tape.temporary('t', 64);
        tape.at(wholeSequence(1, 3)).launch(doubled, [part(128), t]); // three elements only
        tape.copy(t, part(128));
        tape.launch(doubled, [output, part(192)]);
      },
      wholeSequence(1, 64),
    );
    device.run(recorded);
    const values = await floats(device, pool);
    expect(values.slice(0, 128)).toEqual([...Array(64).fill(1), ...Array(64).fill(0)]);
    expect(values.slice(128, 131)).toEqual([5, 5, 5]);
    expect(values.slice(192)).toEqual(Array(64).fill(66));
    expect(await floats(device, output)).toEqual(Array(64).fill(1));
  });

  it('dispatches more workgroups than one dimension holds, and runs none too many', async () => {
    // Each workgroup adds one to its own element; the buffer has exactly as many elements as workgroups.
    const groups = 70001;
    const count: KernelBody = {
      ...double,
      name: 'count',
      workgroup: 1,
      bindings: [{ name: 'result', type: 'f32', access: 'read_write' }],
      statements: [store('result', workgroupIndex, add(load('result', workgroupIndex), toF32(workgroupIndex)))],
    };
    const result = whole(device, groups, 'result');
    const recorded = await device.record(
      (tape) =>
        tape.launch(
          kernelFrom(count, () => groups),
          [result],
        ),
      sizes,
    );
    device.run(recorded);
    const values = await floats(device, result);
    expect(values.every((value, index) => value === index)).toBe(true);
  });

  it('times every kernel', async () => {
    const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
    const recorded = await device.record((tape) => {
      tape.launch(doubled, [input, output]);
      tape.clear(output);
      tape.launch(doubled, [input, output]);
    }, sizes);
    const times = await device.profileRun(recorded);
    expect(times?.map(({ kernel, launches }) => [kernel, launches])).toEqual([['double', 2]]);
    expect(times![0]!.milliseconds).toBeGreaterThanOrEqual(0);
    expect((await floats(device, output))[0]).toBe(100);
  });

  it('names the kernel and its line when it does not compile, and works on', async () => {
    const broken: Kernel = {
      ...doubled,
      name: 'phase',
      source: 'carope.pe:9',
      variants: [
        {
          profile: 'software',
          workgroup: 1,
          groups: () => 1,
          code: wgsl.kernel(double, '').replace('2.0 *', '2.0 * theta *'),
        },
      ],
    };
    const error = await failure(device.prepare([broken]));
    expect(error.kind).toBe('invalid-kernel');
    expect([error.kernel, error.source]).toEqual(['phase', 'carope.pe:9']);
    expect(error.message).toMatch(/phase \(carope\.pe:9\) does not compile: line \d+ of its WGSL: .*theta/);
    expect(error.message).toContain('2.0 * theta');
    await device.prepare([doubled]);
  });

  it('picks the variant for the adapter, and refuses a kernel that has none', async () => {
    const code = (factor: string): string => wgsl.kernel(double, '').replace('2.0 *', `${factor} *`);
    const variant = (profile: 'software' | 'portable' | 'subgroups', factor: string, workgroup = 32) => ({
      profile,
      workgroup,
      groups: () => 4,
      code: code(factor),
    });
    const run = async (variants: Kernel['variants']): Promise<number> => {
      const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
      device.write(input.storage!, 0, new Float32Array(100).fill(1));
      const recorded = await device.record((tape) => tape.launch({ ...doubled, variants }, [input, output]), sizes);
      device.run(recorded);
      return (await floats(device, output))[0]! - 100;
    };
    expect(await run([variant('subgroups', '5.0'), variant('portable', '4.0'), variant('software', '3.0')])).toBe(3);
    expect(await run([variant('subgroups', '5.0'), variant('portable', '4.0')])).toBe(4);
    expect(await run([variant('portable', '4.0', 1024), variant('subgroups', '5.0')])).toBe(5);
    const error = await failure(device.prepare([{ ...doubled, variants: [variant('portable', '6.0', 1024)] }]));
    expect(error.kind).toBe('limit');
    expect(error.message).toMatch(/double has no variant .*1024 lanes/);
  });

  it('refuses reads and writes outside a buffer', async () => {
    const buffer = device.allocate(16, 'small');
    expect(() => device.write(buffer, 8, new Float32Array(3))).toThrow(/small: 12 bytes at 8/);
    await expect(device.read(buffer, 0, 20)).rejects.toThrow(/small: 20 bytes/);
    device.free(buffer);
  });

  it('an error that nothing caught fails the next wait, once', async () => {
    const buffer = device.allocate(16, 'small');
    device.gpu.createBuffer({ size: 4, usage: 0x1 | 0x80 }); // mapped and storage do not go together
    const error = await failure(device.read(buffer, 0, 4));
    expect(error.kind).toBe('internal');
    expect((await device.read(buffer, 0, 4)).byteLength).toBe(4);
  });
});

describe('limits and losses', () => {
  let device: WebGpuDevice | null = null;
  afterEach(async () => {
    await device?.close();
    device = null;
  });

  it('a binding over the limit is refused with both numbers before anything is made', async () => {
    device = await openTestDevice({ limits: { maxStorageBufferBindingSize: 134217728 } });
    expect(device.maxBufferBytes).toBe(134217728);
    const small = whole(device, 64, 'x');
    const created: string[] = [];
    const { gpu } = device;
    const original = gpu.createBuffer.bind(gpu);
    gpu.createBuffer = (descriptor) => (created.push(descriptor.label ?? ''), original(descriptor));
    const error = await failure(
      device.record((tape) => {
        tape.launch(doubled, [small, tape.temporary('wte', 50257 * 768)]);
      }, sizes),
    );
    expect(error.kind).toBe('limit');
    expect(error.message).toMatch(
      /wte needs 147\.2 MiB \(154389504 bytes\) in one binding; .* allows 128\.0 MiB \(134217728 bytes\)/,
    );
    expect([error.kernel, error.source]).toEqual(['double', 'double.pe:1']);
    expect(created).toEqual([]);
  });

  it('a buffer over the limit is refused with both numbers', async () => {
    device = await openTestDevice({ limits: { maxBufferSize: 268435456 } });
    expect(() => device!.allocate(268435460, 'moments')).toThrow(/moments needs a buffer of .*268435460.*268435456/);
  });

  it('a device destroyed in the middle of a run is lost, and stays so', async () => {
    device = await openTestDevice();
    const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
    const recorded = await device.record((tape) => tape.launch(doubled, [input, output]), sizes);
    device.run(recorded);
    const pending = device.read(output.storage!, 0, 4);
    device.gpu.destroy();
    for (const promise of [
      pending,
      device.read(output.storage!, 0, 4),
      device.prepare([{ ...doubled }]),
      device.profileRun(recorded),
    ]) {
      const error = await failure(promise);
      expect(error.kind).toBe('lost');
      expect(error.message).toMatch(/was lost .*resume/);
    }
    expect(() => device!.run(recorded)).toThrow(/was lost/);
    expect(() => device!.write(input.storage!, 0, new Float32Array(1))).toThrow(/was lost/);
  });

  it('a closed device says so', async () => {
    const closed = await openTestDevice();
    const buffer = closed.allocate(16, 'small');
    await closed.close();
    const error = await failure(closed.read(buffer, 0, 4));
    expect([error.kind, error.message]).toEqual(['lost', 'the device has been closed']);
  });

  it('a profile can be asked for', async () => {
    device = await openTestDevice({ profile: 'subgroups' });
    expect(device.profile).toBe('subgroups');
  });
});

it('workgroups beyond one dimension make nearly equal rows', () => {
  expect(dispatchSize(65535, 65535)).toEqual([65535, 1]);
  expect(dispatchSize(65536, 65535)).toEqual([32768, 2]);
  for (const groups of [1, 131071, 1000003]) {
    const [x, y] = dispatchSize(groups, 65535);
    expect(x * y).toBeGreaterThanOrEqual(groups);
    expect(x * y - groups).toBeLessThan(y);
    expect(Math.max(x, y)).toBeLessThanOrEqual(65535);
  }
});
