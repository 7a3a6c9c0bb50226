// How a claim is tried: on several seeds and lengths, through the interpreter, until a counter-example is found. What
// two runs differ in, and how a place in a tensor is written for people.

import { interpret } from '../interpret/interpret.ts';
import type { Program, Tensor } from '../ir/ir.ts';
import { uniformFrom } from './random.ts';
import { plainView, reachOf } from './reach.ts';
import { renumber, type Renumbering } from './renumber.ts';
import { isPosition, type Sample, type SampleOptions } from './sample.ts';

export type Tested =
  | {
      readonly holds: true;
      readonly cases: number;
      /** Why what was tried does not say much: what the program names begins further away. null: it does. */
      readonly undecided: string | null;
    }
  | { readonly holds: false; readonly counter: string };

type Values = ReadonlyMap<string, Float64Array>;

/** On which lengths, and with how many random inputs each, a claim is tried. */
export interface Effort {
  readonly lengths: readonly number[];
  readonly seeds: readonly number[];
}

export const thorough: Effort = { lengths: [1, 2, 5, 9], seeds: [1, 2, 3] };
export const tolerance = 1e-8; // of the largest magnitude: float64 leaves room, a false claim is off by far more

export const run = (program: Program, { sizes, inputs }: Sample): Values => interpret(program, sizes, inputs);

/**
 * Tries a claim on every seed and length, and where what some programs name begins or ends; `one` returns null where it
 * holds, else the counter-example.
 */
export function tryAll(
  { lengths, seeds }: Effort,
  one: (options: SampleOptions, random: () => number, view: Renumbering) => string | null,
  programs: readonly (Program | null)[] = [],
): Tested {
  let cases = 0;
  const reach = reachOf(programs);
  const tried: readonly (readonly [tokens: number, seed: number, view: Renumbering])[] = [
    ...lengths.flatMap((tokens) => seeds.map((seed) => [tokens, seed, plainView] as const)),
    ...reach.views.slice(1).flatMap((view) => seeds.slice(0, 2).map((seed) => [lengths.at(-1)!, seed, view] as const)),
    ...reach.lengths.map((tokens) => [tokens, seeds[0]!, plainView] as const),
  ];
  for (const [tokens, seed, view] of tried) {
    const positions = seed % 2 === 0 || view !== plainView ? 'range' : 'gaps';
    const counter = one({ seed, tokens, learned: 'around', positions }, uniformFrom(seed + 1000), view);
    if (counter !== null) return { holds: false, counter };
    cases++;
  }
  const longest = Math.max(...lengths, ...reach.lengths);
  const undecided =
    reach.untried === 0
      ? null
      : `nothing speaks against it among ${longest} tokens, but the program says ${reach.untried}`;
  return { holds: true, cases, undecided };
}

/** A program and its inputs as seen there: tokens have other numbers, and positions go with them. */
export function seen(program: Program, sample: Sample, view: Renumbering): readonly [Program, Sample] {
  if (view === plainView) return [program, sample];
  const inputs: Record<string, Float64Array> = { ...sample.inputs };
  for (const tensor of program.inputs.filter(isPosition))
    inputs[tensor.name] = inputs[tensor.name]!.map((value) => view.stretch * value + view.offset);
  return [renumber(program, view), { ...sample, inputs }];
}

/** ` at tokens 298, 299, ...`: where that is not how they are counted. */
export const numbered = ({ stretch, offset }: Renumbering): string =>
  stretch === 1 && offset === 0 ? '' : ` (tokens ${offset}, ${offset + stretch}, ${offset + 2 * stretch}, ...)`;

interface Difference {
  readonly at: readonly number[];
  readonly before: number;
  readonly after: number;
}

/** The largest difference of two tensors, where it is more than the tolerance. */
export function differs(
  tensor: Tensor,
  sample: Sample,
  a: Float64Array,
  b: Float64Array,
  looked: (at: readonly number[]) => boolean = () => true,
): Difference | null {
  let magnitude = 1;
  for (const value of a) if (Number.isFinite(value)) magnitude = Math.max(magnitude, Math.abs(value));
  let worst: Difference | null = null;
  let largest = tolerance * magnitude;
  for (const [n, before] of a.entries()) {
    const after = b[n]!;
    if (!Number.isFinite(before) || !Number.isFinite(after)) continue; // an overflow decides nothing
    const error = Math.abs(before - after);
    if (error <= largest) continue;
    const at = indexOf(n, tensor, sample);
    if (!looked(at)) continue;
    largest = error;
    worst = { at, before, after };
  }
  return worst;
}

export function indexOf(n: number, tensor: Tensor, { sizes }: Sample): readonly number[] {
  const index: number[] = [];
  let rest = n;
  for (const axis of [...tensor.axes].reverse()) {
    const extent = typeof axis.extent === 'number' ? axis.extent : axis.extent === 'batch' ? sizes.batch : sizes.tokens;
    index.unshift(rest % extent);
    rest = Math.floor(rest / extent);
  }
  return index;
}

/** score[h 0, i 3, j 1] */
export function place(name: string, tensor: Tensor, at: readonly number[]): string {
  const named = tensor.axes.flatMap((axis, k) => (axis.role === 'batch' ? [] : [`${axis.name} ${at[k]}`]));
  return named.length === 0 ? name : `${name}[${named.join(', ')}]`;
}

export const show = (value: number): string => String(Number(value.toPrecision(7)));
