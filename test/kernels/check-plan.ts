// Plans a program, runs it in the simulator and holds every output of every entry against the float64 interpreter.

import { buildPlan } from '../../codegen/plan/build-plan.ts';
import { verifyPlan } from '../../codegen/plan/verify.ts';
import type { Plan, PlanOptions, Profile } from '../../codegen/plan/plan.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program, Tensor } from '../../src/ir/ir.ts';
import { orders, runPlan, wholeSizes, worstError, type RunOptions, type Values } from './run-plan.ts';

export interface Case {
  readonly program: Program;
  readonly options?: Partial<PlanOptions>;
  readonly batch?: number;
  readonly tokens?: number;
  readonly inputs?: Values;
  readonly profile?: Profile;
  readonly run?: RunOptions;
  readonly orders?: readonly ('forward' | 'reverse' | 'random')[];
}

/** Numbers that look random, the same each time. */
export function randomValues(count: number, seed: number): Float64Array {
  let state = seed * 2654435761 + 1;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return Math.fround(((state >>> 8) / 2 ** 24) * 2 - 1);
  });
}

export function inputsOf(program: Program, batch: number, tokens: number, given: Values = {}): Values {
  const extents = { batch, tokens, keys: tokens };
  const value = (tensor: Tensor, seed: number): ArrayLike<number> => {
    const counts = tensor.axes.map(({ extent }) => (typeof extent === 'number' ? extent : extents[extent]));
    const count = counts.reduce((all, each) => all * each, 1);
    if (tensor.origin.kind === 'given' && tensor.origin.given === 'position' && tensor.axes.length === 1) {
      return Array.from({ length: count }, (_, n) => n);
    }
    return tensor.type === 'real'
      ? randomValues(count, seed)
      : Array.from({ length: count }, (_, n) => (n * 7 + 1) % 3);
  };
  const own = program.inputs.map((tensor, n) => [tensor.name, given[tensor.name] ?? value(tensor, n + 11)]);
  return { ...given, ...Object.fromEntries(own) }; // some entries take more than the program: sorted places
}

export interface Checked {
  readonly plan: Plan;
  readonly errors: Readonly<Record<string, number>>;
  readonly worst: number;
}

/** The largest error of each output; accumulated gradients start from 0. */
export function checkCase(given: Case): Checked {
  const { program, options = {}, batch = 2, tokens = 9 } = given;
  const plan = buildPlan(program, options);
  const wrong = verifyPlan(plan, options.maxBindings ?? 8);
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  const all = plan.gradients ?? program;
  const inputs = inputsOf(all, batch, tokens, given.inputs);
  const expected = interpret(all, { batch, tokens }, inputs as Record<string, ArrayLike<number>>);
  const errors: Record<string, number> = {};
  for (const order of given.orders ?? orders) {
    const run = { order, ...(given.profile ? { profile: given.profile } : {}), ...given.run };
    const actual = runPlan(plan, wholeSizes(batch, tokens), inputs, run);
    for (const [name, tensor] of all.results) {
      const isAsked = (options.outputs ?? ['output']).includes(name) || name.startsWith('d_');
      if (!isAsked) continue;
      const data = actual.get(name) ?? actual.get(tensor.name);
      if (data === undefined) throw new Error(`'${name}' is returned by no entry`);
      errors[name] = Math.max(errors[name] ?? 0, worstError(data, expected.get(tensor.name)!));
    }
  }
  return { plan, errors, worst: Math.max(0, ...Object.values(errors).map((e) => (Number.isNaN(e) ? Infinity : e))) };
}
