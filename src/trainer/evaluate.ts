// Held-out perplexity: exp of the mean loss over windows spread over text that training never sees.

import type { Device } from '../../targets/device.ts';
import { evaluationStarts, windows } from './batches.ts';
import type { Configuration } from './configuration.ts';
import type { Model } from './model.ts';
import { openReader } from './session.ts';

export interface Evaluation {
  readonly kind: 'measured';
  readonly tokens: number; // window length
  readonly windows: number;
  readonly loss: number; // mean, natural logarithm
  readonly perplexity: number;
}

/** Windows that are longer than a learned table of positions. */
export interface OutOfReach {
  readonly kind: 'out of reach';
  readonly tokens: number;
  readonly rows: number; // of the table
}

/** Windows of `tokens` tokens; about as many tokens in all, whatever the length. */
export async function evaluate(
  device: Device,
  model: Model,
  configuration: Configuration,
  text: Uint16Array,
  tokens: number,
): Promise<Evaluation> {
  const share = configuration.context / tokens;
  const count = Math.max(1, Math.round(configuration.evaluate * share));
  const batch = Math.max(1, Math.min(count, Math.round(configuration.batch * share)));
  const starts = evaluationStarts(text, count, tokens);
  const reader = openReader(device, model, batch, tokens);
  let total = 0;
  for (let from = 0; from < starts.length; from += batch) {
    const own = starts.slice(from, from + batch);
    const filled = Array.from({ length: batch }, (_, n) => own[n] ?? own[0]!); // the last batch may be short
    const losses = await reader.losses(windows(text, filled, tokens), from);
    for (const loss of losses.subarray(0, own.length * tokens)) total += loss;
  }
  reader.free();
  const loss = total / (starts.length * tokens);
  return { kind: 'measured', tokens, windows: starts.length, loss, perplexity: Math.exp(loss) };
}
