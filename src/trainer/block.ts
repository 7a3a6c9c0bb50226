// One block of GPT-2, forward and backward side by side:
//   x, qkv = project(hidden);  hidden = mix(attend(x, qkv), hidden);  hidden = mlp(hidden)
// or, where the encoding changes x, x = norm(hidden);  qkv = rows(input(x)) in the place of project.
// qkv: query, key and value side by side. B batch, T tokens, C width, H heads, K key heads, D features of a head.

import type { Buffer, Buffers, Module, Tape } from '../../targets/device.ts';
import { callEntry, makes, output, wants, zeros } from './call.ts';
import type { Operations } from './modules.ts';

/** A layer's weights and gradients under the names of the operations' programs. */
export interface LayerBuffers {
  readonly project: Buffers; // norm_weight, norm_bias, query_weight, ... and d_norm_weight, ...
  readonly mix: Buffers;
  readonly mlp: Buffers;
  /** Learned tensors, their gradients, tables, position, results of `step`, sums for `finish`; the embedding [B, T, C]. */
  readonly encoding: Buffers;
}

/** What forward leaves for backward: all that each entry was given and has made. */
export interface BlockRecord {
  readonly project: ProjectRecord;
  readonly attend: Buffers;
  readonly mix: Buffers;
  readonly mlp: Buffers;
}

type ProjectRecord =
  | { readonly kind: 'whole'; readonly project: Buffers }
  | { readonly kind: 'halves'; readonly norm: Buffers; readonly input: Buffers; readonly rows: Buffers };

interface Projected {
  readonly x: Buffer; // [B, T, C], as attention is given it
  readonly qkv: Buffer; // [B, T, H + 2 K, D]
  readonly record: ProjectRecord;
}

function projectForward(
  tape: Tape,
  operations: Operations,
  encoding: Module,
  layer: LayerBuffers,
  hidden: Buffer,
): Projected {
  const { halves } = operations;
  if (encoding.input === undefined || halves === null) {
    const given = { ...layer.project, hidden };
    const made = callEntry(tape, operations.project, 'forward', given);
    const record = { kind: 'whole', project: { ...given, ...made } } as const;
    return { x: output(made, 'x'), qkv: output(made, 'qkv'), record };
  }
  const normGiven = { ...layer.project, hidden };
  const normed = callEntry(tape, halves.norm, 'forward', normGiven);
  const x = output(normed, 'x');
  const inputGiven = { ...layer.encoding, x };
  const changed = callEntry(tape, encoding, 'input', inputGiven);
  const rowsGiven = { ...layer.project, x: output(changed, 'x_encoded') };
  const made = callEntry(tape, halves.rows, 'forward', rowsGiven);
  const record = {
    kind: 'halves',
    norm: { ...normGiven, ...normed },
    input: { ...inputGiven, ...changed },
    rows: { ...rowsGiven, ...made },
  } as const;
  return { x, qkv: output(made, 'qkv'), record };
}

/** Adds the path through query, key and value to `stream`, the gradient of hidden [B, T, C], in place. */
function projectBackward(
  tape: Tape,
  operations: Operations,
  encoding: Module,
  record: ProjectRecord,
  attend: Buffers,
  stream: Buffer,
  shortcut: Buffers,
): void {
  const d_qkv = output(attend, 'd_qkv'); // [B, T, H + 2 K, D]
  if (record.kind === 'whole') {
    const { project } = operations;
    const x = output(record.project, 'x');
    const d_x = wants(project, 'backward', 'd_x') ? gradientOfX(tape, encoding, x, attend) : x; // or not read
    callEntry(tape, project, 'backward', { ...record.project, d_qkv, d_x, d_hidden: stream });
    return;
  }
  const { norm, rows } = operations.halves!;
  const made = callEntry(tape, rows, 'backward', { ...record.rows, d_qkv });
  const d_x = gradientOfX(tape, encoding, output(record.norm, 'x'), attend);
  const seeds = { d_x_encoded: output(made, 'd_x'), d_x, ...shortcut };
  callEntry(tape, encoding, 'input_backward', { ...record.input, ...seeds }); // adds its path to d_x
  callEntry(tape, norm, 'backward', { ...record.norm, d_x, d_hidden: stream });
}

/** hidden [B, T, C] -> hidden [B, T, C]. */
export function blockForward(
  tape: Tape,
  operations: Operations,
  encoding: Module,
  layer: LayerBuffers,
  hidden: Buffer,
): { readonly hidden: Buffer; readonly record: BlockRecord } {
  const { x, qkv, record: project } = projectForward(tape, operations, encoding, layer, hidden);
  const given = { ...layer.encoding, x, qkv };
  const attended = callEntry(tape, encoding, 'forward', given, ['qkv']); // project's backward does not need it
  const mixGiven = { ...layer.mix, attended: output(attended, 'output'), hidden }; // [B, T, H, D]
  const mixed = callEntry(tape, operations.mix, 'forward', mixGiven);
  const mlpGiven = { ...layer.mlp, hidden: output(mixed, 'output') }; // [B, T, C]
  const made = callEntry(tape, operations.mlp, 'forward', mlpGiven);
  return {
    hidden: output(made, 'output'),
    record: {
      project,
      attend: { ...given, ...attended },
      mix: { ...mixGiven, ...mixed },
      mlp: { ...mlpGiven, ...made },
    },
  };
}

/**
 * d_hidden [B, T, C] of the block's result -> d_hidden of its input. Weights' gradients are added to their buffers, and
 * that of the embedding, where an encoding reads it, to `shortcut` [B, T, C].
 */
export function blockBackward(
  tape: Tape,
  operations: Operations,
  encoding: Module,
  record: BlockRecord,
  gradient: Buffer,
  shortcut: Buffer | null,
): Buffer {
  const ofEmbedding: Buffers = shortcut === null ? {} : { d_embedding: shortcut };
  const mlp = callEntry(tape, operations.mlp, 'backward', { ...record.mlp, d_output: gradient });
  const stream = output(mlp, 'd_hidden'); // [B, T, C], with the residual path
  const mix = callEntry(tape, operations.mix, 'backward', { ...record.mix, d_output: stream });
  const atHand = { ...record.attend, ...ofEmbedding, d_output: output(mix, 'd_attended') }; // [B, T, H, D]
  const attend = callEntry(tape, encoding, 'backward', atHand, ['d_output']);
  projectBackward(tape, operations, encoding, record.project, attend, stream, ofEmbedding);
  return stream; // the path through query, key and value has been added in place
}

/** The encoding's gradient of x [B, T, C]; zeros where attention does not read x. */
function gradientOfX(tape: Tape, encoding: Module, x: Buffer, attend: Buffers): Buffer {
  return makes(encoding, 'backward', 'd_x') ? output(attend, 'd_x') : zeros(tape, 'd_x', x);
}
