// The program that kernels are made of: the results asked for, and the gradients of what is seeded, simplified together.
// Every result that is made is a tensor of its own.

import { reverse } from '../../src/autodiff/reverse.ts';
import { define, defined, given } from '../../src/ir/build.ts';
import type { Definition, Program, Tensor } from '../../src/ir/ir.ts';
import { readAt } from '../../src/ir/scalar.ts';
import { likeAxis, replaceIn, tensorsOf } from '../../src/ir/visit.ts';
import { simplify } from '../../src/passes/pipeline.ts';
import type { Seen } from '../../src/passes/structure/rewrites.ts';
import { seeStructure } from '../../src/passes/structure/see.ts';
import { uniqueNames } from '../../src/passes/unique.ts';
import type { PlanOptions } from './plan.ts';

const withResults = (program: Program, names: Iterable<string>): Program => ({
  ...program,
  sites: [],
  results: new Map([...names].map((name) => [name, program.results.get(name)!])),
});

export interface Differentiated {
  readonly all: Program;
  readonly wanted: readonly Tensor[];
  readonly seen: readonly Seen[];
}

export function differentiate(program: Program, options: PlanOptions): Differentiated {
  const asked = program.inputs.filter(({ name }) => options.gradients.includes(name));
  const results = new Set(asked.length === 0 ? options.outputs : [...options.outputs, ...options.seeds]);
  const { context, blockwise, vocabulary } = options;
  const plain = simplify(withResults(program, results));
  const { program: forward, seen } = seeStructure(plain, options.rewrites, {
    wanted: new Set(asked),
    context,
    blockwise,
    vocabulary,
  });
  // A table that takes the place of the embedding has the gradient that was asked for there.
  const taken = forward.inputs.filter((input) => input.type === 'real' && !program.inputs.includes(input));
  const wanted = [
    ...asked.filter((input) => forward.inputs.includes(input)),
    ...(options.gradients.includes('embedding') ? taken : []),
  ];
  if (wanted.length === 0) {
    return { all: ownResults(seen.length === 0 ? forward : simplify(forward), options), wanted, seen };
  }
  const seeds = new Map(
    options.seeds.map((name) => {
      const result = forward.results.get(name)!;
      return [result, given(`d_${name}`, result.axes.map(likeAxis), 'cotangent')];
    }),
  );
  const both = reverse(forward, seeds, wanted);
  const kept = new Map(
    [...both.results].filter(([name]) => options.outputs.includes(name) || !forward.results.has(name)),
  );
  return { all: ownResults(simplify({ ...both, results: kept }), options), wanted, seen };
}

/** Two inputs may have one gradient, and one that is added up must not be read: each such result becomes a copy. */
function ownResults(program: Program, options: PlanOptions): Program {
  const made = new Map(program.definitions.map((d) => [d.tensor, d]));
  const read = new Set(program.definitions.flatMap((d) => [...tensorsOf(d)]));
  const isAdded = (name: string): boolean => options.accumulate.some((one) => name === `d_${one}`);
  const sharing = new Map<Tensor, string[]>();
  for (const [name, tensor] of program.results) sharing.set(tensor, [...(sharing.get(tensor) ?? []), name]);
  const unique = uniqueNames(program);
  const results = new Map(program.results);
  const renamed = new Map<Tensor, Tensor>();
  const copies: Definition[] = [];
  for (const [tensor, names] of sharing) {
    const source = made.get(tensor);
    if (source === undefined) continue; // an input is handed through
    const isKept = !names.some(isAdded) || (names.length === 1 && !read.has(tensor));
    const keeper = isKept ? (names.find((name) => name === tensor.name) ?? names[0]!) : null;
    const copied = names.filter((name) => name !== keeper);
    const now = copied.includes(tensor.name) ? Object.freeze({ ...tensor, name: unique(tensor.name) }) : tensor;
    if (now !== tensor) renamed.set(tensor, now);
    for (const name of copied) {
      const copy = copyOf(name, now, source);
      copies.push(copy);
      results.set(name, copy.tensor);
    }
  }
  if (copies.length === 0) return program;
  const definitions = program.definitions.map((d) => replaceIn(d, renamed));
  return Object.freeze({ ...program, definitions: [...definitions, ...copies], results });
}

function copyOf(name: string, tensor: Tensor, { span, adjointOf, cotangentOf }: Definition): Definition {
  const axes = tensor.axes.map(likeAxis);
  const more = { span, adjointOf, ...(cotangentOf === undefined ? {} : { cotangentOf }) };
  return define(defined(name, axes, tensor.type), { kind: 'map', body: readAt(tensor, axes) }, more);
}
