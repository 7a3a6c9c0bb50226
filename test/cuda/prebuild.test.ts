// Kernels compiled for a machine without a compiler: what was compiled is found there, and anything else is refused.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCache } from '../../targets/cuda/device/cache.ts';
import { compileTexts } from '../../targets/cuda/device/compile.ts';
import { findNvcc } from '../../targets/cuda/device/nvcc.ts';
import { prebuild, prebuilt } from '../../targets/cuda/device/prebuild.ts';
import { compilerNamed } from '../../targets/cuda/device/toolchain.ts';
import { kernelKey } from '../../targets/cuda/device/unit.ts';
import { prelude } from '../../targets/cuda/prelude.ts';
import type { Kernel } from '../../targets/device.ts';

const kernel = (name: string): Kernel => ({
  name,
  language: 'cuda',
  source: 'a.pe:1',
  product: null,
  bindings: [{ name: 'out', type: 'f32', access: 'read_write' }],
  variants: [
    {
      profile: 'software',
      workgroup: 32,
      code: `extern "C" __global__ void ${name}(const Sizes sizes, float* out) { out[threadIdx.x] = sizes.batch; }\n`,
      groups: () => 1,
    },
  ],
});

const nvcc = await findNvcc(90, []);
if (nvcc === null) console.warn('without nvcc nothing is compiled beforehand');

describe.skipIf(nvcc === null)('kernels compiled beforehand', () => {
  it('are found without a compiler, for the architecture that they were compiled for', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pegen-prebuilt-'));
    const [known, other] = [kernel('known'), kernel('other')];
    await prebuild([known], folder, 90);
    const find = async (one: Kernel, architecture: number) => {
      const compiler = prebuilt(architecture);
      const { code } = one.variants[0]!;
      const key = kernelKey(compiler.identity, prelude, one.name, code, false);
      const text = { kernel: one, code, wide: false, key };
      return compileTexts([text], compiler, prelude, await openCache(folder), () => undefined);
    };
    const [unit] = [...(await find(known, 90)).values()];
    expect(new TextDecoder().decode(unit!.bytes.slice(1, 4))).toBe('ELF');
    await expect(find(other, 90)).rejects.toThrow(/other.*not compiled before for sm_90/);
    await expect(find(known, 80)).rejects.toThrow(/not compiled before for sm_80/);
  });
});

describe('the choice of a compiler', () => {
  it('is what the variable says', () => {
    expect(compilerNamed({})).toBe('auto');
    expect(compilerNamed({ PEGEN_CUDA_COMPILER: 'prebuilt' })).toBe('prebuilt');
    expect(() => compilerNamed({ PEGEN_CUDA_COMPILER: 'gcc' })).toThrow(/gcc; it can be auto, nvrtc, nvcc, prebuilt/);
  });
});
