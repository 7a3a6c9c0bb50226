// Text to token ids and back: one token a character of the corpus, or one a byte of UTF-8.

import { TrainerError } from './error.ts';

export interface Tokenizer {
  readonly kind: 'characters' | 'bytes';
  readonly size: number; // of the vocabulary
  /** The characters, in the order of their ids; empty for bytes. */
  readonly characters: readonly string[];
  encode(text: string): Uint16Array;
  decode(ids: Iterable<number>): string;
}

/** More distinct characters than this make a table that a small model cannot learn. */
const maximum = 1024;

export function bytes(): Tokenizer {
  return {
    kind: 'bytes',
    size: 256,
    characters: [],
    encode: (text) => Uint16Array.from(new TextEncoder().encode(text)),
    decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids)),
  };
}

/** The characters of a text, by code point. */
export function charactersOf(text: string): string[] {
  const seen = new Set<string>();
  for (const character of text) seen.add(character);
  if (seen.size > maximum) {
    throw new TrainerError(
      'data',
      `the corpus has ${seen.size} different characters; one token each is sensible up to ${maximum}`,
      'use --tokens bytes',
    );
  }
  return [...seen].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
}

export function characters(known: readonly string[]): Tokenizer {
  const ids = new Map(known.map((character, id) => [character, id]));
  return {
    kind: 'characters',
    size: known.length,
    characters: known,
    encode(text) {
      const out = new Uint16Array(text.length); // at least as long as there are code points
      const missing = new Set<string>();
      let length = 0;
      for (const character of text) {
        const id = ids.get(character);
        if (id === undefined) missing.add(character);
        else out[length++] = id;
      }
      if (missing.size > 0) {
        const list = [...missing].slice(0, 8).map((character) => JSON.stringify(character));
        throw new TrainerError(
          'data',
          `the text has characters that the model has no token for: ${list.join(', ')}`,
          'leave them out, or train with --tokens bytes',
        );
      }
      return out.subarray(0, length);
    },
    decode: (chosen) => Array.from(chosen, (id) => known[id] ?? '\ufffd').join(''),
  };
}
