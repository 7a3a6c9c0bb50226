// GPT-2's operations compiled: each program becomes a module of the same form as an encoding's, by the same compiler.

import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Module } from '../../targets/device.ts';
import type { Program } from '../ir/ir.ts';
import type { Configuration } from './configuration.ts';
import { embed } from './ops/embed.ts';
import { modulesOfHead } from './head.ts';
import type { Head } from './head.ts';
import { chunkLosses, chunkScores, chunkShare, lastNorm } from './ops/head-chunks.ts';
import { head } from './ops/head.ts';
import { join } from './ops/join.ts';
import { mix } from './ops/mix.ts';
import { mlp } from './ops/mlp.ts';
import { nextWord } from './ops/next-word.ts';
import { clip, squares, tally, tallyAdded, update } from './ops/optimizer.ts';
import { norm, project, rows as rowsOf } from './ops/project.ts';
import type { Sizes } from './ops/sizes.ts';
import type { Layout, Pool } from './parameters.ts';
import { rowLength } from './ops/optimizer.ts';
import { chunksOf } from './vocabulary.ts';

/** Compiles and loads one program. */
export type CompileProgram = (program: Program, options: Partial<PlanOptions>) => Promise<Module>;

export interface Operations {
  readonly embed: Module;
  readonly project: Module;
  /** project in two halves, where some layer's encoding changes x between them. */
  readonly halves: { readonly norm: Module; readonly rows: Module } | null;
  readonly mix: Module;
  readonly mlp: Module;
  readonly join: Module | null; // of the gradients of the embedding, where the encoding reads it
  readonly head: Head;
  readonly next: Module;
  readonly tally: Module;
  readonly tallyAdded: Module | null; // of what the encoding adds to the loss, where it does
  readonly clip: Module;
  readonly squares: Readonly<Record<Exclude<Pool, 'fixed'>, Module>>;
  readonly update: Readonly<Record<Exclude<Pool, 'fixed'>, Module>>;
}

/** Options of a program with derivative: `weights` are added to the caller's buffers. */
function differentiated(
  program: Program,
  streams: readonly string[],
  weights: readonly string[],
  more: Partial<PlanOptions> = {},
): Partial<PlanOptions> {
  return {
    outputs: [...program.results.keys()],
    gradients: [...streams, ...weights],
    accumulate: weights,
    ...more,
  };
}

const plain = (program: Program): Partial<PlanOptions> => ({ outputs: [...program.results.keys()], gradients: [] });

/** A program and what it is compiled with. */
type Compilation = readonly [Program, Partial<PlanOptions>];

const alone = (program: Program) => [program, plain(program)] as const;

const narrowIn = ({ name }: Program): readonly string[] =>
  Object.hasOwn(matrices, name) ? matrices[name as keyof typeof matrices] : [];

/** A program whose weights' gradients are added to the caller's, matrices as `matrices` says. */
const weights = (program: Program, names: readonly string[], streams: readonly string[], seeds: readonly string[]) =>
  [program, differentiated(program, streams, names, { seeds, narrow: narrowIn(program) })] as const;

const normWeights = ['norm_weight', 'norm_bias'];
const rowsWeights = ['attention_weight', 'attention_bias'];
const projectWeights = [...normWeights, ...rowsWeights];

/** Weights that are bf16 where activations are: copies of those that the optimizer keeps. By their programs' names. */
export const matrices = {
  embed: ['table'],
  project: ['attention_weight'],
  rows: ['attention_weight'],
  mix: ['weight'],
  mlp: ['up_weight', 'down_weight'],
  head: ['table'],
  chunk_scores: ['table'],
  chunk_share: ['table'],
  next_word: ['table'],
} as const;

/** What else than sizes the operations depend on. */
export interface OperationChoice {
  /** Some layer's encoding reads x, and brings its gradient. */
  readonly gradientOfX: boolean;
  /** Some layer's encoding changes x. */
  readonly changesX?: boolean;
  /** Some layer's encoding reads the embedding. */
  readonly readsEmbedding?: boolean;
  /** Some layer's encoding adds to the loss. */
  readonly addsToLoss?: boolean;
  readonly precision: Configuration['precision'];
  /** Words whose logits are made at once; all of them by default. */
  readonly chunk?: number;
}

/**
 * What each program is compiled with: its gradients, which of them add to a buffer, which results bring a cotangent, and
 * what is bf16 where activations are.
 */
export function operationPrograms(
  sizes: Sizes,
  layout: Layout,
  { gradientOfX, precision }: Pick<OperationChoice, 'gradientOfX' | 'precision'>,
) {
  const rows = (pool: Pool): number => layout.size[pool] / rowLength;
  const projection = () => {
    const program = project(sizes);
    const seeds = gradientOfX ? ['x', 'qkv'] : ['qkv'];
    const accumulate = [...projectWeights, 'hidden']; // the residual stream's gradient goes on in place
    const more = { seeds, accumulate, narrow: matrices.project };
    return [program, differentiated(program, ['hidden'], projectWeights, more)] as const;
  };
  const moving = (pool: keyof Operations['update']): readonly [Program, Partial<PlanOptions>] => {
    const inPlace = ['parameter', 'first', 'second'];
    const narrow = pool === 'decayed' && precision === 'bf16' ? ['parameter_narrow'] : [];
    const outputs = [...inPlace.map((name) => `${name}_after`), ...narrow];
    return [update(rows(pool)), { outputs, gradients: [], inPlace, narrow }];
  };
  const mlpWeights = ['norm_weight', 'norm_bias', 'up_weight', 'up_bias', 'down_weight', 'down_bias'];
  return {
    embed: weights(embed(sizes), ['table'], [], ['embedding']),
    project: projection(),
    mix: weights(mix(sizes), ['weight', 'bias'], ['attended'], ['output']),
    mlp: weights(mlp(sizes), mlpWeights, ['hidden'], ['output']),
    head: weights(head(sizes), ['norm_weight', 'norm_bias', 'table'], ['hidden'], ['output']),
    tally: alone(tally()),
    tallyAdded: alone(tallyAdded()),
    clip: alone(clip()),
    squaresDecayed: alone(squares(rows('decayed'))),
    squaresPlain: alone(squares(rows('plain'))),
    updateDecayed: moving('decayed'),
    updatePlain: moving('plain'),
  };
}

