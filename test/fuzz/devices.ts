// Generated encodings on a device: what users get of it, forward and backward, against the float64 interpreter. Few of them,
// since drivers compile slowly; `PEGEN_FUZZ_DEVICES=20` takes more.

import fc from 'fast-check';
import type { Device } from '../../targets/device.ts';
import { loadText } from '../lower/load.ts';
import { runs, tapes } from './arbitrary.ts';
import { encodingOf, shapeOf } from './encodings.ts';
import { deviceAgrees } from './properties.ts';

export const encodingsAsked = Number(process.env['PEGEN_FUZZ_DEVICES'] ?? 2);

/** How many programs ran; the first that is wrong throws, with its encoding. */
export async function agreeOn(device: Device): Promise<number> {
  let count = 0;
  for (const tape of fc.sample(tapes, { numRuns: encodingsAsked, seed: runs().seed })) {
    const text = encodingOf(tape);
    const { geometry, ...sizes } = shapeOf(tape);
    const { lowered } = loadText(text, 'examples/test.pe', { geometry });
    if (lowered === null) throw new Error(`not compiled:\n${text}`);
    for (const program of [lowered.attend, lowered.embed, lowered.input]) {
      if (program === null) continue;
      count++;
      await deviceAgrees(program, sizes, device).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}\n${text}`, { cause: error });
      });
    }
  }
  return count;
}
