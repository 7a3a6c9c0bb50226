// What a user of the CUDA device is told when something is missing or fails: through the emulated driver's faults. Each
// message says what to do; after a fault that the driver never forgets every call says why. Needs g++.

import { afterEach, describe, expect, it } from 'vitest';
import type { Kernel } from '../../targets/device.ts';
import { DeviceError, wholeSequence } from '../../targets/device.ts';
import { createFailures } from '../../targets/cuda/device/errors.ts';
import type { Driver } from '../../targets/cuda/device/driver.ts';
import { listCuda, openCuda, type CudaDevice, type CudaOptions } from '../../targets/cuda/device/index.ts';
import { searchLibrary } from '../../targets/cuda/device/library.ts';
import { doubled, emulates, failure, floats, openTestDevice, whole, withEnvironment } from './device-fixture.ts';

const sizes = wholeSequence(1, 100);
const named = (name: string, source: string): Kernel => ({
  ...doubled,
  name,
  source,
  variants: [{ ...doubled.variants[0]!, code: doubled.variants[0]!.code.replace('double_of(', `${name}(`) }],
});

describe('without a GPU', () => {
  it('no driver library: where was looked, what to install', async () => {
    const error = await withEnvironment({ PEGEN_CUDA_DRIVER: '/nowhere/libcuda.so.1' }, () => failure(openCuda()));
    expect(error.kind).toBe('unavailable');
    expect(error.message).toMatch(/no NVIDIA driver library \(PEGEN_CUDA_DRIVER=\/nowhere\/libcuda\.so\.1\): install/);
    const listing = await withEnvironment({ PEGEN_CUDA_DRIVER: '/nowhere/libcuda.so.1' }, () => listCuda());
    expect([listing.cards, listing.problem]).toEqual([[], error.message]);
  });

  it('the places of libraries follow the environment', () => {
    expect(searchLibrary('nvrtc', { PEGEN_NVRTC: '/a/libnvrtc.so' }).paths).toEqual(['/a/libnvrtc.so']);
    expect(searchLibrary('driver', {}).paths[0]).toMatch(/libcuda\.so\.1|nvcuda\.dll/);
    expect(searchLibrary('nvrtc', {}).places).toMatch(/CUDA_HOME/);
  });
});

