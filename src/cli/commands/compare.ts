// pegen compare: several encodings with the same sizes, seed and batches, side by side.

import { join } from 'node:path';
import type { Command } from 'commander';
import { addDeviceFlags, interruptSignal, stoppedEarly, withDevice } from '../device.ts';
import type { DeviceFlags } from '../device.ts';
import { usage } from '../failure.ts';
import { addRunFlags, configurationOf } from '../run-flags.ts';
import type { RunFlags } from '../run-flags.ts';
import { readSource } from '../source-file.ts';
import { compareRuns } from '../compare-runs.ts';

interface Flags extends RunFlags, DeviceFlags {
  readonly out: string;
}

export function addCompare(command: Command): void {
  command
    .argument('<files...>', 'two .pe files or more; FILE.pe:NAME chooses one of several encodings')
    .option('--out <folder>', 'where report.html goes', join('runs', 'compare'));
  addDeviceFlags(addRunFlags(command))
    .addHelpText(
      'after',
      `
Examples:
  $ pegen compare examples/rope.pe examples/carope.pe
  $ pegen compare mine.pe:first mine.pe:second --steps 1000 --seed 7`,
    )
    .action(run);
}

async function run(paths: readonly string[], flags: Flags): Promise<void> {
  if (paths.length < 2) throw usage('one encoding cannot be compared', 'name two files or more, or use pegen train');
  const configuration = await configurationOf(flags, null);
  const choices = await Promise.all(
    paths.map(async (written) => {
      const [, path, name] = /^(.*\.pe)(?::(\w+))?$/.exec(written) ?? [null, written, undefined];
      return { source: await readSource(path!), encoding: name ?? null, params: {} };
    }),
  );
  const { signal, release } = interruptSignal();
  try {
    const done = await withDevice(
      flags,
      (device) => compareRuns(device, { choices, configuration, data: flags.data ?? null, signal }, flags.out),
      configuration,
    );
    if (!done) throw stoppedEarly(null);
  } finally {
    release();
  }
}