/** project in two halves. The gradient of the residual stream goes on in place. */
export function halfPrograms(sizes: Sizes): Readonly<Record<'norm' | 'rows', Compilation>> {
  const program = norm(sizes);
  const accumulate = [...normWeights, 'hidden'];
  return {
    norm: [program, differentiated(program, ['hidden'], normWeights, { seeds: ['x'], accumulate })],
    rows: weights(rowsOf(sizes), rowsWeights, ['x'], ['qkv']),
  };
}

/** With logits of a chunk of words at a time, `words` at most. */
export function chunkPrograms(
  sizes: Sizes,
  words: number,
): Readonly<Record<'norm' | 'scores' | 'losses' | 'share', Compilation>> {
  const scores = chunkScores(sizes, words);
  const share = chunkShare(sizes, words);
  const ofShare = {
    accumulate: ['x', 'table'],
    outputs: ['logits'],
    inPlace: ['logits'],
    narrow: matrices.chunk_share,
  };
  return {
    norm: weights(lastNorm(sizes), ['norm_weight', 'norm_bias'], ['hidden'], ['x']),
    scores: [scores, { ...plain(scores), inPlace: ['normaliser', 'aim'], narrow: matrices.chunk_scores }],
    losses: alone(chunkLosses()),
    share: [share, differentiated(share, ['x'], ['table'], { seeds: ['output'], ...ofShare })],
  };
}

/** The gradients of the embedding. */
export function joinProgram(sizes: Pick<Sizes, 'width'>): Compilation {
  const program = join(sizes);
  return [program, { ...plain(program), inPlace: ['stream'] }];
}

/** The logits after one token. */
export function nextProgram(sizes: Sizes): Compilation {
  const program = nextWord(sizes);
  return [program, { ...plain(program), narrow: matrices.next_word }];
}

async function compileHead(sizes: Sizes, longest: number, compile: CompileProgram): Promise<Head> {
  const chunks = chunksOf(sizes.vocabulary, longest);
  const widths = [...new Set(chunks.map(({ words }) => words))];
  const programs = new Map(widths.map((words) => [words, chunkPrograms(sizes, words)]));
  const each = async (name: 'scores' | 'share'): Promise<ReadonlyMap<number, Module>> => {
    const made = new Map<number, Module>();
    for (const [words, own] of programs) made.set(words, await compile(...own[name]));
    return made;
  };
  const { norm, losses } = programs.get(widths[0]!)!;
  return {
    kind: 'chunks',
    chunks,
    norm: await compile(...norm),
    losses: await compile(...losses),
    scores: await each('scores'),
    shares: await each('share'),
  };
}

async function compileHalves(sizes: Sizes, compile: CompileProgram): Promise<NonNullable<Operations['halves']>> {
  const programs = halfPrograms(sizes);
  return { norm: await compile(...programs.norm), rows: await compile(...programs.rows) };
}

export async function compileOperations(
  sizes: Sizes,
  layout: Layout,
  choice: OperationChoice,
  compile: CompileProgram,
): Promise<Operations> {
  const programs = operationPrograms(sizes, layout, choice);
  const made = async (name: keyof typeof programs): Promise<Module> => compile(...programs[name]);
  const longest = choice.chunk ?? sizes.vocabulary;
  const isWhole = sizes.vocabulary <= longest;
  const modules = {
    embed: await made('embed'),
    project: await made('project'),
    halves: choice.changesX === true ? await compileHalves(sizes, compile) : null,
    mix: await made('mix'),
    mlp: await made('mlp'),
    join: choice.readsEmbedding === true ? await compile(...joinProgram(sizes)) : null,
    head: isWhole
      ? ({ kind: 'whole', module: await made('head') } as const)
      : await compileHead(sizes, longest, compile),
    next: await compile(...nextProgram(sizes)),
    tally: await made('tally'),
    tallyAdded: choice.addsToLoss === true ? await made('tallyAdded') : null,
    clip: await made('clip'),
  };
  return {
    ...modules,
    squares: { decayed: await made('squaresDecayed'), plain: await made('squaresPlain') },
    update: { decayed: await made('updateDecayed'), plain: await made('updatePlain') },
  };
}

/** All kernels of some modules under names that do not clash, for Device.prepare. */
export const kernelsOf = (modules: Iterable<Module>): Module['kernels'][string][] =>
  [...new Set(modules)].flatMap((module) => Object.values(module.kernels));

export const operationModules = (operations: Operations): Module[] => [
  operations.embed,
  operations.project,
  ...Object.values(operations.halves ?? {}),
  operations.mix,
  operations.mlp,
  ...(operations.join === null ? [] : [operations.join]),
  ...modulesOfHead(operations.head),
  operations.next,
  operations.tally,
  ...(operations.tallyAdded === null ? [] : [operations.tallyAdded]),
  operations.clip,
  ...Object.values(operations.squares),
  ...Object.values(operations.update),
];
