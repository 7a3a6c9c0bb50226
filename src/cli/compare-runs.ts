// Encodings trained one after another with the same configuration, then the table and the page. False when stopped.

import { join } from 'node:path';
import type { Device } from '../../targets/device.ts';
import type { EncodingChoice } from '../trainer/choice.ts';
import type { Configuration } from '../trainer/configuration.ts';
import type { RunSummary } from '../trainer/report/report.ts';
import { runShown, showResults } from './training.ts';

export interface Comparison {
  readonly choices: readonly EncodingChoice[];
  readonly configuration: Configuration;
  readonly data: string | null;
  readonly signal: AbortSignal;
}

export async function compareRuns(device: Device, comparison: Comparison, out: string): Promise<boolean> {
  const { choices, configuration, signal } = comparison;
  const { loadCorpus } = await import('../trainer/corpus.ts');
  const { prepareData } = await import('../trainer/data.ts');
  const { sampleDefaults } = await import('../trainer/sample.ts');
  const corpus = await loadCorpus(comparison.data);
  const data = await prepareData(corpus, configuration);
  const sample = { ...sampleDefaults, seed: configuration.seed };
  const runs: RunSummary[] = [];
  for (const choice of choices) {
    const plan = { choice, configuration, data, folder: null, resume: false, sample, signal };
    const summary = await runShown(device, plan, '');
    if (summary === null) return false;
    const { name, finalLoss, tokensPerSecond } = summary;
    console.error(`${name}: loss ${finalLoss.toFixed(4)}, ${Math.round(tokensPerSecond)} tokens/s`);
    runs.push(summary);
  }
  const facts = { configuration, corpus: corpus.name, device: device.description };
  await showResults(runs, facts, join(out, 'report.html'));
  return true;
}
