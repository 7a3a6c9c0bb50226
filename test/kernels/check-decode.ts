// Decode against the whole sequence: the rows that come out of calls of a few tokens each, with the state that calls leave
// to each other, are the rows of the float64 interpreter on the whole sequence. Two sequences.

import { buildPlan } from '../../codegen/plan/build-plan.ts';
import { verifyPlan } from '../../codegen/plan/verify.ts';
import { givenBuffers } from '../../codegen/glue/tables.ts';
import type { BufferPlan, Plan, PlanOptions } from '../../codegen/plan/plan.ts';
import type { KernelSizes } from '../../codegen/kernel.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program, Tensor } from '../../src/ir/ir.ts';
import { scalarsOf, visit } from '../../src/ir/visit.ts';
import { inputsOf } from './check-plan.ts';
import { asHeld, hostTables, runEntry, worstError, type RunOptions, type Values } from './run-plan.ts';

export const geometry: Geometry = {
  heads: 2,
  kv_heads: 2,
  head_dim: 8,
  model_dim: 6,
  context: 12,
  layers: 1,
  layer: 0,
};
const batch = 2;

/** The rows from `first` on of a tensor over tokens. */
function rows(tensor: Tensor, data: ArrayLike<number>, tokens: number, first: number, count: number): number[] {
  const at = tensor.axes.findIndex(({ extent }) => extent === 'tokens');
  if (at < 0) return Array.from(data);
  const sizes = tensor.axes.map(({ extent }) =>
    extent === 'batch' ? batch : typeof extent === 'number' ? extent : tokens,
  );
  const inner = sizes.slice(at + 1).reduce((all, size) => all * size, 1);
  const outer = sizes.slice(0, at).reduce((all, size) => all * size, 1);
  const chosen: number[] = [];
  for (let o = 0; o < outer; o += 1) {
    for (let n = (o * tokens + first) * inner; n < (o * tokens + first + count) * inner; n += 1) chosen.push(data[n]!);
  }
  return chosen;
}

function saysLength(program: Program): boolean {
  let found = false;
  visit(program.definitions.flatMap(scalarsOf), (s) => {
    found ||= s.kind === 'size' && s.size === 'keys';
  });
  return found;
}

/** What the host knows and of which earlier rows are read: for the whole sequence so far, in `capacity` rows. */
function wholeTables(plan: Plan, { keys, capacity }: KernelSizes, soFar: Values): Values {
  const made = hostTables(plan, { batch, tokens: keys, keys, first: 0, capacity }, soFar);
  const padded = (given: ArrayLike<number>): Float64Array => {
    const held = new Float64Array((given.length / keys) * capacity);
    held.set(Array.from(given));
    return held;
  };
  const isHistory = ({ rows }: BufferPlan): boolean => rows === 'history';
  const tables = plan.tables.map(({ buffer }) => buffer).filter(isHistory);
  return Object.fromEntries([
    ...tables.map(({ name }) => [name, made[name]!] as const),
    ...givenBuffers(plan)
      .filter(isHistory)
      .map(({ name, tensor }) => [name, padded(soFar[tensor!.name]!)] as const),
  ]);
}

/** The worst error of the rows of a result, over calls of so many tokens each. */
export function decodeError(
  program: Program,
  steps: readonly number[],
  options: Partial<PlanOptions>,
  run: RunOptions = {},
  result = 'output',
): number {
  const gradients = ['query', 'key'].filter((name) => program.inputs.some((input) => input.name === name));
  const plan = buildPlan(program, { gradients, outputs: [result], ...options });
  const wrong = verifyPlan(plan, options.maxBindings ?? 8);
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  const decode = plan.entries.find(({ name }) => name === 'decode')!;
  const before = plan.entries.filter(({ name }) => name === 'shared' || name === 'step');
  const tokens = steps.reduce((all, count) => all + count, 0);
  const capacity = tokens + 3;
  const inputs = inputsOf(program, batch, tokens);
  const upTo = (length: number): Values =>
    Object.fromEntries(
      program.inputs.map((tensor) => [tensor.name, rows(tensor, inputs[tensor.name]!, tokens, 0, length)]),
    );
  const whole = (length: number): ReadonlyMap<string, Float64Array> =>
    interpret(program, { batch, tokens: length }, upTo(length) as Record<string, ArrayLike<number>>);
  const output = program.results.get(result)!;
  // What says `length`, or counts tokens, is another in each call: its rows are those of the sequence up to there.
  const rowsOf = (length: number, count: number): number[] =>
    rows(output, whole(length).get(output.name)!, length, 0, count);
  const isAsLater = (length: number): boolean => worstError(rowsOf(length, length), rowsOf(tokens, length)) < 1e-12;
  const shorter = Array.from({ length: tokens - 1 }, (_, n) => n + 1);
  const usesLength = saysLength(program) || !shorter.every(isAsLater);
  const ofAll = usesLength ? null : whole(tokens);
  const state = new Map<string, Float32Array | Int32Array>();
  let first = 0;
  let worst = 0;
  for (const count of steps) {
    const sizes: KernelSizes = { batch, tokens: count, keys: first + count, first, capacity };
    const given: Values = Object.fromEntries(
      program.inputs.map((tensor) => [tensor.name, rows(tensor, inputs[tensor.name]!, tokens, first, count)]),
    );
    const values = new Map(state);
    const isSupplied = ({ origin }: Tensor): boolean =>
      origin.kind === 'given' && (origin.given === 'position' || origin.given === 'user');
    const supplied = Object.fromEntries(
      program.inputs
        .filter(isSupplied)
        .map((tensor) => [tensor.name, rows(tensor, inputs[tensor.name]!, tokens, 0, first + count)]),
    );
    // What the caller supplies and pairs of tokens read: the caller keeps all of it.
    const kept = decode.inputs.flatMap(({ buffer }) => {
      const data = buffer.tensor !== null && buffer.rows === 'history' ? supplied[buffer.tensor.name] : undefined;
      return data === undefined ? [] : [[buffer.name, asHeld(buffer, Float64Array.from(data), sizes)] as const];
    });
    const tables = hostTables(plan, sizes, { ...given, ...supplied });
    const all = { ...given, ...Object.fromEntries(kept), ...tables, ...wholeTables(plan, sizes, upTo(sizes.keys)) };
    for (const entry of before) runEntry(entry, sizes, values, all, run);
    runEntry(decode, sizes, values, all, { order: 'random', ...run });
    for (const { buffer, accumulate } of decode.inputs)
      if (accumulate) state.set(buffer.name, values.get(buffer.name)!);
    const expected = (ofAll ?? whole(sizes.keys)).get(output.name)!;
    const wanted = rows(output, expected, ofAll === null ? sizes.keys : tokens, first, count);
    worst = Math.max(worst, worstError(values.get(result)!, wanted));
    first += count;
  }
  return worst;
}
