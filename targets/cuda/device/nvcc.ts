// nvcc, the compiler of the CUDA toolkit, as a program: units become machine code in a temporary folder.

import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { CompileFailure, Compiler } from './compile.ts';
import { toolkits } from './library.ts';
import type { Unit } from './unit.ts';

/** null where there is no nvcc; `tried` learns where was looked. */
export async function findNvcc(
  architecture: number,
  tried: string[],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Compiler | null> {
  const program = await findProgram(environment);
  if (program === null) {
    tried.push('no nvcc (PEGEN_NVCC, CUDA_HOME, /usr/local/cuda, PATH)');
    return null;
  }
  const told = await run(program, ['--version']);
  const version = /release ([\d.]+), V([\d.]+)/.exec(told.output);
  if (told.failed || version === null) {
    tried.push(`${program} does not tell its version`);
    return null;
  }
  const options = ['-cubin', `-arch=sm_${architecture}`, '-std=c++17'];
  return {
    description: `nvcc ${version[1]}`,
    identity: ['nvcc', version[2]!, ...options].join(' '),
    parallel: availableParallelism(),
    unitSize: 48_000,
    async compile(unit: Unit): Promise<Uint8Array | CompileFailure> {
      const folder = await mkdtemp(join(tmpdir(), 'pegen-nvcc-'));
      try {
        const [source, result] = [join(folder, `${unit.name}.cu`), join(folder, 'unit.cubin')];
        await writeFile(source, unit.text);
        const { failed, output } = await run(program, [...options, '-o', result, source]);
        return failed ? { log: output } : new Uint8Array(await readFile(result));
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

async function findProgram(environment: NodeJS.ProcessEnv): Promise<string | null> {
  const name = process.platform === 'win32' ? 'nvcc.exe' : 'nvcc';
  const given = environment['PEGEN_NVCC'];
  const paths =
    given !== undefined && given !== ''
      ? [given]
      : [
          ...toolkits(environment).map((folder) => join(folder, 'bin', name)),
          ...(environment['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name)),
        ];
  for (const path of paths) {
    const usable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (usable) return path;
  }
  return null;
}

function run(program: string, args: readonly string[]): Promise<{ readonly failed: boolean; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(program, [...args], { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ failed: error !== null, output: `${stderr}${stdout}` || (error?.message ?? '') });
    });
  });
}
