// What a compilation depends on besides the text: sizes of the model, params, target, and the planner's choices.

import type { PlanOptions } from '../codegen/plan/plan.ts';
import type { Language } from '../targets/device.ts';
import type { Geometry } from './check/checked.ts';
import { defaultRewrites } from './passes/structure/rewrites.ts';
import type { RewriteName } from './passes/structure/rewrites.ts';

/** A small GPT-2, so that every command works without a flag. */
export const defaultGeometry: Geometry = {
  heads: 4,
  kv_heads: 4,
  head_dim: 16,
  model_dim: 64,
  context: 64,
  layers: 2,
  layer: 0,
};

export interface CompileOptions {
  /** The encoding to compile; null: the last of the file. */
  readonly encoding: string | null;
  readonly geometry: Geometry;
  readonly params: Readonly<Record<string, number>>;
  readonly target: Language;
  /** How tensors of tokens are stored; bf16 only where the target has it. */
  readonly precision: 'f32' | 'bf16';
  /** What may be rewritten where more structure is seen than a program says (src/passes/structure). */
  readonly rewrites: readonly RewriteName[];
  /**
   * Rows of the model's embedding table, and the tokens of a call, all sequences together (null: more than rows): what is
   * made of a token's embedding alone may become a table, and the module takes `tokens` and `vocabulary`. null: not known.
   */
  readonly vocabulary: { readonly words: number; readonly tokens: number | null } | null;
  /** Over what the encoding asks for by itself: `output`, and the gradients of all that it reads. */
  readonly plan: Partial<PlanOptions>;
  /** Entries that propagate relevance, beside those of gradients. */
  readonly relevance: boolean;
  /** Whether claims after `expect` are decided; the trainer and the tests compile often and do without. */
  readonly laws: boolean;
}

const defaultOptions: CompileOptions = {
  encoding: null,
  geometry: defaultGeometry,
  params: {},
  target: 'wgsl',
  precision: 'f32',
  rewrites: defaultRewrites,
  vocabulary: null,
  plan: {},
  relevance: false,
  laws: true,
};

export function compileOptions(given: Partial<CompileOptions> = {}): CompileOptions {
  return { ...defaultOptions, ...given };
}

/** What the planner does otherwise for a target. */
export function targetPlan(target: Language, precision: CompileOptions['precision']): Partial<PlanOptions> {
  switch (target) {
    case 'wgsl':
      return {};
    case 'cuda':
      return { precision, access: 16, lanes: 256, library: true, maxBindings: 64 };
    case 'wasm':
      return { machine: 'cpu', blockwise: true, maxBindings: 64 };
    default:
      return target satisfies never;
  }
}
