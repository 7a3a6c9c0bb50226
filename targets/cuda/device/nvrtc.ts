// NVRTC, CUDA's compiler as a library: units become machine code for the GPU at hand, on threads of their own. Where the
// library is older than the GPU it gives PTX, and the driver does the rest.

import { dirname, isAbsolute, join } from 'node:path';
import { DeviceError } from '../../device.ts';
import type { CompileFailure, Compiler } from './compile.ts';
import { callAsync, zeroEnded, type Foreign, type ForeignFunction, type ForeignType, type Library } from './foreign.ts';
import { entries, searchLibrary } from './library.ts';
import type { Unit } from './unit.ts';

const signatures = {
  nvrtcVersion: ['pointer', 'pointer'],
  nvrtcGetNumSupportedArchs: ['pointer'],
  nvrtcGetSupportedArchs: ['pointer'],
  nvrtcCreateProgram: ['pointer', 'pointer', 'pointer', 'int', 'handle', 'handle'],
  nvrtcCompileProgram: ['handle', 'int', 'pointer'],
  nvrtcGetProgramLogSize: ['handle', 'pointer'],
  nvrtcGetProgramLog: ['handle', 'pointer'],
  nvrtcGetCUBINSize: ['handle', 'pointer'],
  nvrtcGetCUBIN: ['handle', 'pointer'],
  nvrtcGetPTXSize: ['handle', 'pointer'],
  nvrtcGetPTX: ['handle', 'pointer'],
  nvrtcDestroyProgram: ['pointer'],
} as const satisfies Readonly<Record<string, readonly ForeignType[]>>;
type Nvrtc = Readonly<Record<keyof typeof signatures, ForeignFunction>>;

/** The code of an error in the program itself. */
const compilationError = 6;

/** null where there is no library that this driver can load the code of; `tried` learns why. */
export function findNvrtc(
  foreign: Foreign,
  architecture: number,
  driverMajor: number,
  tried: string[],
  environment: NodeJS.ProcessEnv = process.env,
): Compiler | null {
  const { paths, places } = searchLibrary('nvrtc', environment);
  let newer: string | null = null;
  for (const path of paths) {
    openBuiltins(foreign, path);
    const library = foreign.open(path);
    const functions = library === null ? null : functionsOf(library);
    if (functions === null) continue;
    const [major, minor] = [new Int32Array(1), new Int32Array(1)];
    if (functions.nvrtcVersion(major, minor) !== 0) continue;
    const version = `${major[0]}.${minor[0]}`;
    if (major[0]! > driverMajor) {
      newer = `NVRTC ${version} at ${path} is newer than the driver's CUDA ${driverMajor}`;
      continue;
    }
    return nvrtcCompiler(foreign, functions, version, architecture);
  }
  tried.push(newer ?? `no NVRTC (${places})`);
  return null;
}

/**
 * The library looks for a part of itself by name alone, and in Python's packages finds it only if it is loaded already.
 */
function openBuiltins(foreign: Foreign, path: string): void {
  if (!isAbsolute(path)) return;
  const folder = dirname(path);
  for (const name of entries(folder))
    if (/^libnvrtc-builtins\.so|^nvrtc-builtins.*\.dll$/.test(name)) foreign.open(join(folder, name));
}

function functionsOf(library: Library): Nvrtc | null {
  const found = Object.entries(signatures).map(([name, types]) => [name, library.find(name, types)] as const);
  return found.every(([, each]) => each !== null) ? (Object.fromEntries(found) as Nvrtc) : null;
}

/** The architecture itself where the library knows it, else the newest before it. */
export function pickArchitecture(wanted: number, supported: readonly number[]): number | null {
  const older = supported.filter((each) => each <= wanted);
  return older.length === 0 ? null : Math.max(...older);
}

function nvrtcCompiler(foreign: Foreign, nvrtc: Nvrtc, version: string, architecture: number): Compiler | null {
  const count = new Int32Array(1);
  nvrtc.nvrtcGetNumSupportedArchs(count);
  const supported = new Int32Array(count[0]!);
  nvrtc.nvrtcGetSupportedArchs(supported);
  const picked = pickArchitecture(architecture, [...supported]);
  if (picked === null) return null;
  const native = picked === architecture;
  const options = [`--gpu-architecture=${native ? 'sm' : 'compute'}_${picked}`, '--std=c++17'];

  const bytesOf = (size: ForeignFunction, get: ForeignFunction, program: bigint): Uint8Array => {
    const bytes = new BigUint64Array(1);
    check(size(program, bytes), 'nvrtcGet...Size');
    const data = new Uint8Array(Number(bytes[0]));
    check(get(program, data), 'nvrtcGet...');
    return data;
  };
  const compile = async (unit: Unit): Promise<Uint8Array | CompileFailure> => {
    const out = new BigUint64Array(1);
    check(
      nvrtc.nvrtcCreateProgram(out, zeroEnded(unit.text), zeroEnded(`${unit.name}.cu`), 0, 0n, 0n),
      'nvrtcCreateProgram',
    );
    const program = out[0]!;
    try {
      const texts = options.map(zeroEnded);
      const list = BigUint64Array.from(texts, (text) => foreign.address(text));
      const code = await callAsync(nvrtc.nvrtcCompileProgram, program, list.length, list);
      void [texts, list]; // the library reads them until here
      if (code !== 0) {
        const bytes = bytesOf(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program);
        const log = new TextDecoder().decode(bytes).replace(/\0+$/, '');
        if (code === compilationError) return { log };
        throw new DeviceError(
          'internal',
          `the compiler NVRTC failed: nvrtcCompileProgram returned ${code}: ${log.trim()}`,
        );
      }
      return native
        ? bytesOf(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program)
        : bytesOf(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, program);
    } finally {
      nvrtc.nvrtcDestroyProgram(new BigUint64Array([program]));
    }
  };
  return {
    description: `NVRTC ${version}`,
    identity: ['nvrtc', version, ...options].join(' '),
    parallel: 4, // threads of Node for calls that wait
    unitSize: 16_000,
    compile,
  };
}

function check(code: number, call: string): void {
  if (code !== 0) throw new DeviceError('internal', `the compiler NVRTC failed: ${call} returned ${code}`);
}
