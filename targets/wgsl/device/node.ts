// Adapters in Node, from the npm package `webgpu` (Dawn), loaded when first asked for. Everything that `create` returns is
// kept for the life of the process: Dawn crashes when it is collected while anything of it is still in use.

import { swiftShaderFiles, useSwiftShader } from './swiftshader.ts';

const kept = Symbol.for('pegen.dawn');

/** Exact timestamps instead of ones rounded to 0.1 ms, which protect browsers only. */
const options = ['disable-dawn-features=timestamp_quantization'];

async function createGpu(): Promise<GPU | null> {
  try {
    const { create } = await import('webgpu');
    const gpu = create([...options]);
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

/** Of the driver that the machine has. */
export async function systemAdapter(): Promise<GPUAdapter | null> {
  return adapterOf(await createGpu());
}

/** Of the software driver in the npm package @sparticuz/chromium; null where that is not installed. */
export async function swiftShaderAdapter(): Promise<GPUAdapter | null> {
  const files = await swiftShaderFiles();
  if (files === null) return null;
  const restore = await useSwiftShader(files);
  try {
    return await adapterOf(await createGpu());
  } finally {
    restore();
  }
}
