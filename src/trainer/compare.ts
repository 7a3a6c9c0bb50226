// One run from a `.pe` text to the numbers of a report, and several after one another with the same sizes, seed and
// batches: what `train`, `compare` and `demo` do.

import type { Device } from '../../targets/device.ts';
import { readCheckpoint } from './checkpoint.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { EncodingChoice } from './choice.ts';
import type { Configuration } from './configuration.ts';
import type { Data } from './data.ts';
import { learnedNames } from './encoding.ts';
import type { ScriptStore } from '../load-module.ts';
import { evaluate } from './evaluate.ts';
import type { Evaluation, OutOfReach } from './evaluate.ts';
import { epsilon } from './ops/layer-norm.ts';
import { parameterCounts } from './parameters.ts';
import { prepareModelOn } from './prepare.ts';
import type { Prepared } from './prepare.ts';
import { rowsByPlace } from './reach.ts';
import { pictures } from './report/pictures.ts';
import type { Picture } from './report/pictures.ts';
import type { RunSummary } from './report/report.ts';
import { sample } from './sample.ts';
import type { SampleOptions } from './sample.ts';
import { openReader } from './session.ts';
import { train } from './train.ts';
import type { Trained, TrainRequest } from './train.ts';

export interface RunRequest {
  readonly choice: EncodingChoice;
  readonly configuration: Configuration;
  readonly data: Data;
  readonly folder: string | null;
  readonly resume: boolean;
  readonly sample: SampleOptions;
  /** Window lengths of the perplexity, as multiples of the context; 1 and 2 by default. */
  readonly lengths?: readonly number[];
  readonly signal?: AbortSignal;
  readonly progress?: TrainRequest['progress'];
  /** Modules from earlier runs. */
  readonly scripts?: ScriptStore;
  /** The model is ready: its name, warnings about its file, parameters. */
  readonly prepared?: (prepared: Prepared) => void;
}

export interface RunOutcome {
  readonly trained: Trained;
  /** Null when the run was stopped before its end. */
  readonly summary: RunSummary | null;
}

export async function runOne(device: Device, request: RunRequest): Promise<RunOutcome> {
  const { choice, configuration, data, folder, signal, progress } = request;
  const resume: Checkpoint | null = request.resume && folder !== null ? await readCheckpoint(folder) : null;
  const scripts = request.scripts ?? null;
  const prepared = await prepareModelOn(device, choice, configuration, data.tokenizer.size, scripts);
  request.prepared?.(prepared);
  try {
    const trained = await train(device, prepared, {
      choice,
      configuration,
      data,
      folder,
      resume,
      ...(signal === undefined ? {} : { signal }),
      ...(progress === undefined ? {} : { progress }),
    });
    if (trained.stopped) return { trained, summary: null };
    return { trained, summary: await summarise(device, prepared, request, trained) };
  } finally {
    prepared.model.store.free();
  }
}

async function summarise(
  device: Device,
  prepared: Prepared,
  request: RunRequest,
  trained: Trained,
): Promise<RunSummary> {
  const { choice, configuration, data } = request;
  const { model, layout } = prepared;
  const { context } = configuration;
  const rows = rowsByPlace(model.encoding.layers);
  const evaluations: (Evaluation | OutOfReach)[] = [];
  for (const times of request.lengths ?? [1, 2]) {
    const tokens = times * context;
    if (rows !== null && tokens > rows) evaluations.push({ kind: 'out of reach', tokens, rows });
    else evaluations.push(await evaluate(device, model, configuration, data.tokens.heldOut, tokens));
  }
  const reader = openReader(device, model, 1, context);
  const text = await sample(reader, data.tokenizer, request.sample);
  reader.free();
  return {
    name: model.encoding.name,
    source: choice.source.text,
    curve: trained.curve,
    finalLoss: trained.curve.at(-1)?.loss ?? NaN,
    evaluations,
    tokensPerSecond: trained.tokensPerSecond,
    parameters: parameterCounts(layout),
    sample: text,
    pictures: await drawEncoding(prepared, data.tokens.heldOut, configuration),
  };
}

/** The first layer's encoding with its trained values, over the start of the held-out text. */
async function drawEncoding(
  prepared: Prepared,
  text: Uint16Array,
  configuration: Configuration,
): Promise<readonly Picture[]> {
  const { model } = prepared;
  const weights = await model.store.read('weight');
  const layer = model.encoding.layers[0]!;
  const tokens = Math.min(configuration.context, 64);
  const names = { ...learnedNames(layer.module, 0, 'embed'), ...learnedNames(layer.module, 0, 'layer') };
  const learned = Object.fromEntries(Object.entries(names).map(([local, name]) => [local, weights.get(name)!]));
  const embedding = embeddings(weights, text.subarray(0, tokens), configuration.width);
  const x = normalised(weights, embedding, configuration.width);
  return pictures(layer, { tokens, x, embedding, learned });
}

/** [tokens, C] */
function embeddings(weights: ReadonlyMap<string, Float32Array>, tokens: Uint16Array, width: number): Float32Array {
  const table = weights.get('transformer.wte.weight')!;
  const rows = new Float32Array(tokens.length * width);
  tokens.forEach((id, t) => rows.set(table.subarray(id * width, (id + 1) * width), t * width));
  return rows;
}

/** x of the first layer: layer norm of the tokens' embeddings. [tokens, C] */
function normalised(weights: ReadonlyMap<string, Float32Array>, embedding: Float32Array, width: number): Float64Array {
  const gain = weights.get('transformer.h.0.ln_1.weight')!;
  const bias = weights.get('transformer.h.0.ln_1.bias')!;
  const x = new Float64Array(embedding.length);
  for (let from = 0; from < x.length; from += width) {
    const row = embedding.subarray(from, from + width);
    const mean = row.reduce((a, b) => a + b, 0) / width;
    const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / width;
    row.forEach((value, m) => {
      x[from + m] = ((value - mean) / Math.sqrt(variance + epsilon)) * gain[m]! + bias[m]!;
    });
  }
  return x;
}
