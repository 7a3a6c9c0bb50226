// Kernels compiled on one machine for GPUs of another that has no compiler: the cache is filled under a name that says so,
// and a device opened with the compiler `prebuilt` finds them there.

import { DeviceError, type Kernel } from '../../device.ts';
import { bestVariant } from '../../variants.ts';
import { prelude } from '../prelude.ts';
import { openCache } from './cache.ts';
import { compileTexts, type Compiler, type Progress } from './compile.ts';
import { findNvcc } from './nvcc.ts';
import { kernelKey, type KernelText } from './unit.ts';

/** Compiles nothing: what is missing is refused. */
export function prebuilt(architecture: number): Compiler {
  return {
    description: 'kernels compiled before',
    identity: `prebuilt for sm_${architecture}`,
    parallel: 1,
    unitSize: 0,
    compile: (unit) =>
      Promise.resolve({
        log: `error: it was not compiled before for sm_${architecture}: ${unit.name}`,
      }),
  };
}

/** Compiles kernels with nvcc into the cache at `folder`. Throws DeviceError without nvcc or where one does not compile. */
export async function prebuild(
  kernels: readonly Kernel[],
  folder: string,
  architecture: number,
  progress: Progress = () => undefined,
): Promise<void> {
  const tried: string[] = [];
  const nvcc = await findNvcc(architecture, tried);
  if (nvcc === null) throw new DeviceError('unavailable', `kernels are compiled by nvcc: ${tried.join('; ')}`);
  const compiler = { ...nvcc, identity: prebuilt(architecture).identity };
  const texts = new Map<string, KernelText>();
  for (const kernel of kernels) {
    const variant = bestVariant(kernel, 'subgroups', () => true);
    if (variant === null) continue;
    const key = kernelKey(compiler.identity, prelude, kernel.name, variant.code, false);
    texts.set(key, { kernel, code: variant.code, wide: false, key });
  }
  await compileTexts([...texts.values()], compiler, prelude, await openCache(folder), progress);
}
