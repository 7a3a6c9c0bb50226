// The device of the GPU tests: SwiftShader, the same on every machine. One a file, closed in afterAll.

import { openWebGpu, type AdapterChoice, type WebGpuDevice } from '../../targets/wgsl/device/index.ts';

export async function openTestDevice(choice: Omit<AdapterChoice, 'adapter'> = {}): Promise<WebGpuDevice> {
  return openWebGpu({ ...choice, adapter: 'swiftshader' });
}
