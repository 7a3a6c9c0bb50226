// Encodings trained one after another with the same configuration, then the table and the page. False when stopped.

import { join } from 'node:path';
import type { Device } from '../../targets/device.ts';
import type { EncodingChoice } from '../trainer/choice.ts';
import type { Configuration } from '../trainer/configuration.ts';
import type { RunSummary } from '../trainer/report/report.ts';
import type { SampleOptions } from '../trainer/sample.ts';
import { runInShort, runShown, showResults } from './training.ts';

export interface Comparison {
  readonly choices: readonly EncodingChoice[];
  readonly configuration: Configuration;
  readonly data: string | null;
  readonly signal: AbortSignal;
  /** Over the defaults. */
  readonly sample?: Partial<SampleOptions>;
  readonly lengths?: readonly number[];
}

export async function compareRuns(device: Device, comparison: Comparison, out: string): Promise<boolean> {
  const { choices, configuration, signal, lengths } = comparison;
  const { loadCorpus } = await import('../trainer/corpus.ts');
  const { prepareData } = await import('../trainer/data.ts');
  const { sampleDefaults } = await import('../trainer/sample.ts');
  const corpus = await loadCorpus(comparison.data);
  const data = await prepareData(corpus, configuration);
  const sample = { ...sampleDefaults, seed: configuration.seed, ...comparison.sample };
  const more = lengths === undefined ? {} : { lengths };
  const width = Math.max(...choices.map(({ source, encoding }) => nameOf(source.path, encoding).length));
  const runs: RunSummary[] = [];
  for (const [n, choice] of choices.entries()) {
    const following = choices.length - 1 - n;
    const plan = { choice, configuration, data, folder: null, resume: false, sample, signal, following, ...more };
    const summary = await runShown(device, plan, '');
    if (summary === null) return false;
    console.error(runInShort(summary, width));
    runs.push(summary);
  }
  const facts = { configuration, corpus: corpus.name, device: device.description };
  console.error('');
  await showResults(runs, facts, join(out, 'report.html'));
  return true;
}

/** What the encoding is called, as far as its file's name says. */
const nameOf = (path: string, encoding: string | null): string =>
  encoding ?? path.replace(/^.*[/\\]/, '').replace(/\.pe$/, '');
