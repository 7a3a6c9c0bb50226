// Recording one entry of a module: its inputs are picked by name out of what is at hand, and an input that the entry
// would overwrite in place is copied first, unless the caller gives it up.

import type { Buffer, Buffers, Module, Parameter, Tape } from '../../targets/device.ts';

export type EntryFunction =
  | 'embed'
  | 'embed_backward'
  | 'input'
  | 'input_backward'
  | 'shared'
  | 'step'
  | 'forward'
  | 'backward'
  | 'finish'
  | 'shared_finish'
  | 'decode';

/**
 * What the entry returns, by name. `givenUp`: inputs that nobody reads afterwards. `places`: where outputs of these names
 * are to be made.
 */
export function callEntry(
  tape: Tape,
  module: Module,
  name: EntryFunction,
  atHand: Buffers,
  givenUp: readonly string[] = [],
  places: Buffers = {},
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
  const made = run(placing(tape, places), inputs);
  for (const [output, place] of Object.entries(places)) {
    const found = made[output];
    if (found === undefined) throw new Error(`${name} of ${module.name} makes no '${output}'`);
    settle(tape, found, place);
  }
  return { ...made, ...places };
}

/** The tape, but a temporary of one of these names is the place itself. */
function placing(tape: Tape, places: Buffers): Tape {
  return {
    ...tape,
    at: (sizes) => placing(tape.at(sizes), places),
    temporary(name, elements, type = 'f32') {
      const place = Object.hasOwn(places, name) ? places[name]! : null;
      const fits = place !== null && place.elements === elements && place.type === type;
      return fits ? place : tape.temporary(name, elements, type);
    },
  };
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

/** As many zeros as a buffer has numbers. */
export function zeros(tape: Tape, name: string, { elements, type }: Buffer): Buffer {
  const made = tape.temporary(name, elements, type);
  tape.clear(made);
  return made;
}

/** The entry's output of that name. */
export function output(buffers: Buffers, name: string): Buffer {
  const found = buffers[name];
  if (found === undefined) throw new Error(`no output is called '${name}'`);
  return found;
}

/** The input of that name of any entry; null: no entry has one. */
export const inputOf = (module: Module, name: string): Parameter | null =>
  Object.values(module.entries).flatMap(({ inputs }) => inputs.filter((input) => input.name === name))[0] ?? null;

export const wants = (module: Module, entry: EntryFunction, input: string): boolean =>
  module.entries[entry]?.inputs.some(({ name }) => name === input) ?? false;

export const makes = (module: Module, entry: EntryFunction, name: string): boolean =>
  module.entries[entry]?.outputs.some((made) => made.name === name) ?? false;
