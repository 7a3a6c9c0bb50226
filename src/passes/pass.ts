// What a pass is, and what several share: who reads a tensor, and a program with other definitions.

import type { Definition, Program, Tensor } from '../ir/ir.ts';
import { tensorsOf } from '../ir/visit.ts';

/** A program to an equal one: every result has the same values. */
export type Pass = (program: Program) => Program;

export const withDefinitions = (program: Program, definitions: readonly Definition[]): Program =>
  Object.freeze({ ...program, definitions: Object.freeze([...definitions]) });

/** For each tensor the definitions that read it. */
export function readersOf(program: Program): ReadonlyMap<Tensor, readonly Definition[]> {
  const readers = new Map<Tensor, Definition[]>();
  for (const d of program.definitions) {
    for (const tensor of tensorsOf(d)) {
      const list = readers.get(tensor);
      if (list === undefined) readers.set(tensor, [d]);
      else list.push(d);
    }
  }
  return readers;
}

/** Tensors that callers see by name: results, and what a site made. */
export const visibleTensors = (program: Program): ReadonlySet<Tensor> =>
  new Set([...program.results.values(), ...program.sites.flatMap((site) => [site.reads, site.makes])]);
