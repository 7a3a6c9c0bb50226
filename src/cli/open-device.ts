// A name as --device gives it -> an open device, and in a few words why this one. auto takes the first that opens: CUDA,
// a hardware WebGPU adapter, the CPU; of each that was passed over it tells why.

import { DeviceError } from '../../targets/device.ts';
import type { Device } from '../../targets/device.ts';
import type { CompileOptions } from '../options.ts';
import { failed, usage } from './failure.ts';
import { progressLine } from './show.ts';

export const deviceNames = ['auto', 'cuda', 'webgpu', 'cpu', 'swiftshader'] as const;
export type DeviceName = (typeof deviceNames)[number];

export interface Wanted {
  readonly device: DeviceName;
  readonly emulate: boolean;
  readonly precision: CompileOptions['precision'];
  /** Of the CPU; null: as PEGEN_THREADS says, or as many as there are. */
  readonly threads: number | null;
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
  if (wanted.threads !== null && device !== 'cpu' && device !== 'auto')
    throw usage(`--threads is of the CPU, and --device says ${device}`, 'leave it out, or say --device cpu');
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
    case 'cpu':
      return { device: await openCpuDevice(wanted), why: 'as --device says' };
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
  try {
    return { device: await openWebGpuDevice('hardware'), why: ['the hardware adapter', ...passed].join('; ') };
  } catch (error) {
    if (!(error instanceof DeviceError) || error.kind !== 'unavailable') throw error;
    passed.push(`webgpu: ${inShort(error.message)}`);
  }
  const device = await openCpuDevice(wanted).catch((error: unknown) => {
    if (!(error instanceof DeviceError) || error.kind !== 'unavailable') throw error;
    throw failed(['no device runs kernels here', ...passed, `cpu: ${error.message}`].join('; '), 'see pegen devices');
  });
  return { device, why: ['since there is no GPU', ...passed].join('; ') };
}

/** What is wrong, without where was looked and what to do. */
const inShort = (message: string): string => message.replaceAll(/ \([^()]*\)/g, '').replace(/[:;] .*$/s, '');

async function openWebGpuDevice(adapter: 'hardware' | 'system' | 'swiftshader') {
  const { openWebGpu } = await import('../../targets/wgsl/device/index.ts');
  return openWebGpu({ adapter });
}

async function openCpuDevice({ threads }: Wanted): Promise<Device> {
  const { openCpu } = await import('../../targets/wasm/device/index.ts');
  const { productProbe } = await import('./cpu-products.ts');
  const count = threads ?? threadsOfEnvironment();
  return openCpu({ probe: productProbe(), ...(count === null ? {} : { threads: count }) });
}

/** PEGEN_THREADS, where it is set. */
export function threadsOfEnvironment(): number | null {
  const text = process.env['PEGEN_THREADS'];
  if (text === undefined || text === '') return null;
  const threads = Number(text);
  if (Number.isSafeInteger(threads) && threads >= 1) return threads;
  throw usage(`PEGEN_THREADS is ${text}`, 'it is a whole number from 1');
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
