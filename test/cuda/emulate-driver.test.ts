// The mock of the CUDA driver library: codes, streams, graphs, events and memory as the driver has them, and the faults
// that tests ask for. Needs g++.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chars, compiler, openEmulated, withEnvironment, type Emulated } from './emulated.ts';

let emulated: Emulated;
beforeEach(async () => {
  if (compiler !== null) emulated = await openEmulated();
});
afterEach(() => {
  emulated?.close();
});

const text = `
extern "C" __global__ void add(float* a, float by) { a[threadIdx.x] += by; }
extern "C" __global__ void touch(float* a, long long at, float value) { a[at] = value; }
extern "C" __global__ void waits(float* a) { if (threadIdx.x > 0) __syncthreads(); a[0] = 1.0f; }`;

async function kernels() {
  const module = await emulated.load({ text, kernels: ['add', 'touch', 'waits'] });
  const of = (name: string): bigint => emulated.out('cuModuleGetFunction', module, chars(name));
  return { module, add: of('add'), touch: of('touch'), waits: of('waits') };
}

const code = (...args: Parameters<Emulated['driver']['code']>): number => emulated.driver.code(...args);
const zeros = (): bigint => emulated.allocate(new Float32Array(4));
const numbers = (at: bigint): number[] => [...emulated.read(at, new Float32Array(4))];
const by = (value: number): Float32Array => Float32Array.of(value);

/** What is done between the begin and the end of a capture, as a graph that can be launched. */
function captured(work: () => void): bigint {
  const { stream } = emulated;
  const out = new BigUint64Array(1);
  emulated.call('cuStreamBeginCapture_v2', stream, 0);
  work();
  emulated.call('cuStreamEndCapture', stream, out);
  const executable = emulated.out('cuGraphInstantiateWithFlags', out[0]!, 0);
  emulated.call('cuGraphDestroy', out[0]!);
  return executable;
}

describe.skipIf(compiler === null)('streams and graphs', () => {
  it('a captured launch runs when the graph does, with the parameters of its time', async () => {
    const { add } = await kernels();
    const a = zeros();
    const amount = by(2);
    const graph = captured(() => {
      emulated.launch(add, 1, 4, [a, amount]);
      emulated.call('cuMemsetD8Async', a, 0, 4, emulated.stream);
      emulated.launch(add, 1, 3, [a, by(0.5)]);
    });
    amount[0] = 100;
    expect(numbers(a)).toEqual([0, 0, 0, 0]);
    emulated.call('cuGraphLaunch', graph, emulated.stream);
    expect(numbers(a)).toEqual([0.5, 2.5, 2.5, 2]);
    emulated.call('cuGraphLaunch', graph, emulated.stream);
    expect(numbers(a)).toEqual([0.5, 5, 5, 4]);
    emulated.call('cuGraphExecDestroy', graph);
    expect(code('cuGraphLaunch', graph, emulated.stream)).toBe(1);
  });

  it('a copy of host memory reads it when the graph runs', async () => {
    const a = zeros();
    const host = Float32Array.of(1, 2, 3, 4);
    const at = emulated.address(host);
    const graph = captured(() => emulated.call('cuMemcpyHtoDAsync_v2', a, at, 16, emulated.stream));
    host[0] = 9;
    emulated.call('cuGraphLaunch', graph, emulated.stream);
    expect(numbers(a)).toEqual([9, 2, 3, 4]);
  });

  it('what waits or allocates while something is captured fails, and so does the capture', () => {
    const refusals = [
      () => code('cuMemAlloc_v2', new BigUint64Array(1), 16),
      () => code('cuStreamSynchronize', emulated.stream),
    ];
    for (const refused of refusals) {
      emulated.call('cuStreamBeginCapture_v2', emulated.stream, 0);
      expect(refused()).toBe(900);
      expect(code('cuStreamEndCapture', emulated.stream, new BigUint64Array(1))).toBe(901);
      expect(code('cuStreamSynchronize', emulated.stream)).toBe(0);
    }
  });

  it('events measure, and only once they are recorded', async () => {
    const { add } = await kernels();
    const a = zeros();
    const [first, second] = [emulated.out('cuEventCreate', 0), emulated.out('cuEventCreate', 0)];
    const elapsed = new Float32Array(1);
    emulated.call('cuEventRecord', first, emulated.stream);
    expect(code('cuEventElapsedTime', elapsed, first, second)).toBe(400);
    emulated.launch(add, 1, 4, [a, by(1)]);
    emulated.call('cuEventRecord', second, emulated.stream);
    emulated.call('cuEventSynchronize', second);
    emulated.call('cuEventElapsedTime', elapsed, first, second);
    expect(elapsed[0]).toBeGreaterThan(0);
  });
});

