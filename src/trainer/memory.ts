// What a run needs on the device, before anything is compiled: its largest tensors against the device's largest binding,
// and a refusal that says by how much each is too large and which flag makes it smaller.

import { targetPlan } from '../options.ts';
import { bytesOfElement, wholeSequence } from '../../targets/device.ts';
import type { Device, Parameter } from '../../targets/device.ts';
import type { Configuration } from './configuration.ts';
import { readsEmbedding } from './encoding.ts';
import type { EncodingModules } from './encoding.ts';
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

/** What a layer's encoding keeps for backward besides what every block does. */
interface Kept {
  readonly parameter: Parameter;
  readonly bytes: number;
  readonly isTable: boolean; // over the vocabulary: as large for any number of tokens
}

const ofEveryBlock: ReadonlySet<string> = new Set(['output', 'qkv', 'attention']);

function keptInLayers({ layers }: EncodingModules, { batch, context }: Configuration): readonly (readonly Kept[])[] {
  const [sizes, more] = [wholeSequence(batch, context), wholeSequence(2 * batch, context)];
  return layers.map(({ module: { entries } }) =>
    [entries['input'], entries['forward']].flatMap((entry) => {
      const kept = entry?.outputs.filter(
        ({ name, saved, aliases }) => saved && aliases === null && !ofEveryBlock.has(name),
      );
      return (kept ?? []).map((parameter) => {
        const elements = parameter.elements(sizes);
        const bytes = bytesOfElement[parameter.type] * elements;
        return { parameter, bytes, isTable: parameter.elements(more) === elements };
      });
    }),
  );
}

const total = (kept: readonly Kept[]): number => kept.reduce((bytes, one) => bytes + one.bytes, 0);

/**
 * What encodings keep in all layers, the gradient of a layer's tables, and that of the embedding where layers read it: it is
 * summed apart.
 */
function bytesOfEncoding(encoding: EncodingModules, configuration: Configuration): number {
  const { batch: B, context: T, width: C } = configuration;
  const layers = keptInLayers(encoding, configuration);
  const tables = layers.map((kept) => total(kept.filter(({ isTable }) => isTable)));
  const ofEmbedding = readsEmbedding(encoding) ? bytesOf(configuration) * B * T * C : 0;
  return layers.reduce((bytes, kept) => bytes + total(kept), 0) + Math.max(0, ...tables) + ofEmbedding;
}

function tableNeeds(encoding: EncodingModules, configuration: Configuration): readonly Need[] {
  const tables = keptInLayers(encoding, configuration).flatMap((kept) => kept.filter(({ isTable }) => isTable));
  const known = new Map(tables.map(({ parameter, bytes }) => [parameter.comment, bytes]));
  return [...known].map(([comment, bytes]) => {
    const [, name, shape] = /^(\S+) (\[.*?\])/.exec(comment) ?? [comment, comment, ''];
    const what = `the table ${name!} of the encoding`;
    return { what, shape: shape!, bytes, flags: '--vocabulary, or leave the tables out with --rewrites -vocabulary' };
  });
}

/** The tensors that can be too large for one binding, largest first. */
function largestNeeds(
  configuration: Configuration,
  vocabulary: number,
  layout: Layout,
  room: Room,
  encoding: EncodingModules | null,
): readonly Need[] {
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
    ...(encoding === null ? [] : tableNeeds(encoding, configuration)),
  ].sort((a, b) => b.bytes - a.bytes);
}

export interface Estimate {
  readonly parameters: number; // bytes of weights, gradients and both moments; and the bf16 copy of matrices
  readonly activations: number; // bytes of what backward needs
}

/**
 * Activations: what backward reads of each block (two norms, query, key and value, attended, two residual streams, the MLP
 * before and after GELU, the weights of attention where they are kept); the scores of one block, their gradient, and a
 * chunk of logits with theirs. `encoding`: what it adds, once it is compiled.
 */
export function estimate(
  configuration: Configuration,
  vocabulary: number,
  layout: Layout,
  room: Room,
  encoding: EncodingModules | null = null,
): Estimate {
  const { batch: B, context: T, heads: H, kv_heads: K, width: C, layers: L, precision } = configuration;
  const bytes = bytesOf(configuration);
  const { decayed, plain, fixed } = layout.size;
  const parameters = 4 * (4 * (decayed + plain) + fixed) + (precision === 'bf16' ? bytes * decayed : 0);
  const projected = (C / H) * (H + 2 * K);
  const scores = keepsScores(room, configuration) ? B * H * T * T : 0;
  const words = wordsAtOnce(room, configuration, vocabulary);
  const block = B * T * (2 * C + projected + C + 2 * C + 2 * 4 * C) + scores;
  const added = encoding === null ? 0 : bytesOfEncoding(encoding, configuration);
  return { parameters, activations: bytes * (L * block + 2 * B * T * words) + 2 * 4 * scores + added };
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
  encoding: EncodingModules | null = null,
): void {
  const tooLarge = largestNeeds(configuration, vocabulary, layout, device, encoding).filter(
    ({ bytes }) => bytes > device.maxBufferBytes,
  );
  if (tooLarge.length === 0) return;
  const lines = tooLarge.map(
    ({ what, shape, bytes, flags }) => `  ${what} ${shape}: ${inWords(bytes)} (lower ${flags})`,
  );
  const { parameters, activations } = estimate(configuration, vocabulary, layout, device, encoding);
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
