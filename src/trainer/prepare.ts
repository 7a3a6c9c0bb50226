// From a choice of encoding and sizes to a model on a device: everything before the first step that compiles.

import type { Device } from '../../targets/device.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { createLoader } from '../load-module.ts';
import type { ScriptStore } from '../load-module.ts';
import { assemble } from './assemble.ts';
import type { Assembled } from './assemble.ts';
import { refuseLookingAhead } from './causal.ts';
import { compileEncoding, programCompiler } from './compile-encoding.ts';
import type { EncodingChoice } from './choice.ts';
import { vocabularyRows } from './configuration.ts';
import type { Configuration } from './configuration.ts';
import { TrainerError } from './error.ts';
import { refuseTooLarge } from './memory.ts';
import { layOut } from './parameters.ts';

/** The errors of a `.pe` file, for the caller to show. */
export class EncodingRefused extends Error {
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(`the encoding has errors: ${diagnostics.map(({ message }) => message).join('; ')}`);
    this.name = 'EncodingRefused';
    this.diagnostics = diagnostics;
  }
}

export interface Prepared extends Assembled {
  readonly warnings: readonly Diagnostic[];
}

/** Compiles and places everything. Nothing is allocated for a model that cannot fit. */
export async function prepareModelOn(
  device: Device,
  choice: EncodingChoice,
  configuration: Configuration,
  tokens: number, // of the tokenizer
  scripts: ScriptStore | null = null,
): Promise<Prepared> {
  const vocabulary = vocabularyRows(configuration, tokens);
  refuseTooLarge(configuration, vocabulary, layOut(configuration, vocabulary, []), device);
  const { language: target } = device;
  const { precision } = configuration;
  refusePrecision(device, precision);
  const load = createLoader(scripts);
  const plan = device.library === true ? { library: true } : {};
  const { encoding, diagnostics } = await compileEncoding(choice, configuration, load, plan, target, vocabulary);
  if (encoding === null) throw new EncodingRefused(diagnostics);
  for (const { attend, embed, input } of new Set(encoding.layers)) {
    refuseLookingAhead(attend, 'output', choice.source);
    if (embed !== null) refuseLookingAhead(embed, 'embedding_encoded', choice.source);
    if (input !== null) refuseLookingAhead(input, 'x_encoded', choice.source);
  }
  const prepared = await assemble(
    device,
    encoding,
    configuration,
    vocabulary,
    programCompiler(load, plan, { target, precision }),
  );
  return { ...prepared, warnings: diagnostics };
}

function refusePrecision(device: Device, precision: Configuration['precision']): void {
  if (precision === 'f32' || device.language === 'cuda') return;
  throw new TrainerError(
    'configuration',
    `${device.description} has no bf16 storage`,
    'train with --precision f32, or on an NVIDIA GPU with --device cuda',
  );
}
