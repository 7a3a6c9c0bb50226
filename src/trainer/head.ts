// The end of the model on a tape: hidden [B, T, C] and targets -> losses and their mean, and back to the gradient of hidden.
// All words at once, or a chunk of them after the other, with logits of one chunk in memory.

import type { Buffer, Buffers, Module, Tape } from '../../targets/device.ts';
import { callEntry, output } from './call.ts';
import type { Chunk } from './vocabulary.ts';

export type Head =
  | { readonly kind: 'whole'; readonly module: Module }
  | {
      readonly kind: 'chunks';
      readonly chunks: readonly Chunk[];
      readonly norm: Module;
      readonly losses: Module;
      /** By the number of words. */
      readonly scores: ReadonlyMap<number, Module>;
      readonly shares: ReadonlyMap<number, Module>;
    };

export const modulesOfHead = (head: Head): readonly Module[] =>
  head.kind === 'whole' ? [head.module] : [head.norm, head.losses, ...head.scores.values(), ...head.shares.values()];

/**
 * Norm and table with gradients, hidden and targets -> these, losses [B, T], output, and what backward needs. `firsts`: each chunk's
 * first word.
 */
export function headForward(tape: Tape, head: Head, given: Buffers, firsts: readonly Buffer[]): Buffers {
  if (head.kind === 'whole') return { ...given, ...callEntry(tape, head.module, 'forward', given) };
  const normed = callEntry(tape, head.norm, 'forward', given);
  const x = output(normed, 'x');
  const targets = output(given, 'targets');
  let state: Buffers = Object.fromEntries(
    ['normaliser', 'aim'].map((name) => {
      const zeros = tape.temporary(name, targets.elements);
      tape.clear(zeros);
      return [name, zeros];
    }),
  );
  head.chunks.forEach((chunk, n) => {
    const table = rowsOf(output(given, 'table'), head, chunk);
    const atHand = { x, targets, table, first: firsts[n]!, ...state };
    const made = callEntry(tape, moduleOf(head.scores, chunk), 'forward', atHand, Object.keys(state));
    state = { normaliser: output(made, 'normaliser_after'), aim: output(made, 'aim_after') };
  });
  return { ...given, ...normed, ...state, ...callEntry(tape, head.losses, 'forward', state) };
}

/** The gradient of hidden [B, T, C] for `seed` times the mean loss; weights' gradients are added to their buffers. */
export function headBackward(tape: Tape, head: Head, record: Buffers, seed: Buffer, firsts: readonly Buffer[]): Buffer {
  if (head.kind === 'whole')
    return output(callEntry(tape, head.module, 'backward', { ...record, d_output: seed }), 'd_hidden');
  const x = output(record, 'x');
  const d_x = tape.temporary('d_x', x.elements, x.type);
  tape.clear(d_x);
  head.chunks.forEach((chunk, n) => {
    const share = moduleOf(head.shares, chunk);
    const own = {
      table: rowsOf(output(record, 'table'), head, chunk),
      d_table: rowsOf(output(record, 'd_table'), head, chunk),
      first: firsts[n]!,
    };
    const atHand = { ...record, ...own, d_x, d_output: seed };
    const made = callEntry(tape, share, 'forward', atHand);
    callEntry(tape, share, 'backward', { ...atHand, ...made }, Object.keys(made));
  });
  return output(callEntry(tape, head.norm, 'backward', { ...record, d_x }), 'd_hidden');
}

function moduleOf(modules: ReadonlyMap<number, Module>, { words }: Chunk): Module {
  const found = modules.get(words);
  if (found === undefined) throw new Error(`no head was compiled for chunks of ${words} words`);
  return found;
}

/** A chunk's rows of the table, or of its gradient. */
function rowsOf(table: Buffer, { chunks }: Extract<Head, { kind: 'chunks' }>, { first, words }: Chunk): Buffer {
  const width = table.elements / chunks.reduce((sum, chunk) => sum + chunk.words, 0);
  const name = `${table.name} from ${first}`;
  return { ...table, name, offset: table.offset + first * width, elements: words * width };
}
