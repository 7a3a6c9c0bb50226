// Whether what joins the score (or the embedding) goes on growing, by float64 test: with neighbouring tokens further and
// further from each other, and with more tokens. A number that is not finite is one that grew.

import { interpret } from '../interpret/interpret.ts';
import { call, defined, map, real } from '../ir/build.ts';
import type { Program } from '../ir/ir.ts';
import type { Lowered } from '../lower/lower.ts';
import { settledAfter, growsWithTokens, workOf } from './reach.ts';
import { renumber } from './renumber.ts';
import { isPosition, sampleInputs, type Sample, type SampleOptions } from './sample.ts';
import { indexOf, show, thorough, tolerance, type Tested } from './trial.ts';

// Distances of neighbouring tokens. What ends at a value may come near it slowly, like a sigmoid of a logarithm: a bias
// counts as growing when it is larger far away than it was at a distance that no sequence has.
const near = [1, 10, 100, 1000, 1e4, 1e5, 1e6];
const far = [1e7, 1e8, 1e9, 1e10, 1e11, 1e12];

/** What the encoding adds to the score, or to the embedding, does not go on growing with the distance. */
export function testBounded({ attend, embed }: Lowered, { seeds } = thorough): Tested {
  let cases = 0;
  const parts: readonly (readonly [Program, string, string])[] = [
    [attend, 'score', 'score_0'],
    ...(embed === null ? [] : [[embed, 'embedding_encoded', 'embedding'] as const]),
  ];
  for (const seed of seeds) {
    for (const [program, name, without] of parts) {
      const options: SampleOptions = { seed, tokens: 5, learned: 'around', positions: 'range' };
      const what = `what joins the ${name === 'score' ? name : 'embedding'}`;
      const sizes: number[] = [];
      for (const distance of [...near, ...far]) {
        const here = added(program, name, without, options, distance);
        cases++;
        if (!Number.isFinite(here))
          return { holds: false, counter: `${what} is ${show(here)} at a distance of ${4 * distance} tokens` };
        sizes.push(here);
      }
      const nearby = Math.max(...sizes.slice(0, near.length));
      const last = sizes.at(-1)!;
      // What goes up and down is now and then larger far away, but not further away each time.
      const rises = sizes.slice(near.length).every((size, n, all) => size > (n === 0 ? nearby : all[n - 1]!));
      if (rises && last > 1.25 * nearby + tolerance)
        return {
          holds: false,
          counter: `${what} is at most ${show(nearby)} up to a distance of ${4 * near.at(-1)!} tokens, and ${show(last)} at ${4 * far.at(-1)!}`,
        };
    }
  }
  const score = attend.results.get('score')!;
  if (!growsWithTokens(attend, score)) return { holds: true, cases, undecided: null };
  const settled = settledAfter(attend, score);
  const notDecided = (why: string): Tested => ({ holds: true, cases, undecided: why });
  if (settled > settling) return notDecided(`sums over tokens may change until there are some ${settled} of them`);
  if (workOf(attend, lengths.at(-1)!) > mostWork)
    return notDecided('sums over that many tokens take too long to compute');
  const sizes = sizesByLength(attend, seeds, settled);
  const said = lengths.slice(0, sizes.length).map(({ tokens }, n) => `${show(sizes[n]!)} among ${tokens}`);
  const counter = `what joins the score is on average ${said.slice(0, -1).join(', ')} and ${said.at(-1)!} tokens`;
  const growth = sizes.slice(1).map((size, n) => size / sizes[n]!);
  if (sizes.length === lengths.length && growth.every((times) => times > grows)) return { holds: false, counter };
  // Chance may hide what grows, and what begins with some number of tokens grows only then.
  const [first, last] = [sizes[settledAt(settled)]!, sizes.at(-1)!];
  return last > doubtful * first + tolerance ? notDecided(counter) : { holds: true, cases, undecided: null };
}

/** The first length with more tokens than what grows may take to end, of those that others follow. */
const settledAt = (settled: number): number =>
  Math.min(
    lengths.findIndex(({ tokens }) => tokens > settled),
    lengths.length - 2,
  );

