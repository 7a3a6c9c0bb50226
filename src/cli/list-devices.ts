// What can run kernels here, best first, and for what cannot, why and what to install.

import { threadsOfEnvironment } from './open-device.ts';
import { DeviceError } from '../../targets/device.ts';
import type { DeviceName } from './open-device.ts';

export type Listed =
  | {
      readonly device: 'cuda';
      readonly available: true;
      readonly adapter: string;
      readonly capability: string; // '9.0'
      readonly bytes: number; // of memory
      readonly driver: string | null; // the CUDA version that it offers
      readonly compiler: string | null;
      readonly library: string | null; // of matrix products
      readonly emulated: boolean;
      /** Whether it stores bf16. */
      readonly bf16: boolean;
    }
  | {
      readonly device: 'webgpu' | 'swiftshader';
      readonly available: true;
      readonly adapter: string;
      readonly kernels: string; // the profile
      readonly bytes: number; // of the largest binding
      readonly timestamps: boolean;
    }
  | {
      readonly device: 'cpu';
      readonly available: true;
      readonly adapter: string; // the CPU's name
      readonly threads: number;
      readonly bytes: number; // of memory at most
      readonly library: string | null; // of matrix products
      readonly products: string; // who does them, and why: 'onnxruntime 1.30.0, 2.9 times as fast as our own'
    }
  | { readonly device: 'reference'; readonly available: true; readonly adapter: string }
  | { readonly device: Exclude<DeviceName, 'auto'>; readonly available: false; readonly why: string };

export async function listDevices(emulate: boolean): Promise<readonly Listed[]> {
  const { listAdapters } = await import('../../targets/wgsl/device/index.ts');
  const adapters = await listAdapters();
  const webgpu = adapters.map((each): Listed => ({
    device: each.source === 'swiftshader' ? 'swiftshader' : 'webgpu',
    available: true,
    adapter: each.description,
    kernels: each.profile,
    bytes: each.limits.maxStorageBufferBindingSize,
    timestamps: each.timestamps,
  }));
  const missing: Listed[] = [];
  if (!webgpu.some(({ device }) => device === 'webgpu'))
    missing.push({ device: 'webgpu', available: false, why: 'no hardware adapter: install a Vulkan driver' });
  if (!webgpu.some(({ device }) => device === 'swiftshader'))
    missing.push({
      device: 'swiftshader',
      available: false,
      why: 'install the npm package @sparticuz/chromium (Linux, x64), which carries it',
    });
  const reference: Listed = {
    device: 'reference',
    available: true,
    adapter: 'the float64 interpreter: check and verify only',
  };
  const hardware = adapters.flatMap((each, index) => (each.software ? [] : [webgpu[index]!]));
  const software = webgpu.filter((each) => !hardware.includes(each));
  return [...(await cuda(emulate)), ...hardware, await cpu(), ...software, reference, ...missing];
}

/** A row for each GPU; --device cuda takes the first, and CUDA_VISIBLE_DEVICES says which that is. */
async function cuda(emulate: boolean): Promise<readonly Listed[]> {
  const { listCuda } = await import('../../targets/cuda/device/index.ts');
  const { cards, driver, compiler, library, problem } = await listCuda({ emulate });
  if (problem !== null || cards.length === 0)
    return [{ device: 'cuda', available: false, why: problem ?? 'the driver finds no GPU' }];
  return cards.map(({ name, capability, bytes }) => ({
    device: 'cuda',
    available: true,
    adapter: emulate ? 'emulated on this CPU' : name,
    capability: `${Math.floor(capability / 10)}.${capability % 10}`,
    bytes,
    driver,
    compiler,
    library,
    emulated: emulate,
    bf16: capability >= 80,
  }));
}

async function cpu(): Promise<Listed> {
  const { chosenProducts, describeMachine, mostBytes } = await import('../../targets/wasm/device/index.ts');
  const { productProbe } = await import('./cpu-products.ts');
  const { name, threads, vectors } = describeMachine();
  if (!vectors) return { device: 'cpu', available: false, why: 'WebAssembly has no SIMD instructions here' };
  const count = threadsOfEnvironment() ?? threads;
  try {
    const { found, why } = await chosenProducts({ probe: productProbe() });
    const library = found?.description ?? null;
    return {
      device: 'cpu',
      available: true,
      adapter: name,
      threads: count,
      bytes: mostBytes,
      library,
      products: why,
    };
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    return { device: 'cpu', available: false, why: error.message }; // a library that was asked for is not there
  }
}
