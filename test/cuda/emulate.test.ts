import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chars, compiler, openEmulated, type Emulated } from './emulated.ts';

let emulated: Emulated;
beforeEach(async () => {
  emulated = await openEmulated();
});
afterEach(() => {
  emulated.close();
});

const text = `
extern "C" __global__ void __launch_bounds__(64) swap_ends(const float* __restrict__ a, float* __restrict__ b) {
  __shared__ float tile[64];
  const int i = blockIdx.x * 64 + threadIdx.x;
  tile[threadIdx.x] = a[i];
  __syncthreads();
  b[i] = tile[63 - threadIdx.x];
}`;

describe.skipIf(compiler === null)('kernels on the CPU', () => {
  it('run', async () => {
    const module = await emulated.load({ text, kernels: ['swap_ends'] });
    const kernel = emulated.out('cuModuleGetFunction', module, chars('swap_ends'));
    const a = emulated.allocate(Float32Array.from({ length: 128 }, (_, at) => at));
    const b = emulated.allocate(new Float32Array(128));
    expect(emulated.launch(kernel, 2, 64, [a, b])).toBe(0);
    expect([...emulated.read(b, new Float32Array(128))]).toEqual(
      Array.from({ length: 128 }, (_, at) => (at < 64 ? 63 - at : 191 - at)),
    );
  });
});
