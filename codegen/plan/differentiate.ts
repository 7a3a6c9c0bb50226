// The program that kernels are made of: the results asked for, and the gradients of what is seeded, simplified together.

import { reverse } from '../../src/autodiff/reverse.ts';
import { given } from '../../src/ir/build.ts';
import type { Program, Tensor } from '../../src/ir/ir.ts';
import { likeAxis } from '../../src/ir/visit.ts';
import { simplify } from '../../src/passes/pipeline.ts';
import type { Seen } from '../../src/passes/structure/rewrites.ts';
import { seeStructure } from '../../src/passes/structure/see.ts';
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
  const wanted = program.inputs.filter(({ name }) => options.gradients.includes(name));
  const asked = new Set(wanted.length === 0 ? options.outputs : [...options.outputs, ...options.seeds]);
  const { context, blockwise } = options;
  const plain = simplify(withResults(program, asked));
  const { program: forward, seen } = seeStructure(plain, options.rewrites, {
    wanted: new Set(wanted),
    context,
    blockwise,
  });
  if (wanted.length === 0) return { all: seen.length === 0 ? forward : simplify(forward), wanted, seen };
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
  return { all: simplify({ ...both, results: kept }), wanted, seen };
}
