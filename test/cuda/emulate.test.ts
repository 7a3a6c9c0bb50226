// The emulation of CUDA on small kernels written by hand: what CUDA C++ means, and that what a GPU would answer with
// nonsense is told with kernel, block and thread. Needs g++.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findHostCompiler } from '../../targets/cuda/emulate/build.ts';
import { prelude } from '../../targets/cuda/prelude.ts';
import { chars, compiler, openEmulated, withEnvironment, type Emulated } from './emulated.ts';

let emulated: Emulated;
beforeEach(async () => {
  if (compiler !== null) emulated = await openEmulated();
});
afterEach(() => {
  emulated?.close();
});

const kernel = (body: string, lanes = 64, name = 'test'): string =>
  `extern "C" __global__ void __launch_bounds__(${lanes}) ${name}(float* a, float* b) {\n${body}\n}\n`;

const count = (length: number, value: (at: number) => number = (at) => at): Float32Array =>
  Float32Array.from({ length }, (_, at) => value(at));

async function load(text: string, name = 'test'): Promise<bigint> {
  const module = await emulated.load({ text, kernels: [name] });
  return emulated.out('cuModuleGetFunction', module, chars(name));
}

/** What `body` makes of a = 0, 1, 2, ... in b. */
async function run(body: string, { blocks = 1, lanes = 64, text = '' } = {}): Promise<number[]> {
  const test = await load(text + kernel(body, lanes));
  const a = emulated.allocate(count(blocks * lanes));
  const b = emulated.allocate(new Float32Array(blocks * lanes));
  expect(emulated.launch(test, blocks, lanes, [a, b])).toBe(0);
  return [...emulated.read(b, new Float32Array(blocks * lanes))];
}

/** The driver's words for a kernel that fails, and its code. */
async function fault(body: string, { lanes = 64, elements = 64, text = '' } = {}) {
  const test = await load(text + kernel(body, lanes));
  const a = emulated.allocate(count(elements));
  const b = emulated.allocate(new Float32Array(elements));
  const code = emulated.launch(test, 2, lanes, [a, b]);
  return { code, text: emulated.driver.describe(code) };
}

const numbers = (length: number, value: (at: number) => number): number[] => [...count(length, value)];

