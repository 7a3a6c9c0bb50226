// Flags of a training run, and the configuration that they make; a flag that is left out keeps what is below it: the
// checkpoint's value when a run goes on, the preset's or the default otherwise.

import { Option } from 'commander';
import type { Command } from 'commander';
import type { Configuration } from '../trainer/configuration.ts';
import { usage } from './failure.ts';
import { addPrecisionFlag } from './device.ts';
import type { PrecisionFlag } from './device.ts';
import { realNumber, wholeNumber } from './flags.ts';

type NumberName = Exclude<keyof Configuration, 'tokens' | 'precision'>;

interface Row {
  readonly what: string;
  readonly read: (text: string) => number;
}

const whole = (what: string, least = 1): Row => ({ what, read: wholeNumber(least) });
const real = (what: string): Row => ({ what, read: realNumber(0) });

/** Every number of a configuration has its flag; the flag is its name with dashes. */
const rows: Readonly<Record<NumberName, Row>> = {
  steps: whole('optimizer steps (default: 400)'),
  layers: whole('layers (default: 2)'),
  heads: whole('query heads (default: 4)'),
  kv_heads: whole('key and value heads (default: as many)'),
  width: whole('features of a token (default: 64)'),
  context: whole('tokens of a training window (default: 64)'),
  batch: whole('windows at once (default: 8)'),
  accumulate: whole('micro-batches an optimizer step (default: 1)'),
  rate: real('largest learning rate (default: 0.003)'),
  final: real('the last learning rate, as a share of the largest (default: 0.1)'),
  warmup: whole('steps until the largest rate (default: 20)', 0),
  momentum: real("AdamW's beta 1 (default: 0.9)"),
  memory: real("AdamW's beta 2 (default: 0.95)"),
  epsilon: real("AdamW's epsilon (default: 1e-8)"),
  decay: real('weight decay, of matrices only (default: 0.1)'),
  clip: real('longest gradient; 0: any (default: 1)'),
  seed: whole('of weights, batches and samples (default: 1)', 0),
  vocabulary: whole('rows of the embedding table; 0: as many as tokens (default: 0)', 0),
  evaluate: whole('held-out windows for the perplexity (default: 32)'),
  report: whole('steps between readings of the loss (default: 10)'),
  checkpoint: whole('steps between checkpoints; 0: only at the end (default: 100)', 0),
};

const flagOf = (name: string): string => name.replaceAll('_', '-');
const keyOf = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

export interface RunFlags extends PrecisionFlag {
  readonly model: string;
  readonly tokens?: Configuration['tokens'];
  readonly data?: string;
}

export function addRunFlags(command: Command): Command {
  command
    .option('--data <file>', 'the text to learn from (default: the State of the Union addresses)')
    .option('--model <name>', 'sizes to begin with: small, char or gpt2-124m', 'small')
    .addOption(new Option('--tokens <kind>', 'what a token is (default: characters)').choices(['characters', 'bytes']));
  for (const [name, { what, read }] of Object.entries(rows)) command.option(`--${flagOf(name)} <n>`, what, read);
  return addPrecisionFlag(command);
}

/** `below`: the configuration of the run that goes on. */
export async function configurationOf(flags: RunFlags, below: Configuration | null): Promise<Configuration> {
  const { configure, presets } = await import('../trainer/configuration.ts');
  if (!Object.hasOwn(presets, flags.model))
    throw usage(`no model is called ${flags.model}`, `one of ${Object.keys(presets).join(', ')}`);
  const given: Partial<Record<NumberName, number>> = {};
  for (const name of Object.keys(rows) as NumberName[]) {
    const value = (flags as unknown as Record<string, number | undefined>)[keyOf(name)];
    if (value !== undefined) given[name] = value;
  }
  const tokens = flags.tokens === undefined ? {} : { tokens: flags.tokens };
  const precision = flags.precision === undefined ? {} : { precision: flags.precision };
  return configure({ ...(below ?? presets[flags.model]), ...given, ...tokens, ...precision });
}
