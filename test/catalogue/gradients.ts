// Gradients of a program against central differences, along random directions of everything real that it reads.

import { reverse } from '../../src/autodiff/reverse.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import { given } from '../../src/ir/build.ts';
import type { Program } from '../../src/ir/ir.ts';
import { normals, uniformFrom } from '../../src/laws/random.ts';
import { countOf, isPosition, sampleInputs } from '../../src/laws/sample.ts';
import { simplify } from '../../src/passes/pipeline.ts';

/** The largest error, relative to the slope, over directions; each moves every input at once. */
export function gradientError(program: Program, result: string, tokens: number, directions = 2): number {
  const made = program.results.get(result)!;
  const seed = given('seed', made.axes, 'cotangent');
  const wanted = program.inputs.filter((tensor) => tensor.type === 'real' && !isPosition(tensor));
  const gradient = simplify(reverse(program, new Map([[made, seed]]), wanted));
  const { sizes, inputs } = sampleInputs(program, { seed: 5, tokens, learned: 'around', positions: 'range' });
  const random = uniformFrom(77);
  const weights = normals(random, countOf(made, 1, tokens));
  const found = interpret(gradient, sizes, { ...inputs, seed: weights });
  let worst = 0;
  for (let n = 0; n < directions; n++) {
    const along = new Map(wanted.map((tensor) => [tensor.name, normals(random, countOf(tensor, 1, tokens))]));
    let slope = 0;
    for (const [name, direction] of along) {
      const tensor = gradient.results.get(`d_${name}`);
      if (tensor !== undefined) direction.forEach((v, k) => (slope += v * found.get(tensor.name)![k]!));
    }
    const moved = (h: number): number => {
      const shifted = { ...inputs };
      for (const [name, direction] of along) shifted[name] = inputs[name]!.map((v, k) => v + h * direction[k]!);
      const values = interpret(program, sizes, shifted).get(made.name)!;
      return values.reduce((sum, value, k) => sum + value * weights[k]!, 0);
    };
    const h = 1e-6; // small, so that a step seldom crosses the kink of a relu
    const expected = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
    worst = Math.max(worst, Math.abs(slope - expected) / Math.max(1, Math.abs(expected)));
  }
  return worst;
}
