// The CUDA device over the emulated driver: order of writes, runs and reads; equal bits; graphs and plain launches alike;
// kernels that do not compile, wide kernels, memory that is freed while it is in use. Needs g++.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KernelBody } from '../../codegen/kernel.ts';
import { add, load, store, toF32, workgroupIndex } from '../../codegen/kernel-build.ts';
import type { Buffer, Kernel } from '../../targets/device.ts';
import { wholeSequence } from '../../targets/device.ts';
import type { CudaDevice } from '../../targets/cuda/device/index.ts';
import { cuda } from '../../targets/cuda/printer.ts';
import { double, doubled, emulates, failure, floats, kernelFrom, openTestDevice, whole } from './device-fixture.ts';

const sizes = wholeSequence(1, 100);

describe.skipIf(!emulates)('one device', () => {
  let device: CudaDevice;
  beforeAll(async () => {
    device = await openTestDevice();
  });
  afterAll(() => device?.close());

  it('says what it is', () => {
    expect(device.description).toMatch(/^emulated CUDA on this CPU \(.* \d+\.\d+.*\)$/);
    expect([device.name, device.language, device.profile]).toEqual(['cuda', 'cuda', 'subgroups']);
    expect(device.maxBufferBytes).toBeGreaterThanOrEqual(2 ** 32);
  });

  it('runs what was recorded, again and again, in order with writes and reads; from the second time on as a graph', async () => {
    const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
    const recorded = await device.record((tape) => {
      const between = tape.temporary('between', 100);
      tape.launch(doubled, [input, between]);
      tape.launch(doubled, [between, output]);
    }, sizes);
    expect(recorded.launches).toBe(2);
    expect(recorded.bytes).toBe(512);
    const kinds: string[] = [];
    for (const start of [0, 7, 11]) {
      device.write(
        input.storage!,
        0,
        Float32Array.from({ length: 100 }, (_, index) => start + index),
      );
      device.run(recorded);
      kinds.push(device.graphOf(recorded));
      device.write(input.storage!, 0, new Float32Array(100)); // after the run: it does not see this
      const result = await floats(device, output);
      expect(result).toEqual(Array.from({ length: 100 }, (_, index) => 4 * (start + index) + 300));
    }
    expect(kinds).toEqual(['none', 'graph', 'graph']);
    device.release(recorded);
  });

  it('gives the same bits each time, as plain launches and as a graph', async () => {
    const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
    device.write(
      input.storage!,
      0,
      Float32Array.from({ length: 100 }, (_, index) => Math.sin(index) / 3),
    );
    const recorded = await device.record((tape) => {
      tape.clear(output);
      tape.launch(doubled, [input, output]);
      tape.copy(output, input);
    }, sizes);
    const results: number[][] = [];
    for (const run of [0, 1, 2]) {
      device.write(input.storage!, 0, Float32Array.of(0.1, 0.2, 0.3));
      device.write(input.storage!, 12, new Float32Array(97).fill(1 / 3));
      device.run(recorded);
      expect(device.graphOf(recorded)).toBe(run === 0 ? 'none' : 'graph');
      results.push(await floats(device, input));
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    expect(results[0]![99]).toBe(Math.fround(2 * Math.fround(1 / 3) + 100));
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
    expect(values.slice(131, 192).every(Number.isNaN)).toBe(true); // nothing wrote these: the emulation shows it
    expect(values.slice(192)).toEqual(Array(64).fill(66));
    expect(await floats(device, output)).toEqual(Array(64).fill(1));
  });

  it('memory is zero at first, whatever lay there before', async () => {
    for (const name of ['first', 'second']) {
      const buffer = whole(device, 1000, name);
      expect(await floats(device, buffer)).toEqual(Array(1000).fill(0));
      device.write(buffer.storage!, 0, new Float32Array(1000).fill(7));
      device.free(buffer.storage!);
    }
  });

  it('launches more workgroups than other devices have in a row, and none too many', async () => {
    const groups = 70001;
    const count: KernelBody = {
      ...double,
      name: 'count',
      workgroup: 1,
      bindings: [{ name: 'result', type: 'f32', access: 'read_write' }],
      statements: [store('result', workgroupIndex, add(load('result', workgroupIndex), toF32(workgroupIndex)))],
    };
    const result = whole(device, groups, 'result');
    const kernel = kernelFrom(count, () => groups);
    device.run(await device.record((tape) => tape.launch(kernel, [result]), sizes));
    const values = await floats(device, result);
    expect(values.every((value, index) => value === index)).toBe(true);
  });

  it('launches nothing where there is nothing to do', async () => {
    const output = whole(device, 4, 'output');
    const none = { ...doubled, variants: [{ ...doubled.variants[0]!, groups: () => 0 }] };
    const recorded = await device.record((tape) => tape.launch(none, [whole(device, 4, 'x'), output]), sizes);
    expect(recorded.launches).toBe(0);
    for (const _ of [0, 1]) device.run(recorded);
    expect(await floats(device, output)).toEqual([0, 0, 0, 0]);
  });

  it('times every kernel', async () => {
    const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
    const recorded = await device.record((tape) => {
      tape.launch(doubled, [input, output]);
      tape.clear(output);
      tape.launch(doubled, [input, output]);
    }, sizes);
    const times = await device.profileRun(recorded);
    expect(times?.map(({ kernel, launches }) => [kernel, launches])).toEqual([['double_of', 2]]);
    expect(times![0]!.milliseconds).toBeGreaterThanOrEqual(0);
    expect((await floats(device, output))[0]).toBe(100);
  });

  it('moves more than the pinned ring and the pinned reads hold', async () => {
    const elements = 20 * 2 ** 20; // 80 MiB
    const large = whole(device, elements, 'large');
    const data = new Int32Array(elements);
    for (let index = 0; index < elements; index += 1) data[index] = index ^ 0x5a5a;
    device.write(large.storage!, 0, data);
    device.write(large.storage!, 4 * (elements - 1), Int32Array.of(-1));
    const back = new Int32Array(await device.read(large.storage!, 0, 4 * elements));
    let wrong = 0;
    for (let index = 0; index < elements - 1; index += 1) if (back[index] !== data[index]) wrong += 1;
    expect([wrong, back[elements - 1]]).toEqual([0, -1]);
    const middle = new Int32Array(await device.read(large.storage!, 4 * 5_000_001, 12));
    expect([...middle]).toEqual([5_000_001, 5_000_002, 5_000_003].map((index) => index ^ 0x5a5a));
    device.free(large.storage!);
  });

  it('reads that overlap with what is enqueued later see what was there before', async () => {
    const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
    const recorded = await device.record((tape) => tape.launch(doubled, [input, output]), sizes);
    device.run(recorded);
    const first = floats(device, output);
    device.write(input.storage!, 0, new Float32Array(100).fill(1));
    device.run(recorded);
    const second = floats(device, output);
    expect([(await first)[0], (await second)[0]]).toEqual([100, 102]);
  });

  it('a buffer that is freed while work waits is kept until the work is done', async () => {
    const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
    const recorded = await device.record((tape) => tape.launch(doubled, [input, output]), sizes);
    device.run(recorded);
    device.free(input.storage!);
    device.free(input.storage!); // twice does no harm
    device.release(recorded);
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
          workgroup: 32,
          groups: () => 1,
          code: cuda.kernel({ ...double, name: 'phase' }, '').replace('2.0f *', '2.0f * theta *'),
        },
      ],
    };
    const error = await failure(device.prepare([{ ...doubled }, broken]));
    expect(error.kind).toBe('invalid-kernel');
    expect([error.kernel, error.source]).toEqual(['phase', 'carope.pe:9']);
    expect(error.message).toMatch(/phase \(carope\.pe:9\) does not compile: line \d+ of its CUDA C\+\+: .*theta/);
    expect(error.message).toContain('2.0f * theta');
    await device.prepare([doubled]);
  });

  it('kernels of one name with different texts stand side by side', async () => {
    const input = whole(device, 100, 'input');
    const outputs = [whole(device, 100, 'a'), whole(device, 100, 'b')] as const;
    const [variant] = doubled.variants;
    const tripled = { ...doubled, variants: [{ ...variant!, code: variant!.code.replace('2.0f *', '3.0f *') }] };
    device.write(input.storage!, 0, new Float32Array(100).fill(1));
    const recorded = await device.record((tape) => {
      tape.launch(doubled, [input, outputs[0]]);
      tape.launch(tripled, [input, outputs[1]]);
    }, sizes);
    device.run(recorded);
    expect([(await floats(device, outputs[0]))[0], (await floats(device, outputs[1]))[0]]).toEqual([102, 103]);
  });

  it('picks the best variant, and refuses a kernel that has none or is written for another device', async () => {
    const variant = (profile: 'software' | 'portable' | 'subgroups', factor: string, workgroup = 32) => ({
      profile,
      workgroup,
      groups: () => 4,
      code: cuda.kernel(double, '').replace('2.0f *', `${factor} *`),
    });
    const run = async (variants: Kernel['variants']): Promise<number> => {
      const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
      device.write(input.storage!, 0, new Float32Array(100).fill(1));
      const recorded = await device.record((tape) => tape.launch({ ...doubled, variants }, [input, output]), sizes);
      device.run(recorded);
      return (await floats(device, output))[0]! - 100;
    };
    expect(await run([variant('software', '3.0f'), variant('portable', '4.0f'), variant('subgroups', '5.0f')])).toBe(5);
    expect(await run([variant('software', '3.0f'), variant('portable', '4.0f')])).toBe(4);
    expect(await run([variant('software', '3.0f'), variant('subgroups', '5.0f', 2048)])).toBe(3);
    const error = await failure(device.prepare([{ ...doubled, variants: [variant('portable', '6.0f', 2048)] }]));
    expect(error.kind).toBe('limit');
    expect(error.message).toMatch(/double_of has no variant .*2048 lanes/);
    const other = await failure(device.prepare([{ ...doubled, language: 'wgsl' }]));
    expect(other.kind).toBe('invalid-kernel');
    expect(other.message).toMatch(/double_of \(double_of\.pe:1\) is written in wgsl/);
  });

  it('refuses reads and writes outside a buffer', async () => {
    const buffer = device.allocate(16, 'small');
    expect(() => device.write(buffer, 8, new Float32Array(3))).toThrow(/small: 12 bytes at 8/);
    await expect(device.read(buffer, 0, 20)).rejects.toThrow(/small: 20 bytes/);
    device.free(buffer);
  });

  it('bf16 is two bytes an element, also where a view begins at an odd one', async () => {
    const pool = whole(device, 512, 'pool', 'bf16');
    device.write(
      pool.storage!,
      0,
      Uint16Array.from({ length: 512 }, (_, index) => index),
    );
    const to = whole(device, 129, 'to', 'bf16');
    const part: Buffer = { ...pool, elements: 129, offset: 128 };
    device.run(await device.record((tape) => tape.copy(part, to), sizes));
    expect([...new Uint16Array(await device.read(to.storage!, 0, 258))]).toEqual(
      Array.from({ length: 129 }, (_, index) => 128 + index),
    );
  });

  it('a kernel is compiled with 64-bit offsets where a buffer has 2^31 elements', async () => {
    const elements = 2 ** 31 + 8;
    const wide: Kernel = {
      ...doubled,
      name: 'far',
      variants: [
        {
          profile: 'software',
          workgroup: 32,
          groups: () => 1,
          // The product of two sizes passes 2^31 where an index has 32 bits.
          code: `extern "C" __global__ void __launch_bounds__(32) far(const Sizes sizes, const float* __restrict__ input, float* __restrict__ result) {
  const index_t index = (index_t)sizes.capacity * 32768 + threadIdx.x;
  if (sizeof(index_t) == 8 && threadIdx.x < 4) result[index] = input[threadIdx.x] + threadIdx.x;
}
`,
        },
      ],
    };
    const [input, output] = [whole(device, 32, 'input'), whole(device, elements, 'output')];
    device.write(input.storage!, 0, new Float32Array(32).fill(1));
    const recorded = await device.record((tape) => tape.launch(wide, [input, output]), {
      ...sizes,
      capacity: 65536,
    });
    device.run(recorded);
    const bytes = await device.read(output.storage!, 4 * 2 ** 31, 16);
    expect([...new Float32Array(bytes)]).toEqual([1, 2, 3, 4]);
    device.free(output.storage!);
  });

  it('a mistake in a record is told', async () => {
    const before = whole(device, 100, 'x');
    await expect(
      device.record((tape) => tape.launch(doubled, [before, { ...before, name: 'y' }]), sizes),
    ).rejects.toThrow(/same storage/);
  });
});
