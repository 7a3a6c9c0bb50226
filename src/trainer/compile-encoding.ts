// A `.pe` text becomes the encoding of a model: compiled once for all layers whose programs are equal, as all are where it does
// not say `layer`, and loaded from the text of its generated module. `plan` forces choices of the planner, for tests and experiments;
// `words`: rows of the model's embedding table, where they are known.
// Diagnostics come back as data; with errors there are no modules.

import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Language } from '../../targets/device.ts';
import { compile, compileProgram } from '../compile.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { frontEnd, hasErrors } from '../front-end.ts';
import { createLoader } from '../load-module.ts';
import type { Loader } from '../load-module.ts';
import { defaultRewrites } from '../passes/structure/rewrites.ts';
import { serial } from '../serial.ts';
import { compileOptions, defaultGeometry } from '../options.ts';
import type { CompileOptions } from '../options.ts';
import type { EncodingChoice } from './choice.ts';
import type { Configuration } from './configuration.ts';
import { TrainerError } from './error.ts';
import type { EncodingModules, LayerEncoding } from './encoding.ts';
import type { CompileProgram } from './modules.ts';

export interface CompiledEncoding {
  readonly encoding: EncodingModules | null;
  readonly diagnostics: readonly Diagnostic[];
}

export async function compileEncoding(
  choice: EncodingChoice,
  configuration: Configuration,
  load: Loader = createLoader(),
  plan: Partial<PlanOptions> = {},
  target: Language = 'wgsl',
  words: number | null = null,
): Promise<CompiledEncoding> {
  if (choice.rewrites?.includes('generators') === true) {
    throw new TrainerError(
      'encoding',
      "--rewrites generators gives query and key another basis, which GPT-2's biases of query and key would not know",
      'train without it',
    );
  }
  const { layers, heads, kv_heads, width, context, batch, precision } = configuration;
  const vocabulary = words === null ? null : { words, tokens: batch * context };
  const sizes = { heads, kv_heads, head_dim: width / heads, model_dim: width, context, layers };
  const made: LayerEncoding[] = [];
  const known = new Map<string, LayerEncoding>(); // by their programs
  let byLayer = true; // until the first layer's files are known
  let name = '';
  let diagnostics: readonly Diagnostic[] = [];
  for (let layer = 0; layer < (byLayer ? layers : 1); layer += 1) {
    const geometry = { ...defaultGeometry, ...sizes, layer };
    const { encoding: wanted, params, rewrites = defaultRewrites } = choice;
    const options = {
      encoding: wanted,
      params,
      geometry,
      plan: { packed: true, ...plan },
      target,
      precision,
      rewrites,
      vocabulary,
      laws: layer === 0,
    };
    const found = frontEnd(choice.source, compileOptions(options)); // with every `let` as a result
    if (layer === 0 || hasErrors(found.diagnostics)) diagnostics = found.diagnostics;
    const { checked, lowered, files } = found;
    if (layer === 0) byLayer = files.some(({ text }) => /\blayer\b/.test(text));
    if (checked === null || lowered === null || hasErrors(found.diagnostics)) return { encoding: null, diagnostics };
    name = checked.name;
    const programs = byLayer ? serial(lowered) : '';
    const same = known.get(programs) ?? {
      module: await load({
        key: serial(['encoding', choice.source, options]),
        make: async () => (await compile(choice.source, { ...options, laws: false })).module!,
      }),
      ...lowered,
    };
    known.set(programs, same);
    made.push(same);
  }
  const all = Array.from({ length: layers }, (_, layer) => made[byLayer ? layer : 0]!);
  return { encoding: { name, layers: all }, diagnostics };
}

/** GPT-2's own operations, by the same compiler. */
export function programCompiler(
  load: Loader = createLoader(),
  plan: Partial<PlanOptions> = {},
  target: Pick<CompileOptions, 'target' | 'precision'> = { target: 'wgsl', precision: 'f32' },
): CompileProgram {
  return (program, given) => {
    const options = { ...given, ...plan };
    return load({
      key: serial(['program', program, options, target]),
      make: () => compileProgram(program, options, target),
    });
  };
}
