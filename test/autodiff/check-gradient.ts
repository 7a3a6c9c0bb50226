// The gradients of a lowered program against central differences along random directions, in the float64 interpreter.

import { interpret } from '../../src/interpret/interpret.ts';
import type { Program } from '../../src/ir/ir.ts';
import { reverse } from '../../src/autodiff/reverse.ts';
import { given } from '../../src/ir/build.ts';
import { normals, uniformFrom } from '../../src/laws/random.ts';
import { countOf, sampleInputs } from '../../src/laws/sample.ts';

/** The worst difference, input by input, relative to the size of the slope, at a random point. */
export function gradientError(program: Program, result: string, tokens: number, seed = 3): number {
  const { inputs, sizes } = sampleInputs(program, { seed, batch: 2, tokens, learned: 'around', positions: 'range' });
  const made = program.results.get(result)!;
  const cotangent = given('cotangent', made.axes, 'cotangent');
  const wanted = program.inputs.filter(
    ({ type, origin }) =>
      type === 'real' &&
      (origin.kind === 'learned' ? origin.trained : origin.kind === 'given' && !isFixed(origin.given)),
  );
  const differentiated = reverse(program, new Map([[made, cotangent]]), wanted);
  const random = uniformFrom(seed + 1);
  const w = normals(random, countOf(made, sizes.batch, tokens));
  const found = interpret(differentiated, sizes, { ...inputs, cotangent: w });
  const value = (moved: Record<string, Float64Array>): number =>
    interpret(program, sizes, moved)
      .get(made.name)!
      .reduce((sum, each, n) => sum + each * w[n]!, 0);
  let worst = 0;
  for (const { name } of wanted) {
    const start = inputs[name]!;
    const along = normals(random, start.length);
    const gradient = differentiated.results.get(`d_${name}`);
    const slope =
      gradient === undefined ? 0 : along.reduce((sum, each, n) => sum + each * found.get(gradient.name)![n]!, 0);
    const moved = (h: number): number => value({ ...inputs, [name]: start.map((each, n) => each + h * along[n]!) });
    const h = 1e-4;
    const difference = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
    worst = Math.max(worst, Math.abs(slope - difference) / Math.max(1, Math.abs(slope)));
  }
  return worst;
}

const isFixed = (kind: string): boolean => kind === 'position' || kind === 'user';
