// A checkpoint on a device -> text: the model as it was compiled for training, with the checkpoint's weights.

import type { Device } from '../../targets/device.ts';
import { restore } from './checkpoint.ts';
import type { Checkpoint } from './checkpoint.ts';
import { prepareModelOn } from './prepare.ts';
import { sample } from './sample.ts';
import type { SampleOptions } from './sample.ts';
import { openReader } from './session.ts';
import { bytes, characters } from './tokens.ts';

export async function sampleFrom(device: Device, checkpoint: Checkpoint, options: SampleOptions): Promise<string> {
  const { configuration, source, encoding, params, characters: known } = checkpoint.state;
  const tokenizer = configuration.tokens === 'bytes' ? bytes() : characters(known);
  const prepared = await prepareModelOn(device, { source, encoding, params }, configuration, tokenizer.size);
  try {
    restore(checkpoint, prepared.model.store, false);
    const reader = await openReader(device, prepared.model, 1, configuration.context, prepared.vocabulary);
    const text = await sample(reader, tokenizer, options);
    reader.free();
    return text;
  } finally {
    prepared.model.store.free();
  }
}
