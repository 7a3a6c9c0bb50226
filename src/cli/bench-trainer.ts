// The trainer's speed: from the start of the program to the first step, then tokens a second, and the memory that it takes.

import type { Device } from '../../targets/device.ts';
import type { EncodingChoice } from '../trainer/choice.ts';
import type { Configuration } from '../trainer/configuration.ts';

export interface TrainerRow {
  readonly tokensPerSecond: number;
  readonly secondsToFirstStep: number; // with all that is loaded and compiled for it
  readonly launches: number; // a step
  readonly temporaryBytes: number;
  readonly parameters: number;
  readonly firstLoss: number;
  readonly lastLoss: number;
}

/** A few steps, without checkpoints. `start`: when the first step began to be waited for; 0: with the program. */
export async function benchTrainer(
  device: Device,
  choice: EncodingChoice,
  configuration: Configuration,
  start = performance.now(),
): Promise<TrainerRow> {
  const { loadCorpus } = await import('../trainer/corpus.ts');
  const { prepareData } = await import('../trainer/data.ts');
  const { openScripts } = await import('./scripts.ts');
  const { prepareModelOn } = await import('../trainer/prepare.ts');
  const { train } = await import('../trainer/train.ts');
  const data = await prepareData(await loadCorpus(null), configuration);
  const scripts = await openScripts();
  const prepared = await prepareModelOn(device, choice, configuration, data.tokenizer.size, scripts);
  let [launches, temporaryBytes, parameters, secondsToFirstStep] = [0, 0, 0, NaN];
  try {
    const { tokensPerSecond, curve } = await train(device, prepared, {
      choice,
      configuration,
      data,
      folder: null,
      resume: null,
      progress(event) {
        if (event.kind === 'started') ({ launches, temporaries: temporaryBytes, parameters } = event);
        if (event.kind === 'step' && event.step === 1) secondsToFirstStep = (performance.now() - start) / 1000;
      },
    });
    const [firstLoss, lastLoss] = [curve[0]?.loss ?? NaN, curve.at(-1)?.loss ?? NaN];
    return { tokensPerSecond, secondsToFirstStep, launches, temporaryBytes, parameters, firstLoss, lastLoss };
  } finally {
    prepared.model.store.free();
  }
}
