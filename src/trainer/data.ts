// Text to tokens: which vocabulary a corpus gives, its two parts as token ids, and what a checkpoint remembers of it.

import { sourceHash } from '../source.ts';
import type { RunState } from './checkpoint.ts';
import type { Configuration } from './configuration.ts';
import { tokenize } from './corpus.ts';
import type { Corpus, TokenizedCorpus } from './corpus.ts';
import { bytes, characters, charactersOf } from './tokens.ts';
import type { Tokenizer } from './tokens.ts';

export interface Data {
  readonly tokenizer: Tokenizer;
  readonly tokens: TokenizedCorpus;
  readonly corpus: RunState['corpus'];
}

export async function prepareData(corpus: Corpus, configuration: Configuration): Promise<Data> {
  const text = corpus.documents.join('\n\n');
  const tokenizer = configuration.tokens === 'bytes' ? bytes() : characters(charactersOf(text));
  const sha256 = await sourceHash({ path: corpus.name, text });
  return {
    tokenizer,
    tokens: tokenize(corpus, tokenizer, configuration.context),
    corpus: { name: corpus.name, sha256 },
  };
}
