// The loop: batches in, losses out, checkpoints beside. The same seed on the same device gives the same bits, also over a
// stop and a resume. The host waits for the device only to read the loss, every `report` steps.

import type { Device } from '../../targets/device.ts';
import { defaultRewrites } from '../passes/structure/rewrites.ts';
import { sourceHash } from '../source.ts';
import { trainingBatch } from './batches.ts';
import { refuseOther, restore, writeCheckpoint } from './checkpoint.ts';
import type { Checkpoint, CurvePoint, Pending, RunState } from './checkpoint.ts';
import type { EncodingChoice } from './choice.ts';
import type { Configuration } from './configuration.ts';
import { addsToLoss } from './encoding.ts';
import { TrainerError } from './error.ts';
import { parameterCounts } from './parameters.ts';
import type { Assembled } from './assemble.ts';
import type { Data } from './data.ts';
import { openTrainer } from './session.ts';
import type { Trainer } from './session.ts';

export type Progress =
  | { readonly kind: 'started'; readonly launches: number; readonly temporaries: number; readonly parameters: number }
  | {
      readonly kind: 'step';
      readonly step: number;
      readonly steps: number;
      readonly loss: number;
      readonly added?: number; // what the encoding adds to it, where it does
      readonly norm: number;
      readonly tokensPerSecond: number;
      readonly secondsLeft: number;
    }
  | { readonly kind: 'checkpoint'; readonly step: number; readonly path: string };

export interface TrainRequest {
  readonly choice: EncodingChoice;
  readonly configuration: Configuration;
  readonly data: Data;
  /** Where checkpoints go; null: none are written. */
  readonly folder: string | null;
  readonly resume: Checkpoint | null;
  /** Aborted: finish the step, write a checkpoint, return. */
  readonly signal?: AbortSignal;
  readonly progress?: (event: Progress) => void;
  /** Milliseconds; for tokens a second only. */
  readonly clock?: () => number;
}

export interface Trained {
  readonly step: number; // the last one done
  readonly stopped: boolean; // by the signal
  readonly curve: readonly CurvePoint[];
  readonly tokensPerSecond: number;
  readonly checkpoint: string | null;
}

/** Steps enqueued before the host waits, so that a stop is never far away. */
const longestQueue = 10;

export async function train(device: Device, prepared: Assembled, request: TrainRequest): Promise<Trained> {
  const { configuration, data, resume } = request;
  const sha256 = await sourceHash(request.choice.source);
  if (resume !== null) {
    const rewrites = request.choice.rewrites ?? defaultRewrites;
    refuseOther(resume, { sha256, corpus: data.corpus, configuration, rewrites });
    restore(resume, prepared.model.store, true);
  }
  const trainer = await openTrainer(device, prepared.model, configuration);
  const counts = parameterCounts(prepared.layout);
  request.progress?.({
    kind: 'started',
    launches: trainer.launches,
    temporaries: trainer.bytes,
    parameters: counts.model + counts.encoding,
  });
  try {
    return await loop(device, prepared, request, trainer, sha256);
  } finally {
    trainer.free();
  }
}

async function loop(
  device: Device,
  prepared: Assembled,
  request: TrainRequest,
  trainer: Trainer,
  sha256: string,
): Promise<Trained> {
  const { configuration, data, folder, resume, signal, choice } = request;
  const { steps, report, seed, batch, context, accumulate } = configuration;
  const clock = request.clock ?? (() => performance.now());
  const curve: CurvePoint[] = [...(resume?.state.curve ?? [])];
  const state = (step: number): RunState => ({
    configuration,
    step,
    encoding: choice.encoding,
    params: choice.params,
    rewrites: choice.rewrites ?? defaultRewrites,
    source: choice.source,
    sha256,
    corpus: data.corpus,
    characters: data.tokenizer.characters,
    device: device.description,
    curve: [...curve],
    pending,
  });
  let pending: Pending = resume?.state.pending ?? { sum: 0, steps: 0 };
  let step = resume?.state.step ?? 0;
  let saved: string | null = resume?.path ?? null;
  let savedAt = step;
  const save = async (): Promise<void> => {
    if (folder === null || savedAt === step) return;
    saved = await writeCheckpoint(folder, state(step), prepared.model.store);
    savedAt = step;
    request.progress?.({ kind: 'checkpoint', step, path: saved });
  };

  const isAdded = addsToLoss(prepared.model.encoding);
  const first = step;
  let readAt = step; // the last step whose loss was read
  let start = clock();
  let warm = step; // pipelines and caches are cold before the first reading
  let rate = 0;
  const tokensPerStep = batch * context * accumulate;
  /** Adds the losses since the last reading to what waits for the curve's next point, and returns the gradient's norm. */
  const readLoss = async (): Promise<number> => {
    const { loss, added, norm } = await trainer.read(step - readAt);
    refuseDiverged(loss + added, norm, step, curve, saved);
    const count = step - readAt;
    pending = {
      sum: pending.sum + loss * count,
      ...(isAdded ? { added: (pending.added ?? 0) + added * count } : {}),
      steps: pending.steps + count,
    };
    readAt = step;
    return norm;
  };
  const addPoint = (norm: number): CurvePoint => {
    const { sum, added, steps: over } = pending;
    const point = { step, loss: sum / over, ...(added === undefined ? {} : { added: added / over }), norm };
    curve.push(point);
    pending = { sum: 0, steps: 0 };
    return point;
  };
  while (step < steps && signal?.aborted !== true) {
    step += 1;
    const at = { seed, step };
    trainer.step((micro) => trainingBatch(data.tokens.training, { ...at, micro }, { batch, context }), step);
    const due = step === 1 || step % report === 0 || step === steps;
    const checkpointDue = configuration.checkpoint > 0 && step % configuration.checkpoint === 0;
    if (due || checkpointDue || step - readAt >= longestQueue) {
      const norm = await readLoss();
      const seconds = (clock() - start) / 1000;
      if (step > warm) rate = ((step - warm) * tokensPerStep) / Math.max(seconds, 1e-9);
      if (step === first + 1) [start, warm] = [clock(), step];
      if (due) {
        const point = addPoint(norm);
        const secondsLeft = rate > 0 ? ((steps - step) * tokensPerStep) / rate : Infinity;
        request.progress?.({ kind: 'step', ...point, steps, tokensPerSecond: rate, secondsLeft });
      }
    }
    if (checkpointDue) await save();
  }
  const stopped = step < steps;
  if (step > readAt) await readLoss(); // the checkpoint has it, for the curve's next point
  await save();
  return { step, stopped, curve, tokensPerSecond: rate, checkpoint: saved };
}

function refuseDiverged(
  loss: number,
  norm: number,
  step: number,
  curve: readonly CurvePoint[],
  saved: string | null,
): void {
  if (Number.isFinite(loss) && Number.isFinite(norm)) return;
  const last = curve.at(-1);
  const before = last === undefined ? '' : `; at step ${last.step} the loss was ${last.loss.toFixed(4)}`;
  const checkpoint = saved === null ? '' : ` The last good checkpoint is ${saved}.`;
  throw new TrainerError(
    'diverged',
    `training diverged: by step ${step} the loss is ${loss} and the gradient's norm ${norm}${before}.${checkpoint}`,
    'lower --rate, raise --warmup, or lower --clip',
  );
}
