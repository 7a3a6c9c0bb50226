// Kernel IR on a device: what the planner and the glue do for generated modules, for kernels written by hand in tests.

import type { KernelBody } from '../../codegen/kernel.ts';
import type { Device, Kernel, Profile, Sizes } from '../../targets/device.ts';
import { wholeSequence } from '../../targets/device.ts';
import { wgsl } from '../../targets/wgsl/printer.ts';

export function kernelFrom(body: KernelBody, groups: (sizes: Sizes) => number, profile: Profile = 'software'): Kernel {
  return {
    name: body.name,
    language: 'wgsl',
    product: null,
    source: `${body.name}.pe:1`,
    bindings: body.bindings,
    variants: [{ profile, workgroup: body.workgroup, code: wgsl.kernel(body, body.name), groups }],
  };
}

/** Runs one kernel once and gives the buffers it wrote, by name. */
export async function runBody(
  device: Device,
  body: KernelBody,
  groups: number,
  inputs: Readonly<Record<string, Float32Array | Int32Array>>,
  sizes: Sizes = wholeSequence(1, 1),
  profile: Profile = 'software',
): Promise<Record<string, Float32Array | Int32Array>> {
  const buffers = body.bindings.map(({ name, type }) => {
    const data = inputs[name]!;
    const storage = device.allocate(data.byteLength, name);
    device.write(storage, 0, data);
    return { name, elements: data.length, type, storage, offset: 0 };
  });
  const kernel = kernelFrom(body, () => groups, profile);
  const recorded = await device.record((tape) => tape.launch(kernel, buffers), sizes);
  device.run(recorded);
  const results: Record<string, Float32Array | Int32Array> = {};
  for (const [index, { name, type, access }] of body.bindings.entries()) {
    if (access === 'read') continue;
    const bytes = await device.read(buffers[index]!.storage, 0, buffers[index]!.elements * 4);
    results[name] = type === 'f32' ? new Float32Array(bytes) : new Int32Array(bytes);
  }
  device.release(recorded);
  for (const { storage } of buffers) device.free(storage);
  return results;
}
