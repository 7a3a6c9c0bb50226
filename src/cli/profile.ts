// One optimizer step with a time for every launch, as a table: kernels by the time that they take.

import type { Device } from '../../targets/device.ts';
import type { EncodingChoice } from '../trainer/choice.ts';
import type { Configuration } from '../trainer/configuration.ts';
import type { Data } from '../trainer/data.ts';
import { failed } from './failure.ts';
import { table } from './show.ts';

export async function profileStep(
  device: Device,
  choice: EncodingChoice,
  configuration: Configuration,
  data: Data,
): Promise<void> {
  const { openScripts } = await import('./scripts.ts');
  const { prepareModelOn } = await import('../trainer/prepare.ts');
  const { openTrainer } = await import('../trainer/session.ts');
  const { trainingBatch } = await import('../trainer/batches.ts');
  const scripts = await openScripts();
  const prepared = await prepareModelOn(device, choice, configuration, data.tokenizer.size, scripts);
  const trainer = await openTrainer(device, prepared.model, configuration);
  const { batch, context, seed } = configuration;
  trainer.step((micro) => trainingBatch(data.tokens.training, { seed, step: 1, micro }, { batch, context }), 1);
  await trainer.read(1); // warm
  const byKernel = new Map<string, { launches: number; milliseconds: number }>();
  for (const recorded of trainer.recorded) {
    if (recorded.launches === 0) continue;
    const times = await device.profileRun(recorded);
    if (times === null) throw failed(`${device.description} has no timestamps`, 'try another --device');
    for (const { kernel, launches, milliseconds } of times) {
      const sum = byKernel.get(kernel) ?? { launches: 0, milliseconds: 0 };
      byKernel.set(kernel, { launches: sum.launches + launches, milliseconds: sum.milliseconds + milliseconds });
    }
  }
  trainer.free();
  prepared.model.store.free();
  const total = [...byKernel.values()].reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const rows = [...byKernel].sort(([, a], [, b]) => b.milliseconds - a.milliseconds);
  const share = (milliseconds: number): string => `${((100 * milliseconds) / Math.max(total, 1e-9)).toFixed(1)}%`;
  console.log(
    table([
      ['kernel', 'launches', 'ms', 'share'],
      ...rows.map(([name, { launches, milliseconds }]) => [
        name,
        launches,
        milliseconds.toFixed(3),
        share(milliseconds),
      ]),
      ['a step', trainer.launches, total.toFixed(3), '100.0%'],
    ]),
  );
}
