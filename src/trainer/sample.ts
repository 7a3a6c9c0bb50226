// Text from a model: each token drawn from the softmax of its logits, after temperature and the k likeliest.
// What a run samples is a function of its seed.

import { TrainerError } from './error.ts';
import { stream } from './random.ts';
import type { Reader } from './session.ts';
import type { Tokenizer } from './tokens.ts';

export interface SampleOptions {
  readonly prompt: string;
  readonly tokens: number; // to add
  readonly temperature: number; // 0: always the likeliest
  readonly top: number; // candidates; 0: all
  readonly seed: number;
}

export const sampleDefaults: SampleOptions = { prompt: 'The ', tokens: 200, temperature: 0.8, top: 40, seed: 1 };

/** One token by its logits; `chance` in [0, 1). Ties go to the smaller id. */
export function choose(
  logits: ArrayLike<number>,
  options: Pick<SampleOptions, 'temperature' | 'top'>,
  chance: number,
): number {
  const order = Array.from(logits, (_, id) => id).sort((a, b) => logits[b]! - logits[a]! || a - b);
  if (options.temperature === 0) return order[0]!;
  const candidates = options.top > 0 ? order.slice(0, options.top) : order;
  const largest = logits[candidates[0]!]!;
  const weights = candidates.map((id) => Math.exp((logits[id]! - largest) / options.temperature));
  let rest = chance * weights.reduce((a, b) => a + b, 0);
  for (const [n, weight] of weights.entries()) {
    rest -= weight;
    if (rest < 0) return candidates[n]!;
  }
  return candidates.at(-1)!;
}

/** The prompt and what follows it. `reader` has one row; of a longer text it sees the last window. */
export async function sample(reader: Reader, tokenizer: Tokenizer, options: SampleOptions): Promise<string> {
  const ids = [...tokenizer.encode(options.prompt)];
  if (ids.length === 0) throw new TrainerError('data', 'there is no text to go on from', 'give a --prompt');
  const random = stream(options.seed, 'sample');
  const window = new Int32Array(reader.tokens);
  for (let n = 0; n < options.tokens; n += 1) {
    const seen = ids.slice(-reader.tokens);
    window.fill(0).set(seen);
    const logits = await reader.logits(window, seen.length - 1);
    if (!logits.every((value) => Number.isFinite(value))) {
      throw new TrainerError('diverged', 'the model gives numbers that are not finite', 'use an earlier checkpoint');
    }
    ids.push(choose(logits.subarray(0, tokenizer.size), options, random.uniform(n)));
  }
  return tokenizer.decode(ids);
}
