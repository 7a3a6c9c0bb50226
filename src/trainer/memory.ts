// What a run needs on the device, before anything is compiled: its largest tensors against the device's largest binding,
// and a refusal that says by how much each is too large and which flag makes it smaller.

import type { Configuration } from './configuration.ts';
import { TrainerError } from './error.ts';
import type { Layout } from './parameters.ts';

interface Need {
  readonly what: string;
  readonly shape: string;
  readonly bytes: number;
  readonly flags: string; // what makes it smaller
}

/** The tensors that can be too large for one binding, largest first. 4 bytes a number. */
function largestNeeds(configuration: Configuration, vocabulary: number, layout: Layout): readonly Need[] {
  const { batch: B, context: T, heads: H, width: C } = configuration;
  const need = (what: string, shape: readonly number[], flags: string): Need => ({
    what,
    shape: `[${shape.join(', ')}]`,
    bytes: 4 * shape.reduce((product, extent) => product * extent, 1),
    flags,
  });
  return [
    need('the embedding table', [vocabulary, C], '--width or --vocabulary'),
    need('the logits of a micro-batch', [B, T, vocabulary], '--batch, --context or --vocabulary'),
    need('the attention scores of a micro-batch', [B, H, T, T], '--context, --batch or --heads'),
    need('the hidden layer of the MLP', [B, T, 4 * C], '--batch, --context or --width'),
    need('the matrices, which the optimizer takes as one', [layout.size.decayed], '--layers, --width or --vocabulary'),
  ].sort((a, b) => b.bytes - a.bytes);
}

export interface Estimate {
  readonly parameters: number; // bytes of weights, gradients and both moments
  readonly activations: number; // bytes of what backward needs
}

/** Activations: what backward reads of each block (norms, query, key, value, mixed, MLP, scores and weights), and logits. */
export function estimate(configuration: Configuration, vocabulary: number, layout: Layout): Estimate {
  const { batch: B, context: T, heads: H, width: C, layers: L } = configuration;
  const parameters = 4 * (4 * (layout.size.decayed + layout.size.plain) + layout.size.fixed);
  const block = B * T * (2 * C + 3 * C + 2 * C + 2 * 4 * C + 2 * C) + 2 * B * H * T * T;
  return { parameters, activations: 4 * (L * block + 2 * B * T * vocabulary) };
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
  device: { readonly description: string; readonly maxBufferBytes: number },
): void {
  const tooLarge = largestNeeds(configuration, vocabulary, layout).filter(({ bytes }) => bytes > device.maxBufferBytes);
  if (tooLarge.length === 0) return;
  const lines = tooLarge.map(
    ({ what, shape, bytes, flags }) => `  ${what} ${shape}: ${inWords(bytes)} (lower ${flags})`,
  );
  const { parameters, activations } = estimate(configuration, vocabulary, layout);
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
