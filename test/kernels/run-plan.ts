// Runs a plan in the kernel simulator: entry by entry, launch by launch, in every order of lanes, and gives every output
// of every entry. Host tables come from the float64 interpreter. New buffers hold NaN, so that what is not written shows.

import { roundToBf16 } from '../../codegen/bf16.ts';
import { simulate } from '../../codegen/simulate.ts';
import { evaluateSize } from '../../codegen/plan/size.ts';
import type { BufferPlan, EntryPlan, Plan, Profile } from '../../codegen/plan/plan.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { KernelBody, KernelSizes } from '../../codegen/kernel.ts';
import type { Program } from '../../src/ir/ir.ts';

export type Values = Record<string, ArrayLike<number>>;
type Data = Float32Array | Int32Array;

export interface RunOptions {
  readonly order?: 'forward' | 'reverse' | 'random';
  readonly profile?: Profile;
  readonly subgroup?: number;
  readonly backwards?: boolean; // `vector` loops
  readonly only?: readonly string[]; // entries
  /** In the simulator's place. */
  readonly execute?: (
    body: KernelBody,
    groups: number,
    buffers: Readonly<Record<string, Data>>,
    sizes: KernelSizes,
  ) => void;
}

export function wholeSizes(batch: number, tokens: number): KernelSizes {
  return { batch, tokens, keys: tokens, first: 0, capacity: tokens };
}

/** The values of host definitions, by name. */
export function hostTables(plan: Plan, sizes: KernelSizes, inputs: Values): Values {
  const all = plan.gradients ?? plan.program;
  const known = new Set(Object.keys(inputs));
  const program: Program = {
    name: `${plan.name}_host`,
    inputs: all.inputs.filter(({ name }) => known.has(name)),
    definitions: plan.host,
    sites: [],
    results: new Map(),
  };
  const { batch, tokens, first } = sizes;
  const made = interpret(program, { batch, tokens, first }, inputs as Record<string, ArrayLike<number>>);
  return Object.fromEntries(
    plan.tables.map(({ buffer }) => [buffer.name, asHeld(buffer, made.get(buffer.tensor!.name)!, sizes)]),
  );
}

/** Rows of tokens as the buffer holds them: all up to the capacity, those before and of this call filled, or this call's. */
export function asHeld({ tensor, rows }: BufferPlan, data: Float64Array, sizes: KernelSizes): ArrayLike<number> {
  const axis = tensor!.axes.findIndex(({ extent }) => extent === 'tokens');
  if (axis < 0) return data;
  const count = (from: number): number =>
    tensor!.axes
      .slice(from)
      .reduce((all, { extent }) => all * (typeof extent === 'number' ? extent : sizes[extent as keyof KernelSizes]), 1);
  const inner = count(axis + 1);
  const outer = count(0) / (inner * sizes.tokens);
  const made = data.length / (inner * outer); // the last of them is the last token
  const [base, held] = rows === 'history' ? [0, sizes.capacity] : [sizes.first, sizes.tokens];
  const out = new Float64Array(outer * held * inner).fill(NaN);
  for (let o = 0; o < outer; o += 1)
    for (let t = Math.max(base, sizes.keys - made); t < sizes.keys; t += 1)
      for (let n = 0; n < inner; n += 1)
        out[(o * held + t - base) * inner + n] = data[(o * made + t - (sizes.keys - made)) * inner + n]!;
  return out;
}

/** All entries but decode, one after the other; the values of every parameter by name. */
export function runPlan(plan: Plan, sizes: KernelSizes, inputs: Values, options: RunOptions = {}): Map<string, Data> {
  const values = new Map<string, Data>();
  const given: Values = { ...inputs, ...hostTables(plan, sizes, inputs) };
  for (const entry of plan.entries) {
    const isWanted = options.only === undefined ? entry.name !== 'decode' : options.only.includes(entry.name);
    if (isWanted) runEntry(entry, sizes, values, given, options);
  }
  return values;
}

function dataOf({ type }: BufferPlan, from: ArrayLike<number>): Data {
  if (type === 'i32') return Int32Array.from(from);
  return Float32Array.from(from, type === 'bf16' ? roundToBf16 : (value) => value);
}

/** Inputs are taken from `values` or else from `given`; what is added to starts from 0, but for rows that are kept. Results go to `values`. */
export function runEntry(
  entry: EntryPlan,
  sizes: KernelSizes,
  values: Map<string, Data>,
  given: Values,
  options: RunOptions = {},
): void {
  const elements = (buffer: BufferPlan): number =>
    buffer.shape.reduce((all, size) => all * evaluateSize(size, sizes), 1);
  const fresh = (buffer: BufferPlan): Data =>
    buffer.type !== 'i32'
      ? new Float32Array(elements(buffer)).fill(NaN)
      : new Int32Array(elements(buffer)).fill(-(2 ** 31));
  const storage = new Map<string, Data>();
  for (const { buffer, accumulate } of entry.inputs) {
    let data = values.get(buffer.name);
    if (data === undefined && given[buffer.name] !== undefined) {
      const from = given[buffer.name]!;
      data = dataOf(buffer, from);
    }
    // Rows of earlier tokens are not read before they are written.
    if (data === undefined && accumulate) data = buffer.rows === 'history' ? fresh(buffer) : fresh(buffer).fill(0);
    if (data === undefined) throw new Error(`${entry.name} needs '${buffer.name}'`);
    if (data.length !== elements(buffer)) {
      throw new Error(`'${buffer.name}' has ${data.length} elements, not ${elements(buffer)}`);
    }
    storage.set(buffer.name, data);
    values.set(buffer.name, data);
  }
  for (const { buffer, aliases } of entry.outputs) {
    storage.set(buffer.name, aliases === null ? fresh(buffer) : storage.get(aliases)!);
  }
  for (const buffer of entry.temporaries) storage.set(buffer.name, fresh(buffer));
  for (const { kernel, buffers } of entry.launches) {
    const bound = Object.fromEntries(
      kernel.bindings.map(({ name }, n) => {
        const data = storage.get(buffers[n]!.name);
        if (data === undefined) throw new Error(`${kernel.name}: '${buffers[n]!.name}' is nowhere in ${entry.name}`);
        return [name, data];
      }),
    );
    const chosen =
      kernel.variants.find(({ profile }) => profile === (options.profile ?? 'software')) ?? kernel.variants[0]!;
    const { order = 'forward', subgroup = 4, backwards = false } = options;
    const groups = evaluateSize(chosen.groups, sizes);
    if (options.execute) options.execute(chosen.body, groups, bound, sizes);
    else simulate(chosen.body, groups, bound, sizes, { order, subgroup, backwards });
  }
  for (const { buffer, aliases } of entry.outputs) {
    values.set(buffer.name, storage.get(buffer.name)!);
    if (aliases !== null && aliases !== buffer.name) values.delete(aliases);
  }
}

export const orders = ['forward', 'reverse', 'random'] as const;

/** The largest error, relative to the largest magnitude. */
export function worstError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let worst = 0;
  let largest = 1e-30;
  for (let n = 0; n < expected.length; n += 1) {
    const difference = Math.abs(actual[n]! - expected[n]!);
    if (Number.isNaN(difference)) return Infinity;
    worst = Math.max(worst, difference);
    largest = Math.max(largest, Math.abs(expected[n]!));
  }
  return worst / largest;
}
