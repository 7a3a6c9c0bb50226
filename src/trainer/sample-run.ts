// Text from a checkpoint: the file has the `.pe` text, sizes, tokens and weights, so nothing else is needed.

import type { Device } from '../../targets/device.ts';
import type { ScriptStore } from '../load-module.ts';
import { restore } from './checkpoint.ts';
import type { Checkpoint } from './checkpoint.ts';
import { prepareModelOn } from './prepare.ts';
import { sample } from './sample.ts';
import type { SampleOptions } from './sample.ts';
import { openReader } from './session.ts';
import { bytes, characters } from './tokens.ts';

export async function sampleFrom(
  device: Device,
  checkpoint: Checkpoint,
  options: SampleOptions,
  scripts: ScriptStore | null = null,
): Promise<string> {
  const { source, encoding, params, rewrites, characters: known } = checkpoint.state;
  // Its numbers are float32 however it was trained.
  const precision = device.language === 'cuda' ? checkpoint.state.configuration.precision : 'f32';
  const configuration = { ...checkpoint.state.configuration, precision };
  const tokenizer = configuration.tokens === 'bytes' ? bytes() : characters(known);
  tokenizer.encode(options.prompt); // an impossible prompt is refused before anything is compiled
  const choice = { source, encoding, params, rewrites };
  const prepared = await prepareModelOn(device, choice, configuration, tokenizer.size, scripts);
  const { model } = prepared;
  try {
    restore(checkpoint, model.store, false);
    const reader = openReader(device, model, 1, configuration.context);
    const text = await sample(reader, tokenizer, options);
    reader.free();
    return text;
  } finally {
    model.store.free();
  }
}
