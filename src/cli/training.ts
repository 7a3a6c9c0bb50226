// What train, compare and demo share: progress as lines, one run after the other, the table and the report at the end.

import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Device } from '../../targets/device.ts';
import type { EncodingChoice } from '../trainer/choice.ts';
import type { Configuration } from '../trainer/configuration.ts';
import type { Data } from '../trainer/data.ts';
import type { RunSummary } from '../trainer/report/report.ts';
import type { SampleOptions } from '../trainer/sample.ts';
import type { Progress } from '../trainer/train.ts';
import { failed } from './failure.ts';
import { resultsTable, sparkline, wrapped } from './results.ts';
import { progressLine, showDiagnostics } from './show.ts';

export interface RunPlan {
  readonly choice: EncodingChoice;
  readonly configuration: Configuration;
  readonly data: Data;
  readonly folder: string | null;
  readonly resume: boolean;
  readonly sample: SampleOptions;
  readonly signal: AbortSignal;
  readonly lengths?: readonly number[];
  /** Runs of the same length that follow, for the time that is left. */
  readonly following?: number;
}

/** Trains one encoding and shows it; null when it was stopped. `label` begins the lines. */
export async function runShown(device: Device, plan: RunPlan, label: string): Promise<RunSummary | null> {
  const { runOne } = await import('../trainer/compare.ts');
  const { openScripts } = await import('./scripts.ts');
  const { EncodingRefused } = await import('../trainer/prepare.ts');
  const line = progressLine();
  let name = label;
  try {
    const { summary } = await runOne(device, {
      ...plan,
      scripts: await openScripts(),
      prepared: ({ model, warnings }) => {
        if (label === '') name = model.encoding.name;
        void showDiagnostics(warnings, plan.choice.source);
      },
      progress: (event) => line.show(`${name}  ${progressText(event, plan)}`),
    });
    return summary;
  } catch (error) {
    if (!(error instanceof EncodingRefused)) throw error;
    await showDiagnostics(error.diagnostics, plan.choice.source);
    throw failed();
  } finally {
    line.done();
  }
}

function progressText(event: Progress, { configuration, following = 0 }: RunPlan): string {
  switch (event.kind) {
    case 'started':
      return `${event.parameters.toLocaleString('en-US')} parameters, ${event.launches} launches a step`;
    case 'step': {
      const { steps, batch, context, accumulate } = configuration;
      const later = (following * steps * batch * context * accumulate) / event.tokensPerSecond;
      const isKnown = Number.isFinite(event.secondsLeft + later);
      const left = isKnown ? `, ${seconds(event.secondsLeft + later)} left` : '';
      const speed = `${Math.round(event.tokensPerSecond).toLocaleString('en-US')} tokens/s`;
      const added = event.added === undefined ? '' : ` + ${event.added.toFixed(3)} of the encoding`;
      return `step ${event.step}/${event.steps}, loss ${event.loss.toFixed(3)}${added}, ${speed}${left}`;
    }
    case 'checkpoint':
      return `step ${event.step}, wrote ${event.path}`;
    default:
      return event satisfies never;
  }
}

/** One line about a run that has ended: its curve, last loss and speed. */
export function runInShort({ name, curve, finalLoss, tokensPerSecond }: RunSummary, width: number): string {
  const losses = curve.map(({ loss }) => loss);
  const speed = Math.round(tokensPerSecond).toLocaleString('en-US');
  const curveText = `${(losses[0] ?? NaN).toFixed(2)} ${sparkline(losses, 24)} ${finalLoss.toFixed(2)}`;
  return `${name.padEnd(width)}  loss ${curveText}  ${speed} tokens/s`;
}

function seconds(value: number): string {
  const whole = Math.ceil(value);
  if (whole < 60) return `${whole} s`;
  return whole < 3600
    ? `${Math.floor(whole / 60)} min ${whole % 60} s`
    : `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** The numbers side by side, what each model writes, and the page with the curves. */
export async function showResults(
  runs: readonly RunSummary[],
  facts: { readonly configuration: Configuration; readonly corpus: string; readonly device: string },
  page: string | null,
): Promise<void> {
  const { reportPage } = await import('../trainer/report/report.ts');
  console.log(resultsTable(runs));
  for (const { name, sample } of runs) console.log(`\n${name} writes:\n${indent(wrapped(plain(sample), 76))}`);
  if (page === null) return;
  const { writeAtomic } = await import('../trainer/atomic.ts');
  await mkdir(dirname(page), { recursive: true });
  await writeAtomic(page, [reportPage({ ...facts, runs })]);
  console.log(`\nreport: ${page}`);
}

const indent = (text: string): string => text.replace(/^/gm, '  ');

/** Text of a model, without characters that move the terminal's cursor. */
export const plain = (text: string): string => text.replace(/[^\P{C}\n\t]/gu, '\u00b7');
