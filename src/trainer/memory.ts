// What a run needs on the device, before anything is compiled: its largest tensors against the device's largest binding,
// and a refusal that says by how much each is too large and which flag makes it smaller.

import { targetPlan } from '../options.ts';
import { bytesOfElement } from '../../targets/device.ts';
import type { Device } from '../../targets/device.ts';
import type { Configuration } from './configuration.ts';
import { TrainerError } from './error.ts';
import type { Layout } from './parameters.ts';
import { chunksOf, longestChunk } from './vocabulary.ts';

interface Need {
  readonly what: string;
  readonly shape: string;
  readonly bytes: number;
  readonly flags: string; // what makes it smaller
}

/** Bytes of a number of the activations, and of the matrices that products read. */
const bytesOf = ({ precision }: Configuration): number => bytesOfElement[precision];

export type Room = Pick<Device, 'language' | 'maxBufferBytes'>;

/** Words whose logits are in memory at once. */
const wordsAtOnce = (room: Room, configuration: Configuration, vocabulary: number): number =>
  chunksOf(vocabulary, longestChunk(room, configuration))[0]!.words;

/** Attention's scores are whole in memory. */
const keepsScores = ({ language }: Room, { precision }: Configuration): boolean =>
  targetPlan(language, precision).blockwise !== true;

/** The tensors that can be too large for one binding, largest first. */
function largestNeeds(configuration: Configuration, vocabulary: number, layout: Layout, room: Room): readonly Need[] {
  const { batch: B, context: T, heads: H, width: C } = configuration;
  const narrow = bytesOf(configuration);
  const need = (what: string, shape: readonly number[], flags: string, bytes = bytesOfElement.f32): Need => ({
    what,
    shape: `[${shape.join(', ')}]`,
    bytes: bytes * shape.reduce((product, extent) => product * extent, 1),
    flags,
  });
  return [
    need('the embedding table', [vocabulary, C], '--width or --vocabulary'),
    ...(keepsScores(room, configuration)
      ? [need('the attention scores of a micro-batch', [B, H, T, T], '--context, --batch or --heads')]
      : []),
    need('the hidden layer of the MLP', [B, T, 4 * C], '--batch, --context or --width', narrow),
    need('the matrices, which the optimizer takes as one', [layout.size.decayed], '--layers, --width or --vocabulary'),
  ].sort((a, b) => b.bytes - a.bytes);
}

export interface Estimate {
  readonly parameters: number; // bytes of weights, gradients and both moments; and the bf16 copy of matrices
  readonly activations: number; // bytes of what backward needs
}

/**
 * Activations: what backward reads of each block (two norms, query, key and value, attended, two residual streams, the MLP
 * before and after GELU, the weights of attention where they are kept); the scores of one block, their gradient, and a
 * chunk of logits with theirs.
 */
export function estimate(configuration: Configuration, vocabulary: number, layout: Layout, room: Room): Estimate {
  const { batch: B, context: T, heads: H, kv_heads: K, width: C, layers: L, precision } = configuration;
  const bytes = bytesOf(configuration);
  const { decayed, plain, fixed } = layout.size;
  const parameters = 4 * (4 * (decayed + plain) + fixed) + (precision === 'bf16' ? bytes * decayed : 0);
  const projected = (C / H) * (H + 2 * K);
  const scores = keepsScores(room, configuration) ? B * H * T * T : 0;
  const words = wordsAtOnce(room, configuration, vocabulary);
  const block = B * T * (2 * C + projected + C + 2 * C + 2 * 4 * C) + scores;
  return { parameters, activations: bytes * (L * block + 2 * B * T * words) + 2 * 4 * scores };
}

/** 154.4 MB (10^6 bytes), or GB. */
export function inWords(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e3).toFixed(1)} kB`;
}

/** 128 MiB where a limit is a whole number of them. */
const limitInWords = (bytes: number): string => (bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20} MiB` : inWords(bytes));

export function refuseTooLarge(
  configuration: Configuration,
  vocabulary: number,
  layout: Layout,
  device: Room & Pick<Device, 'description'>,
): void {
  const tooLarge = largestNeeds(configuration, vocabulary, layout, device).filter(
    ({ bytes }) => bytes > device.maxBufferBytes,
  );
  if (tooLarge.length === 0) return;
  const lines = tooLarge.map(
    ({ what, shape, bytes, flags }) => `  ${what} ${shape}: ${inWords(bytes)} (lower ${flags})`,
  );
  const { parameters, activations } = estimate(configuration, vocabulary, layout, device);
  throw new TrainerError(
    'memory',
    [
      `the model does not fit ${device.description}: one binding holds at most ${limitInWords(device.maxBufferBytes)}, and`,
      ...lines,
      `In all it would take about ${inWords(parameters)} for parameters and optimizer and ${inWords(activations)} for activations.`,
    ].join('\n'),
    `lower ${tooLarge[0]!.flags.split(/,| or /)[0]!.trim()} first`,
  );
}