describe.skipIf(compiler === null)('memory', () => {
  it('6 GB of which two numbers are touched', async () => {
    const { touch } = await kernels();
    const elements = 1_600_000_000;
    const a = emulated.out('cuMemAlloc_v2', 4 * elements);
    const last = BigInt(elements - 1);
    expect(emulated.launch(touch, 1, 1, [a, BigInt64Array.of(last), by(7)])).toBe(0);
    expect([...emulated.read(a + 4n * last, new Float32Array(1))]).toEqual([7]);
    expect(emulated.launch(touch, 1, 1, [a, BigInt64Array.of(last + 64n), by(7)])).toBe(700);
  });

  it('ends where the device ends', async () => {
    await withEnvironment({ PEGEN_MOCK_MEMORY: '1000000' }, async () => {
      const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
      const place = new BigUint64Array(1);
      expect(code('cuMemAlloc_v2', place, 600_000)).toBe(0);
      expect(code('cuMemAlloc_v2', new BigUint64Array(1), 600_000)).toBe(2);
      emulated.call('cuMemGetInfo_v2', free, total);
      expect([free[0], total[0]]).toEqual([400_000n, 1_000_000n]);
      emulated.call('cuMemFree_v2', place[0]!);
      expect(code('cuMemAlloc_v2', place, 600_000)).toBe(0);
    });
  });

  it('copies stay inside allocations', () => {
    const a = zeros();
    const host = emulated.address(new Float32Array(8));
    expect(code('cuMemcpyHtoDAsync_v2', a, host, 20, emulated.stream)).toBe(1);
    expect(code('cuMemcpyDtoHAsync_v2', host, a + 8n, 12, emulated.stream)).toBe(1);
    expect(code('cuMemcpyDtoDAsync_v2', a + 8n, a, 8, emulated.stream)).toBe(0);
    expect(code('cuMemsetD8Async', a, 1, 17, emulated.stream)).toBe(1);
    expect(code('cuMemFree_v2', a + 4n)).toBe(1);
    expect(code('cuMemFree_v2', a)).toBe(0);
    expect(code('cuMemFree_v2', a)).toBe(1);
    expect(code('cuMemAlloc_v2', new BigUint64Array(1), 0)).toBe(1);
  });
});

describe.skipIf(compiler === null)('what the driver refuses', () => {
  it('names and handles that are none', async () => {
    const { module } = await kernels();
    const place = new BigUint64Array(1);
    expect(code('cuModuleGetFunction', place, module, chars('nobody'))).toBe(500);
    emulated.call('cuModuleUnload', module);
    expect(code('cuModuleGetFunction', place, module, chars('add'))).toBe(400);
    expect(code('cuModuleLoadData', place, chars('no image at all'.padEnd(100)))).toBe(200);
    expect(code('cuStreamSynchronize', 12345n)).toBe(400);
    expect(code('cuDeviceGet', new Int32Array(1), 3)).toBe(101);
  });

  it('blocks and grids that are too large or empty', async () => {
    const { add } = await kernels();
    const a = zeros();
    expect(emulated.launch(add, 1, 1025, [a, by(1)])).toBe(1);
    expect(emulated.launch(add, 0, 4, [a, by(1)])).toBe(1);
  });

  it('calls without a context', () => {
    emulated.call('cuCtxSetCurrent', 0n);
    expect(code('cuMemAlloc_v2', new BigUint64Array(1), 16)).toBe(201);
  });
});

