// The pipeline: the text of a `.pe` file -> kernels and glue as files, diagnostics, and the plan. Pure: no disk, no clock,
// no randomness. Where there is an error there are diagnostics and no files.

import { kernelTexts, printModule } from '../codegen/glue/module.ts';
import { printKernelFile } from '../codegen/glue/kernel-file.ts';
import type { ModuleInfo } from '../codegen/glue/module.ts';
import type { KernelBody } from '../codegen/kernel.ts';
import { transliterate } from '../codegen/names.ts';
import { buildPlan } from '../codegen/plan/build-plan.ts';
import type { EntryName, Plan, PlanOptions } from '../codegen/plan/plan.ts';
import type { Language } from '../targets/device.ts';
import { targetOf } from '../targets/targets.ts';
import { relevance } from './autodiff/relevance.ts';
import type { CheckedEncoding } from './check/checked.ts';
import type { Diagnostic } from './diagnostics/diagnostic.ts';
import { frontEnd, hasErrors } from './front-end.ts';
import type { Program, Tensor } from './ir/ir.ts';
import type { LawResult } from './laws/laws.ts';
import type { Lowered } from './lower/lower.ts';
import { compileOptions, targetPlan } from './options.ts';
import type { CompileOptions } from './options.ts';
import type { Vocabulary } from './passes/structure/rewrites.ts';
import { takenName } from './passes/structure/vocabulary.ts';
import { baseName, lineOf, sourceHash } from './source.ts';
import type { Source } from './source.ts';

export interface OutputFile {
  readonly path: string; // a plain file name
  readonly text: string;
}

/** An encoding's plans: of attention, and of its changes of the embedding and of x, if there are any. */
export interface EncodingPlan {
  readonly attend: Plan;
  readonly embed: Plan | null;
  readonly input: Plan | null;
  /** Of each, relevance instead of gradients; where it was asked for. */
  readonly relevance: readonly Plan[];
}

/** What a text says, and how it is computed; no plan where there is an error. */
export interface Planned {
  readonly diagnostics: readonly Diagnostic[];
  readonly plan: EncodingPlan | null;
  readonly encoding: CheckedEncoding | null;
  readonly laws: readonly LawResult[];
}

export interface Compiled extends Planned {
  /** NAME.wgsl (.cu, .wat), to be read, and NAME.webgpu.ts (.cuda.ts, .wasm.ts), with the same kernels. None where there is an error. */
  files(): readonly OutputFile[];
  /** The text of the module. */
  readonly module: string | null;
}

/** The pipeline up to its kernels, without the text of a module. */
export function planSource(source: Source, given: Partial<CompileOptions> = {}): Planned {
  const options = compileOptions(given);
  const { checked, lowered, laws, diagnostics } = frontEnd(source, options);
  const said = { diagnostics, encoding: checked, laws };
  if (checked === null || lowered === null || hasErrors(diagnostics)) return { ...said, plan: null };

  const { context, bidirectional = false } = checked.geometry;
  const target = {
    context,
    rewrites: options.rewrites,
    vocabulary: vocabularyOf(lowered, options),
    // Earlier tokens of a bidirectional model change with every one that follows: it has no token by token.
    ...(bidirectional ? { decode: false } : {}),
    ...targetPlan(options.target, options.precision),
  };
  return { ...said, plan: planEncoding(lowered, target, options) };
}

export async function compile(source: Source, given: Partial<CompileOptions> = {}): Promise<Compiled> {
  const planned = planSource(source, given);
  const { plan, encoding } = planned;
  if (plan === null || encoding === null) return { ...planned, files: () => [], module: null };
  const { target } = compileOptions(given);
  const info = await moduleInfo(source, encoding, target);
  const module = await printModule(plansOf(plan), info);
  const name = transliterate(encoding.name);
  const language = targetOf(target);
  const files = (): readonly OutputFile[] => [
    {
      path: `${name}${language.extension}`,
      text: printKernelFile(plansOf(plan), info.source, kernelTexts(info), language),
    },
    { path: `${name}.${target === 'wgsl' ? 'webgpu' : target}.ts`, text: module },
  ];
  return { ...planned, files, module };
}

/** Behind sites on it, the embedding is no row of the table. All programs are given the same tensors. */
function vocabularyOf({ attend, embed, input }: Lowered, { vocabulary }: CompileOptions): Vocabulary {
  if (embed !== null) return { kind: 'changed' };
  const taken = takenName(attend) ?? (input === null ? null : takenName(input));
  if (taken !== null) return { kind: 'taken', name: taken };
  return vocabulary === null ? { kind: 'unknown' } : { kind: 'known', ...vocabulary };
}

export interface ProgramTarget extends Pick<CompileOptions, 'target' | 'precision'> {
  /** Where a kernel comes from, for messages; the program's name where it is not given. */
  readonly lineOf?: ModuleInfo['lineOf'];
}

