// Matrix products cut into slices for a library: the slices, run by plain loops over one memory, are the product, whatever the
// layout; and how they are cut depends on shapes alone.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gather, gatherBytes, gathered } from '../../targets/wasm/device/products/gather.ts';
import { gemmModel } from '../../targets/wasm/device/products/gemm-model.ts';
import { slicesOf, worthOn, type Factor, type Slice, type Worth } from '../../targets/wasm/device/products/slices.ts';
import type { MatrixProduct } from '../../targets/device.ts';
import { defined, productOf, type Arrays } from '../device/products.ts';

/** Everything is worth a call, and cut in up to three. */
const always: Worth = { operations: 0, points: 1, step: 1, slices: 3 };

/** The operands one after the other in one memory. */
function placed({ left, right, out }: Arrays) {
  const addresses = [64, 64 + 8 * left.length, 64 + 8 * (left.length + right.length)];
  const memory = new Float64Array(addresses[2]! / 4 + out.length);
  [left, right, out].forEach((each, index) => memory.set(each, addresses[index]! / 4));
  return { addresses, memory };
}

/** What a column-major library does with a slice; refuses what it would refuse. */
function multiply({ m, n, k, a, b, out, scale, accumulate }: Slice, memory: Float64Array): void {
  expect(a.transposed ? [a.columns, a.rows] : [a.rows, a.columns]).toEqual([m, k]);
  expect(b.transposed ? [b.columns, b.rows] : [b.rows, b.columns]).toEqual([k, n]);
  expect([out.rows, out.columns]).toEqual([m, n]);
  for (const { leading, rows } of [a, b, out]) expect(leading).toBeGreaterThanOrEqual(rows);
  const value = ({ address, leading, transposed }: Factor, row: number, column: number): number =>
    memory[address / 4 + (transposed ? column + row * leading : row + column * leading)]!;
  for (let i = 0; i < m; i += 1)
    for (let j = 0; j < n; j += 1) {
      let sum = 0;
      for (let l = 0; l < k; l += 1) sum += value(a, i, l) * value(b, l, j);
      const to = out.address / 4 + i + j * out.leading;
      memory[to] = scale * sum + (accumulate ? memory[to]! : 0);
    }
}

describe('slices of a product', () => {
  it.each(['columns', 'both'] as const)('cut by %s are the product, in any order', (cuts) => {
    let cut = 0;
    fc.assert(
      fc.property(productOf, ({ product, arrays }) => {
        const { addresses, memory } = placed(arrays);
        const slices = slicesOf(product, addresses, cuts, always);
        if (slices === null) return;
        if (slices.length > 1) cut += 1;
        for (const slice of slices.toReversed()) multiply(slice, memory);
        const at = addresses[2]! / 4;
        expect(memory.slice(at, at + arrays.out.length)).toEqual(defined(product, arrays));
        if (cuts === 'columns') for (const { out, m } of slices) expect(out.rows).toBe(m);
      }),
      { numRuns: 1000 },
    );
    expect(cut).toBeGreaterThan(200);
  });

  const linear = (m: number, n: number, k: number): MatrixProduct => ({
    scale: 1,
    accumulate: false,
    m,
    n,
    k,
    batches: [],
    left: { binding: 0, offset: 0, rows: k, columns: 1, batches: [] },
    right: { binding: 1, offset: 0, rows: 1, columns: n, batches: [] },
    out: { binding: 2, offset: 0, rows: n, columns: 1, batches: [] },
  });
  const sizes = (m: number, n: number, k: number, cuts: 'columns' | 'both') =>
    slicesOf(linear(m, n, k), [0, 0, 0], cuts, worthOn(4))?.map((slice) => [slice.m, slice.n]) ?? null;

  it('are as many as there are cores, each large enough; the rows of the token in a column-major library are its columns', () => {
    expect(sizes(768, 128, 384, 'columns')).toEqual(Array.from({ length: 4 }, () => [128, 192]));
    expect(sizes(128, 512, 768, 'columns')).toEqual(Array.from({ length: 2 }, () => [512, 64]));
    expect(sizes(128, 512, 768, 'both')).toEqual(Array.from({ length: 4 }, () => [128, 128]));
    expect(sizes(100, 64, 64, 'both')).toEqual([[64, 100]]);
  });

  it('a product of few points is left to the kernel', () => {
    expect(sizes(16, 16, 16, 'both')).toBeNull();
  });
});

it('the model for onnxruntime is a Gemm with its attributes', () => {
  const bytes = gemmModel({ transA: true, transB: false, scale: 0.5, accumulate: true });
  const text = Buffer.from(bytes).toString('latin1');
  for (const name of ['Gemm', 'transA', 'transB', 'alpha', 'A_rows', 'B_columns', 'C_rows', 'Y_columns'])
    expect(text).toContain(name);
  expect(bytes.length).toBeLessThan(400);
  expect(Buffer.from(gemmModel({ transA: false, transB: false, scale: 1, accumulate: false })).includes('C_rows')).toBe(
    false,
  );
});

it.each([
  [1, 1, 1],
  [5, 3, 7],
  [33, 6, 40],
  [70, 9, 70],
])('%d rows of %d columns, %d apart, are gathered, as they are and turned', (rows, columns, leading) => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const all = new Float32Array(memory.buffer);
  const copy = (to: number, from: number, bytes: number): void =>
    void new Uint8Array(memory.buffer).copyWithin(to, from, from + bytes);
  all.forEach((_, index) => (all[index] = index));
  const from = { address: 64, leading, rows, columns };
  const to = 32768;
  for (const turned of [false, true]) {
    all.fill(-1, to / 4);
    gather({ from, turned }, to, memory, copy);
    const shape = gathered({ from, turned });
    for (let c = 0; c < columns; c += 1)
      for (let r = 0; r < rows; r += 1)
        expect(all[to / 4 + (turned ? r * shape.rows + c : c * shape.rows + r)]).toBe(16 + c * leading + r);
    expect(all[(to + gatherBytes({ from, turned })) / 4]).toBe(-1);
  }
});
