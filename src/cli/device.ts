// The device that a command runs on: opened, named on stderr, closed whatever happens.

import { Option } from 'commander';
import type { Device } from '../../targets/device.ts';
import { CommandFailure, exitCodes } from './failure.ts';

const deviceNames = ['auto', 'webgpu', 'swiftshader'] as const;
export type DeviceName = (typeof deviceNames)[number];

export const deviceOption = (): Option =>
  new Option('--device <name>', 'auto: a hardware WebGPU adapter, else the software driver')
    .choices(deviceNames)
    .default('auto');

const adapters = { auto: 'auto', webgpu: 'system', swiftshader: 'swiftshader' } as const;

async function openDevice(name: DeviceName, quiet = false): Promise<Device> {
  const { openWebGpu } = await import('../../targets/wgsl/device/index.ts');
  const device = await openWebGpu({ adapter: adapters[name] });
  if (!quiet) console.error(`device: ${device.description}, ${why(name, device.adapter.software)}`);
  return device;
}

function why(name: DeviceName, software: boolean): string {
  if (name !== 'auto') return 'as --device says';
  return software ? 'since there is no hardware adapter' : 'the hardware adapter';
}

export async function withDevice<Result>(
  name: DeviceName,
  use: (device: Device) => Promise<Result>,
  quiet = false,
): Promise<Result> {
  const device = await openDevice(name, quiet);
  try {
    return await use(device);
  } finally {
    await device.close();
  }
}

/** Aborted by the first Ctrl-C; the second ends the process. */
export function interruptSignal(): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort();
    console.error('\nstopping after this step (Ctrl-C again: at once)');
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return {
    signal: controller.signal,
    release: () => {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    },
  };
}

/** For a run that ended early without an error. */
export const stoppedEarly = (folder: string | null): CommandFailure =>
  new CommandFailure(
    folder === null ? 'stopped' : `stopped; go on with --out ${folder} --resume`,
    null,
    exitCodes.interrupted,
  );
