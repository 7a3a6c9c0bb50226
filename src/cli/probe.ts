// How long an optimizer step takes on a device, from a few that are thrown away: what a command with a time limit plans by.

import type { Device } from '../../targets/device.ts';
import type { EncodingChoice } from '../trainer/choice.ts';
import type { Configuration } from '../trainer/configuration.ts';
import type { Data } from '../trainer/data.ts';

/** At least this many steps, and as many as take this long: kernels get faster once they are warm. */
const least = 4;
const longest = 3; // seconds

/** Seconds: the median over the later half of the steps. */
export async function secondsOfStep(
  device: Device,
  choice: EncodingChoice,
  configuration: Configuration,
  data: Data,
): Promise<number> {
  const { openScripts } = await import('./scripts.ts');
  const { prepareModelOn } = await import('../trainer/prepare.ts');
  const { train } = await import('../trainer/train.ts');
  const prepared = await prepareModelOn(device, choice, configuration, data.tokenizer.size, await openScripts());
  const enough = new AbortController();
  const times: number[] = [];
  let before = performance.now();
  try {
    await train(device, prepared, {
      choice,
      configuration: { ...configuration, report: 1, checkpoint: 0 },
      data,
      folder: null,
      resume: null,
      signal: enough.signal,
      progress(event) {
        if (event.kind !== 'step') return;
        const now = performance.now();
        times.push((now - before) / 1000);
        before = now;
        const total = times.reduce((sum, time) => sum + time, 0);
        if (times.length >= least && total >= longest) enough.abort();
      },
    });
  } finally {
    prepared.model.store.free();
  }
  const later = times.slice(Math.floor(times.length / 2)).sort((a, b) => a - b);
  return later[Math.floor(later.length / 2)]!;
}
