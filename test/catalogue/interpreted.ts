// An entry of the catalogue, or any text, in the float64 interpreter: inputs by name and seed, so that two encodings see the
// same queries, keys and x; learned tensors at their initial values or moved away from them.

import { entries, type Entry } from '../../src/catalogue/entries.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { frontEnd } from '../../src/front-end.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program, Tensor } from '../../src/ir/ir.ts';
import { normals, uniformFrom } from '../../src/laws/random.ts';
import { countOf, initialValues, isPosition, isTraining } from '../../src/laws/sample.ts';
import type { Lowered } from '../../src/lower/lower.ts';
import { compileOptions } from '../../src/options.ts';
import type { Source } from '../../src/source.ts';

export const geometry: Geometry = {
  heads: 2,
  kv_heads: 2,
  head_dim: 16,
  model_dim: 6,
  context: 12,
  layers: 4,
  layer: 1,
};

const all = entries();

export interface LoadOptions extends Partial<Geometry> {
  readonly params?: Readonly<Record<string, number>>;
}

/** By the name of a file of the catalogue. */
export function entry(name: string, options: LoadOptions = {}): Lowered {
  const found = all.find((each) => each.name === name);
  if (found === undefined) throw new Error(`the catalogue has no ${name}`);
  return lowered(found.source, { bidirectional: isBidirectional(found), ...options });
}

/** Of the models that an entry is written for. */
export const isBidirectional = ({ header }: Entry): boolean => typeof header !== 'string' && header.bidirectional;

/** The body of an encoding that extends one of the standard library: `rope`, `nope`. */
export function variant(parent: string, body = '', options: LoadOptions = {}): Lowered {
  const text = `import "std/${parent}"\nencoding variant extends ${parent} {\n${body}\n}\n`;
  return lowered({ path: 'variant.pe', text }, options);
}

export function lowered(source: Source, { params = {}, ...sizes }: LoadOptions = {}): Lowered {
  const options = compileOptions({ geometry: { ...geometry, ...sizes }, params, laws: false });
  const { lowered: made, diagnostics } = frontEnd(source, options);
  if (made === null) throw new Error(diagnostics.map(({ message }) => message).join('\n'));
  return made;
}

export interface Inputs {
  readonly tokens?: number;
  readonly seed?: number;
  /** How far learned tensors are from their initial values: the deviation of what is added. */
  readonly moved?: number;
  /** Inside a training step: draws count. */
  readonly training?: boolean;
  /** Of each token, or of each token and coordinate, row-major. */
  readonly positions?: readonly number[];
  /** Values of single inputs by name: numbers, or one for all elements. */
  readonly values?: Readonly<Record<string, ArrayLike<number> | number>>;
}

export interface Evaluated {
  /** A tensor by the name of a result: score, output, attention, query_encoded, key_encoded, or any `let`. */
  readonly get: (name: string) => Float64Array;
  readonly tensor: (name: string) => Tensor;
  readonly tokens: number;
}

/** Runs what attention does (or, with `part`, what is done to the embedding) on one sequence. */
export function evaluate(made: Lowered, inputs: Inputs = {}, part: 'attend' | 'embed' = 'attend'): Evaluated {
  const program = made[part];
  if (program === null) throw new Error('nothing is done to the embedding');
  const { tokens = 7 } = inputs;
  const found = interpret(program, { batch: 1, tokens }, inputsOf(program, inputs));
  const tensor = (name: string): Tensor => {
    const result = program.results.get(name);
    if (result === undefined) throw new Error(`no result ${name}, only ${[...program.results.keys()].join(', ')}`);
    return result;
  };
  return { get: (name) => found.get(tensor(name).name)!, tensor, tokens };
}

function inputsOf(
  program: Program,
  { tokens = 7, seed = 1, moved = 0, positions, values = {}, training = false }: Inputs,
) {
  const initial = initialValues(program, { batch: 1, tokens }, uniformFrom(seed));
  const result: Record<string, Float64Array> = {};
  for (const tensor of program.inputs) {
    const { name, origin } = tensor;
    const count = countOf(tensor, 1, tokens);
    const given = values[name];
    if (given !== undefined) {
      result[name] = typeof given === 'number' ? new Float64Array(count).fill(given) : Float64Array.from(given);
    } else if (isPosition(tensor)) {
      const coordinates = count / tokens;
      result[name] = Float64Array.from(positions ?? { length: count }, (at, n) => at ?? Math.floor(n / coordinates));
    } else if (isTraining(tensor)) {
      result[name] = Float64Array.of(training ? 1 : 0);
    } else if (origin.kind === 'draw') {
      result[name] = initial[name]!;
    } else {
      const drawn = normals(uniformFrom(seedOf(name, seed)), count);
      const isLearned = origin.kind === 'learned';
      const away = isLearned && origin.trained ? moved : 0;
      result[name] = isLearned ? initial[name]!.map((value, n) => value + away * drawn[n]!) : drawn;
    }
  }
  return result;
}

const seedOf = (name: string, seed: number): number =>
  [...name].reduce((hash, letter) => Math.imul(hash, 31) + letter.charCodeAt(0), seed);

/** The largest difference of two tensors; Infinity where one is not finite and the other is another. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let worst = 0;
  for (let n = 0; n < a.length; n++) {
    if (Object.is(a[n], b[n])) continue;
    const gap = Math.abs(a[n]! - b[n]!);
    worst = Math.max(worst, Number.isNaN(gap) ? Infinity : gap);
  }
  return worst;
}