describe.skipIf(compiler === null)('what kernels mean', () => {
  it('blocks, threads and their numbers', async () => {
    const made = await run('b[blockIdx.x * blockDim.x + threadIdx.x] = blockIdx.x * 100 + threadIdx.x + gridDim.x;', {
      blocks: 3,
      lanes: 40,
    });
    expect(made).toEqual(numbers(120, (at) => Math.floor(at / 40) * 100 + (at % 40) + 3));
  });

  it('shared memory and barriers', async () => {
    const body = `
      __shared__ float tile[64];
      const int i = blockIdx.x * 64 + threadIdx.x;
      for (int round = 0; round < 3; round += 1) {
        tile[threadIdx.x] = round == 0 ? a[i] : b[i];
        __syncthreads();
        b[i] = tile[(threadIdx.x + 1) % 64];
        __syncthreads();
      }`;
    const expected = numbers(128, (at) => (at < 64 ? 0 : 64) + ((at + 3) % 64));
    expect(await run(body, { blocks: 2 })).toEqual(expected);
  });

  it('shuffles', async () => {
    const shuffled = (value: string): Promise<number[]> => run(`b[threadIdx.x] = ${value};`, { text: prelude });
    const all = '0xffffffffu, a[threadIdx.x]';
    expect(await shuffled(`__shfl_xor_sync(${all}, 5)`)).toEqual(numbers(64, (at) => at ^ 5));
    expect(await shuffled(`__shfl_down_sync(${all}, 3)`)).toEqual(numbers(64, (at) => (at % 32 < 29 ? at + 3 : at)));
    expect(await shuffled(`__shfl_up_sync(${all}, 3)`)).toEqual(numbers(64, (at) => (at % 32 < 3 ? at : at - 3)));
    expect(await shuffled(`__shfl_sync(${all}, 7)`)).toEqual(numbers(64, (at) => at - (at % 32) + 7));
    expect(await shuffled(`__shfl_sync(${all}, 3, 8)`)).toEqual(numbers(64, (at) => at - (at % 8) + 3));
    expect(await shuffled(`__shfl_down_sync(${all}, 1, 4)`)).toEqual(numbers(64, (at) => (at % 4 < 3 ? at + 1 : at)));
    expect(await shuffled('warp_add(a[threadIdx.x])')).toEqual(numbers(64, (at) => (at < 32 ? 496 : 1520)));
    expect(await shuffled('warp_max(a[threadIdx.x])')).toEqual(numbers(64, (at) => (at < 32 ? 31 : 63)));
    const odd = await shuffled('(float)__popc(__ballot_sync(0xffffffffu, threadIdx.x % 2 == 1))');
    expect(odd).toEqual(numbers(64, () => 16));
  });

  it('shuffles of the first lanes alone', async () => {
    const body = 'if (threadIdx.x < 8) b[threadIdx.x] = __shfl_xor_sync(0xffu, a[threadIdx.x], 1);';
    expect((await run(body)).slice(0, 9)).toEqual([1, 0, 3, 2, 5, 4, 7, 6, 0]);
  });

  it('accesses of several elements', async () => {
    const body = `
      float4 four = *reinterpret_cast<const float4*>(a + 4 * threadIdx.x);
      float2 two = make_float2(four.z, four.w);
      four.z = four.x; four.w = four.y; four.x = two.x; four.y = two.y;
      *reinterpret_cast<float4*>(b + 4 * threadIdx.x) = four;`;
    const test = await load(kernel(body));
    const a = emulated.allocate(count(64));
    const b = emulated.allocate(new Float32Array(64));
    expect(emulated.launch(test, 1, 16, [a, b])).toBe(0);
    expect([...emulated.read(b, new Float32Array(64))]).toEqual(numbers(64, (at) => at ^ 2));
  });

  it('bf16 to the nearest, ties to even', async () => {
    const text = `${prelude}extern "C" __global__ void round_all(const float* a, bf16* b, int n) {
      const int i = blockIdx.x * 64 + threadIdx.x;
      if (i < n) b[i] = narrow(a[i]);
    }`;
    const round = await load(text, 'round_all');
    const bits = new Uint32Array(4096);
    for (let at = 0; at < bits.length; at += 1) {
      const tail = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, (at * 40503) & 0xffff][at % 7]!;
      bits[at] = ((((at * 2654435761) >>> 16) << 16) | tail) >>> 0;
    }
    const a = emulated.allocate(bits);
    const b = emulated.allocate(new Uint16Array(bits.length));
    expect(emulated.launch(round, 64, 64, [a, b, Int32Array.of(bits.length)])).toBe(0);
    const made = emulated.read(b, new Uint16Array(bits.length));
    const number = (of: number): number => new Float32Array(Uint32Array.of(of).buffer)[0]!;
    bits.forEach((of, at) => {
      const exact = number(of);
      const rounded = made[at]!;
      const wide = number(rounded << 16);
      if (Number.isNaN(exact)) return expect(wide).toBeNaN();
      if (!Number.isFinite(wide)) return expect(Math.abs(exact)).toBeGreaterThanOrEqual(2 ** 127 * 1.99609375); // past the largest
      const distance = Math.abs(wide - exact);
      for (const other of [rounded - 1, rounded + 1]) {
        const there = number(other << 16);
        if (!Number.isFinite(there) || Math.sign(there) === -Math.sign(exact)) continue;
        const elsewhere = Math.abs(there - exact);
        expect(distance < elsewhere || (distance === elsewhere && rounded % 2 === 0)).toBe(true);
      }
    });
  });

  it('shared memory begins as NaN in every block, and so does what is allocated', async () => {
    const body = `
      __shared__ float tile[64];
      b[blockIdx.x * 64 + threadIdx.x] = tile[threadIdx.x];
      tile[threadIdx.x] = 1.0f;`;
    expect(await run(body, { blocks: 2 })).toEqual(Array.from({ length: 128 }, () => NaN));
    const fresh = emulated.out('cuMemAlloc_v2', 64);
    expect([...emulated.read(fresh, new Float32Array(16))]).toEqual(Array.from({ length: 16 }, () => NaN));
  });

  it('the order of threads and of blocks is as asked for', async () => {
    // The last to write is the last to run.
    const last = async (order: string): Promise<readonly number[]> =>
      withEnvironment({ PEGEN_EMULATE_ORDER: order }, async () =>
        (await run('b[0] = threadIdx.x; b[1] = blockIdx.x; b[2 + blockIdx.x] = threadIdx.x;', { blocks: 4 })).slice(
          0,
          2,
        ),
      );
    expect(await last('forward')).toEqual([63, 3]);
    expect(await last('reverse')).toEqual([0, 0]);
    const again = async (order: string): Promise<readonly number[]> => {
      emulated.close();
      emulated = await openEmulated();
      return last(order);
    };
    const random = [await again('random:1'), await again('random:2'), await again('random:3')];
    expect(new Set(random.map(String)).size).toBeGreaterThan(1);
    expect(await again('random:2')).toEqual(random[1]);
  });
});

