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

/** The code points of a text, faster than a string's own iterator; half a pair stands for itself. */
function eachCodePoint(text: string, use: (point: number) => void): void {
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0xd800 || unit > 0xdbff) {
      use(unit);
      continue;
    }
    const point = text.codePointAt(at)!;
    if (point > 0xffff) at += 1;
    use(point);
  }
}

const codePoints = 0x110000;

/** The characters of a text, by code point. */
export function charactersOf(text: string): string[] {
  const seen = new Uint8Array(codePoints);
  eachCodePoint(text, (point) => {
    seen[point] = 1;
  });
  const found: number[] = [];
  seen.forEach((is, point) => {
    if (is === 1) found.push(point);
  });
  if (found.length > maximum) {
    throw new TrainerError(
      'data',
      `the corpus has ${found.length} different characters; one token each is sensible up to ${maximum}`,
      'use --tokens bytes',
    );
  }
  return found.map((point) => String.fromCodePoint(point));
}

export function characters(known: readonly string[]): Tokenizer {
  const last = Math.max(0, ...known.map((character) => character.codePointAt(0)!));
  const ids = new Int32Array(last + 1).fill(-1); // by code point
  known.forEach((character, id) => {
    ids[character.codePointAt(0)!] = id;
  });
  return {
    kind: 'characters',
    size: known.length,
    characters: known,
    encode(text) {
      const out = new Uint16Array(text.length); // at least as long as there are code points
      const missing = new Set<number>();
      let length = 0;
      eachCodePoint(text, (point) => {
        const id = ids[point] ?? -1;
        if (id < 0) missing.add(point);
        else out[length++] = id;
      });
      if (missing.size > 0) {
        const list = [...missing].slice(0, 8).map((point) => JSON.stringify(String.fromCodePoint(point)));
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
