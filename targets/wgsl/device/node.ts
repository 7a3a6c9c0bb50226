// Adapters in Node, from the npm package `webgpu` (Dawn), loaded when first asked for. Everything that `create` returns is
// kept for the life of the process: Dawn crashes when it is collected while anything of it is still in use.

import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { loadLoader, swiftShaderFiles, useSwiftShader } from './swiftshader.ts';

const kept = Symbol.for('pegen.dawn');

/**
 * Exact timestamps instead of ones rounded to 0.1 ms, which protect browsers only; and no second check of every index in
 * a kernel, which costs a third of the time on SwiftShader: the compiler has proved them, and the simulator has checked.
 */
const off = 'disable-dawn-features=timestamp_quantization';
const trusted = 'enable-dawn-features=disable_robustness';

export type Bounds = 'trusted' | 'checked';

async function createGpu(bounds: Bounds): Promise<GPU | null> {
  try {
    const { create } = await import('webgpu');
    const gpu = create(bounds === 'trusted' ? [off, trusted] : [off]);
    const holder = globalThis as { [kept]?: GPU[] };
    (holder[kept] ??= []).push(gpu);
    return gpu;
  } catch {
    return null; // no build for this platform
  }
}

async function adapterOf(gpu: GPU | null): Promise<GPUAdapter | null> {
  try {
    return (await gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? null;
  } catch {
    return null;
  }
}

/**
 * Of the driver that the machine has; null without a question to Dawn, which takes a while and would complain, where it has
 * none. `hardware`: drivers that are known for software are none.
 */
export async function systemAdapter(bounds: Bounds, hardware: boolean): Promise<GPUAdapter | null> {
  if (process.platform === 'linux') {
    if (!vulkanDrivers().some((name) => !hardware || !softwareDriver.test(name))) return null;
    // A container may have a driver but no loader; then the software driver's will do.
    loadLoader((await swiftShaderFiles())?.loader ?? null);
  }
  return adapterOf(await createGpu(bounds));
}

const softwareDriver = /(^|\/)(lvp_icd|vk_swiftshader_icd)[^/]*$/;

/** What describes drivers, where the Vulkan loader looks. */
function vulkanDrivers(): readonly string[] {
  const named = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES'].flatMap(
    (name) => process.env[name]?.split(':').filter(Boolean) ?? [],
  );
  if (named.length > 0) return named;
  const env = (name: string, otherwise: string): readonly string[] => (process.env[name] || otherwise).split(':');
  const roots = [
    ...env('XDG_CONFIG_HOME', join(homedir(), '.config')),
    ...env('XDG_CONFIG_DIRS', '/etc/xdg'),
    '/etc',
    ...env('XDG_DATA_HOME', join(homedir(), '.local/share')),
    ...env('XDG_DATA_DIRS', '/usr/local/share:/usr/share'),
  ];
  return roots.flatMap((root) => {
    try {
      return readdirSync(join(root, 'vulkan', 'icd.d')).filter((name) => name.endsWith('.json'));
    } catch {
      return [];
    }
  });
}

/** Of the software driver in the npm package @sparticuz/chromium; null where that is not installed. */
export async function swiftShaderAdapter(bounds: Bounds): Promise<GPUAdapter | null> {
  const files = await swiftShaderFiles();
  if (files === null) return null;
  const restore = useSwiftShader(files);
  try {
    return await adapterOf(await createGpu(bounds));
  } finally {
    restore();
  }
}
