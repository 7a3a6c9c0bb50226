// GPT-2's operations compiled: each program becomes a module of the same form as an encoding's, by the same compiler.

import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Module } from '../../targets/device.ts';
import type { Program } from '../ir/ir.ts';
import type { Configuration } from './configuration.ts';
import { embed } from './ops/embed.ts';
import { head } from './ops/head.ts';
import { mix } from './ops/mix.ts';
import { mlp } from './ops/mlp.ts';
import { clip, squares, tally, update } from './ops/optimizer.ts';
import { project } from './ops/project.ts';
import type { Sizes } from './ops/sizes.ts';
import type { Layout, Pool } from './parameters.ts';
import { rowLength } from './ops/optimizer.ts';

/** Compiles and loads one program. */
export type CompileProgram = (program: Program, options: Partial<PlanOptions>) => Promise<Module>;

export interface Operations {
  readonly embed: Module;
  readonly project: Module;
  readonly mix: Module;
  readonly mlp: Module;
  readonly head: Module;
  readonly tally: Module;
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

const narrowIn = ({ name }: Program): readonly string[] =>
  Object.hasOwn(matrices, name) ? matrices[name as keyof typeof matrices] : [];

const projectWeights = ['norm_weight', 'norm_bias', 'attention_weight', 'attention_bias'];

/** Weights that are bf16 where activations are: copies of those that the optimizer keeps. By their programs' names. */
export const matrices = {
  embed: ['table'],
  project: ['attention_weight'],
  mix: ['weight'],
  mlp: ['up_weight', 'down_weight'],
  head: ['table'],
} as const;

/** What else than sizes the operations depend on. */
export interface OperationChoice {
  /** Some layer's encoding reads x, and brings its gradient. */
  readonly gradientOfX: boolean;
  readonly precision: Configuration['precision'];
}

/**
 * What each program is compiled with: its gradients, which of them add to a buffer, which results bring a cotangent, and
 * what is bf16 where activations are.
 */
export function operationPrograms(sizes: Sizes, layout: Layout, { gradientOfX, precision }: OperationChoice) {
  const rows = (pool: Pool): number => layout.size[pool] / rowLength;
  const weights = (program: Program, names: readonly string[], streams: readonly string[], seeds: readonly string[]) =>
    [program, differentiated(program, streams, names, { seeds, narrow: narrowIn(program) })] as const;
  const projection = () => {
    const program = project(sizes);
    const seeds = gradientOfX ? ['x', 'qkv'] : ['qkv'];
    const accumulate = [...projectWeights, 'hidden']; // the residual stream's gradient goes on in place
    const more = { seeds, accumulate, narrow: matrices.project };
    return [program, differentiated(program, ['hidden'], projectWeights, more)] as const;
  };
  const alone = (program: Program) => [program, plain(program)] as const;
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
    clip: alone(clip()),
    squaresDecayed: alone(squares(rows('decayed'))),
    squaresPlain: alone(squares(rows('plain'))),
    updateDecayed: moving('decayed'),
    updatePlain: moving('plain'),
  };
}

export async function compileOperations(
  sizes: Sizes,
  layout: Layout,
  choice: OperationChoice,
  compile: CompileProgram,
): Promise<Operations> {
  const programs = operationPrograms(sizes, layout, choice);
  const made = async (name: keyof typeof programs): Promise<Module> => compile(...programs[name]);
  const modules = {
    embed: await made('embed'),
    project: await made('project'),
    mix: await made('mix'),
    mlp: await made('mlp'),
    head: await made('head'),
    tally: await made('tally'),
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
  operations.mix,
  operations.mlp,
  operations.head,
  operations.tally,
  operations.clip,
  ...Object.values(operations.squares),
  ...Object.values(operations.update),
];
