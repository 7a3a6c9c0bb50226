// Laws by float64 test: random inputs through the interpreter, several seeds and lengths. A claim that fails comes back
// with a counter-example: which tokens, and the two numbers.

import { evaluateInitial } from '../interpret/interpret.ts';
import { call, defined, given } from '../ir/build.ts';
import type { Definition, Program, Scalar, Tensor } from '../ir/ir.ts';
import { replaceIn, replaceTensors } from '../ir/visit.ts';
import type { Lowered } from '../lower/lower.ts';
import { normals, uniformFrom } from './random.ts';
import { renumber, type Renumbering } from './renumber.ts';
import { countOf, isPosition, sampleInputs, tokenAxis, type Sample, type SampleOptions } from './sample.ts';
import {
  differs,
  indexOf,
  numbered,
  place,
  run,
  seen,
  show,
  thorough,
  tolerance,
  tryAll,
  type Tested,
} from './trial.ts';

/** The scores, and the weights made of them, are the same when every token has its number and position moved. */
export function testRelative({ attend }: Lowered, effort = thorough): Tested {
  return tryAll(
    effort,
    (options, random, view) => {
      const [program, sample] = seen(attend, sampleInputs(attend, options), view);
      const offset = Math.round(10 ** (5 * random())); // near and far: what starts at a place shows up too
      const moved: Record<string, Float64Array> = { ...sample.inputs };
      for (const tensor of attend.inputs.filter(isPosition)) moved[tensor.name] = shift(tensor, sample, offset, random);
      const before = run(program, sample);
      const later = renumber(attend, { ...view, offset: view.offset + offset });
      const after = run(later, { ...sample, inputs: moved });
      for (const name of ['score', 'attention']) {
        const tensor = attend.results.get(name);
        if (tensor === undefined) continue;
        const found = differs(tensor, sample, before.get(tensor.name)!, after.get(tensor.name)!);
        if (found === null) continue;
        const where = place(name, tensor, found.at);
        return `${where} of ${options.tokens} tokens${numbered(view)} is ${show(found.before)}, and ${show(found.after)} when every position is ${offset} later`;
      }
      return null;
    },
    [attend],
  );
}

/** Whole positions move by the offset, each coordinate by a number of its own. */
function shift(tensor: Tensor, sample: Sample, offset: number, random: () => number): Float64Array {
  const values = sample.inputs[tensor.name]!;
  const coordinates = countOf(tensor, 1, 1);
  const by = Array.from({ length: coordinates }, () => (tensor.type === 'integer' ? offset : offset * random()));
  return values.map((value, n) => value + by[n % coordinates]!);
}

/** What the maps of a token make of its query or key: for keys, also the map that it lays on earlier ones. */
const mapped = ({ results }: Program, name: 'query' | 'key'): Tensor | undefined =>
  results.get(`${name}_transported`) ?? results.get(`${name}_encoded`);

/** Query and key keep the norm of each token's vector. */
export function testOrthogonal({ attend }: Lowered, effort = thorough): Tested {
  return tryAll(
    effort,
    (options, _, view) => {
      const [program, sample] = seen(attend, sampleInputs(attend, options), view);
      const values = run(program, sample);
      for (const name of ['query', 'key'] as const) {
        const made = mapped(attend, name);
        const raw = attend.inputs.find((tensor) => tensor.name === name);
        if (made === undefined || raw === undefined || made === raw) continue;
        const counter = normCounter(name, made, sample, sample.inputs[name]!, values.get(made.name)!);
        if (counter !== null) return counter;
      }
      return null;
    },
    [attend],
  );
}

function normCounter(
  name: string,
  made: Tensor,
  sample: Sample,
  raw: Float64Array,
  encoded: Float64Array,
): string | null {
  const features = made.axes.at(-1)!.extent;
  if (typeof features !== 'number') return null;
  for (let n = 0; n < raw.length; n += features) {
    const [before, after] = [norm(raw.subarray(n, n + features)), norm(encoded.subarray(n, n + features))];
    if (!Number.isFinite(after) || Math.abs(before - after) <= tolerance * Math.max(1, before)) continue;
    const at = place(name, { ...made, axes: made.axes.slice(0, -1) }, indexOf(n, made, sample));
    return `the norm of ${at} is ${show(before)} before and ${show(after)} after`;
  }
  return null;
}