describe.skipIf(compiler === null)('faults that tests ask for', () => {
  const number = (name: 'cuDriverGetVersion' | 'cuDeviceGetCount'): number => {
    const out = new Int32Array(1);
    emulated.call(name, out);
    return out[0]!;
  };
  const attribute = (which: number): number => {
    const out = new Int32Array(1);
    emulated.call('cuDeviceGetAttribute', out, which, 0);
    return out[0]!;
  };

  it('an older driver, an older card, none', async () => {
    await withEnvironment({ PEGEN_MOCK_DRIVER_VERSION: '11040', PEGEN_MOCK_CAPABILITY: '75' }, async () => {
      expect(number('cuDriverGetVersion')).toBe(11040);
      expect([attribute(75), attribute(76)]).toEqual([7, 5]);
    });
    expect(number('cuDriverGetVersion')).toBe(13000);
    expect([attribute(75), attribute(76)]).toEqual([9, 0]);
    await withEnvironment({ PEGEN_MOCK_NO_DEVICE: '1' }, async () => {
      expect(code('cuInit', 0)).toBe(100);
    });
  });

  it('a call that fails, for one kernel or for all', async () => {
    const { add, waits } = await kernels();
    const a = zeros();
    await withEnvironment({ PEGEN_MOCK_FAIL: 'cuMemFree_v2:1,cuLaunchKernel:701:add' }, async () => {
      expect(emulated.launch(add, 1, 4, [a, by(1)])).toBe(701);
      expect(emulated.launch(waits, 1, 1, [a])).toBe(0);
      expect(code('cuMemFree_v2', a)).toBe(1);
    });
    expect(emulated.launch(add, 1, 4, [a, by(1)])).toBe(0);
    await withEnvironment({ PEGEN_MOCK_FAIL: 'cuLaunchKernel:700' }, async () => {
      expect(emulated.launch(add, 1, 4, [a, by(1)])).toBe(700);
    });
    expect(emulated.launch(add, 1, 4, [a, by(1)])).toBe(700); // it stays
  });

  it('in a graph the kernel is found too', async () => {
    const { add } = await kernels();
    const a = zeros();
    const graph = captured(() => emulated.launch(add, 1, 4, [a, by(1)]));
    await withEnvironment({ PEGEN_MOCK_FAIL: 'cuLaunchKernel:700:add' }, async () => {
      expect(code('cuGraphLaunch', graph, emulated.stream)).toBe(700);
    });
  });

  it('every code has a name and a text', () => {
    expect(emulated.driver.describe(2)).toBe('CUDA_ERROR_OUT_OF_MEMORY (2): out of memory');
    expect(emulated.driver.describe(700)).toBe(
      'CUDA_ERROR_ILLEGAL_ADDRESS (700): an illegal memory access was encountered',
    );
    expect(emulated.driver.describe(123456)).toBe('an unknown error (123456)');
  });
});

describe.skipIf(compiler === null)('fibers by ucontext', () => {
  it('run the same', async () => {
    emulated.close();
    emulated = await openEmulated(['-O0', '-DPEGEN_UCONTEXT']);
    const module = await emulated.load({
      text: `extern "C" __global__ void turn(float* a) {
        __shared__ float tile[256];
        tile[threadIdx.x] = threadIdx.x;
        for (int round = 0; round < 4; round += 1) {
          __syncthreads();
          const float next = tile[(threadIdx.x + 65) % 256];
          __syncthreads();
          tile[threadIdx.x] = __shfl_xor_sync(0xffffffffu, next, 1);
        }
        a[threadIdx.x] = tile[threadIdx.x];
      }`,
      kernels: ['turn'],
    });
    const a = emulated.allocate(new Float32Array(256));
    const turn = emulated.out('cuModuleGetFunction', module, chars('turn'));
    expect(emulated.launch(turn, 1, 256, [a])).toBe(0);
    let expected = Array.from({ length: 256 }, (_, at) => at);
    for (let round = 0; round < 4; round += 1) {
      const moved = expected.map((_, at) => expected[(at + 65) % 256]!);
      expected = moved.map((_, at) => moved[at ^ 1]!);
    }
    expect([...emulated.read(a, new Float32Array(256))]).toEqual(expected);
  });
});
