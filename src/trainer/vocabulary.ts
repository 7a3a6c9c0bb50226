// How many words of the vocabulary the head takes at once. A device and sizes come in, chunks of the table's rows go out;
// logits are never larger than one chunk of them, [B, T, words].

import { bytesOfElement } from '../../targets/device.ts';
import type { Device } from '../../targets/device.ts';
import type { Configuration } from './configuration.ts';

export interface Chunk {
  readonly first: number; // word
  readonly words: number;
}

/** Rows of the table at a multiple of these begin where views of it may: at 256 bytes, for an even width in bf16 too. */
const apart = 64;

/**
 * Bytes of logits that a CPU's memory may spend. Chunks make logits twice, forward and backward, which costs about 6 % of a
 * step of GPT-2: they are worth it where all logits at once would be a large part of memory.
 */
const mostOnCpu = 2 ** 28;

/** Words whose logits the device takes at once. Windows up to four times the context are evaluated, of one row at least. */
export function longestChunk(
  device: Pick<Device, 'language' | 'maxBufferBytes'>,
  { batch, context, precision }: Pick<Configuration, 'batch' | 'context' | 'precision'>,
): number {
  const row = bytesOfElement[precision] * Math.max(batch, 4) * context;
  const most = device.language === 'wasm' ? Math.min(mostOnCpu, device.maxBufferBytes) : device.maxBufferBytes;
  return Math.max(apart, Math.floor(most / row / apart) * apart);
}

/**
 * The vocabulary in chunks of one width, the last perhaps narrower; one where it is no longer than `longest`. Where some
 * number of chunks (up to twice the least) divides it evenly, they are that many.
 */
export function chunksOf(vocabulary: number, longest: number): readonly Chunk[] {
  if (vocabulary <= longest) return [{ first: 0, words: vocabulary }];
  const step = Math.min(apart, longest);
  const least = Math.ceil(vocabulary / longest);
  const evenly = Array.from({ length: least }, (_, n) => least + n).find((n) => vocabulary % (n * step) === 0);
  const words = Math.ceil(vocabulary / (evenly ?? least) / step) * step;
  const count = Math.ceil(vocabulary / words);
  return Array.from({ length: count }, (_, n) => ({
    first: n * words,
    words: Math.min(words, vocabulary - n * words),
  }));
}
