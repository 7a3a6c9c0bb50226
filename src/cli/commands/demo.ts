// pegen demo: four encodings side by side in nanoGPT's character model, in three minutes on any machine.

import { join } from 'node:path';
import type { Command } from 'commander';
import type { Device } from '../../../targets/device.ts';
import type { EncodingChoice } from '../../trainer/choice.ts';
import type { Configuration } from '../../trainer/configuration.ts';
import { compareRuns } from '../compare-runs.ts';
import { addDeviceFlags, interruptSignal, stoppedEarly, withDevice } from '../device.ts';
import type { DeviceFlags } from '../device.ts';
import { examplesFolder } from '../examples.ts';
import { wholeNumber } from '../flags.ts';
import { readSource } from '../source-file.ts';

interface Flags extends DeviceFlags {
  readonly out: string;
  readonly steps?: number;
  readonly seed: number;
}

export function addDemo(command: Command): void {
  command
    .option('--out <folder>', 'where report.html goes', join('runs', 'demo'))
    .option('--steps <n>', 'optimizer steps (default: as many as three minutes allow, at most 2000)', wholeNumber(1))
    .option('--seed <n>', 'of weights, batches and samples', wholeNumber(0), 1);
  addDeviceFlags(command).addHelpText('after', '\nExample:\n  $ pegen demo').action(run);
}

const encodings = ['rope', 'carope', 'alibi', 'learned_absolute'];

async function run(flags: Flags): Promise<void> {
  const { configure, presets } = await import('../../trainer/configuration.ts');
  const folder = await examplesFolder();
  const choices = await Promise.all(
    encodings.map(async (name) => ({
      source: await readSource(join(folder, `${name}.pe`)),
      encoding: null,
      params: {},
    })),
  );
  const { signal, release } = interruptSignal();
  try {
    const done = await withDevice(flags, async (device) => {
      const model = configure({ ...presets['char'], seed: flags.seed, checkpoint: 0 });
      const plan = await planned(device, choices[0]!, model, flags.steps ?? null);
      const { configuration, tokens } = plan;
      console.error(inWords(configuration, choices.length));
      const sample = { prompt: 'We have ', tokens, temperature: 0.6, top: 20 };
      return compareRuns(device, { choices, configuration, data: null, signal, sample, lengths: [1, 2, 4] }, flags.out);
    });
    if (!done) throw stoppedEarly(null);
  } finally {
    release();
  }
}

const inWords = ({ layers, heads, width, context, batch, steps }: Configuration, runs: number): string =>
  `a GPT-2 of ${layers} layers, ${heads} heads and width ${width} learns ${runs} times to write, a character at a time,\n` +
  `in ${steps} steps of ${batch} windows of ${context} characters, each time with another positional encoding\n`;

/** Seconds of the whole command, and of what each run does besides its steps: compiling, pictures. */
const allowed = 155;
const besides = 3;

interface Planned {
  readonly configuration: Configuration;
  readonly tokens: number; // to sample
}

/** How long to train: what a few steps take says how many there is time for, without what evaluation and samples take. */
async function planned(
  device: Device,
  choice: EncodingChoice,
  model: Configuration,
  steps: number | null,
): Promise<Planned> {
  if (steps !== null) return { configuration: { ...model, steps, evaluate: 64 }, tokens: 240 };
  const { loadCorpus } = await import('../../trainer/corpus.ts');
  const { prepareData } = await import('../../trainer/data.ts');
  const { secondsOfStep } = await import('../probe.ts');
  const step = await secondsOfStep(device, choice, model, await prepareData(await loadCorpus(null), model));
  const isSlow = step > 0.5;
  const [evaluate, tokens, asSteps] = isSlow ? [16, 80, 6] : [64, 240, 20];
  const time = (allowed - performance.now() / 1000) / encodings.length - besides;
  const fitting = Math.floor((time / (1.1 * step) - asSteps) / 10) * 10;
  return { configuration: { ...model, steps: Math.min(2000, Math.max(10, fitting)), evaluate }, tokens };
}
