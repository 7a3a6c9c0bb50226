// The CUDA device over the emulated driver: what all devices do, and what only it does: graphs and plain launches alike,
// kernels that do not compile, wide kernels, bf16, transfers larger than its staging memory. Needs g++.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviceRunner } from '../../src/verify/device-runner.ts';
import { makeEncodingCase, verifyEncoding } from '../../src/verify/embedding.ts';
import { bf16Tolerance } from '../../src/verify/run.ts';
import type { Buffer, Kernel } from '../../targets/device.ts';
import { wholeSequence } from '../../targets/device.ts';
import type { CudaDevice } from '../../targets/cuda/device/index.ts';
import { cuda } from '../../targets/cuda/printer.ts';
import { describeDevice } from '../device/suite.ts';
import { loadFile, small } from '../lower/load.ts';
import { double, doubled, emulates, failure, floats, openTestDevice, whole } from './device-fixture.ts';

const sizes = wholeSequence(1, 100);

describeDevice('emulated CUDA', { open: openTestDevice, skip: !emulates, name: 'cuda', language: 'cuda' });

describe.skipIf(!emulates)('of CUDA alone', () => {
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

  it('runs a list as a graph from the second time on, which gives the same bits', async () => {
    const [input, output] = [whole(device, 100, 'input'), whole(device, 100, 'output')];
    const recorded = await device.record((tape) => {
      tape.clear(output);
      tape.launch(doubled, [input, output]);
      tape.copy(output, input);
    }, sizes);
    const results: number[][] = [];
    for (const kind of ['none', 'graph', 'graph']) {
      device.write(input.storage!, 0, Float32Array.of(0.1, 0.2, 0.3));
      device.write(input.storage!, 12, new Float32Array(97).fill(1 / 3));
      device.run(recorded);
      expect(device.graphOf(recorded)).toBe(kind);
      results.push(await floats(device, input));
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    expect(results[0]![99]).toBe(Math.fround(2 * Math.fround(1 / 3) + 100));
  });

  it('emulated, shows what nothing wrote in a temporary', async () => {
    const output = whole(device, 64, 'output');
    const recorded = await device.record((tape) => {
      const some = tape.temporary('some', 64);
      tape.at(wholeSequence(1, 3)).launch(doubled, [whole(device, 64, 'input'), some]); // three elements only
      tape.copy(some, output);
    }, sizes);
    device.run(recorded);
    const values = await floats(device, output);
    expect(values.slice(0, 3)).toEqual([3, 3, 3]);
    expect(values.slice(3).every(Number.isNaN)).toBe(true);
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

  it('refuses a kernel that has no variant for it, or is written for another device', async () => {
    const wide = { ...doubled.variants[0]!, workgroup: 2048 };
    const error = await failure(device.prepare([{ ...doubled, variants: [wide] }]));
    expect(error.kind).toBe('limit');
    expect(error.message).toMatch(/double_of has no variant .*2048 lanes/);
    const other = await failure(device.prepare([{ ...doubled, language: 'wgsl' }]));
    expect(other.kind).toBe('invalid-kernel');
    expect(other.message).toMatch(/double_of \(double_of\.pe:1\) is written in wgsl/);
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

  it('what is done to the embedding, in bf16, is within two roundings', async () => {
    const { checked, lowered } = loadFile('examples/learned_absolute.pe', { geometry: { ...small, context: 8 } });
    const vectors = await makeEncodingCase(checked!, lowered!, { batch: 2, tokens: 11, seed: 4 });
    for (const inside of ['bf16', 'f32'] as const) {
      const runner = deviceRunner(device, { precision: 'bf16', plan: { inside } });
      const { rows, passed } = await verifyEncoding(lowered!, vectors, runner, bf16Tolerance);
      expect(passed).toBe(true);
      const encoded = rows.find(({ tensor }) => tensor === 'embedding_encoded')!;
      expect(encoded.rounding).toBeGreaterThan(1e-4); // bf16 it is
    }
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
});