/** Tokens named up to which two of the lengths are longer: what grows between these goes on growing. */
const settling = 72;

const mostWork = 2e7;

// Lengths of sequences, and as many of them as make an average a steady one.
const lengths = [
  { tokens: 8, batch: 16 },
  { tokens: 24, batch: 4 },
  { tokens: 72, batch: 1 },
  { tokens: 200, batch: 1 }, // seldom needed
];

/** At each step, nearly three times as long: a walk grows by 1.7, what ends at a value does not. */
const grows = 1.35;
const doubtful = 1.6; // over all lengths a walk grows by 5, or less by chance

/** How large what joins scores of tokens far apart is, in longer and longer sequences, until it grows no more. */
function sizesByLength(program: Program, seeds: readonly number[], settled: number): readonly number[] {
  const sizes: number[] = [];
  for (const length of lengths) {
    const squares = seeds.map((seed) => {
      const sample = sampleInputs(program, { seed, ...length, learned: 'around', positions: 'range' });
      const values = interpret(withShown(program), sample.sizes, sample.inputs);
      const all = joins(program, 'score', 'score_0', sample, values);
      return meanSquare(all.filter(({ distance }) => distance > length.tokens / 2));
    });
    const size = Math.sqrt(squares.reduce((sum, value) => sum + value, 0) / seeds.length);
    sizes.push(size);
    const first = sizes[settledAt(settled)];
    if (sizes.length === lengths.length - 1 && first !== size && size <= grows * first! + tolerance) break;
  }
  return sizes;
}

const meanSquare = (all: readonly { readonly size: number }[]): number =>
  all.reduce((sum, { size }) => sum + size * size, 0) / Math.max(1, all.length);

/** The largest magnitude of what is added when neighbouring tokens are so far from each other. */
function added(program: Program, name: string, without: string, options: SampleOptions, stretch: number): number {
  const sample = sampleInputs(program, options);
  const inputs: Record<string, Float64Array> = { ...sample.inputs };
  for (const tensor of program.inputs.filter(isPosition)) {
    inputs[tensor.name] = inputs[tensor.name]!.map((value) => value * stretch);
  }
  const values = interpret(renumber(withShown(program), { stretch, offset: 0 }), sample.sizes, inputs);
  return joins(program, name, without, sample, values).reduce(
    (largest, { size }) => (Number.isNaN(largest) || Number.isNaN(size) ? NaN : Math.max(largest, size)),
    0,
  );
}

/** How large what is added is at each place that a query sees, and how many tokens away; of embeddings 0. */
function joins(
  program: Program,
  name: string,
  without: string,
  sample: Sample,
  values: ReadonlyMap<string, Float64Array>,
): readonly { readonly size: number; readonly distance: number }[] {
  const tensor = program.results.get(name)!;
  const made = values.get(tensor.name)!;
  const before = values.get(without);
  const shown = values.get(shownName);
  const found: { size: number; distance: number }[] = [];
  for (const [n, value] of made.entries()) {
    if (name === 'score' && shown?.[n] === 0) continue;
    const at = name === 'score' ? indexOf(n, tensor, sample) : [];
    const distance = name === 'score' ? Math.abs(at[2]! - at[3]!) : 0;
    const old = before?.[n] ?? 0;
    // Where the product of query and key is no number itself, nothing joins it; where another score took its place, that counts.
    const size = Math.abs(value) < Math.abs(value - old) ? Math.abs(value) : Math.abs(value - old);
    if (Number.isFinite(old)) found.push({ size, distance });
  }
  return found;
}

const shownName = 'score_shown';

/** With a tensor that is 1 where a score is looked at, else 0; without one all are. */
function withShown(program: Program): Program {
  const tensor = program.results.get('score');
  const d = program.definitions.find((one) => one.tensor === tensor);
  if (tensor === undefined || d?.kind !== 'map' || d.body.kind !== 'call' || d.body.op !== 'select') return program;
  const shown = map(defined(shownName, tensor.axes), call('select', d.body.args[0]!, real(1), real(0)));
  return { ...program, definitions: [...program.definitions, shown] };
}
