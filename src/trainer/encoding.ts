// The encoding as the trainer uses it: a module for each layer (one for all where they do not differ), its learned
// tensors, and the programs it came from. What a text cannot supply, or a decoder must not see, is refused here.

import type { Learned, Module } from '../../targets/device.ts';
import type { Program, Tensor } from '../ir/ir.ts';
import { makes, wants } from './call.ts';
import { TrainerError } from './error.ts';
import { encodingParameterName } from './parameters.ts';
import type { EncodingParameter } from './parameters.ts';

export interface LayerEncoding {
  readonly module: Module;
  readonly attend: Program;
  readonly embed: Program | null;
  readonly input: Program | null;
}

export interface EncodingModules {
  readonly name: string;
  readonly layers: readonly LayerEncoding[];
}

const entriesOfLayer = [
  'input',
  'input_backward',
  'shared',
  'step',
  'forward',
  'backward',
  'finish',
  'shared_finish',
] as const;
const entriesOfEmbed = ['embed', 'embed_backward'] as const;

const reads = (module: Module, entries: readonly (keyof Module['entries'])[], name: string): boolean =>
  entries.some((entry) => module.entries[entry]?.inputs.some((input) => input.name === name));

/**
 * Where a learned tensor of a layer lives: shared ones, and those of `embed`, once in the model. One that no entry reads
 * is a layer's own: initial values may read it.
 */
function placeOf(module: Module, { name, shared }: Learned, layer: number): number | null {
  const ofEmbed = reads(module, entriesOfEmbed, name) && !reads(module, entriesOfLayer, name);
  return shared || ofEmbed ? null : layer;
}

export function encodingParameters(encoding: EncodingModules): EncodingParameter[] {
  const found = new Map<string, EncodingParameter>();
  encoding.layers.forEach(({ module }, layer) => {
    for (const learned of module.learned) {
      const place = placeOf(module, learned, layer);
      found.set(encodingParameterName(learned.name, place), { learned, layer: place });
    }
  });
  return [...found.values()];
}

/** Names of a module's learned tensors that the layer's entries (or `embed`'s) read, to the parameters' names. */
export function learnedNames(module: Module, layer: number, of: 'layer' | 'embed'): Readonly<Record<string, string>> {
  const entries = of === 'layer' ? entriesOfLayer : entriesOfEmbed;
  const used = module.learned.filter(({ name }) => reads(module, entries, name) || reads(module, entries, `d_${name}`));
  return Object.fromEntries(
    used.map((learned) => [learned.name, encodingParameterName(learned.name, placeOf(module, learned, layer))]),
  );
}

/** Some layer's encoding reads x. */
export const bringsGradientOfX = (encoding: EncodingModules): boolean =>
  encoding.layers.some(({ module }) => module.entries['backward']?.outputs.some(({ name }) => name === 'd_x') ?? false);

/** Some layer's encoding reads the embedding, and adds its gradient to `d_embedding`. */
export const readsEmbedding = (encoding: EncodingModules): boolean =>
  encoding.layers.some(({ module }) =>
    (['backward', 'input_backward'] as const).some((entry) => wants(module, entry, 'd_embedding')),
  );

/** Some layer's encoding adds to the loss. */
export const addsToLoss = (encoding: EncodingModules): boolean =>
  encoding.layers.some(({ module }) => makes(module, 'forward', 'loss'));

/** Some layer's encoding changes x before query, key and value are made of it. */
export const changesX = (encoding: EncodingModules): boolean =>
  encoding.layers.some(({ module }) => module.input !== undefined);

/** GPT-2 predicts the next word, which no layer may show it. */
export function refuseBidirectional({ name, layers }: EncodingModules): void {
  if (!layers.some(({ module }) => module.geometry['bidirectional'] === 1)) return;
  throw new TrainerError(
    'encoding',
    `the encoding ${name} is compiled for a bidirectional model, which would see the words that it has to predict`,
    'compile it without `bidirectional` to train it here',
  );
}

/** Tensors that the caller of the encoding must supply besides attention's own. */
const suppliedTensors = (layer: LayerEncoding): readonly Tensor[] =>
  [layer.attend, layer.embed, layer.input].flatMap((program) =>
    (program?.inputs ?? []).filter(
      ({ origin }) => origin.kind === 'given' && (origin.given === 'position' || origin.given === 'user'),
    ),
  );

/** Places of a text: whole numbers, one a token, or as many as it has coordinates. */
const isPlace = ({ name, axes: [first, ...rest] }: Tensor): boolean =>
  name === 'position' && first?.role === 'token' && rest.every(({ extent }) => typeof extent === 'number');

/**
 * Values of `position` for `tokens` tokens of a text: the token's place; where the encoding has several coordinates,
 * the same in each. Refuses what else the encoding is given.
 */
export function positionValues(layer: LayerEncoding, tokens: number): Readonly<Record<string, Float64Array>> {
  const supplied = new Map(suppliedTensors(layer).map((tensor) => [tensor.name, tensor] as const));
  const missing = [...supplied.values()].filter((tensor) => !isPlace(tensor));
  if (missing.length > 0) throw notInText(layer, missing);
  const values: Record<string, Float64Array> = {};
  for (const { name, axes } of supplied.values()) {
    const width = axes.slice(1).reduce((product, { extent }) => product * (extent as number), 1);
    values[name] = Float64Array.from({ length: tokens * width }, (_, n) => Math.floor(n / width));
  }
  return values;
}

function notInText({ attend, module }: LayerEncoding, missing: readonly Tensor[]): TrainerError {
  const shapes = missing.map(({ name, axes }) => `\`${name}\` [${axes.map(({ extent }) => extent).join(', ')}]`);
  const [first, ...rest] = missing.map(({ name }) => name);
  const them = rest.length === 0 ? 'it' : 'them';
  const others = rest.length === 0 ? '' : `, and so ${rest.map((name) => `\`${name}\``).join(', ')}`;
  return new TrainerError(
    'encoding',
    `the encoding ${attend.name} is given ${shapes.join(' and ')}, which a text does not have`,
    `compute ${them} in a variant, a file beside it: \`import "${module.source.file}"\` and ` +
      `\`encoding mine extends ${attend.name} { let ${first!}[...] = ... }\`, over the same axes${others}; ` +
      `or give ${them} to the module of \`pegen build\``,
  );
}
