// Matrix products by a library on the CPU device: through a mock of OpenBLAS, which a C compiler makes, and through the real
// libraries where they are installed. Results, the kernel where the library has no words, bits with any number of threads,
// and which library is chosen, with what is said where none is.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { wholeSequence } from '../../targets/device.ts';
import type { Kernel, MatrixProduct } from '../../targets/device.ts';
import type { CpuDevice } from '../../targets/wasm/device/index.ts';
import { chooseProducts, type ProductChoice } from '../../targets/wasm/device/products/choose.ts';
import { failure } from '../device/fixture.ts';
import { defined, productOf, type Arrays } from '../device/products.ts';
import { assemble, binding, handmade, op } from './hand.ts';
import { openTestCpu } from './open.ts';

const folder = mkdtempSync(join(tmpdir(), 'pegen-blas-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

function build(): string | null {
  const path = join(folder, 'mock.so');
  try {
    execFileSync(process.env['CC'] ?? 'cc', ['-shared', '-fPIC', '-O2', '-o', path, 'test/wasm/mock-blas.c'], {
      stdio: 'ignore',
    });
    return path;
  } catch {
    return null;
  }
}
const mock = process.platform === 'linux' ? build() : null;
if (mock === null) console.warn('without a C compiler the mock of OpenBLAS is not tried');

/** A kernel that writes -7 into the first place of its result: so that a test sees who was at work. */
const kernelOf = (product: MatrixProduct): Kernel => ({
  ...handmade({
    name: 'project',
    items: () => 1,
    access: ['read', 'read', 'read_write'],
    code: assemble(binding(2), op.i32(new Int32Array(Float32Array.of(-7).buffer)[0]!), op.store),
  }),
  bindings: (['left', 'right', 'out'] as const).map((name) => ({
    name,
    type: 'f32',
    access: name === 'out' ? 'read_write' : 'read',
  })),
  product: () => product,
});

async function run(device: CpuDevice, product: MatrixProduct, arrays: Arrays): Promise<Float32Array> {
  const buffers = (['left', 'right', 'out'] as const).map((role) => {
    const storage = device.allocate(4 * arrays[role].length, role);
    device.write(storage, 0, Float32Array.from(arrays[role]));
    return { name: role, elements: arrays[role].length, type: 'f32' as const, storage, offset: 0 };
  });
  const recorded = await device.record((tape) => tape.launch(kernelOf(product), buffers), wholeSequence(1, 1));
  device.run(recorded);
  const out = new Float32Array(await device.read(buffers[2]!.storage, 0, 4 * arrays.out.length));
  device.release(recorded);
  for (const { storage } of buffers) device.free(storage);
  return out;
}

/** [m, k] x [k, n], either factor transposed, of whole numbers. */
const large = (m: number, n: number, k: number, layout: 'nn' | 'nt' | 'tn', scale = 1, accumulate = false) => {
  const product: MatrixProduct = {
    scale,
    accumulate,
    m,
    n,
    k,
    batches: [],
    left: { binding: 0, offset: 0, rows: layout === 'tn' ? 1 : k, columns: layout === 'tn' ? m : 1, batches: [] },
    right: { binding: 1, offset: 0, rows: layout === 'nt' ? k : 1, columns: layout === 'nt' ? 1 : n, batches: [] },
    out: { binding: 2, offset: 0, rows: n, columns: 1, batches: [] },
  };
  const whole = (count: number, seed: number): Float64Array =>
    Float64Array.from({ length: count }, (_, index) => (((index + seed) * 7919) % 11) - 5);
  return { product, arrays: { left: whole(m * k, 1), right: whole(n * k, 2), out: whole(m * n, 3) } };
};
/** Many numbers, faster than the matcher does it. */
const expectSame = (found: Float32Array, wanted: Float32Array): void =>
  expect(found.findIndex((value, index) => value !== wanted[index])).toBe(-1);

const shapes = [
  [64, 64, 32],
  [200, 70, 33],
  [130, 300, 17],
  [768, 40, 24],
  [96, 400, 21],
] as const;
const layouts = ['nn', 'nt', 'tn'] as const;

function describeLibrary(name: string, products: ProductChoice, skipped: boolean, environment: () => void): void {
  describe.skipIf(skipped)(name, () => {
    const open = (threads: number): Promise<CpuDevice> => {
      environment();
      vi.stubEnv('PEGEN_CACHE', folder); // measured once
      return openTestCpu({ products, threads });
    };
    let device: CpuDevice;
    beforeAll(async () => {
      device = await open(2);
    });
    afterAll(() => device?.close());

    it('is named, and asks for kernels that stand alone', () => {
      expect(device.library).toBe(true);
      expect(device.description).toMatch(/matrix products by (OpenBLAS|onnxruntime) [0-9.]+\)$/);
    });

    it.each(shapes)('multiplies [%d, %d] over %d, in all layouts', async (m, n, k) => {
      for (const layout of layouts)
        for (const [scale, accumulate] of [[1, false] as const, [0.5, true] as const]) {
          const { product, arrays } = large(m, n, k, layout, scale, accumulate);
          expectSame(await run(device, product, arrays), Float32Array.from(defined(product, arrays)));
        }
    });

    it('leaves to the kernel what is small, and layouts that it has no words for', async () => {
      const samples = fc.sample(productOf, { numRuns: 20, seed: 3 });
      for (const { product, arrays } of samples) expect((await run(device, product, arrays))[0]).toBe(-7);
      const { product, arrays } = large(64, 64, 64, 'nn');
      const strange = { ...product, left: { ...product.left, rows: 2, columns: 2 } };
      expect((await run(device, strange, arrays))[0]).toBe(-7);
    });

    it('gives the same bits with 1, 2 and 3 threads', async () => {
      const { product, arrays } = large(300, 200, 111, 'tn');
      const noisy = { ...arrays, left: arrays.left.map(Math.sin), right: arrays.right.map((x) => Math.cos(3 * x)) };
      const bits = async (threads: number): Promise<string> => {
        const other = await open(threads);
        const out = await run(other, product, noisy);
        await other.close();
        return Buffer.from(out.buffer).toString('base64');
      };
      const once = await bits(1);
      expect((await bits(2)) === once).toBe(true);
      expect((await bits(3)) === once).toBe(true);
    });

    it('many records come and go', async () => {
      const { product, arrays } = large(64, 64, 32, 'tn', 1, true);
      const expected = Float32Array.from(defined(product, arrays));
      for (let time = 0; time < 20; time += 1) expect(await run(device, product, arrays)).toEqual(expected);
    });
  });
}

describeLibrary('the mock of OpenBLAS', 'openblas', mock === null, () => vi.stubEnv('PEGEN_BLAS', mock!));

const installed = async (kind: ProductChoice): Promise<boolean> =>
  chooseProducts({ wanted: kind, probe: null, cache: null }).then(
    () => true,
    () => false,
  );
const real = { onnxruntime: await installed('onnxruntime'), openblas: await installed('openblas') };
for (const [kind, there] of Object.entries(real)) if (!there) console.warn(`without ${kind} only its mock is tried`);
describeLibrary('onnxruntime', 'onnxruntime', !real.onnxruntime, () => undefined);
describeLibrary('OpenBLAS', 'openblas', !real.openblas, () => undefined);

describe('the choice', () => {
  const choose = (wanted: ProductChoice, cache: string | null = null) => chooseProducts({ wanted, probe: null, cache });

  it('is our own kernels where no library is, and says what was looked for', async () => {
    vi.stubEnv('PEGEN_BLAS', join(folder, 'none.so'));
    vi.stubEnv('PEGEN_ONNXRUNTIME', join(folder, 'none'));
    const { found, why } = await choose('auto');
    expect(found).toBeNull();
    expect(why).toMatch(/^own kernels \(.*PEGEN_ONNXRUNTIME=.*none.*PEGEN_BLAS=.*none\.so/);
    expect((await failure(choose('openblas'))).message).toMatch(/openblas were asked for.*none\.so/);
    expect(await failure(choose('onnxruntime'))).toMatchObject({ kind: 'unavailable' });
    expect(await choose('own')).toMatchObject({ found: null });
  });

  it('is our own kernels where what is there is no library', async () => {
    const path = join(folder, 'text.so');
    writeFileSync(path, 'not a library');
    vi.stubEnv('PEGEN_BLAS', path);
    vi.stubEnv('PEGEN_ONNXRUNTIME', path);
    expect((await choose('auto')).why).toContain('text.so');
  });

  it('refuses a name that it does not know', async () => {
    vi.stubEnv('PEGEN_PRODUCTS', 'mkl');
    const wanted = openTestCpu({ products: undefined } as object);
    expect((await failure(wanted)).message).toContain('PEGEN_PRODUCTS is mkl; it is one of auto, own');
  });

  it.skipIf(mock === null)('is no library that multiplies wrongly, or that threads may not call', async () => {
    vi.stubEnv('PEGEN_BLAS', mock!);
    vi.stubEnv('PEGEN_ONNXRUNTIME', mock!);
    expect(await choose('auto')).toMatchObject({ found: { kind: 'openblas' }, why: 'OpenBLAS 9.8.7' });
    vi.stubEnv('PEGEN_MOCK_BLAS', 'sums');
    expect((await choose('auto')).why).toContain('OpenBLAS 9.8.7 gives wrong products here');
    vi.stubEnv('PEGEN_MOCK_BLAS', 'serial');
    expect((await choose('auto')).why).toContain('was built for one thread');
  });

  it.skipIf(mock === null)('is kept, and measured again where our own kernel is another', async () => {
    vi.stubEnv('PEGEN_BLAS', mock!);
    vi.stubEnv('PEGEN_ONNXRUNTIME', mock!);
    const { product } = large(256, 64, 64, 'nn');
    let made = 0;
    const probe = (key: string) => ({
      key,
      make: async () => {
        made += 1;
        return { kernel: kernelOf(product), sizes: wholeSequence(1, 1) };
      },
    });
    const first = await chooseProducts({ wanted: 'auto', probe: probe('a'), cache: folder });
    expect(first.why).toMatch(/^own kernels, since OpenBLAS 9.8.7 is only 0.0 times as fast/); // it writes one number
    expect(await chooseProducts({ wanted: 'auto', probe: probe('a'), cache: folder })).toEqual(first);
    expect(made).toBe(1);
    await chooseProducts({ wanted: 'auto', probe: probe('b'), cache: folder });
    expect(made).toBe(2);
  });
});