/** One of the trainer's operations, by the same way from the tensor IR on. */
export function compileProgram(
  program: Program,
  options: Partial<PlanOptions> = {},
  { target, precision, lineOf = () => program.name }: ProgramTarget = { target: 'wgsl', precision: 'f32' },
): Promise<string> {
  return printModule([buildPlan(program, { ...targetPlan(target, precision), ...options })], {
    name: program.name,
    source: { file: program.name, sha256: '' },
    geometry: {},
    language: target,
    kernel: targetOf(target).kernel,
    read: targetOf(target).read,
    lineOf,
  });
}

export const plansOf = ({ attend, embed, input, relevance }: EncodingPlan): readonly Plan[] => [
  attend,
  ...[embed, input].filter((plan) => plan !== null),
  ...relevance,
];

/**
 * Backward gives the gradient of everything that an encoding reads; learned tensors' are added up, and that of the embedding,
 * which is the same in all layers.
 */
function planEncoding(
  { attend, embed, input }: Lowered,
  target: Partial<PlanOptions>,
  { plan: options, relevance: wanted }: Pick<CompileOptions, 'plan' | 'relevance'>,
): EncodingPlan {
  const defaults = (program: Program, output: string, added: readonly string[] = []): Partial<PlanOptions> => {
    const read = program.inputs.filter(hasGradient);
    const results = program.results.has('loss') ? [output, 'loss'] : [output];
    const summed = read.filter(({ name, origin }) => origin.kind === 'learned' || added.includes(name));
    return {
      outputs: results,
      seeds: results,
      gradients: read.map(({ name }) => name),
      accumulate: summed.map(({ name }) => name),
    };
  };
  const part = (
    program: Program | null,
    output: string,
    names: typeof embedNames,
    added: readonly string[] = [],
  ): Plan | null => {
    if (program === null) return null;
    return renamed(buildPlan(program, { ...defaults(program, output, added), once: false, ...target }), names);
  };
  return {
    attend: buildPlan(attend, { ...defaults(attend, 'output', ['embedding']), ...target, ...options }),
    embed: part(embed, 'embedding_encoded', embedNames),
    // Its gradient of x joins that of attention.
    input: part(input, 'x_encoded', inputNames, ['x', 'embedding']),
    relevance: wanted ? planRelevance({ attend, embed }, target) : [],
  };
}

function renamed(plan: Plan, names: Partial<Record<EntryName, EntryName>>): Plan {
  return { ...plan, entries: plan.entries.map((entry) => ({ ...entry, name: names[entry.name] ?? entry.name })) };
}

/** Learned tensors, and what attention is given; not what says where, when or at random. */
export function hasGradient({ origin, type }: Tensor): boolean {
  if (origin.kind === 'learned') return origin.trained;
  return origin.kind === 'given' && type === 'real' && origin.given !== 'position' && origin.given !== 'user';
}

/** A call computes forward anew, so that it needs nothing of another one. */
function planRelevance(
  { attend, embed }: Pick<Lowered, 'attend' | 'embed'>,
  target: Partial<PlanOptions>,
): readonly Plan[] {
  const planOf = (program: Program, output: string): Plan => {
    const { program: all } = relevance(program, [output]);
    // Relevance goes through the terms that are written.
    return buildPlan(all, { outputs: [...all.results.keys()], decode: false, inPlace: [], ...target, rewrites: [] });
  };
  return [
    renamed(planOf(attend, 'output'), { forward: 'relevance', shared: 'relevance_shared', step: 'relevance_step' }),
    ...(embed === null ? [] : [renamed(planOf(embed, 'embedding_encoded'), { forward: 'embed_relevance' })]),
  ];
}

const embedNames: Partial<Record<EntryName, EntryName>> = { forward: 'embed', backward: 'embed_backward' };
const inputNames: typeof embedNames = { forward: 'input', backward: 'input_backward', decode: 'input_decode' };

async function moduleInfo(
  source: Source,
  { name, geometry: { bidirectional = false, ...geometry }, params }: CheckedEncoding,
  target: Language,
): Promise<ModuleInfo> {
  return {
    name,
    source: { file: baseName(source.path), sha256: await sourceHash(source) },
    geometry: { ...geometry, ...(bidirectional ? { bidirectional: 1 } : {}), ...Object.fromEntries(params) },
    language: target,
    kernel: once(targetOf(target).kernel),
    read: targetOf(target).read,
    lineOf: (span) => lineOf(source, span),
  };
}

/** Prints each kernel once, though it stands in two files. */
function once(print: ModuleInfo['kernel']): ModuleInfo['kernel'] {
  const printed = new Map<KernelBody, string>();
  return (body, comment) => {
    const text = printed.get(body) ?? print(body, comment);
    printed.set(body, text);
    return text;
  };
}
