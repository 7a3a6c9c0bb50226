// The optimizer's part of a step: gradient norm over all pools, clipping, AdamW on each.

import type { Buffer, Buffers, Tape } from '../../targets/device.ts';
import { callEntry, output, settle } from './call.ts';
import type { Operations } from './modules.ts';
import type { Configuration } from './configuration.ts';
import { updateScalars } from './ops/optimizer.ts';
import { learningRate } from './schedule.ts';
import type { Store } from './store.ts';

const trained = ['decayed', 'plain'] as const;

export interface UpdateBuffers {
  /** The step's numbers for each pool, as `updateScalars` lists them. */
  readonly scalars: Readonly<Record<(typeof trained)[number], Buffer>>;
  readonly limit: Buffer; // longest gradient
  readonly norm: Buffer; // what it was, for the log
}

export function optimizerStep(tape: Tape, operations: Operations, store: Store, at: UpdateBuffers): void {
  const [decayed_squares, plain_squares] = trained.map((pool) => {
    const made = callEntry(tape, operations.squares[pool], 'forward', { gradient: store.pool('gradient', pool) });
    return output(made, 'squares');
  }) as [Buffer, Buffer];
  const clipped = callEntry(tape, operations.clip, 'forward', { decayed_squares, plain_squares, limit: at.limit });
  settle(tape, output(clipped, 'norm'), at.norm);
  for (const pool of trained) {
    const places = {
      parameter: store.pool('weight', pool),
      gradient: store.pool('gradient', pool),
      first: store.pool('first', pool),
      second: store.pool('second', pool),
    };
    const given = { ...places, scalars: at.scalars[pool], clip: output(clipped, 'clip') };
    const copies: Buffers = pool === 'decayed' && store.narrow !== null ? { parameter_narrow: store.narrow } : {};
    const made = callEntry(tape, operations.update[pool], 'forward', given, Object.keys(places), copies);
    for (const name of ['parameter', 'first', 'second'] as const) {
      settle(tape, output(made, `${name}_after`), places[name]);
    }
  }
}

/** The numbers of step `step` (from 1) for a pool with this decay. */
export function stepScalars(configuration: Configuration, step: number, decay: number): Float32Array {
  const { steps, warmup, rate, final, momentum, memory, epsilon } = configuration;
  const values: Record<(typeof updateScalars)[number], number> = {
    rate: learningRate({ steps, warmup, rate, final: final * rate }, step),
    decay,
    momentum,
    memory,
    momentum_correction: 1 - momentum ** step,
    memory_correction: 1 - memory ** step,
    epsilon,
  };
  return Float32Array.from(updateScalars, (name) => values[name]);
}
