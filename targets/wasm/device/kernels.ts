// Kernels' modules, one for each code: compiled side by side, given to all threads, kept for the life of the device. What is
// not a valid module is told with the kernel and its `.pe` line.

import { DeviceError } from '../../device.ts';
import type { Kernel, KernelVariant } from '../../device.ts';
import { bestVariant, variantsText } from '../../variants.ts';
import { fused, hasFused } from './fused.ts';
import type { Jobs } from './jobs.ts';
import { moveModule } from './move.ts';
import { moveId } from './thread.ts';
import { unshared } from './unshared.ts';

export interface Kernels {
  prepare(kernels: readonly Kernel[]): Promise<void>;
  variant(kernel: Kernel): KernelVariant;
  /** The number of the module of a kernel that has been prepared. */
  moduleOf(kernel: Kernel): number;
}

/** `shared`: memory is; `fuses`: products are added to sums in one instruction. */
export async function createKernels(jobs: Jobs, shared: boolean, fuses = hasFused()): Promise<Kernels> {
  const compile = async (bytes: Uint8Array<ArrayBuffer>, id: number): Promise<number> => {
    const own = shared ? bytes : unshared(bytes);
    const module = await WebAssembly.compile(fuses ? fused(own) : own);
    jobs.tell({ kind: 'module', id, module });
    return id;
  };
  await compile(moveModule(), moveId);

  const compiled = new Map<string, Promise<number>>(); // by code
  const prepared = new Map<Kernel, number>();
  let modules = moveId;

  const variant = (kernel: Kernel): KernelVariant => {
    const found = bestVariant(kernel, 'software', ({ workgroup }) => workgroup === 1);
    if (found !== null) return found;
    throw new DeviceError(
      'limit',
      `${kernel.name} has no variant for a CPU: ${variantsText(kernel)}; a CPU takes one lane`,
      kernel.name,
      kernel.source,
    );
  };
  const refuse = ({ name, source }: Kernel, why: string): DeviceError =>
    new DeviceError('invalid-kernel', `the kernel ${name} (${source}) does not compile: ${why}`, name, source);
  const compileKernel = async (kernel: Kernel, code: string): Promise<number> => {
    try {
      modules += 1;
      return await compile(fromBase64(code), modules);
    } catch (error) {
      throw refuse(kernel, error instanceof Error ? error.message : String(error));
    }
  };
  return {
    async prepare(kernels) {
      const work = kernels.map(async (kernel) => {
        if (prepared.has(kernel)) return;
        // Kernels written by hand need not say.
        if ((kernel.language ?? 'wasm') !== 'wasm') throw refuse(kernel, `it is ${kernel.language}, and not wasm`);
        const { code } = variant(kernel);
        let pending = compiled.get(code);
        if (pending === undefined) compiled.set(code, (pending = compileKernel(kernel, code)));
        prepared.set(kernel, await pending);
      });
      await Promise.all(work);
    },
    variant,
    moduleOf(kernel) {
      const found = prepared.get(kernel);
      if (found === undefined) throw new Error(`the kernel ${kernel.name} has not been prepared`);
      return found;
    },
  };
}

function fromBase64(code: string): Uint8Array<ArrayBuffer> {
  const text = atob(code);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}
