// Recording one entry of a module: its inputs are picked by name out of what is at hand, and an input that the entry
// would overwrite in place is copied first, unless the caller gives it up.

import type { Buffer, Buffers, Module, Tape } from '../../targets/device.ts';

export type EntryFunction = 'embed' | 'embed_backward' | 'step' | 'forward' | 'backward' | 'finish' | 'decode';

/** What the entry returns, by name. `givenUp`: inputs that nobody reads afterwards. */
export function callEntry(
  tape: Tape,
  module: Module,
  name: EntryFunction,
  atHand: Buffers,
  givenUp: readonly string[] = [],
): Buffers {
  const entry = module.entries[name];
  const run = module[name];
  if (entry === undefined || run === undefined) throw new Error(`the module ${module.name} has no entry '${name}'`);
  const overwritten = new Set(entry.outputs.flatMap(({ aliases }) => (aliases === null ? [] : [aliases])));
  const inputs: Record<string, Buffer> = {};
  for (const input of entry.inputs) {
    const found = Object.hasOwn(atHand, input.name) ? atHand[input.name] : undefined;
    if (found === undefined) throw new Error(`${name} of ${module.name} wants '${input.name}'`);
    const keep = overwritten.has(input.name) && !givenUp.includes(input.name);
    inputs[input.name] = keep ? copied(tape, found) : found;
  }
  return run(tape, inputs);
}

function copied(tape: Tape, from: Buffer): Buffer {
  const to = tape.temporary(`${from.name}_kept`, from.elements, from.type);
  tape.copy(from, to);
  return to;
}

/** Puts a result where it must end, if it is not there already. */
export function settle(tape: Tape, result: Buffer, place: Buffer): void {
  if (result.storage === place.storage && result.offset === place.offset && result.storage !== null) return;
  tape.copy(result, place);
}

/** The entry's output of that name. */
export function output(buffers: Buffers, name: string): Buffer {
  const found = buffers[name];
  if (found === undefined) throw new Error(`no output is called '${name}'`);
  return found;
}

export const wants = (module: Module, entry: EntryFunction, input: string): boolean =>
  module.entries[entry]?.inputs.some(({ name }) => name === input) ?? false;

export const makes = (module: Module, entry: EntryFunction, name: string): boolean =>
  module.entries[entry]?.outputs.some((made) => made.name === name) ?? false;
