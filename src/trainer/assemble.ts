// Compiled parts become a model on a device: parameters laid out, initial weights uploaded, pipelines compiled.

import type { Device } from '../../targets/device.ts';
import type { Configuration } from './configuration.ts';
import {
  addsToLoss,
  bringsGradientOfX,
  changesX,
  encodingParameters,
  positionValues,
  readsEmbedding,
  refuseBidirectional,
} from './encoding.ts';
import type { EncodingModules } from './encoding.ts';
import { refuseTooLarge } from './memory.ts';
import type { Model } from './model.ts';
import { compileOperations } from './modules.ts';
import type { CompileProgram } from './modules.ts';
import { layOut } from './parameters.ts';
import type { Layout } from './parameters.ts';
import { longestChunk } from './vocabulary.ts';
import { prepareModel } from './session.ts';
import { initialWeights, openStore } from './store.ts';

export interface Assembled {
  readonly model: Model;
  readonly layout: Layout;
  readonly vocabulary: number; // rows of the embedding table
}

/** With initial weights. `chunk`: words whose logits are made at once. */
export async function assemble(
  device: Device,
  encoding: EncodingModules,
  configuration: Configuration,
  vocabulary: number,
  compile: CompileProgram,
  chunk = longestChunk(device, configuration),
): Promise<Assembled> {
  refuseBidirectional(encoding);
  for (const layer of new Set(encoding.layers)) positionValues(layer, 1); // refuses what a text cannot supply
  const { heads, kv_heads, width } = configuration;
  const layout = layOut(configuration, vocabulary, encodingParameters(encoding));
  refuseTooLarge(configuration, vocabulary, layout, device, encoding);
  const sizes = { width, heads, kv_heads, head_dim: width / heads, vocabulary };
  const { precision } = configuration;
  const choice = {
    gradientOfX: bringsGradientOfX(encoding),
    changesX: changesX(encoding),
    readsEmbedding: readsEmbedding(encoding),
    addsToLoss: addsToLoss(encoding),
    precision,
    chunk,
  };
  const operations = await compileOperations(sizes, layout, choice, compile);
  const store = await openStore(device, layout, precision);
  store.write('weight', initialWeights(layout));
  const model = { operations, encoding, store, seed: configuration.seed };
  await prepareModel(device, model);
  return { model, layout, vocabulary };
}
