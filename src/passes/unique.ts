// Names for tensors that a pass adds to a program.

import type { Program } from '../ir/ir.ts';

/** A function that gives a name nobody has yet, close to the one wanted. */
export function uniqueNames(program: Program): (wanted: string) => string {
  const names = new Set([...program.inputs, ...program.definitions.map((d) => d.tensor)].map(({ name }) => name));
  return (wanted) => {
    let free = wanted;
    for (let n = 2; names.has(free); n++) free = `${wanted}_${n}`;
    names.add(free);
    return free;
  };
}
