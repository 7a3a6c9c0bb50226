// Flags that several commands share: sizes of the model, params of the encoding, devices. Values are checked here.

import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { CompileOptions } from '../options.ts';
import { defaultRewrites, rewriteMeanings, rewriteNames } from '../passes/structure/rewrites.ts';
import type { RewriteName } from '../passes/structure/rewrites.ts';

export function wholeNumber(least: number) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`It must be a whole number from ${least}.`);
    return value;
  };
}

export function realNumber(least: number) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < least)
      throw new InvalidArgumentError(`It must be a number from ${least}.`);
    return value;
  };
}

type Params = Readonly<Record<string, number>>;

/** `name=value`, any number of times. */
function parameter(text: string, before: Params = {}): Params {
  const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  const number = value === undefined ? NaN : Number(value);
  if (name === undefined || !Number.isFinite(number))
    throw new InvalidArgumentError('It must be NAME=NUMBER, for example base=500000.');
  return { ...before, [name.trim()]: number };
}

export interface EncodingFlags {
  readonly encoding?: string;
  readonly param?: Params;
}

export interface GeometryFlags {
  readonly heads?: number;
  readonly kvHeads?: number;
  readonly headDim?: number;
  readonly modelDim?: number;
  readonly context?: number;
  readonly layers?: number;
  readonly layer?: number;
  readonly bidirectional?: boolean;
}

export function addEncodingFlags(command: Command): Command {
  return command
    .option('--encoding <name>', 'which encoding of the file (default: the last one)')
    .addOption(new Option('--param <name=value>', 'another value for a param; may be repeated').argParser(parameter));
}

export function addGeometryFlags(command: Command): Command {
  return command
    .option('--heads <n>', 'query heads (default: 4)', wholeNumber(1))
    .option('--kv-heads <n>', 'key and value heads (default: as many)', wholeNumber(1))
    .option('--head-dim <n>', 'features of a head (default: 16)', wholeNumber(1))
    .option('--model-dim <n>', 'features of x (default: heads x head-dim)', wholeNumber(1))
    .option('--context <n>', 'tokens that the model is trained for (default: 64)', wholeNumber(1))
    .option('--layers <n>', 'layers of the model (default: 2)', wholeNumber(1))
    .option('--layer <n>', 'the layer to compile for, from 0 (default: 0)', wholeNumber(0));
}

export function addBidirectionalFlag(command: Command): Command {
  return command.option('--bidirectional', 'every token sees every token of its sequence, as in an encoder');
}

export interface RewriteFlags {
  readonly rewrites?: readonly RewriteName[];
}

/** `none`, or names with commas, `all` among them for those that need not be named; a name after `-` is left out. */
function rewriteList(text: string): readonly RewriteName[] {
  if (text === 'none') return [];
  const words = text.split(',').map((word) => word.trim());
  const known = (word: string): boolean =>
    word === 'all' || rewriteNames.some((name) => name === word.replace(/^-/, ''));
  const unknown = words.find((word) => !known(word));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`It must be all, none, or some of ${rewriteNames.join(', ')}.`);
  const named = rewriteNames.filter((name) => words.includes(name));
  const asked = named.length === 0 || words.includes('all') ? [...defaultRewrites, ...named] : named;
  return rewriteNames.filter((name) => asked.includes(name) && !words.includes(`-${name}`));
}

const rewriteLine = (name: RewriteName): string =>
  `  ${name.padEnd(10)}  ${rewriteMeanings[name]}${defaultRewrites.includes(name) ? '' : ' (only where named)'}`;

export function addRewriteFlag(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--rewrites <names>',
        'what may be rewritten: all, none, or names with commas; -NAME is all but it (default: all, which are those that keep every result)',
      ).argParser(rewriteList),
    )
    .addHelpText('after', `\nRewrites:\n${rewriteNames.map(rewriteLine).join('\n')}`);
}

export interface VocabularyFlag {
  readonly vocabulary?: number;
}

export const addVocabularyFlag = (command: Command): Command =>
  command.option(
    '--vocabulary <n>',
    "rows of the model's embedding table: what depends on the token alone may become a table over it",
    wholeNumber(1),
  );

export async function compileOptionsOf(flags: EncodingFlags & GeometryFlags & RewriteFlags): Promise<CompileOptions> {
  const { compileOptions, defaultGeometry } = await import('../options.ts');
  const { usage } = await import('./failure.ts');
  const heads = flags.heads ?? defaultGeometry.heads;
  const head_dim = flags.headDim ?? defaultGeometry.head_dim;
  const geometry = {
    heads,
    kv_heads: flags.kvHeads ?? heads,
    head_dim,
    model_dim: flags.modelDim ?? heads * head_dim,
    context: flags.context ?? defaultGeometry.context,
    layers: flags.layers ?? defaultGeometry.layers,
    layer: flags.layer ?? defaultGeometry.layer,
    ...(flags.bidirectional === true ? { bidirectional: true } : {}),
  };
  if (geometry.heads % geometry.kv_heads !== 0)
    throw usage(`${geometry.heads} heads cannot share ${geometry.kv_heads} key heads evenly`, 'change --kv-heads');
  if (geometry.layer >= geometry.layers)
    throw usage(`there is no layer ${geometry.layer} of ${geometry.layers}`, 'layers count from 0; change --layer');
  const rewrites = flags.rewrites === undefined ? {} : { rewrites: flags.rewrites };
  return compileOptions({ encoding: flags.encoding ?? null, params: flags.param ?? {}, geometry, ...rewrites });
}
