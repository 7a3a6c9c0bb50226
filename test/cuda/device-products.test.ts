// Matrix products for a library: the calls that a product becomes are run by plain loops and compared with the product's
// definition, on random layouts; then through the mock of cuBLASLt, in float32 and bf16, as launches and as a graph.

import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { gemmOf, type Gemm } from '../../targets/gemm.ts';
import type { CudaDevice } from '../../targets/cuda/device/index.ts';
import type { Kernel, MatrixProduct, Operand, StorageType } from '../../targets/device.ts';
import { bytesOfElement, wholeSequence } from '../../targets/device.ts';
import { defined, productOf, type Arrays } from '../device/products.ts';
import { emulates, openTestDevice } from './device-fixture.ts';

/** What a column-major library does with the calls; refuses what it would refuse. */
function called({ shape, calls }: Gemm, { scale, accumulate }: MatrixProduct, arrays: Arrays): Float64Array {
  const { m, n, k, a, b } = shape;
  expect([a.transposed ? a.columns : a.rows, a.transposed ? a.rows : a.columns]).toEqual([m, k]);
  expect([b.transposed ? b.columns : b.rows, b.transposed ? b.rows : b.columns]).toEqual([k, n]);
  expect(a.leading).toBeGreaterThanOrEqual(a.rows);
  expect(b.leading).toBeGreaterThanOrEqual(b.rows);
  expect(shape.leading).toBeGreaterThanOrEqual(m);
  const result = arrays.out.slice();
  for (const call of calls)
    for (let batch = 0; batch < shape.batch; batch += 1)
      for (let i = 0; i < m; i += 1)
        for (let j = 0; j < n; j += 1) {
          let sum = 0;
          for (let l = 0; l < k; l += 1) {
            const inA = a.transposed ? l + i * a.leading : i + l * a.leading;
            const inB = b.transposed ? j + l * b.leading : l + j * b.leading;
            sum +=
              arrays[a.operand][call[a.operand] + batch * a.stride + inA]! *
              arrays[b.operand][call[b.operand] + batch * b.stride + inB]!;
          }
          const to = call.out + batch * shape.stride + i + j * shape.leading;
          result[to] = scale * sum + (accumulate ? result[to]! : 0);
        }
  return result;
}

describe('calls of a column-major library', () => {
  it('are the product', () => {
    let some = 0;
    fc.assert(
      fc.property(productOf, ({ product, arrays }) => {
        const gemm = gemmOf(product);
        if (gemm === null) return;
        some += 1;
        expect(called(gemm, product, arrays)).toEqual(defined(product, arrays));
      }),
      { numRuns: 2000 },
    );
    expect(some).toBeGreaterThan(400);
  });

  const [B, T, H, D, V] = [4, 8, 3, 16, 50];
  const plain = (binding: number, rows: number, columns: number, batches: readonly number[] = []): Operand => ({
    binding,
    offset: 0,
    rows,
    columns,
    batches,
  });
  const base = { scale: 1, accumulate: false, batches: [] as readonly number[] };

  it('a linear layer over a batch of sequences is one call', () => {
    const gemm = gemmOf({
      ...base,
      m: T,
      n: V,
      k: D,
      batches: [B],
      left: plain(0, D, 1, [T * D]),
      right: plain(1, D, 1, [0]),
      out: plain(2, V, 1, [T * V]),
    })!;
    expect(gemm.calls).toHaveLength(1);
    expect([gemm.shape.batch, gemm.shape.m, gemm.shape.n, gemm.shape.k]).toEqual([1, V, B * T, D]);
  });

  it('scores of heads inside a fused buffer are a strided batch of heads, a call for each sequence', () => {
    const row = 3 * H * D;
    const gemm = gemmOf({
      ...base,
      m: T,
      n: T,
      k: D,
      batches: [B, H],
      left: plain(0, row, 1, [T * row, D]),
      right: { ...plain(0, row, 1, [T * row, D]), offset: H * D },
      out: plain(2, T, 1, [H * T * T, T * T]),
    })!;
    expect([gemm.shape.batch, gemm.calls.length]).toEqual([4, 3]); // 4 sequences are more than 3 heads
    expect(gemm.calls.map(({ right }) => right)).toEqual([H * D, H * D + D, H * D + 2 * D]);
  });

  it('a layout without neighbours, columns that overlap, and an empty product are left to the kernel', () => {
    const fine: MatrixProduct = {
      ...base,
      m: T,
      n: V,
      k: D,
      left: plain(0, D, 1),
      right: plain(1, D, 1),
      out: plain(2, V, 1),
    };
    expect(gemmOf(fine)).not.toBeNull();
    expect(gemmOf({ ...fine, left: plain(0, 2 * D, 2) })).toBeNull();
    expect(gemmOf({ ...fine, left: plain(0, D - 1, 1) })).toBeNull();
    expect(gemmOf({ ...fine, out: plain(2, V - 1, 1) })).toBeNull();
    expect(gemmOf({ ...fine, k: 0 })).toBeNull();
    expect(
      gemmOf({
        ...fine,
        batches: [2],
        left: plain(0, D, 1, [T * D]),
        right: plain(1, D, 1, [0]),
        out: plain(2, V, 1, [0]),
      }),
    ).toBeNull();
  });
});

