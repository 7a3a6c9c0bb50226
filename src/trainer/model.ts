// GPT-2 (Radford et al. 2019): pre-norm blocks, GELU in tanh form, output tied to the embedding table; the position
// embedding replaced by an encoding. Written against Tape: what is recorded here runs on any device.
// tokens [B, T] -> hidden [B, T, C] through the blocks -> losses [B, T] and their mean, or logits [V] after one token.

import type { Buffer, Buffers, Tape } from '../../targets/device.ts';
import { blockBackward, blockForward } from './block.ts';
import type { BlockRecord, LayerBuffers } from './block.ts';
import { callEntry, makes, output, wants, zeros } from './call.ts';
import { readsEmbedding } from './encoding.ts';
import type { EncodingModules } from './encoding.ts';
import { headBackward, headForward } from './head.ts';
import { matrices } from './modules.ts';
import type { Operations } from './modules.ts';
import { weightsAs } from './store.ts';
import type { Store } from './store.ts';

export interface Model {
  readonly operations: Operations;
  readonly encoding: EncodingModules;
  readonly store: Store;
  readonly seed: number; // of what the encoding draws
}

/** What one recorded shape needs besides weights, as views of what the device holds. */
export interface ShapeBuffers {
  readonly tokens: Buffer; // [B, T] i32
  readonly tokens_order: Buffer; // [B, T] i32, places in `tokens` by token
  readonly tokens_start: Buffer; // [V + 1] i32, where each token's places begin
  readonly targets: Buffer; // [B, T] i32
  readonly firsts: readonly Buffer[]; // the first word of each chunk of the vocabulary, i32
  /** By layer: learned tensors, gradients, tables, position, what `step` made and `finish` will take. */
  readonly layers: readonly Buffers[];
  /** The same for `embed`. */
  readonly embed: Buffers;
}

/** What forward leaves up to the last block. */
interface StreamRecord {
  readonly words: Buffers;
  readonly embed: Buffers | null;
  readonly embedding: Buffer; // [B, T, C], what the first block was given
  readonly blocks: readonly BlockRecord[];
  readonly hidden: Buffer; // [B, T, C]
}

export interface ModelRecord extends StreamRecord {
  readonly head: Buffers; // losses, output, and what backward needs
  /** What layers add to the loss, [B] each. */
  readonly added: readonly Buffer[];
}

function layerBuffers(store: Store, layer: number, encoding: Buffers): LayerBuffers {
  const prefix = `transformer.h.${layer}`;
  const norm = (name: string): Record<string, string> => ({
    norm_weight: `${prefix}.${name}.weight`,
    norm_bias: `${prefix}.${name}.bias`,
  });
  const pair = (local: string, name: string): Record<string, string> => ({
    [`${local}weight`]: `${prefix}.${name}.weight`,
    [`${local}bias`]: `${prefix}.${name}.bias`,
  });
  return {
    project: weightsAs(store, { ...norm('ln_1'), ...pair('attention_', 'attn.c_attn') }, matrices.project),
    mix: weightsAs(store, pair('', 'attn.c_proj'), matrices.mix),
    mlp: weightsAs(
      store,
      { ...norm('ln_2'), ...pair('up_', 'mlp.c_fc'), ...pair('down_', 'mlp.c_proj') },
      matrices.mlp,
    ),
    encoding,
  };
}

const embedWeights = (store: Store): Buffers => weightsAs(store, { table: 'transformer.wte.weight' }, matrices.embed);

/** The same as an encoding has it that reads values of words by id. */
const vocabularyWeights = (store: Store): Buffers =>
  weightsAs(store, { vocabulary: 'transformer.wte.weight' }, ['vocabulary']);

const headWeights = (store: Store): Buffers =>
  weightsAs(
    store,
    {
      norm_weight: 'transformer.ln_f.weight',
      norm_bias: 'transformer.ln_f.bias',
      table: 'transformer.wte.weight',
    },
    matrices.head,
  );

function throughBlocks(tape: Tape, model: Model, at: ShapeBuffers): StreamRecord {
  const { operations, encoding, store } = model;
  const words = { ...embedWeights(store), tokens: at.tokens };
  let hidden = output(callEntry(tape, operations.embed, 'forward', words), 'embedding'); // [B, T, C]
  let embed: Buffers | null = null;
  const first = encoding.layers[0]!.module;
  if (first.embed !== undefined) {
    const given = { ...at.embed, embedding: hidden };
    embed = { ...given, ...callEntry(tape, first, 'embed', given, ['embedding']) };
    hidden = output(embed, 'embedding_encoded');
  }
  const embedding = hidden;
  const { tokens, tokens_order, tokens_start } = at;
  const byId = { ...vocabularyWeights(store), tokens, tokens_order, tokens_start };
  const blocks: BlockRecord[] = [];
  encoding.layers.forEach(({ module }, layer) => {
    const buffers = layerBuffers(store, layer, { ...byId, ...at.layers[layer]!, embedding });
    const made = blockForward(tape, operations, module, buffers, hidden);
    blocks.push(made.record);
    hidden = made.hidden;
  });
  return { words, embed, embedding, blocks, hidden };
}

/** tokens -> losses, output (the mean loss), and what backward needs. */
export function modelForward(tape: Tape, model: Model, at: ShapeBuffers): ModelRecord {
  const record = throughBlocks(tape, model, at);
  const given = { ...headWeights(model.store), hidden: record.hidden, targets: at.targets };
  const added = model.encoding.layers.flatMap(({ module }, layer) =>
    makes(module, 'forward', 'loss') ? [output(record.blocks[layer]!.attend, 'loss')] : [],
  );
  return { ...record, added, head: headForward(tape, model.operations.head, given, at.firsts) };
}

/** The logits [V] after token `place` (an integer on the device) of the only row. */
export function modelNext(tape: Tape, model: Model, at: ShapeBuffers, place: Buffer): Buffer {
  const { hidden } = throughBlocks(tape, model, at);
  const given = { ...headWeights(model.store), hidden, place };
  return output(callEntry(tape, model.operations.next, 'forward', given), 'logits');
}

/** Adds the gradient of `seed` times the mean loss to every parameter's gradient. */
export function modelBackward(tape: Tape, model: Model, at: ShapeBuffers, record: ModelRecord, seed: Buffer): void {
  const { operations, encoding } = model;
  let gradient = headBackward(tape, operations.head, record.head, seed, at.firsts); // [B, T, C]
  const shortcut = readsEmbedding(encoding) ? zeros(tape, 'd_embedding', record.embedding) : null;
  for (let layer = encoding.layers.length - 1; layer >= 0; layer -= 1) {
    const { module } = encoding.layers[layer]!;
    gradient = blockBackward(tape, operations, module, record.blocks[layer]!, gradient, shortcut);
  }
  if (shortcut !== null) {
    const made = callEntry(tape, operations.join!, 'forward', { stream: gradient, shortcut }, ['stream']);
    gradient = output(made, 'joined');
  }
  const first = encoding.layers[0]!.module;
  if (record.embed !== null && first.embed_backward !== undefined) {
    const seedName = wants(first, 'embed_backward', 'd_output') ? 'd_output' : 'd_embedding_encoded';
    const made = callEntry(tape, first, 'embed_backward', { ...record.embed, [seedName]: gradient });
    if (makes(first, 'embed_backward', 'd_embedding')) gradient = output(made, 'd_embedding');
  }
  const { tokens_order, tokens_start } = at;
  const words = { ...record.words, tokens_order, tokens_start, d_embedding: gradient };
  callEntry(tape, operations.embed, 'backward', words);
}
