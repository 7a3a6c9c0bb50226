// A decoder must not see later tokens. What the compiler cannot prove causal is tried with random numbers: inputs are
// changed from some token on, and no output before it may change. A failure is refused with the line it begins in.

import { evaluateInitial, interpret } from '../interpret/interpret.ts';
import type { Program, Tensor } from '../ir/ir.ts';
import { isTraining } from '../laws/sample.ts';
import { lookAhead } from '../passes/causality.ts';
import { lineOf } from '../source.ts';
import type { Source } from '../source.ts';
import { TrainerError } from './error.ts';
import { stream } from './random.ts';

const tokens = 6;
const changedFrom = 3;

export function refuseLookingAhead(program: Program, result: string, source: Source): void {
  const tensor = program.results.get(result);
  const begins = tensor === undefined ? undefined : lookAhead(program).get(tensor);
  if (tensor === undefined || begins === undefined || !changesEarlier(program, tensor)) return;
  const place = begins.span === null ? source.path : lineOf(source, begins.span);
  throw new TrainerError(
    'encoding',
    `${place}: '${begins.tensor.name}' reads later tokens, so the model would see what it has to predict`,
    'a sum over tokens wants a condition such as `where s <= t`; `pegen check` decides `expect causal`',
  );
}

/** In training, or outside it. */
const changesEarlier = (program: Program, result: Tensor): boolean =>
  [1, 0].some((training) => changesEarlierIn(program, result, training));

function changesEarlierIn(program: Program, result: Tensor, training: number): boolean {
  const run = (variant: number): Float64Array =>
    interpret(program, { batch: 1, tokens }, inputsOf(program, variant, training)).get(result.name)!;
  const [first, second] = [run(0), run(1)];
  const axis = result.axes.findIndex(({ extent }) => extent === 'tokens');
  const inner = result.axes
    .slice(axis + 1)
    .reduce((product, { extent }) => product * (typeof extent === 'number' ? extent : tokens), 1);
  return first.some((value, n) => Math.floor(n / inner) % tokens < changedFrom && value !== second[n]);
}

/** Random numbers, learned tensors too (zeros would hide much); the variants differ from token `changedFrom` on. */
function inputsOf(program: Program, variant: number, training: number): Record<string, ArrayLike<number>> {
  const values: Record<string, ArrayLike<number>> = {};
  for (const tensor of program.inputs) {
    const random = stream(1, tensor.name);
    const token = tensor.axes.findIndex(({ extent }) => extent === 'tokens');
    const sizes = tensor.axes.map(({ extent }) =>
      typeof extent === 'number' ? extent : extent === 'batch' ? 1 : tokens,
    );
    const inner = sizes.slice(token + 1).reduce((a, b) => a * b, 1);
    const count = sizes.reduce((a, b) => a * b, 1);
    if (isTraining(tensor)) {
      values[tensor.name] = [training];
      continue;
    }
    if (tensor.origin.kind === 'draw') {
      let drawn = 0;
      values[tensor.name] = evaluateInitial(tensor, () => random.uniform(drawn++), { batch: 1, tokens });
      continue;
    }
    const isPosition = tensor.name === 'position';
    values[tensor.name] = Float64Array.from({ length: count }, (_, n) => {
      const at = Math.floor(n / inner) % tokens;
      return isPosition ? at : random.normal(n, at >= changedFrom ? variant : 0);
    });
  }
  return values;
}
