// A run's state as one safetensors file: weights in Hugging Face's GPT-2 names, AdamW's moments under `first.` and
// `second.`, and in the metadata all else that a run is made from: configuration, step, the `.pe` text and its hash, the
// tokens, the losses so far. Written atomically; the newest two are kept; a damaged one is refused.

import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from './atomic.ts';
import type { Configuration } from './configuration.ts';
import { TrainerError } from './error.ts';
import { parameter } from './parameters.ts';
import type { Layout } from './parameters.ts';
import { floatsOf, readSafetensors, safetensorsPieces, storeFloats } from './safetensors.ts';
import type { Safetensors, Stored } from './safetensors.ts';
import type { Kept, Store } from './store.ts';
import { defaultRewrites } from '../passes/structure/rewrites.ts';
import type { RewriteName } from '../passes/structure/rewrites.ts';
import type { Source } from '../source.ts';

export interface CurvePoint {
  readonly step: number;
  readonly loss: number; // mean over the steps since the point before
  readonly added?: number; // the same of what the encoding adds to the loss, where it does
  readonly norm: number; // of the gradient at this step
}

/** Everything of a run but numbers of parameters. */
export interface RunState {
  readonly configuration: Configuration;
  readonly step: number; // finished; also the cursor of the data, whose order is a function of seed and step
  readonly encoding: string | null; // the one chosen of the file; null: its last
  readonly params: Readonly<Record<string, number>>;
  readonly rewrites: readonly RewriteName[]; // others round otherwise
  readonly source: Source;
  readonly sha256: string; // of the source
  readonly corpus: { readonly name: string; readonly sha256: string };
  readonly characters: readonly string[]; // of the vocabulary; none: bytes
  readonly device: string;
  readonly curve: readonly CurvePoint[];
  readonly pending: Pending; // losses read since the last point of the curve
}

export interface Pending {
  readonly sum: number;
  readonly added?: number;
  readonly steps: number;
}

const version = '1';
const keptFiles = 2;
const fileName = (step: number): string => `step-${String(step).padStart(8, '0')}.safetensors`;
const stepOf = (name: string): number => Number(/^step-(\d{8,})\.safetensors$/.exec(name)?.[1] ?? NaN);

/** Writes the state after `state.step` steps into the run's folder and returns the file's path. */
export async function writeCheckpoint(folder: string, state: RunState, store: Store): Promise<string> {
  const tensors = new Map<string, Stored>();
  const put = (prefix: string, values: ReadonlyMap<string, Float32Array>): void => {
    for (const [name, data] of values) {
      tensors.set(prefix + name, storeFloats(data, parameter(store.layout, name).shape));
    }
  };
  put('', await store.read('weight'));
  put('first.', await store.read('first'));
  put('second.', await store.read('second'));
  const metadata = new Map([
    ['format', 'pt'],
    ['pegen', version],
    ['run', JSON.stringify(state)],
  ]);
  await mkdir(folder, { recursive: true });
  const path = join(folder, fileName(state.step));
  await writeAtomic(path, safetensorsPieces({ tensors, metadata }));
  await dropOld(folder, state.step);
  return path;
}

/** Only files with our name, and none newer than the step just written. */
async function dropOld(folder: string, step: number): Promise<void> {
  const steps = (await readdir(folder)).map(stepOf).filter((other) => other <= step);
  const old = steps.sort((a, b) => b - a).slice(keptFiles);
  await Promise.all(old.map((other) => rm(join(folder, fileName(other)), { force: true })));
}

export interface Checkpoint {
  readonly path: string;
  readonly state: RunState;
  readonly file: Safetensors;
}

