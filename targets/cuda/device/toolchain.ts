// What compiles kernels for a GPU: NVRTC where its library is found, else nvcc; looked for when something has to be
// compiled. Without either the message says where was looked and how to get one.

import { DeviceError } from '../../device.ts';
import type { Compiler } from './compile.ts';
import type { Foreign } from './foreign.ts';
import { findNvcc } from './nvcc.ts';
import { findNvrtc } from './nvrtc.ts';
import { prebuilt } from './prebuild.ts';

/** prebuilt: nothing is compiled; kernels are in the cache, put there by prebuild.ts. */
const choices = ['auto', 'nvrtc', 'nvcc', 'prebuilt'] as const;
export type CompilerChoice = (typeof choices)[number];

/** What PEGEN_CUDA_COMPILER says; auto where it says nothing. Throws DeviceError where it is none of them. */
export function compilerNamed(environment: NodeJS.ProcessEnv): CompilerChoice {
  const name = environment['PEGEN_CUDA_COMPILER'] || 'auto';
  const found = choices.find((each) => each === name);
  if (found !== undefined) return found;
  throw new DeviceError('unavailable', `PEGEN_CUDA_COMPILER is ${name}; it can be ${choices.join(', ')}`);
}

/** `driverVersion`: 13000 for CUDA 13.0. */
export async function findCompiler(
  foreign: Foreign,
  choice: CompilerChoice,
  architecture: number,
  driverVersion: number,
): Promise<Compiler> {
  if (choice === 'prebuilt') return prebuilt(architecture);
  const tried: string[] = [];
  const library = choice === 'nvcc' ? null : findNvrtc(foreign, architecture, Math.floor(driverVersion / 1000), tried);
  if (library !== null) return library;
  const program = choice === 'nvrtc' ? null : await findNvcc(architecture, tried);
  if (program !== null) return program;
  const major = Math.floor(driverVersion / 1000);
  throw new DeviceError(
    'unavailable',
    `no compiler for CUDA kernels: ${tried.join('; ')}. Install NVRTC (pip install nvidia-cuda-nvrtc` +
      `${major >= 13 ? '' : `-cu${major}`}, or CUDA's own packages) or the CUDA toolkit, or name one in PEGEN_NVRTC or PEGEN_NVCC`,
  );
}
