// The float64 interpreter over a program of which some tensors are kept as bf16: each is rounded where it is made, and
// what reads it reads the rounded numbers. What comes out is not rounded, so that it shows what storage costs so far.

import { roundToBf16 } from '../../codegen/bf16.ts';
import { interpret } from '../interpret/interpret.ts';
import type { Definition, Program, Tensor } from '../ir/ir.ts';

type Inputs = Readonly<Record<string, ArrayLike<number>>>;

/** Every definition by name, in float64 from rounded operands. `narrow`: the tensors kept as bf16, inputs among them. */
export function interpretRounded(
  program: Program,
  sizes: { readonly batch: number; readonly tokens: number },
  inputs: Inputs,
  narrow: ReadonlySet<Tensor>,
): ReadonlyMap<string, Float64Array> {
  const rounded = (values: ArrayLike<number>): ArrayLike<number> => Float64Array.from(values, roundToBf16);
  const read = new Map(program.inputs.map((tensor) => [tensor, inputs[tensor.name]!]));
  for (const tensor of program.inputs) if (narrow.has(tensor)) read.set(tensor, rounded(read.get(tensor)!));
  const made = new Map<string, Float64Array>();
  for (const definitions of upToEach(program.definitions, narrow)) {
    const part: Program = { ...program, inputs: [...read.keys()], definitions, sites: [], results: new Map() };
    const values = interpret(part, sizes, Object.fromEntries([...read].map(([{ name }, data]) => [name, data])));
    for (const { tensor } of definitions) {
      const value = values.get(tensor.name)!;
      made.set(tensor.name, value);
      read.set(tensor, narrow.has(tensor) ? rounded(value) : value);
    }
  }
  return made;
}

/** Runs of definitions, each ended by one that is rounded. */
function upToEach(all: readonly Definition[], narrow: ReadonlySet<Tensor>): readonly (readonly Definition[])[] {
  const runs: Definition[][] = [[]];
  for (const definition of all) {
    runs.at(-1)!.push(definition);
    if (narrow.has(definition.tensor)) runs.push([]);
  }
  return runs;
}
