// The device that a command runs on: its flags; opened, named on stderr, closed whatever happens.

import { Option } from 'commander';
import type { Command } from 'commander';
import type { Device } from '../../targets/device.ts';
import type { CompileOptions } from '../options.ts';
import { CommandFailure, exitCodes } from './failure.ts';
import { wholeNumber } from './flags.ts';
import type { DeviceName } from './open-device.ts';

type Precision = CompileOptions['precision'];

export interface DeviceFlags {
  readonly device: DeviceName;
  readonly emulate?: boolean;
  readonly threads?: number;
}

export interface PrecisionFlag {
  readonly precision?: Precision;
}

const names: readonly DeviceName[] = ['auto', 'cuda', 'webgpu', 'cpu', 'swiftshader'];

const addMore = (command: Command): Command =>
  command
    .option('--threads <n>', 'of the CPU (default: as many as it runs at once)', wholeNumber(1))
    .option('--emulate', 'CUDA kernels on this CPU, through g++: to check them without a GPU');

export const addDeviceFlags = (command: Command): Command =>
  addMore(
    command.addOption(
      new Option('--device <name>', 'auto: CUDA, else a hardware WebGPU adapter, else the CPU')
        .choices(names)
        .default('auto'),
    ),
  );

/** The same where the float64 interpreter will do. */
export const addVerifyDeviceFlags = (command: Command): Command =>
  addMore(
    command.addOption(
      new Option('--device <name>', 'reference: the float64 interpreter; else the kernels')
        .choices(['reference', ...names])
        .default('reference'),
    ),
  );

export const addPrecisionFlag = (command: Command): Command =>
  command.addOption(
    new Option('--precision <type>', 'how tensors of tokens are stored; bf16 on CUDA only (default: f32)').choices([
      'f32',
      'bf16',
    ]),
  );

export interface DeviceUse {
  readonly precision?: Precision | undefined;
  readonly quiet?: boolean;
}

export async function withDevice<Result>(
  { device: name, emulate = false, threads }: DeviceFlags,
  use: (device: Device) => Promise<Result>,
  { precision = 'f32', quiet = false }: DeviceUse = {},
): Promise<Result> {
  const { openDevice } = await import('./open-device.ts');
  const { device, why } = await openDevice({ device: name, emulate, precision, threads: threads ?? null, quiet });
  if (!quiet) console.error(`device: ${device.description}, ${why}`);
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
