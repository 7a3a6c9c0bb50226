// What can run kernels here, best first, and for what cannot, why and what to install.

import { DeviceError } from '../../targets/device.ts';
import type { DeviceName } from './open-device.ts';

export type Listed =
  | {
      readonly device: 'cuda';
      readonly available: true;
      readonly adapter: string;
      readonly capability: string; // '9.0'
      readonly bytes: number; // of memory
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
  return [await cuda(emulate), ...webgpu, reference, ...missing];
}

async function cuda(emulate: boolean): Promise<Listed> {
  const { openCuda } = await import('../../targets/cuda/device/index.ts');
  try {
    const device = await openCuda({ emulate });
    const { card, description, emulated } = device;
    await device.close();
    return {
      device: 'cuda',
      available: true,
      adapter: description,
      capability: `${Math.floor(card.capability / 10)}.${card.capability % 10}`,
      bytes: card.bytes,
      emulated,
      bf16: card.capability >= 80,
    };
  } catch (error) {
    if (!(error instanceof DeviceError) || error.kind !== 'unavailable') throw error;
    return { device: 'cuda', available: false, why: error.message };
  }
}