describe.skipIf(compiler === null)('a barrier that is missing', () => {
  const made = (order: string, body: string): Promise<number[]> =>
    withEnvironment({ PEGEN_EMULATE_ORDER: order }, () => run(`__shared__ float tile[64];\n${body}`));
  const tile = 'tile[threadIdx.x] = threadIdx.x;\n';

  it.each([
    ['ahead', 'b[threadIdx.x] = tile[(threadIdx.x + 1) % 64];', 1, 'forward'],
    ['behind', 'b[threadIdx.x] = tile[(threadIdx.x + 63) % 64];', 63, 'reverse'],
  ] as const)('shows to who reads %s', async (_, reads, distance, telling) => {
    const right = numbers(64, (at) => (at + distance) % 64);
    for (const order of ['forward', 'reverse', 'random:1']) {
      expect(await made(order, `${tile}__syncthreads();\n${reads}`)).toEqual(right);
    }
    const other = telling === 'forward' ? 'reverse' : 'forward';
    const wrong = (values: readonly number[]): number => values.filter((value, at) => value !== right[at]).length;
    expect(wrong(await made(telling, tile + reads))).toBe(63);
    expect(wrong(await made(other, tile + reads))).toBeLessThan(2);
    expect(wrong(await made('random:1', tile + reads))).toBeGreaterThan(10);
  });
});

