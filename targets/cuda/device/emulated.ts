// The emulation in the place of a GPU: the mock of the driver library, and g++ as the compiler of units.

import { availableParallelism } from 'node:os';
import { DeviceError } from '../../device.ts';
import { compileEmulated, compilerMissing, emulatedDriver, emulationKey, findHostCompiler } from '../emulate/build.ts';
import type { Compiler } from './compile.ts';
import { symbolOf } from './unit.ts';

export interface Emulation {
  readonly driver: string; // path of the mock
  readonly compiler: Compiler;
}

/** Throws DeviceError without a C++ compiler. */
export async function openEmulation(): Promise<Emulation> {
  const host = await findHostCompiler();
  if (host === null) throw new DeviceError('unavailable', compilerMissing);
  const driver = await emulatedDriver(host);
  return {
    driver,
    compiler: {
      description: shortName(host.command, host.version),
      identity: `emulated ${await emulationKey(host)}`,
      parallel: availableParallelism(),
      unitSize: 60_000,
      async compile(unit) {
        try {
          return await compileEmulated({ compiler: host, text: unit.text, kernels: unit.kernels.map(symbolOf) });
        } catch (error) {
          if (error instanceof DeviceError && error.kind === 'invalid-kernel') return { log: error.message };
          throw error;
        }
      },
    },
  };
}

/** 'g++ 12.2.0' */
const shortName = (command: string, version: string): string =>
  `${command.replace(/.*[/\\]/, '')} ${/\d+(\.\d+)+/.exec(version.replace(/\([^)]*\)/g, ''))?.[0] ?? version}`;