const norm = (values: Float64Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/** What stands at a token is the same when every later token is another, in training and outside. */
export function testCausal({ attend, embed, input }: Lowered, effort = thorough): Tested {
  const programs: readonly (readonly [Program, string])[] = [
    [attend, 'output'],
    ...(embed === null ? [] : [[embed, 'embedding_encoded'] as const]),
    ...(input === null ? [] : [[input, 'x_encoded'] as const]),
  ];
  return tryAll(
    effort,
    (given, random, view) => {
      const options = { ...given, training: Math.floor(given.seed / 2) % 2 === 1 };
      for (const [plain, name] of programs) {
        const tensor = plain.results.get(name)!;
        const token = tokenAxis(tensor);
        const [program, sample] = seen(plain, sampleInputs(plain, options), view);
        const before = run(program, sample).get(tensor.name)!;
        for (const last of lastsOf(options.tokens)) {
          const changed = { ...sample, inputs: changeAfter(last, program, sample, random) };
          const after = run(program, changed).get(tensor.name)!;
          const found = differs(tensor, sample, before, after, (at) => at[token]! <= last);
          if (found === null) continue;
          const where = place(name, tensor, found.at);
          return `${where}${numbered(view)} is ${show(found.before)}, and ${show(found.after)} when the tokens after ${last} change`;
        }
      }
      return null;
    },
    programs.map(([program]) => program),
  );
}

/** Every token that has one behind it; of a long sequence those at its end. */
const lastsOf = (tokens: number): readonly number[] =>
  Array.from({ length: tokens - 1 }, (_, n) => n).slice(tokens > 20 ? -4 : 0);

function changeAfter(
  last: number,
  program: Program,
  sample: Sample,
  random: () => number,
): Record<string, Float64Array> {
  const inputs: Record<string, Float64Array> = { ...sample.inputs };
  for (const tensor of program.inputs) {
    const token = tokenAxis(tensor);
    if (token < 0 || isPosition(tensor)) continue;
    const values = inputs[tensor.name]!;
    const other = valuesLike(tensor, sample, random);
    inputs[tensor.name] = values.map((v, n) => (indexOf(n, tensor, sample)[token]! > last ? other[n]! : v));
  }
  return inputs;
}

function valuesLike(tensor: Tensor, { sizes }: Sample, random: () => number): Float64Array {
  return tensor.origin.kind === 'draw'
    ? evaluateInitial(tensor, random, sizes)
    : normals(random, countOf(tensor, sizes.batch, sizes.tokens));
}

/** The maps that two tokens apply to query and key commute. A map is read off its images of the unit vectors. */
export function testCommuting({ attend }: Lowered, effort = thorough): Tested {
  return tryAll(
    effort,
    (options, _, view) => {
      for (const name of ['query', 'key'] as const) {
        const made = mapped(attend, name);
        const raw = attend.inputs.find((tensor) => tensor.name === name);
        if (made === undefined || raw === undefined || made === raw) continue;
        const probed = withProbe(attend, name, raw, made);
        // Of a map that is no site of its own (transport) the tensor is the probe: what it does reads nothing of it.
        const counter =
          probed === null
            ? commutingCounter(attend, name, name, made, options, view)
            : commutingCounter(probed, name, 'probe', probed.results.get('probed')!, options, view);
        if (counter !== null) return counter;
      }
      return null;
    },
    [attend],
  );
}

/**
 * What is done to a tensor, done to another one besides: `probed` is made of the input `probe` by the same maps, whose
 * angles and matrices are still those of the tensor itself, even where they read it.
 */
function withProbe(program: Program, name: string, raw: Tensor, made: Tensor): Program | null {
  const by = new Map(program.definitions.map((d) => [d.tensor, d]));
  const source = new Map(
    program.sites.filter(({ target }) => target === name).map(({ reads, makes }) => [makes, reads]),
  );
  const steps: Definition[] = [];
  for (let tensor = made; tensor !== raw;) {
    const [d, before] = [by.get(tensor), source.get(tensor)];
    if (d === undefined || before === undefined) return null;
    steps.unshift(d);
    tensor = before;
  }
  const probe = given('probe', raw.axes, 'operand');
  let last = probe;
  const twins = steps.map((d, n): Definition => {
    const twin = defined(`probed_${n}`, d.tensor.axes);
    const now = new Map([[source.get(d.tensor)!, last]]);
    last = twin;
    if (d.kind === 'rotate') return { ...d, tensor: twin, input: now.get(d.input) ?? d.input };
    if (d.kind === 'reduce' && d.body.kind === 'call' && d.body.op === 'multiply') {
      const [matrix, old] = d.body.args as [Scalar, Scalar];
      return { ...d, tensor: twin, body: call('multiply', matrix, replaceTensors(old, now)) };
    }
    return { ...replaceIn(d, now), tensor: twin };
  });
  return {
    ...program,
    inputs: [...program.inputs, probe],
    definitions: [...program.definitions, ...twins],
    results: new Map([...program.results, ['probed', last]]),
  };
}

function commutingCounter(
  program: Program,
  name: string,
  probe: string,
  made: Tensor,
  options: SampleOptions,
  view: Renumbering,
): string | null {
  const [features, heads] = [extentAt(made, 3), extentAt(made, 2)];
  const { tokens } = options;
  // One sequence a unit vector; all else the same in every sequence.
  const one = sampleInputs(program, { ...options, batch: 1 });
  const inputs = Object.fromEntries(
    program.inputs.map((tensor) => {
      const values = one.inputs[tensor.name]!;
      const batched = tensor.axes[0]?.role === 'batch';
      return [tensor.name, batched ? repeat(values, features) : values];
    }),
  );
  const row = tokens * heads * features;
  inputs[probe] = Float64Array.from({ length: features * row }, (_, n) =>
    n % features === Math.floor(n / row) ? 1 : 0,
  );
  const [there, sample] = seen(program, { sizes: { batch: features, tokens }, inputs }, view);
  const encoded = run(there, sample).get(made.name)!;
  const matrix = (t: number, h: number): Float64Array =>
    Float64Array.from({ length: features * features }, (_, n) => {
      const [r, c] = [Math.floor(n / features), n % features];
      return encoded[c * row + (t * heads + h) * features + r]!;
    });
  const ends = Array.from({ length: tokens }, (_, t) => t).filter((t) => t < 2 || t >= tokens - 3);
  for (let h = 0; h < heads; h++) {
    for (const s of ends) {
      for (const t of ends.filter((one) => one > s)) {
        const counter = commutator(matrix(s, h), matrix(t, h), features);
        if (counter === null) continue;
        const { r, c, left, right } = counter;
        return `the maps of ${name} at tokens ${s} and ${t}${numbered(view)} (head ${h}): entry [${r}, ${c}] of their product is ${show(left)} in one order, ${show(right)} in the other`;
      }
    }
  }
  return null;
}

function extentAt(tensor: Tensor, k: number): number {
  const extent = tensor.axes[k]?.extent;
  if (typeof extent !== 'number') throw new Error(`axis ${k} of '${tensor.name}' has no fixed size`);
  return extent;
}

function repeat(values: Float64Array, times: number): Float64Array {
  return Float64Array.from({ length: values.length * times }, (_, n) => values[n % values.length]!);
}

function commutator(a: Float64Array, b: Float64Array, n: number) {
  const entry = (x: Float64Array, y: Float64Array, r: number, c: number): number => {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += x[r * n + k]! * y[k * n + c]!;
    return sum;
  };
  for (let r = 0; r < n; r++) {
    for (let c = 0; c < n; c++) {
      const [left, right] = [entry(a, b, r, c), entry(b, a, r, c)];
      if (Math.abs(left - right) > tolerance * Math.max(1, Math.abs(left))) return { r, c, left, right };
    }
  }
  return null;
}

/** Equal outputs at initial values, and equal changes of the embedding. */
export function testStartsAs(own: Lowered, other: Lowered, effort = thorough): Tested {
  return tryAll(
    effort,
    (options, _, view) => {
      const at: SampleOptions = { ...options, learned: 'initial', positions: 'range' };
      const pairs: readonly (readonly [Program | null, Program | null, string])[] = [
        [own.attend, other.attend, 'output'],
        [own.embed, other.embed, 'embedding_encoded'],
      ];
      for (const [mine, theirs, name] of pairs) {
        const counter = startCounter(mine, theirs, name, at, view);
        if (counter !== null) return counter;
      }
      return null;
    },
    [own.attend, other.attend, own.embed, other.embed],
  );
}

function startCounter(
  mine: Program | null,
  theirs: Program | null,
  name: string,
  options: SampleOptions,
  view: Renumbering,
): string | null {
  if (mine === null && theirs === null) return null;
  const program = mine ?? theirs!;
  const tensor = program.results.get(name)!;
  const sample = sampleInputs(program, options);
  const valueOf = (p: Program | null): Float64Array => {
    // No site: as it is. Where the other program does not read it, any embedding does.
    if (p === null)
      return sample.inputs['embedding'] ?? normals(uniformFrom(options.seed), countOf(tensor, 1, options.tokens));
    const missing = sampleInputs(p, options).inputs;
    const [there, at] = seen(p, { ...sample, inputs: { ...missing, ...shared(p, sample) } }, view);
    return run(there, at).get(p.results.get(name)!.name)!;
  };
  const found = differs(tensor, sample, valueOf(mine), valueOf(theirs));
  if (found === null) return null;
  const where = place(name, tensor, found.at);
  return `${where} of ${options.tokens} tokens${numbered(view)} starts as ${show(found.before)}, and as ${show(found.after)} in \`${theirs?.name ?? 'the other'}\``;
}

/** The caller's tensors, and draws of one name, are the same for both; learned ones are each encoding's own. */
function shared(program: Program, sample: Sample): Record<string, Float64Array> {
  const { batch, tokens } = sample.sizes;
  const given = program.inputs.filter(({ origin }) => origin.kind !== 'learned');
  return Object.fromEntries(
    given.flatMap((tensor) => {
      const values = sample.inputs[tensor.name];
      return values?.length === countOf(tensor, batch, tokens) ? [[tensor.name, values]] : [];
    }),
  );
}