describe.skipIf(!emulates)('through the mock of the library', () => {
  let device: CudaDevice;
  beforeAll(async () => {
    device = await openTestDevice({ library: true });
  });
  afterAll(() => device?.close());
  afterEach(() => {
    delete process.env['PEGEN_MOCK_NO_ALGORITHM'];
  });

  /** A kernel whose own text writes 1 in the first place: so that a test sees who was at work. */
  const kernelOf = (product: MatrixProduct, types: readonly [StorageType, StorageType, StorageType]): Kernel => {
    const name = { f32: 'float', bf16: 'bf16', i32: 'int' };
    const value = types[2] === 'bf16' ? 'narrow(1.0f)' : '1.0f';
    return {
      name: 'project',
      language: 'cuda',
      source: 'linear.pe:3',
      product: () => product,
      bindings: [
        { name: 'left', type: types[0], access: 'read' },
        { name: 'right', type: types[1], access: 'read' },
        { name: 'out', type: types[2], access: 'read_write' },
      ],
      variants: [
        {
          profile: 'software',
          workgroup: 32,
          groups: () => 1,
          code: `extern "C" __global__ void project(const Sizes sizes, const ${name[types[0]]}* a, const ${name[types[1]]}* b, ${name[types[2]]}* c) {
  if (threadIdx.x == 0) c[0] = ${value};
}
`,
        },
      ],
    };
  };
  const bits = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16; // of a value that bf16 has
  const pack = (type: StorageType, values: Float64Array): ArrayBufferView =>
    type === 'bf16' ? Uint16Array.from(values, bits) : Float32Array.from(values);
  const unpack = (type: StorageType, bytes: ArrayBuffer): number[] =>
    type === 'bf16'
      ? Array.from(new Uint16Array(bytes), (each) => new Float32Array(Uint32Array.of(each << 16).buffer)[0]!)
      : [...new Float32Array(bytes)];

  const run = async (
    product: MatrixProduct,
    arrays: Arrays,
    types: readonly [StorageType, StorageType, StorageType],
  ) => {
    const buffers = (['left', 'right', 'out'] as const).map((role, index) => {
      const type = types[index]!;
      const storage = device.allocate(arrays[role].length * bytesOfElement[type], role);
      return { name: role, elements: arrays[role].length, type, storage, offset: 0 };
    });
    const [left, right, out] = buffers as [(typeof buffers)[0], (typeof buffers)[0], (typeof buffers)[0]];
    const recorded = await device.record(
      (tape) => tape.launch(kernelOf(product, types), [left, right, out]),
      wholeSequence(1, 1),
    );
    const results: number[][] = [];
    for (const _ of ['launches', 'graph', 'graph again']) {
      device.write(left.storage, 0, pack(types[0], arrays.left));
      device.write(right.storage, 0, pack(types[1], arrays.right));
      device.write(out.storage, 0, pack(types[2], arrays.out));
      device.run(recorded);
      results.push(unpack(types[2], await device.read(out.storage, 0, out.storage.bytes)));
    }
    expect(device.graphOf(recorded)).toBe('graph');
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    device.release(recorded);
    for (const { storage } of buffers) device.free(storage);
    return results[0]!;
  };

  it('is named', () => {
    expect(device.description).toContain('cuBLASLt 13.1');
  });

  it.each([
    ['f32', 'f32', 'f32'],
    ['bf16', 'bf16', 'bf16'],
    ['bf16', 'bf16', 'f32'],
  ] as const)('is the product, from %s and %s to %s', async (...types) => {
    const samples = fc.sample(productOf, { numRuns: 60, seed: 7 }).filter(({ product }) => gemmOf(product) !== null);
    expect(samples.length).toBeGreaterThan(10);
    for (const { product, arrays } of samples) {
      const expected = defined(product, arrays);
      const result = await run(product, arrays, types);
      const room = types[2] === 'bf16' ? 2 ** -8 : 0; // sums are whole numbers: float32 has them exactly
      result.forEach((value, index) => {
        expect(Math.abs(value - expected[index]!)).toBeLessThanOrEqual(room * Math.abs(expected[index]!));
      });
    }
  });

  const small: MatrixProduct = {
    scale: 1,
    accumulate: false,
    m: 2,
    n: 2,
    k: 2,
    batches: [],
    left: { binding: 0, offset: 0, rows: 2, columns: 1, batches: [] },
    right: { binding: 1, offset: 0, rows: 2, columns: 1, batches: [] },
    out: { binding: 2, offset: 0, rows: 2, columns: 1, batches: [] },
  };
  const ones: Arrays = {
    left: new Float64Array(4).fill(2),
    right: new Float64Array(4).fill(3),
    out: new Float64Array(4).fill(-1),
  };

  it('leaves to the kernel what it has no words, no types or no algorithm for', async () => {
    expect(await run(small, ones, ['f32', 'f32', 'f32'])).toEqual([12, 12, 12, 12]);
    expect(await run(small, ones, ['f32', 'bf16', 'f32'])).toEqual([1, -1, -1, -1]);
    expect(await run(small, ones, ['f32', 'f32', 'bf16'])).toEqual([1, -1, -1, -1]);
    expect(await run({ ...small, left: { ...small.left, rows: 1 } }, ones, ['f32', 'f32', 'f32'])).toEqual([
      1, -1, -1, -1,
    ]);
    process.env['PEGEN_MOCK_NO_ALGORITHM'] = '1';
    expect(await run(small, ones, ['f32', 'f32', 'f32'])).toEqual([1, -1, -1, -1]);
  });

  it('without the library the kernel does it', async () => {
    const other = await openTestDevice();
    expect(other.description).not.toContain('cuBLASLt');
    const type = ['f32', 'f32', 'f32'] as const;
    const storage = [0, 1, 2].map(() => other.allocate(16, 'x'));
    const buffers = storage.map((each, index) => ({
      name: `${index}`,
      elements: 4,
      type: 'f32' as const,
      storage: each,
      offset: 0,
    }));
    const recorded = await other.record((tape) => tape.launch(kernelOf(small, type), buffers), wholeSequence(1, 1));
    other.run(recorded);
    expect([...new Float32Array(await other.read(storage[2]!, 0, 16))]).toEqual([1, 0, 0, 0]);
    await other.close();
  });
});