/** `path`: a run's folder (its newest checkpoint) or a file. */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const file = await newest(path);
  let parsed: Safetensors;
  try {
    parsed = readSafetensors(await readFile(file));
  } catch (error) {
    if (!(error instanceof TrainerError)) throw error;
    throw new TrainerError(error.kind, `${file}: ${error.message}`, 'use an earlier checkpoint, or train again');
  }
  const run = parsed.metadata.get('run');
  if (parsed.metadata.get('pegen') !== version || run === undefined) {
    throw new TrainerError('checkpoint', `${file} was not written by this version of pegen`);
  }
  const state = JSON.parse(run) as RunState;
  // Files from before there was a choice of precision do not name it.
  const configuration: Configuration = { ...state.configuration, precision: state.configuration.precision ?? 'f32' };
  const rewrites = (state as Partial<RunState>).rewrites ?? defaultRewrites; // nor, before they were kept, what was rewritten
  return { path: file, state: { ...state, configuration, rewrites }, file: parsed };
}

async function newest(path: string): Promise<string> {
  if (path.endsWith('.safetensors')) return path;
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why = code === 'ENOENT' ? 'there is no such folder' : (error as Error).message;
    throw new TrainerError('checkpoint', `cannot read the run ${path}: ${why}`, 'give the folder that --out named');
  }
  const steps = names.map(stepOf).filter((step) => Number.isFinite(step));
  if (steps.length === 0) {
    throw new TrainerError('checkpoint', `${path} has no checkpoint (step-*.safetensors)`, 'train with --out first');
  }
  return join(path, fileName(Math.max(...steps)));
}

/** Puts a checkpoint's numbers onto the device; `moments` false: weights only. */
export function restore(checkpoint: Checkpoint, store: Store, moments: boolean): void {
  for (const [kind, prefix] of [
    ['weight', ''],
    ['first', 'first.'],
    ['second', 'second.'],
  ] as const) {
    if (kind === 'weight' || moments) store.write(kind, storedValues(checkpoint, store.layout, kind, prefix));
  }
}

function storedValues(
  checkpoint: Checkpoint,
  layout: Layout,
  kind: Kept,
  prefix: string,
): ReadonlyMap<string, Float32Array> {
  const values = new Map<string, Float32Array>();
  for (const { name, shape, pool } of layout.parameters.values()) {
    if (kind !== 'weight' && pool === 'fixed') continue;
    const stored = checkpoint.file.tensors.get(prefix + name);
    if (stored === undefined || stored.shape.join() !== shape.join()) {
      const has = stored === undefined ? 'does not have it' : `has [${stored.shape.join(', ')}]`;
      const message = `the model needs ${prefix}${name} [${shape.join(', ')}], and ${checkpoint.path} ${has}`;
      throw new TrainerError('checkpoint', message);
    }
    values.set(name, floatsOf(name, stored));
  }
  return values;
}

/** Refuses to go on with another text, corpus, model or other rewrites than the checkpoint's. `step` and `report` may differ. */
export function refuseOther(
  checkpoint: Checkpoint,
  now: Pick<RunState, 'sha256' | 'corpus' | 'configuration' | 'rewrites'>,
): void {
  const then = checkpoint.state;
  const refuse = (what: string, hint: string): never => {
    throw new TrainerError('checkpoint', `cannot go on from ${checkpoint.path}: ${what}`, hint);
  };
  if (then.sha256 !== now.sha256) {
    refuse(
      `the .pe file has changed since (${then.sha256.slice(0, 12)} then, ${now.sha256.slice(0, 12)} now)`,
      'restore the file, or start a new run',
    );
  }
  if (then.corpus.sha256 !== now.corpus.sha256) {
    refuse(`it was trained on another corpus (${then.corpus.name})`, 'give the same --data, or start a new run');
  }
  const inOrder = (names: readonly RewriteName[]): string => names.toSorted().join(',') || 'none';
  if (inOrder(then.rewrites) !== inOrder(now.rewrites)) {
    refuse(
      `it was trained with --rewrites ${inOrder(then.rewrites)}, and is given ${inOrder(now.rewrites)}, which round otherwise`,
      'leave --rewrites out to go on with the same, or start a new run',
    );
  }
  const free: readonly string[] = ['report', 'checkpoint', 'evaluate'];
  for (const [name, value] of Object.entries(then.configuration)) {
    const other = now.configuration[name as keyof Configuration];
    if (!free.includes(name) && other !== value) {
      refuse(`${name} was ${String(value)} and is ${String(other)} now`, 'leave the flag out, or start a new run');
    }
  }
}
