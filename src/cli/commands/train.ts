// pegen train: a GPT-2 with one encoding, from a text to a checkpoint, numbers and a page about them.

import { join } from 'node:path';
import type { Command } from 'commander';
import { addDeviceFlags, interruptSignal, stoppedEarly, withDevice } from '../device.ts';
import type { DeviceFlags } from '../device.ts';
import { usage } from '../failure.ts';
import { addEncodingFlags, addRewriteFlag } from '../flags.ts';
import type { EncodingFlags, RewriteFlags } from '../flags.ts';
import { addRunFlags, configurationOf } from '../run-flags.ts';
import type { RunFlags } from '../run-flags.ts';
import { readSource } from '../source-file.ts';
import { runShown, showResults } from '../training.ts';

interface Flags extends RunFlags, EncodingFlags, DeviceFlags, RewriteFlags {
  readonly out?: string;
  readonly resume?: boolean;
  readonly profile?: boolean;
}

export function addTrain(command: Command): void {
  command
    .argument('<file>', 'a .pe file')
    .option('--out <folder>', 'where checkpoints and report.html go (default: runs/ and the file name)')
    .option('--resume', 'go on from the newest checkpoint of --out, to the same bits')
    .option('--profile', 'time every kernel of one step instead of training');
  addRewriteFlag(addDeviceFlags(addRunFlags(addEncodingFlags(command))))
    .addHelpText(
      'after',
      `
Examples:
  $ pegen train examples/carope.pe --out runs/carope
  $ pegen train mine.pe --data book.txt --steps 2000 --width 128 --layers 4
  $ pegen train mine.pe --out runs/mine --resume
  $ pegen train examples/rope.pe --profile
  $ pegen train mine.pe --model gpt2-124m --batch 32 --device cuda --precision bf16
  $ pegen train mine.pe --steps 2 --emulate           CUDA kernels, checked on this CPU

Ctrl-C finishes the step, writes a checkpoint and stops.`,
    )
    .action(run);
}

async function run(path: string, flags: Flags): Promise<void> {
  const source = await readSource(path);
  const rewrites = flags.rewrites === undefined ? {} : { rewrites: flags.rewrites };
  const choice = { source, encoding: flags.encoding ?? null, params: flags.param ?? {}, ...rewrites };
  const folder = flags.out ?? join('runs', path.split(/[\\/]/).at(-1)!.replace(/\.pe$/, ''));
  const resume = flags.resume === true;
  const before = await checkpointOf(folder, resume);
  const configuration = await configurationOf(flags, before?.configuration ?? null);
  const { loadCorpus } = await import('../../trainer/corpus.ts');
  const { prepareData } = await import('../../trainer/data.ts');
  const corpus = await loadCorpus(flags.data ?? null);
  const data = await prepareData(corpus, configuration);
  const { sampleDefaults } = await import('../../trainer/sample.ts');
  const kept = before && { encoding: before.encoding, params: before.params, rewrites: before.rewrites };
  const chosen = kept === null ? choice : { source, ...kept, ...rewrites };

  await withDevice(
    flags,
    async (device) => {
      if (flags.profile === true) {
        const { profileStep } = await import('../profile.ts');
        return profileStep(device, chosen, configuration, data);
      }
      const { signal, release } = interruptSignal();
      try {
        const sample = { ...sampleDefaults, seed: configuration.seed };
        const plan = { choice: chosen, configuration, data, folder, resume, sample, signal };
        const summary = await runShown(device, plan, '');
        if (summary === null) throw stoppedEarly(folder);
        const facts = { configuration, corpus: corpus.name, device: device.description };
        await showResults([summary], facts, join(folder, 'report.html'));
        console.log(`sample: pegen sample ${folder} --prompt 'The '`);
      } finally {
        release();
      }
    },
    configuration,
  );
}

/** The state to go on from; refuses to begin anew where a run is. */
async function checkpointOf(folder: string, resume: boolean) {
  const { readCheckpoint } = await import('../../trainer/checkpoint.ts');
  if (resume) return (await readCheckpoint(folder)).state;
  const { readdir } = await import('node:fs/promises');
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    if (error.code === 'ENOTDIR') throw usage(`--out ${folder} is not a folder`);
    throw error;
  });
  if (names.some((name) => name.endsWith('.safetensors')))
    throw usage(`${folder} has a run in it`, 'go on with --resume, or give another --out');
  return null;
}
