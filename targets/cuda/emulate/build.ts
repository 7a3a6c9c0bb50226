// The CPU builds of the emulation, by g++: the mock of the CUDA driver library, once for each version of its sources, and
// a shared object for each text of kernels. What comes out of the one loads what comes out of the other.

import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DeviceError } from '../../device.ts';

const execute = promisify(execFile);

/** A C++ compiler for this CPU. */
export interface HostCompiler {
  readonly command: string;
  readonly version: string; // 'g++ (Debian 12.2.0-14) 12.2.0'
}

export interface EmulatedUnit {
  readonly compiler: HostCompiler;
  /** The prelude and the kernels. */
  readonly text: string;
  /** Names of the kernels as they are after all macros. */
  readonly kernels: readonly string[];
  /**
   * Checked by AddressSanitizer and for undefined behaviour: the process must have been started with sanitizerLibrary
   * preloaded. By default where the variable PEGEN_EMULATE_SANITIZE is set.
   */
  readonly sanitize?: boolean;
  /** Over the usual ones and those of the variable CXXFLAGS. */
  readonly flags?: readonly string[];
}

export const compilerMissing =
  'the emulation compiles kernels for this CPU with g++, which is missing: install the package g++ (Debian, Ubuntu: ' +
  'apt install g++; Fedora: dnf install gcc-c++), or name a C++ compiler in the environment variable CXX';

/** The compiler that the variable CXX names, else g++ or c++; null where there is none. */
export async function findHostCompiler(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<HostCompiler | null> {
  const named = environment['CXX'];
  for (const command of named ? [named] : ['g++', 'c++']) {
    const said = await execute(command, ['--version']).catch(() => null);
    if (said !== null) return { command, version: said.stdout.split('\n')[0]!.trim() };
  }
  return null;
}

/** Like nvcc, strict about floating point; -ffp-contract=fast makes products and sums one operation, as a GPU does. */
const kernelFlags = ['-std=c++17', '-O1', '-ffp-contract=off', '-fno-strict-aliasing', '-w', '-fPIC', '-shared'];
/** What every build checks; cuda_cpu.hpp has what a failed check calls, so that no library is needed. */
const checks = ['-fsanitize=alignment,bounds', '-fno-sanitize-recover=all', '-nodefaultlibs', '-lm', '-lc', '-lgcc'];
const driverFlags = ['-std=c++17', '-O1', '-fPIC', '-shared', '-fvisibility=hidden'];
const sanitizer = ['-DPEGEN_SANITIZED', '-g', '-fsanitize=address,undefined', '-fno-omit-frame-pointer'];
/** Flags of whoever calls, over ours. */
const asked = (): readonly string[] => (process.env['CXXFLAGS'] ?? '').split(/\s+/).filter((flag) => flag !== '');
const sanitizing = (): boolean => !['', '0', undefined].includes(process.env['PEGEN_EMULATE_SANITIZE']);

/** What a build of kernels depends on besides their text. */
export async function emulationKey({ version }: HostCompiler): Promise<string> {
  const hash = createHash('sha256')
    .update(version)
    .update([...kernelFlags, ...(sanitizing() ? sanitizer : checks), ...asked()].join(' '));
  for (const [name, text] of await sources()) hash.update(name).update(text);
  return hash.digest('hex').slice(0, 16);
}

/** The CPU build of a text of kernels, an image for cuModuleLoadData of the mock driver. */
export async function compileEmulated(unit: EmulatedUnit): Promise<Uint8Array> {
  const { compiler, text, kernels, sanitize = sanitizing(), flags = [] } = unit;
  const folder = await mkdtemp(join(tmpdir(), 'pegen-emulate-'));
  try {
    const known = kernels.map((name) => `PEGEN_KERNEL(${name})\n`).join('');
    await writeFile(join(folder, 'kernels.cu'), `${text}\n${known}`);
    const include = ['-include', join(await sourceFolder(), 'cuda_cpu.hpp')];
    const options = [...kernelFlags, ...(sanitize ? sanitizer : checks), ...asked(), ...flags, ...include];
    await compile(compiler, [...options, '-x', 'c++', 'kernels.cu', '-o', 'kernels.so'], folder);
    return await readFile(join(folder, 'kernels.so'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The path of the mock driver library, built into `cache` where it is not there yet. */
export async function emulatedDriver(
  compiler: HostCompiler,
  cache: string = cacheFolder(),
  flags: readonly string[] = [],
): Promise<string> {
  const folder = await sourceFolder();
  const options = [...driverFlags, ...flags, `-I${folder}`];
  const hash = createHash('sha256')
    .update(compiler.version)
    .update([...driverFlags, ...flags].join(' '));
  const files = await sources();
  for (const [name, text] of files) hash.update(name).update(text);
  const path = join(cache, `emulated-driver-${hash.digest('hex').slice(0, 16)}.so`);
  if (await exists(path)) return path;
  await mkdir(cache, { recursive: true });
  const beside = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  // One text: the standard library's headers are read once.
  const units = files.map(([name]) => name).filter((name) => name.endsWith('.cpp'));
  try {
    await writeFile(`${beside}.cpp`, units.map((name) => `#include "${name}"\n`).join(''));
    await compile(compiler, [...options, `${beside}.cpp`, '-ldl', '-o', beside], folder);
    await rename(beside, path);
  } finally {
    await rm(beside, { force: true });
    await rm(`${beside}.cpp`, { force: true });
  }
  return path;
}

/** What must be preloaded into a process that runs kernels with `sanitize`; null where the compiler has none. */
export async function sanitizerLibrary({ command }: HostCompiler): Promise<string | null> {
  const said = await execute(command, ['-print-file-name=libasan.so']).catch(() => null);
  const path = said?.stdout.trim() ?? '';
  return path.startsWith('/') ? path : null;
}

async function compile({ command }: HostCompiler, options: readonly string[], folder: string): Promise<void> {
  try {
    const env = { ...process.env, LD_PRELOAD: '' }; // the sanitizer is for the kernels, not for their compiler
    await execute(command, [...options], { cwd: folder, maxBuffer: 1 << 26, env });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new DeviceError('invalid-kernel', `${command} does not compile this:\n${stderr?.trim() || message}`);
  }
}

/** Beside this file, or, when that is compiled, in the package's own sources. */
async function sourceFolder(): Promise<string> {
  for (const folder of ['./', '../../../../targets/cuda/emulate/']) {
    const path = fileURLToPath(new URL(folder, import.meta.url));
    if (await exists(join(path, 'cuda_cpu.hpp'))) return path;
  }
  throw new DeviceError(
    'internal',
    'the sources of the emulation, targets/cuda/emulate/*.{hpp,cpp}, are not installed',
  );
}

async function sources(): Promise<readonly (readonly [string, string])[]> {
  const folder = await sourceFolder();
  const names = (await readdir(folder)).filter((name) => /\.[ch]pp$/.test(name)).sort();
  return Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const));
}

function cacheFolder(): string {
  const { PEGEN_CACHE, XDG_CACHE_HOME } = process.env;
  return PEGEN_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'pegen');
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
