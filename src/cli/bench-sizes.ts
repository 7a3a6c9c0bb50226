// Sizes for a bench: amounts of memory as people write them, and how many sequences and tokens make query and key of
// such an amount.

import { InvalidArgumentError } from 'commander';

const units: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** `4M,42M,2G` -> bytes. */
export function byteSizes(text: string): readonly number[] {
  return text.split(',').map((each) => {
    const [, digits, unit] = /^\s*(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?\s*$/i.exec(each) ?? [];
    const bytes = Math.round(Number(digits) * (units[(unit ?? '').toUpperCase()] ?? NaN));
    if (!Number.isSafeInteger(bytes) || bytes < 1)
      throw new InvalidArgumentError('It must be amounts such as 4M,42M,512M,2G.');
    return bytes;
  });
}

export interface Rows {
  readonly batch: number;
  readonly tokens: number;
}

/** Sequences of at most `longest` tokens: what each token's query and key have, read and written, comes to `bytes`. */
export function rowsFor(bytes: number, bytesOfToken: number, longest: number): Rows {
  const rows = Math.max(1, Math.round(bytes / (2 * bytesOfToken)));
  const tokens = Math.min(rows, longest);
  return { batch: Math.max(1, Math.floor(rows / tokens)), tokens };
}
