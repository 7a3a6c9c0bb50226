// The defaults of plan options.

import type { Program } from '../../src/ir/ir.ts';
import { defaultRewrites } from '../../src/passes/structure/rewrites.ts';
import type { PlanOptions } from './plan.ts';

const defaultOptions: Omit<PlanOptions, 'seeds' | 'inPlace'> = {
  contract: 'auto',
  chunk: 64,
  rows: 'auto',
  inline: [],
  root: [],
  outputs: ['output'],
  gradients: [],
  accumulate: [],
  once: true,
  maxBindings: 8,
  precision: 'f32',
  inside: 'bf16',
  narrow: [],
  access: 4,
  lanes: 64,
  machine: 'gpu',
  vectors: true,
  blockwise: false,
  packed: false,
  decode: true,
  rewrites: defaultRewrites,
  vocabulary: { kind: 'unknown' },
  context: 1024,
  library: false,
};

/** Workgroups of many lanes: a device that is busy with tens of thousands of them, not with a thousand. */
export const isLarge = ({ lanes }: PlanOptions): boolean => lanes >= 256;

export function planOptions(program: Program, given: Partial<PlanOptions>): PlanOptions {
  const outputs = given.outputs ?? defaultOptions.outputs;
  for (const name of [...outputs, ...(given.seeds ?? [])]) {
    if (!program.results.has(name)) throw new Error(`'${program.name}' has no result '${name}'`);
  }
  for (const name of given.gradients ?? []) {
    if (!program.inputs.some((input) => input.name === name))
      throw new Error(`'${program.name}' has no input '${name}'`);
  }
  // Attention's own tensors: each layer makes them for itself. The embedding is for all layers, but before its own sites.
  const own = program.results.has('embedding_encoded') ? ['embedding'] : ['query', 'key'];
  const inPlace = program.inputs
    .filter(({ origin }) => origin.kind === 'given' && own.includes(origin.given))
    .map(({ name }) => name);
  const options = { ...defaultOptions, inPlace, seeds: program.results.has('output') ? ['output'] : outputs, ...given };
  if (options.vocabulary.kind !== 'known') return options;
  const isFree = !program.inputs.some(({ name }) => name === 'vocabulary');
  return {
    ...options,
    accumulate: options.accumulate.includes('embedding') ? [...options.accumulate, 'vocabulary'] : options.accumulate,
    narrow: isFree ? [...options.narrow, 'vocabulary'] : options.narrow,
  };
}