describe.skipIf(compiler === null)('mistakes of kernels', () => {
  it('threads that part at a barrier', async () => {
    const ended = await fault('if (threadIdx.x == 5) return;\n__syncthreads();');
    expect(ended.code).toBe(719);
    expect(ended.text).toMatch(
      /kernel test, block 0, thread 0 waits at __syncthreads in line 3 of .*thread 5 has ended/,
    );
  });

  it('different barriers', async () => {
    const { code, text } = await fault('if (threadIdx.x < 32)\n__syncthreads();\nelse\n__syncthreads();');
    expect(code).toBe(719);
    expect(text).toMatch(/thread 0 waits at __syncthreads in line 3 .*thread 32 waits at __syncthreads in line 5/);
  });

  it('lanes that do not come to a shuffle', async () => {
    const { code, text } = await fault('if (threadIdx.x % 32 < 31) b[0] = __shfl_xor_sync(0xffffffffu, a[0], 1);');
    expect(code).toBe(719);
    expect(text).toMatch(/waits at a warp operation of lanes 0xffffffff .*thread 31 has ended/);
    emulated.close();
    emulated = await openEmulated();
    const other = await fault('b[threadIdx.x] = __shfl_xor_sync(threadIdx.x < 16 ? 0xffffu : 0xffffffffu, a[0], 1);');
    expect(other.text).toMatch(/thread 16 waits at a warp operation of lanes 0xffffffff .*thread 0 has ended/);
  });

  it.each([
    [
      'far past the end',
      'b[threadIdx.x + 100000] = 1.0f;',
      /thread 0 .*no buffer's.*past the end of an allocation of 256 bytes/,
    ],
    [
      'one past the end',
      'if (threadIdx.x == 63) b[64] = 1.0f;',
      /thread 63 .*: 0 bytes past the end of an allocation of 256 bytes/,
    ],
    [
      'a page before the begin',
      'if (threadIdx.x == 7) b[-8000] = 1.0f;',
      /thread 7 .*before an allocation of 256 bytes/,
    ],
    [
      'just before the begin',
      'if (threadIdx.x == 7) b[-1] = 1.0f;',
      /kernel test writes 1 byte before an allocation of 256 bytes/,
    ],
    ['a null pointer', 'reinterpret_cast<float*>(0)[threadIdx.x] = 1.0f;', /thread 0 .*address 0x0/],
  ])('a write %s', async (_, body, expected) => {
    const { code, text } = await fault(body, { elements: 64 });
    expect(code).toBe(700);
    expect(text).toMatch(/^CUDA_ERROR_ILLEGAL_ADDRESS \(700\): an illegal memory access was encountered/);
    expect(text).toMatch(expected);
  });

  it('a write one element past an end that is no multiple of anything', async () => {
    const { text } = await fault('if (threadIdx.x == 60) b[61] = 1.0f;', { elements: 61 });
    expect(text).toContain('kernel test writes 0 bytes past the end of an allocation of 244 bytes');
  });

  it('memory that has been freed', async () => {
    const test = await load(kernel('b[threadIdx.x] = a[threadIdx.x];'));
    const a = emulated.allocate(count(64));
    const b = emulated.allocate(new Float32Array(64));
    emulated.call('cuMemFree_v2', a);
    expect(emulated.launch(test, 1, 64, [a, b])).toBe(700);
  });

  it('an error stays until the context is gone', async () => {
    expect((await fault('b[1000000] = 1.0f;')).code).toBe(700);
    expect(emulated.driver.code('cuStreamSynchronize', emulated.stream)).toBe(700);
    expect(emulated.driver.code('cuMemAlloc_v2', new BigUint64Array(1), 16)).toBe(700);
    emulated.close();
    emulated = await openEmulated();
    expect(await run('b[threadIdx.x] = 1.0f;')).toEqual(numbers(64, () => 1));
  });

  it('with PEGEN_MOCK_ASYNC the error comes when somebody waits', async () => {
    await withEnvironment({ PEGEN_MOCK_ASYNC: '1' }, async () => {
      expect((await fault('b[1000000] = 1.0f;')).code).toBe(0);
      const code = emulated.driver.code('cuStreamSynchronize', emulated.stream);
      expect(emulated.driver.describe(code)).toContain('kernel test, block 0, thread 0');
    });
  });

  it('an integer divided by zero', async () => {
    const { code, text } = await fault('b[0] = 7 / ((int)threadIdx.x - 3 + (int)a[0]);');
    expect(code).toBe(719);
    expect(text).toContain('thread 3 divides an integer by zero');
  });

  it('an access that is not aligned', async () => {
    const body =
      'const float4 four = *reinterpret_cast<const float4*>(a + 1); *reinterpret_cast<float4*>(b + 1) = four;';
    const { code, text } = await fault(body);
    expect(code).toBe(716);
    expect(text).toContain('not aligned');
  });

  it.each([
    ['shared', '__shared__ float tile[32];\ntile[threadIdx.x] = a[0];\nb[0] = tile[0];'],
    [
      'private',
      'float own[32];\nfor (int k = 0; k <= (int)threadIdx.x; k += 1) own[k] = a[k];\nb[0] = own[threadIdx.x / 2];',
    ],
  ])('an index outside a %s array', async (_, body) => {
    const { code, text } = await fault(body);
    expect(code).toBe(700);
    expect(text).toMatch(/thread 32 has the index 32, outside its array, in line 3 of .*kernels\.cu/);
  });

  it('a stack that runs over', async () => {
    const text =
      '__attribute__((noinline)) int deep(int n) { volatile int on[256]; on[0] = n; return n == 0 ? 0 : deep(n - 1) + on[0]; }\n';
    const { code, text: said } = await fault('b[0] = deep(100000);', { text });
    expect(code).toBe(719);
    expect(said).toContain('thread 0 ran over its stack');
  });

  it('shared memory larger than a block has', async () => {
    const { code, text } = await fault(
      '__shared__ float tile[13000]; tile[threadIdx.x] = a[0]; __syncthreads(); b[0] = tile[3];',
    );
    expect(code).toBe(701);
    expect(text).toContain('kernel test has 52000 bytes of shared memory');
  });

  it('none, and nothing is told', async () => {
    expect(
      (await fault('__shared__ float4 tile[64]; tile[threadIdx.x].x = a[0]; __syncthreads(); b[0] = tile[3].x;')).code,
    ).toBe(0);
    expect((await fault('if (threadIdx.x < 8) b[threadIdx.x] = __shfl_xor_sync(0xffu, a[0], 1);')).code).toBe(0);
    expect((await fault('if (threadIdx.x < 64) b[threadIdx.x] = 1 / (1 + (int)a[threadIdx.x]);')).code).toBe(0);
  });

  it('text that does not compile', async () => {
    await expect(load('extern "C" __global__ void test(float* a) { a[0] = nothing; }')).rejects.toThrow(
      /does not compile[^]*kernels\.cu:1:\d+: error: .*nothing/,
    );
  });
});

describe('the compiler', () => {
  it('is the one of CXX, and null where there is none', async () => {
    expect(await findHostCompiler({ ...process.env, CXX: 'no-such-compiler' })).toBeNull();
    if (compiler === null) return;
    expect(await findHostCompiler({ ...process.env, CXX: compiler.command })).toEqual(compiler);
  });
});
