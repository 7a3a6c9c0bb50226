// What a run is: sizes of the GPT-2, its data, its optimizer. Everything that decides a number is here and in the
// checkpoint; a run is repeated bit by bit from it on the same device.

import { TrainerError } from './error.ts';

export interface Configuration {
  readonly layers: number;
  readonly heads: number;
  readonly kv_heads: number;
  readonly width: number;
  readonly context: number; // tokens a training window
  readonly batch: number; // windows a micro-batch
  readonly accumulate: number; // micro-batches an optimizer step
  readonly steps: number;
  readonly rate: number; // the largest learning rate
  readonly final: number; // and the last, as a share of it
  readonly warmup: number; // steps
  readonly momentum: number; // beta 1
  readonly memory: number; // beta 2
  readonly epsilon: number;
  readonly decay: number; // of matrices only, decoupled
  readonly clip: number; // longest gradient; 0: as it comes
  readonly seed: number;
  readonly tokens: 'characters' | 'bytes';
  /** How activations, their gradients and the matrices that products read are stored; what is trained is float32. */
  readonly precision: 'f32' | 'bf16';
  readonly vocabulary: number; // rows of the embedding table; 0: as many as there are tokens
  readonly evaluate: number; // held-out windows for the perplexity
  readonly report: number; // steps between readings of the loss
  readonly checkpoint: number; // steps between checkpoints; 0: only at the end
}

/** A small character model that learns in a minute or so without a graphics card. */
export const defaults: Configuration = {
  layers: 2,
  heads: 4,
  kv_heads: 4,
  width: 64,
  context: 64,
  batch: 8,
  accumulate: 1,
  steps: 400,
  rate: 3e-3,
  final: 0.1,
  warmup: 20,
  momentum: 0.9,
  memory: 0.95,
  epsilon: 1e-8,
  decay: 0.1,
  clip: 1,
  seed: 1,
  tokens: 'characters',
  precision: 'f32',
  vocabulary: 0,
  evaluate: 32,
  report: 10,
  checkpoint: 100,
};

/** nanoGPT's character model for a CPU. */
const charModel: Partial<Configuration> = {
  layers: 4,
  heads: 4,
  width: 128,
  context: 64,
  batch: 12,
  steps: 2000,
  rate: 4e-3,
  warmup: 50,
};

/** Published sizes, by the name a user gives. */
export const presets: Readonly<Record<string, Partial<Configuration>>> = {
  small: {},
  char: charModel,
  'gpt2-124m': {
    layers: 12,
    heads: 12,
    kv_heads: 12,
    width: 768,
    context: 1024,
    vocabulary: 50304, // 50257 tokens, and as many more as make rows of logits begin where wide accesses may
    batch: 4,
    rate: 6e-4,
    warmup: 700,
  },
};

type Check = readonly [what: string, holds: (value: number) => boolean];
const count: Check = ['a whole number from 1', (value) => Number.isSafeInteger(value) && value >= 1];
const countOrNone: Check = ['a whole number from 0', (value) => Number.isSafeInteger(value) && value >= 0];
const share: Check = ['from 0 to below 1', (value) => value >= 0 && value < 1];
const positive: Check = ['above 0', (value) => value > 0 && value < Infinity];
const notNegative: Check = ['at least 0', (value) => value >= 0 && value < Infinity];

const checks: Readonly<Record<Exclude<keyof Configuration, 'tokens' | 'precision'>, Check>> = {
  layers: count,
  heads: count,
  kv_heads: count,
  width: count,
  context: count,
  batch: count,
  accumulate: count,
  steps: count,
  rate: positive,
  final: ['from 0 to 1', (value) => value >= 0 && value <= 1],
  warmup: countOrNone,
  momentum: share,
  memory: share,
  epsilon: positive,
  decay: notNegative,
  clip: notNegative,
  seed: countOrNone,
  vocabulary: countOrNone,
  evaluate: count,
  report: count,
  checkpoint: countOrNone,
};

/** The given values over the defaults; throws with every value that cannot be. */
export function configure(given: Partial<Configuration>): Configuration {
  const wanted = { ...defaults, ...given };
  const made = { ...wanted, kv_heads: given.kv_heads ?? wanted.heads };
  const wrong: string[] = [];
  for (const [name, [what, holds]] of Object.entries(checks)) {
    const value = made[name as keyof typeof checks];
    if (!holds(value)) wrong.push(`${name} is ${value}; it must be ${what}`);
  }
  if (made.tokens !== 'characters' && made.tokens !== 'bytes') {
    wrong.push(`tokens is ${String(made.tokens)}; it must be characters or bytes`);
  }
  if (made.precision !== 'f32' && made.precision !== 'bf16') {
    wrong.push(`precision is ${String(made.precision)}; it must be f32 or bf16`);
  }
  if (wrong.length === 0) {
    if (made.width % made.heads !== 0) wrong.push(`width ${made.width} is no multiple of ${made.heads} heads`);
    else if ((made.width / made.heads) % 2 !== 0) {
      wrong.push(`a head has ${made.width / made.heads} features (width / heads), and pairs want an even number`);
    }
    if (made.heads % made.kv_heads !== 0) {
      wrong.push(`${made.heads} heads cannot share ${made.kv_heads} key heads evenly`);
    }
  }
  if (wrong.length > 0) throw new TrainerError('configuration', wrong.join('\n'));
  return made;
}

/** Rows of the embedding table for this many tokens. */
export function vocabularyRows(configuration: Configuration, tokens: number): number {
  const rows = configuration.vocabulary === 0 ? tokens : configuration.vocabulary;
  if (rows < tokens) {
    throw new TrainerError(
      'configuration',
      `the corpus has ${tokens} different tokens, and the embedding table would have ${rows} rows`,
      'raise --vocabulary, or leave it out',
    );
  }
  return rows;
}
