// Which windows of the corpus a step sees: a pure function of seed, step and row, so that a resumed run, or another
// encoding, sees the same ones. The cursor of a run is its step.

import { stream } from './random.ts';

export interface Batch {
  readonly tokens: Int32Array; // [B, T]
  readonly targets: Int32Array; // [B, T], the tokens one later
}

/** Windows of `context` tokens that start at `starts`. */
export function windows(corpus: Uint16Array, starts: readonly number[], context: number): Batch {
  const tokens = new Int32Array(starts.length * context);
  const targets = new Int32Array(starts.length * context);
  starts.forEach((start, row) => {
    tokens.set(corpus.subarray(start, start + context), row * context);
    targets.set(corpus.subarray(start + 1, start + context + 1), row * context);
  });
  return { tokens, targets };
}

/** The training windows of micro-batch `micro` of step `step`. */
export function trainingBatch(
  corpus: Uint16Array,
  at: { readonly seed: number; readonly step: number; readonly micro: number },
  sizes: { readonly batch: number; readonly context: number },
): Batch {
  const order = stream(at.seed, 'data order');
  const choices = corpus.length - sizes.context;
  const starts = Array.from({ length: sizes.batch }, (_, row) => order.below(choices, row, at.micro, at.step));
  return windows(corpus, starts, sizes.context);
}

/** `count` windows spread evenly over a text, in its order; the same whatever is trained. */
export function evaluationStarts(corpus: Uint16Array, count: number, context: number): number[] {
  const last = corpus.length - context - 1;
  const used = Math.max(1, Math.min(count, Math.floor(corpus.length / context)));
  return Array.from({ length: used }, (_, n) => (used === 1 ? 0 : Math.floor((n * last) / (used - 1))));
}
