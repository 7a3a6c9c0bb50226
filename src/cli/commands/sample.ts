// pegen sample: text from a trained model.

import type { Command } from 'commander';
import { addDeviceFlags, withDevice } from '../device.ts';
import type { DeviceFlags } from '../device.ts';
import { realNumber, wholeNumber } from '../flags.ts';
import { plain } from '../training.ts';

interface Flags extends DeviceFlags {
  readonly prompt: string;
  readonly length: number;
  readonly temperature: number;
  readonly top: number;
  readonly seed: number;
}

export function addSample(command: Command): void {
  command
    .argument('<run>', 'the folder of a run, or one of its checkpoints')
    .option('--prompt <text>', 'what it goes on from', 'The ')
    .option('--length <n>', 'tokens to add', wholeNumber(1), 200)
    .option('--temperature <x>', '0: always the likeliest token', realNumber(0), 0.8)
    .option('--top <n>', 'choose among the n likeliest tokens; 0: among all', wholeNumber(0), 40)
    .option('--seed <n>', 'another text for each', wholeNumber(0), 1);
  addDeviceFlags(command)
    .addHelpText(
      'after',
      `
Examples:
  $ pegen sample runs/carope --prompt 'My fellow citizens'
  $ pegen sample runs/carope --temperature 0 --length 400`,
    )
    .action(run);
}

async function run(path: string, flags: Flags): Promise<void> {
  const { readCheckpoint } = await import('../../trainer/checkpoint.ts');
  const checkpoint = await readCheckpoint(path);
  const { openScripts } = await import('../scripts.ts');
  const { sampleFrom } = await import('../../trainer/sample-run.ts');
  const { prompt, length, temperature, top, seed } = flags;
  await withDevice(
    flags,
    async (device) => {
      const text = await sampleFrom(
        device,
        checkpoint,
        { prompt, tokens: length, temperature, top, seed },
        await openScripts(),
      );
      console.log(plain(text));
    },
    { precision: checkpoint.state.configuration.precision, quiet: true },
  );
}
