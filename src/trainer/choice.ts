// What a user chose to train: a `.pe` text, one of its encodings, and values of its params.

import type { RewriteName } from '../passes/structure/rewrites.ts';
import type { Source } from '../source.ts';

export interface EncodingChoice {
  readonly source: Source;
  readonly encoding: string | null; // null: the last of the file
  readonly params: Readonly<Record<string, number>>;
  /** What the compiler may rewrite; all by default. */
  readonly rewrites?: readonly RewriteName[];
}
