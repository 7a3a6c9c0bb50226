// The device of the GPU tests: SwiftShader, the same on every machine that has it; elsewhere the system's adapter. One a
// file, closed in afterAll.

import { DeviceError } from '../../targets/device.ts';
import { openWebGpu, type AdapterChoice, type WebGpuDevice } from '../../targets/wgsl/device/index.ts';

export async function openTestDevice(choice: Omit<AdapterChoice, 'adapter'> = {}): Promise<WebGpuDevice> {
  try {
    return await openWebGpu({ ...choice, adapter: 'swiftshader' });
  } catch (error) {
    if (!(error instanceof DeviceError) || error.kind !== 'unavailable' || choice.profile !== undefined) throw error;
    return openWebGpu({ ...choice, adapter: 'system' });
  }
}
