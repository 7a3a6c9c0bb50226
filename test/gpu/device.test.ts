// The WebGPU device on SwiftShader: what all devices do, and what only it does: limits, lost devices and kernels that do not
// compile are told as DeviceErrors with what is needed to act.

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
import type { Kernel, Profile } from '../../targets/device.ts';
import { wholeSequence } from '../../targets/device.ts';
import { dispatchSize } from '../../targets/wgsl/device/record.ts';
import type { WebGpuDevice } from '../../targets/wgsl/device/index.ts';
import { wgsl } from '../../targets/wgsl/printer.ts';
import { floats, whole } from '../device/programs.ts';
import { failure } from '../device/fixture.ts';
import { describeDevice } from '../device/suite.ts';
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

describeDevice('WebGPU', { open: openTestDevice, name: 'webgpu', language: 'wgsl' });

describe('of WebGPU alone', () => {
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

  it('takes another variant where the best has too many lanes, and refuses a kernel that has none', async () => {
    const variant = (profile: Profile, factor: string, workgroup = 32) => ({
      profile,
      workgroup,
      groups: () => 4,
      code: wgsl.kernel(double, '').replace('2.0 *', `${factor} *`),
    });
    const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
    device.write(input.storage!, 0, new Float32Array(100).fill(1));
    const variants = [variant('portable', '4.0', 1024), variant('subgroups', '5.0')];
    device.run(await device.record((tape) => tape.launch({ ...doubled, variants }, [input, output]), sizes));
    expect((await floats(device, output))[0]).toBe(105);
    const error = await failure(device.prepare([{ ...doubled, variants: [variant('portable', '6.0', 1024)] }]));
    expect(error.kind).toBe('limit');
    expect(error.message).toMatch(/double has no variant .*1024 lanes/);
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