describe.skipIf(!emulates)('faults of opening', () => {
  const opening = (environment: Record<string, string>, options: CudaOptions = {}): Promise<DeviceError> =>
    withEnvironment(environment, () => failure(openTestDevice(options)));

  it('a driver that is too old: its version and the least', async () => {
    const error = await opening({ PEGEN_MOCK_DRIVER_VERSION: '11020' });
    expect(error.kind).toBe('unavailable');
    expect(error.message).toMatch(/offers CUDA 11\.2; CUDA 11\.4 or later is needed/);
  });

  it('no device, no device of this number, a driver that does not start', async () => {
    expect((await opening({ PEGEN_MOCK_NO_DEVICE: '1' })).message).toMatch(/finds no GPU.*CUDA_VISIBLE_DEVICES/);
    expect((await opening({}, { ordinal: 3 })).message).toMatch(/no GPU 3: the driver has 1/);
    const broken = await opening({ PEGEN_MOCK_FAIL: 'cuInit:999' });
    expect([broken.kind, broken.message]).toEqual(['unavailable', expect.stringMatching(/does not start.*\(999\)/)]);
  });

  it('no compiler: where was looked, how to get one', async () => {
    const { emulatedDriver, findHostCompiler } = await import('../../targets/cuda/emulate/build.ts');
    const driver = await emulatedDriver((await findHostCompiler())!);
    const error = await withEnvironment(
      { PEGEN_CUDA_DRIVER: driver, PEGEN_NVRTC: '/nowhere/libnvrtc.so', PEGEN_NVCC: '/nowhere/nvcc' },
      () => failure(openCuda()),
    );
    expect(error.kind).toBe('unavailable');
    expect(error.message).toMatch(/no compiler for CUDA kernels: no NVRTC \(PEGEN_NVRTC=.*no nvcc .*pip install/);
  });

  it('no C++ compiler: the package to install', async () => {
    const error = await opening({ CXX: '/nowhere/g++' });
    expect([error.kind, error.message]).toEqual(['unavailable', expect.stringMatching(/install the package g\+\+/)]);
  });

  it('lists what there is', async () => {
    const listing = await listCuda({ emulate: true });
    expect(listing.problem).toBeNull();
    expect(listing.cards[0]).toMatchObject({ name: 'emulated CUDA device', capability: 90 });
    expect(listing.driver).toMatch(/^\d+\.\d+$/);
  });
});

describe.skipIf(!emulates)('faults of running', () => {
  let device: CudaDevice | null = null;
  afterEach(async () => {
    await device?.close();
    device = null;
  });
  const open = async (options: CudaOptions = {}): Promise<CudaDevice> => (device = await openTestDevice(options));

  it('a card without bf16 says so, and what to use', async () => {
    const opened = await withEnvironment({ PEGEN_MOCK_CAPABILITY: '75' }, () => open());
    const narrow: Kernel = { ...doubled, bindings: [{ name: 'input', type: 'bf16', access: 'read' }] };
    const error = await failure(opened.prepare([narrow]));
    expect([error.kind, error.kernel]).toEqual(['unavailable', 'double_of']);
    expect(error.message).toMatch(/has no bf16, which begins with sm_80: use --precision f32/);
    await opened.prepare([doubled]);
  });

  it('out of memory: what for, how much, how much is free, which flags need less', async () => {
    const opened = await withEnvironment({ PEGEN_MOCK_MEMORY: String(2 ** 20) }, async () => {
      const small = await open();
      const first = small.allocate(2 ** 18, 'wte');
      expect(() => small.allocate(2 ** 20, 'moments')).toThrow(
        /no room for moments of 1\.0 MiB \(1048576 bytes\): 786432 bytes of 1\.0 MiB are free, and 262144 bytes are in use here; a smaller --batch, --context or --width, or --precision bf16/,
      );
      const error = await failure(
        small.record((tape) => {
          const [a, b] = [tape.temporary('scores', 2 ** 19), tape.temporary('x', 8)];
          tape.clear(a);
          tape.launch(doubled, [a, b]);
        }, sizes),
      );
      expect([error.kind, error.message]).toEqual([
        'out-of-memory',
        expect.stringMatching(/the temporary scores of 2\.0 MiB/),
      ]);
      // What the failed record had allocated is free again, and the device works on.
      small.free(first);
      small.allocate(2 ** 20 - 4096, 'all of it');
      return small;
    });
    expect(() => opened.allocate(2 ** 62, 'too much')).toThrow(DeviceError);
  });

  it('no memory of the host for transfers', async () => {
    const opened = await open();
    const buffer = opened.allocate(16, 'x');
    const error = await withEnvironment({ PEGEN_MOCK_FAIL: 'cuMemHostAlloc:2' }, () =>
      failure(opened.read(buffer, 0, 16)),
    );
    expect([error.kind, error.message]).toEqual([
      'out-of-memory',
      expect.stringMatching(/this machine has no 4096 bytes/),
    ]);
    expect((await opened.read(buffer, 0, 16)).byteLength).toBe(16);
  });

  it('memory that was freed while work waited is found when there is no other', async () => {
    await withEnvironment({ PEGEN_MOCK_MEMORY: String(2 ** 20) }, async () => {
      const small = await open();
      const first = small.allocate(700_000, 'first');
      small.write(first, 0, new Float32Array(10));
      small.free(first);
      expect(() => small.allocate(700_000, 'second')).not.toThrow();
    });
  });

  it('an illegal address names the kernel and its line; afterwards every call says why', async () => {
    const opened = await open();
    const turn = named('turn', 'rope.pe:4');
    const [input, output] = [whole(opened, 100, 'input'), whole(opened, 100, 'output')];
    const recorded = await opened.record((tape) => {
      const between = tape.temporary('between', 100);
      tape.launch(doubled, [input, between]);
      tape.launch(turn, [between, output]);
    }, sizes);
    const error = await withEnvironment({ PEGEN_MOCK_FAIL: 'cuLaunchKernel:700:turn' }, () =>
      failure(Promise.resolve().then(() => opened.run(recorded))),
    );
    expect([error.kind, error.kernel, error.source]).toEqual(['internal', 'turn', 'rope.pe:4']);
    expect(error.message).toMatch(
      /address outside its buffers in turn \(rope\.pe:4\) .*CUDA_ERROR_ILLEGAL_ADDRESS \(700\)/,
    );
    for (const later of [() => opened.run(recorded), () => opened.write(input.storage!, 0, new Float32Array(1))]) {
      expect(later).toThrow(/the GPU was lost when a kernel used an address outside its buffers in turn/);
    }
    const read = await failure(opened.read(output.storage!, 0, 4));
    expect([read.kind, read.kernel]).toEqual(['lost', 'turn']);
    await opened.close();
    const again = await open();
    const fresh = whole(again, 100, 'fresh');
    again.run(await again.record((tape) => tape.launch(doubled, [whole(again, 100, 'zeros'), fresh]), sizes));
    expect((await floats(again, fresh))[0]).toBe(100);
  });

  it('an error that comes later names what was launched since the last wait, and the setting that tells which', async () => {
    await withEnvironment({ PEGEN_MOCK_ASYNC: '1' }, async () => {
      const opened = await open();
      const outside: Kernel = {
        ...named('reach', 'alibi.pe:7'),
        variants: [
          {
            ...doubled.variants[0]!,
            code: 'extern "C" __global__ void reach(const Sizes sizes, const float* input, float* result) { *(float*)64 = 1.0f; }',
          },
        ],
      };
      const [input, output] = [whole(opened, 100, 'input'), whole(opened, 100, 'output')];
      const good = await opened.record((tape) => tape.launch(doubled, [input, output]), sizes);
      const before = named('before', 'rope.pe:2');
      const bad = await opened.record((tape) => {
        tape.launch(before, [input, output]);
        tape.launch(outside, [input, output]);
      }, sizes);
      opened.run(good);
      await floats(opened, output);
      opened.run(bad);
      const error = await failure(floats(opened, output));
      expect(error.message).toMatch(
        /it was one of before \(rope\.pe:2\), reach \(alibi\.pe:7\): set PEGEN_CUDA_CHECK=1 .*learn which/,
      );
      expect(error.message).not.toContain('double_of');
      await opened.close();

      const checked = await withEnvironment({ PEGEN_CUDA_CHECK: '1' }, () => open());
      const [a, b] = [whole(checked, 100, 'a'), whole(checked, 100, 'b')];
      const record = await checked.record((tape) => {
        tape.launch(before, [a, b]);
        tape.launch(outside, [a, b]);
      }, sizes);
      const exact = await failure(Promise.resolve().then(() => checked.run(record)));
      expect([exact.kernel, exact.source]).toEqual(['reach', 'alibi.pe:7']);
    });
  });

  it('a launch that needs too much, a lost device, a kernel that the driver does not load', async () => {
    const opened = await open();
    const [input, output] = [whole(opened, 100, 'input'), whole(opened, 100, 'output')];
    const recorded = await opened.record((tape) => tape.launch(doubled, [input, output]), sizes);
    const running = (fault: string): Promise<DeviceError> =>
      withEnvironment({ PEGEN_MOCK_FAIL: fault }, () => failure(Promise.resolve().then(() => opened.run(recorded))));
    const resources = await running('cuLaunchKernel:701');
    expect([resources.kind, resources.kernel]).toEqual(['limit', 'double_of']);
    expect(resources.message).toMatch(/double_of \(double_of\.pe:1\): the kernel needs more registers or threads/);
    opened.run(recorded); // it works on

    const image = await withEnvironment({ PEGEN_MOCK_FAIL: 'cuModuleLoadData:209' }, () =>
      failure(opened.prepare([named('other', 'other.pe:1')])),
    );
    expect([image.kind, image.source]).toEqual(['invalid-kernel', 'other.pe:1']);
    await opened.prepare([named('other', 'other.pe:1')]);

    const lost = await running('cuLaunchKernel:702,cuGraphLaunch:702');
    expect([lost.kind, lost.message]).toEqual(['lost', expect.stringMatching(/lost: a kernel ran too long.*resume/)]);
    expect(() => opened.run(recorded)).toThrow(/was lost/);
  });

  it('where a graph is refused, launches do the work', async () => {
    const opened = await open();
    const [input, output] = [whole(opened, 100, 'input'), whole(opened, 100, 'output')];
    for (const fault of ['cuStreamBeginCapture_v2:900', 'cuLaunchKernel:900', 'cuGraphInstantiateWithFlags:801']) {
      const recorded = await opened.record((tape) => tape.launch(doubled, [input, output]), sizes);
      opened.run(recorded);
      opened.write(output.storage!, 0, new Float32Array(100));
      const refused = withEnvironment({ PEGEN_MOCK_FAIL: fault }, () => opened.run(recorded));
      if (fault.startsWith('cuLaunchKernel')) {
        expect((await failure(refused)).kernel).toBe('double_of'); // the plain launch fails as well
        opened.run(recorded);
      } else await refused;
      expect(opened.graphOf(recorded)).toBe('refused');
      expect((await floats(opened, output))[0]).toBe(100);
    }
  });
});

describe('codes of the driver', () => {
  const driver = {
    code: () => 0,
    describe: (code: number) => `CUDA_ERROR (${code})`,
  } as unknown as Driver;
  const kindOf = (code: number): string => {
    try {
      return createFailures(driver, false).refuse(code, 'cuLaunchKernel', null);
    } catch (error) {
      return (error as DeviceError).kind;
    }
  };
  it('each has its kind', () => {
    expect([2, 46, 100, 200, 209, 222, 701, 1, 400].map(kindOf)).toEqual([
      'out-of-memory',
      'unavailable',
      'unavailable',
      'invalid-kernel',
      'invalid-kernel',
      'invalid-kernel',
      'limit',
      'internal',
      'internal',
    ]);
    expect([214, 702, 709, 999].map(kindOf)).toEqual(['lost', 'lost', 'lost', 'lost']);
    expect([700, 715, 716, 719].map(kindOf)).toEqual(['internal', 'internal', 'internal', 'internal']);
  });
});
