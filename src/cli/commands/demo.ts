// pegen demo: RoPE and CARoPE in a few minutes on any machine.

import { join } from 'node:path';
import type { Command } from 'commander';
import { compareRuns } from '../compare-runs.ts';
import { addDeviceFlags, interruptSignal, stoppedEarly, withDevice } from '../device.ts';
import type { DeviceFlags } from '../device.ts';
import { examplesFolder } from '../examples.ts';
import { wholeNumber } from '../flags.ts';
import { readSource } from '../source-file.ts';

interface Flags extends DeviceFlags {
  readonly out: string;
  readonly steps: number;
  readonly seed: number;
}

export function addDemo(command: Command): void {
  command
    .option('--out <folder>', 'where report.html goes', join('runs', 'demo'))
    .option('--steps <n>', 'optimizer steps', wholeNumber(1), 160)
    .option('--seed <n>', 'of weights, batches and samples', wholeNumber(0), 1);
  addDeviceFlags(command).addHelpText('after', '\nExample:\n  $ pegen demo').action(run);
}

async function run(flags: Flags): Promise<void> {
  const { configure } = await import('../../trainer/configuration.ts');
  const configuration = configure({ steps: flags.steps, seed: flags.seed, checkpoint: 0 });
  const folder = await examplesFolder();
  const choices = await Promise.all(
    ['rope.pe', 'carope.pe'].map(async (name) => ({
      source: await readSource(join(folder, name)),
      encoding: null,
      params: {},
    })),
  );
  const { signal, release } = interruptSignal();
  try {
    const done = await withDevice(flags, (device) =>
      compareRuns(device, { choices, configuration, data: null, signal }, flags.out),
    );
    if (!done) throw stoppedEarly(null);
  } finally {
    release();
  }
}
