// The rewrites that see more structure in a program than it was written with: their names, which of them may be done,
// and what is said of each place where one was seen.

import type { Span } from '../../../grammar/span.ts';
import type { Program, Tensor } from '../../ir/ir.ts';

export const rewriteNames = ['generators', 'key-terms', 'channels', 'rotations', 'vocabulary'] as const;
export type RewriteName = (typeof rewriteNames)[number];

/** Those that keep what can be learned, not every result: done only where they are named; why is said where one was seen. */
export const optInRewrites: ReadonlyMap<RewriteName, string> = new Map([
  [
    'generators',
    'done only where named (--rewrites all,generators): pairs turn in a basis of their own, which QK-norm or biases of query and key would not know',
  ],
]);

/** What is done where nothing else is said. */
export const defaultRewrites: readonly RewriteName[] = rewriteNames.filter((name) => !optInRewrites.has(name));

/** In one line each, for people. */
export const rewriteMeanings: Readonly<Record<RewriteName, string>> = {
  generators:
    'exp of number * (P - P^T) turns pairs in a basis that the projections learn; not with QK-norm or biases of query and key',
  'key-terms': 'of a score term a[i] - b[j] only the vector over keys stays: softmax forgets what a row has in common',
  channels: 'a score term that is a sum of products of query and key tokens becomes channels of query and key',
  rotations: 'the exponential of a skew 2 x 2 matrix becomes a rotation',
  vocabulary: "what is made of a token's embedding alone becomes a table over the vocabulary, read by id",
};

/** A place where a rewrite was seen. */
export interface Seen {
  readonly rewrite: RewriteName;
  /** False: it would hold, but was not done; `text` says why. */
  readonly applied: boolean;
  readonly tensor: string;
  readonly span: Span | null;
  readonly text: string;
}

/** The table that the embedding is read from. */
export type Vocabulary =
  | { readonly kind: 'unknown' }
  /** Attention is given an embedding that is no row of it. */
  | { readonly kind: 'changed' }
  /** A tensor of the encoding has a name that ids or table would have. */
  | { readonly kind: 'taken'; readonly name: string }
  /** `tokens`: of a call, all sequences together; null: more than words. */
  | { readonly kind: 'known'; readonly words: number; readonly tokens: number | null };

export interface RewriteContext {
  /** Inputs whose gradient is asked for. */
  readonly wanted: ReadonlySet<Tensor>;
  /** Tokens that a sequence is made for: how large an index gets. */
  readonly context: number;
  /** Nothing with a value for each query and key is whole in memory. */
  readonly blockwise: boolean;
  readonly vocabulary: Vocabulary;
}

export interface Rewritten {
  readonly program: Program;
  readonly seen: readonly Seen[];
}

export type Rewrite = (program: Program, context: RewriteContext) => Rewritten;
