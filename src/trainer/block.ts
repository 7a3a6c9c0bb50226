// One block of GPT-2, forward and backward side by side:
//   x, qkv = project(hidden);  hidden = mix(attend(x, qkv), hidden);  hidden = mlp(hidden)
// qkv: query, key and value side by side. B batch, T tokens, C width, H heads, K key heads, D features of a head.

import type { Buffer, Buffers, Module, Tape } from '../../targets/device.ts';
import { callEntry, makes, output, wants } from './call.ts';
import type { Operations } from './modules.ts';

/** A layer's weights and gradients under the names of the operations' programs. */
export interface LayerBuffers {
  readonly project: Buffers; // norm_weight, norm_bias, query_weight, ... and d_norm_weight, ...
  readonly mix: Buffers;
  readonly mlp: Buffers;
  /** Learned tensors, their gradients, tables, position, results of `step`, sums for `finish`. */
  readonly encoding: Buffers;
}

/** What forward leaves for backward: all that each entry was given and has made. */
export interface BlockRecord {
  readonly project: Buffers;
  readonly attend: Buffers;
  readonly mix: Buffers;
  readonly mlp: Buffers;
}

/** hidden [B, T, C] -> hidden [B, T, C]. */
export function blockForward(
  tape: Tape,
  operations: Operations,
  encoding: Module,
  layer: LayerBuffers,
  hidden: Buffer,
): { readonly hidden: Buffer; readonly record: BlockRecord } {
  const projected = callEntry(tape, operations.project, 'forward', { ...layer.project, hidden });
  const { x, qkv } = projected as Record<'x' | 'qkv', Buffer>; // [B, T, C], [B, T, H + 2 K, D]
  const given = { ...layer.encoding, x, qkv };
  const attended = callEntry(tape, encoding, 'forward', given, ['qkv']); // project's backward does not need it
  const mixGiven = { ...layer.mix, attended: output(attended, 'output'), hidden }; // [B, T, H, D]
  const mixed = callEntry(tape, operations.mix, 'forward', mixGiven);
  const mlpGiven = { ...layer.mlp, hidden: output(mixed, 'output') }; // [B, T, C]
  const made = callEntry(tape, operations.mlp, 'forward', mlpGiven);
  return {
    hidden: output(made, 'output'),
    record: {
      project: { ...layer.project, hidden, ...projected },
      attend: { ...given, ...attended },
      mix: { ...mixGiven, ...mixed },
      mlp: { ...mlpGiven, ...made },
    },
  };
}

/** d_hidden [B, T, C] of the block's result -> d_hidden of its input. Weights' gradients are added to their buffers. */
export function blockBackward(
  tape: Tape,
  operations: Operations,
  encoding: Module,
  record: BlockRecord,
  gradient: Buffer,
): Buffer {
  const mlp = callEntry(tape, operations.mlp, 'backward', { ...record.mlp, d_output: gradient });
  const stream = output(mlp, 'd_hidden'); // [B, T, C], with the residual path
  const mix = callEntry(tape, operations.mix, 'backward', { ...record.mix, d_output: stream });
  const atHand = { ...record.attend, d_output: output(mix, 'd_attended') }; // [B, T, H, D]
  const attend = callEntry(tape, encoding, 'backward', atHand, ['d_output']);
  const d_qkv = output(attend, 'd_qkv'); // [B, T, H + 2 K, D]
  const seeds = { d_qkv, d_x: gradientOfX(tape, operations, encoding, record, attend) };
  callEntry(tape, operations.project, 'backward', { ...record.project, ...seeds, d_hidden: stream });
  return stream; // project has added its path in place
}

/** The encoding's gradient of x [B, T, C]; zeros where other layers read x and this one does not. */
function gradientOfX(
  tape: Tape,
  operations: Operations,
  encoding: Module,
  record: BlockRecord,
  attend: Buffers,
): Buffer {
  if (makes(encoding, 'backward', 'd_x')) return output(attend, 'd_x');
  const x = output(record.project, 'x');
  if (!wants(operations.project, 'backward', 'd_x')) return x; // not read
  const zeros = tape.temporary('d_x', x.elements, x.type);
  tape.clear(zeros);
  return zeros;
}
