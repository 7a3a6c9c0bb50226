// Kernels made ready: a variant chosen for the GPU, compiled (32-bit offsets, or 64-bit where asked for) and loaded. Equal
// texts are compiled once; modules are kept for the life of the device.

import { DeviceError, type Kernel, type KernelVariant, type Profile } from '../../device.ts';
import { bestVariant, variantsText } from '../../variants.ts';
import type { CachedUnit, KernelCache } from './cache.ts';
import { compileTexts, type Compiler, type Progress } from './compile.ts';
import type { Driver } from './driver.ts';
import type { Failures } from './errors.ts';
import { zeroEnded } from './foreign.ts';
import { kernelKey, symbolOf, type KernelText } from './unit.ts';

/** A kernel that is wanted, with 64-bit offsets or without. */
export interface Wanted {
  readonly kernel: Kernel;
  readonly wide: boolean;
}

export interface Kernels {
  prepare(wanted: readonly Wanted[]): Promise<void>;
  /** Of a kernel that has been prepared: the driver's handle. */
  get(kernel: Kernel, wide: boolean): bigint;
  variant(kernel: Kernel): KernelVariant;
  close(): void;
}

export interface Ability {
  readonly description: string;
  readonly profile: Profile;
  readonly capability: number; // 90
  readonly maxThreads: number; // of a block
}

/** The least capability that has bf16. */
const bf16Capability = 80;

export function createKernels(
  driver: Driver,
  failures: Failures,
  able: Ability,
  compiler: Compiler,
  prelude: string,
  cache: KernelCache,
  progress: Progress,
): Kernels {
  const modules = new Map<string, bigint>(); // by the hash of the unit
  const functions = new Map<string, Promise<bigint>>(); // by key
  const ready = new Map<string, bigint>();
  const variants = new Map<Kernel, KernelVariant>();

  const variant = (kernel: Kernel): KernelVariant => {
    const known = variants.get(kernel);
    if (known !== undefined) return known;
    refuse(kernel, able);
    const found = bestVariant(kernel, able.profile, ({ workgroup }) => workgroup <= able.maxThreads);
    if (found === null) {
      throw new DeviceError(
        'limit',
        `${kernel.name} has no variant for this GPU: ${variantsText(kernel)}; it allows ${able.maxThreads} lanes`,
        kernel.name,
        kernel.source,
      );
    }
    variants.set(kernel, found);
    return found;
  };
  const keys = new Map<string, string>(); // by text
  const keyOf = (kernel: Kernel, wide: boolean): string => {
    const { code } = variant(kernel);
    const text = `${wide} ${kernel.name} ${code}`;
    let key = keys.get(text);
    if (key === undefined) keys.set(text, (key = kernelKey(compiler.identity, prelude, kernel.name, code, wide)));
    return key;
  };

  const load = (text: KernelText, { hash, bytes }: CachedUnit): bigint => {
    const out = new BigUint64Array(1);
    let module = modules.get(hash);
    const { name, source } = text.kernel;
    if (module === undefined) {
      const code = driver.code('cuModuleLoadData', out, bytes);
      if (code !== 0) failures.refuse(code, 'cuModuleLoadData', { kind: 'kernel', name, source });
      modules.set(hash, (module = out[0]!));
    }
    const code = driver.code('cuModuleGetFunction', out, module, zeroEnded(symbolOf(text)));
    if (code !== 0) failures.refuse(code, 'cuModuleGetFunction', { kind: 'kernel', name, source });
    return out[0]!;
  };
  return {
    async prepare(wanted) {
      failures.check();
      for (const { kernel } of wanted) variant(kernel);
      const texts = new Map<string, KernelText>();
      const pending: Promise<bigint>[] = [];
      for (const { kernel, wide } of wanted) {
        const key = keyOf(kernel, wide);
        const known = functions.get(key);
        if (known !== undefined) pending.push(known);
        else texts.set(key, { kernel, code: variant(kernel).code, wide, key });
      }
      if (texts.size > 0) {
        const units = compileTexts([...texts.values()], compiler, prelude, cache, progress);
        for (const text of texts.values()) {
          const made = units.then((found) => {
            failures.check();
            const handle = load(text, found.get(text.key)!);
            ready.set(text.key, handle);
            return handle;
          });
          made.catch(() => functions.delete(text.key)); // to be tried again
          functions.set(text.key, made);
          pending.push(made);
        }
      }
      await Promise.all(pending);
    },
    get(kernel, wide) {
      const found = ready.get(keyOf(kernel, wide));
      if (found === undefined) throw new Error(`the kernel ${kernel.name} has not been prepared`);
      return found;
    },
    variant,
    close() {
      for (const module of modules.values()) driver.code('cuModuleUnload', module);
    },
  };
}

/** What no variant can change. */
function refuse(kernel: Kernel, { description, capability }: Ability): void {
  if (kernel.language !== 'cuda') {
    throw new DeviceError(
      'invalid-kernel',
      `${kernel.name} (${kernel.source}) is written in ${kernel.language}, and this device compiles CUDA C++: ` +
        'compile the encoding with the target cuda',
      kernel.name,
      kernel.source,
    );
  }
  if (capability < bf16Capability && kernel.bindings.some(({ type }) => type === 'bf16')) {
    throw new DeviceError(
      'unavailable',
      `${description} has no bf16, which begins with sm_${bf16Capability}: use --precision f32`,
      kernel.name,
      kernel.source,
    );
  }
}
