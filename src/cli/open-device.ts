// A name as --device gives it -> an open device, and in a few words why this one. auto takes the first that opens: CUDA,
// a hardware WebGPU adapter, the software driver; of each that was passed over it tells why.

import { DeviceError } from '../../targets/device.ts';
import type { Device } from '../../targets/device.ts';
import type { CompileOptions } from '../options.ts';
import { failed, usage } from './failure.ts';
import { progressLine } from './show.ts';

export const deviceNames = ['auto', 'cuda', 'webgpu', 'swiftshader'] as const;
export type DeviceName = (typeof deviceNames)[number];

export interface Wanted {
  readonly device: DeviceName;
  readonly emulate: boolean;
  readonly precision: CompileOptions['precision'];
  readonly quiet: boolean;
}

export interface Opened {
  readonly device: Device;
  readonly why: string;
}

export async function openDevice(given: Wanted): Promise<Opened> {
  const wanted = given.emulate && given.device === 'auto' ? { ...given, device: 'cuda' as const } : given;
  const { device, emulate, precision } = wanted;
  if (emulate && device !== 'cuda')
    throw usage(`--emulate runs CUDA kernels, and --device says ${device}`, 'leave --device out, or say --device cuda');
  if (precision === 'bf16' && device !== 'cuda' && device !== 'auto')
    throw usage(
      `--device ${device} cannot store bf16`,
      'use --device cuda (with --emulate where there is no GPU), or --precision f32',
    );
  switch (device) {
    case 'cuda':
      return { device: await openCudaDevice(wanted), why: emulate ? emulated : 'as --device says' };
    case 'webgpu':
    case 'swiftshader':
      return {
        device: await openWebGpuDevice(device === 'webgpu' ? 'system' : 'swiftshader'),
        why: 'as --device says',
      };
    case 'auto':
      return openFirst(wanted);
    default:
      return device satisfies never;
  }
}

const emulated = 'to check kernels without a GPU: this says nothing of their speed';

async function openFirst(wanted: Wanted): Promise<Opened> {
  const passed: string[] = [];
  try {
    return { device: await openCudaDevice(wanted), why: 'since a CUDA device is there' };
  } catch (error) {
    if (!(error instanceof DeviceError) || error.kind === 'internal' || error.kind === 'invalid-kernel') throw error;
    passed.push(`cuda: ${inShort(error.message)}`);
    if (wanted.precision === 'bf16')
      throw failed(
        `--precision bf16 needs a CUDA device; ${passed[0]}`,
        '--emulate runs the kernels on this CPU, to check them; --precision f32 trains on other devices',
      );
  }
  const device = await openWebGpuDevice('auto').catch((error: unknown) => {
    if (!(error instanceof DeviceError)) throw error;
    throw failed(
      ['no device runs kernels here', ...passed, `webgpu: ${error.message}`].join('; '),
      'see pegen devices',
    );
  });
  const kind = device.adapter.software
    ? 'the software driver, since there is no hardware adapter'
    : 'the hardware adapter';
  return { device, why: [kind, ...passed].join('; ') };
}

/** What is wrong, without where was looked and what to do. */
const inShort = (message: string): string => message.replaceAll(/ \([^()]*\)/g, '').replace(/[:;] .*$/s, '');

async function openWebGpuDevice(adapter: 'auto' | 'system' | 'swiftshader') {
  const { openWebGpu } = await import('../../targets/wgsl/device/index.ts');
  return openWebGpu({ adapter });
}

/** Compiling takes seconds when nothing is in the cache: a line says how far it is. */
async function openCudaDevice({ emulate, quiet }: Wanted): Promise<Device> {
  const { openCuda } = await import('../../targets/cuda/device/index.ts');
  const line = quiet ? null : progressLine();
  return openCuda({
    emulate,
    onCompile(done, total) {
      line?.show(`compiling kernels: ${done} of ${total}`);
      if (done === total) line?.done();
    },
  });
}
