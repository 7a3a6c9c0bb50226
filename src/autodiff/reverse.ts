// Reverse mode on programs: definitions are walked backwards, the parts of each cotangent summed, and pulled by the rule
// of its definition. The result is a program of the same language: nothing is executed, no tensor of zeros is made.

import { defined, define, program as makeProgram } from '../ir/build.ts';
import type { Axis, Definition, Program, Rule, Scalar, Tensor } from '../ir/ir.ts';
import { axisRange, makeContext } from '../ir/ranges.ts';
import { call, readAt } from '../ir/scalar.ts';
import { freshAxes, substitute, tensorsOf } from '../ir/visit.ts';
import { assignSlots, slotNames } from '../passes/slots.ts';
import type { Slot } from '../passes/slots.ts';
import { uniqueNames } from '../passes/unique.ts';
import { pullDefinition } from './rules.ts';
import type { Sweep } from './rules.ts';

/** What is propagated backwards: how it is named, and what a definition sends to what it reads. */
export interface Propagation {
  /** Of a tensor's: `d_NAME`. */
  readonly prefix: string;
  readonly pull: (d: Definition, arriving: Tensor, sweep: Sweep) => void;
  /** Definitions beyond which nothing is sent. */
  readonly stops: (d: Definition) => boolean;
}

const gradients: Propagation = { prefix: 'd_', pull: pullDefinition, stops: () => false };

/** One part of a cotangent; `via` is the definition that was differentiated, null: the seed. */
interface Part {
  readonly via: Definition | null;
  readonly rule: (to: readonly Axis[]) => Rule;
}

/**
 * `program` with the definitions of the gradients appended, and a result `d_NAME` for each wanted tensor that the seeded
 * results depend on. `seeds`: result tensor to its cotangent, a `given` over like axes. `wanted`: real inputs or
 * definitions. Every gradient definition has `adjointOf` (the definition it differentiates) and, where it is a cotangent
 * or a part of one, `cotangentOf`. Gradients are taken with first = 0.
 */
export function reverse(
  program: Program,
  seeds: ReadonlyMap<Tensor, Tensor>,
  wanted: readonly Tensor[],
  { prefix, pull, stops }: Propagation = gradients,
): Program {
  const leads = new Set(wanted.filter((tensor) => tensor.type === 'real'));
  for (const d of program.definitions) {
    const reaches = d.tensor.type === 'real' && [...tensorsOf(d)].some((tensor) => leads.has(tensor));
    if (reaches && !stops(d)) leads.add(d.tensor);
  }
  const slots = assignSlots(program, { late: wanted });
  const slotOf = (via: Definition | null): Slot => (via === null ? 'layer' : slots.of.get(via)!);
  const seeded = [...seeds.values()].filter((seed) => seed.origin.kind === 'given' && !program.inputs.includes(seed));
  const unique = uniqueNames({ ...program, inputs: [...program.inputs, ...seeded] });

  const made: Definition[] = [];
  const emit = (name: string, axes: readonly Axis[], rule: Rule, via: Definition | null, of?: Tensor): Tensor => {
    const tensor = defined(unique(name), axes);
    const span = via?.span ?? null;
    made.push(define(tensor, rule, { span, adjointOf: via, ...(of === undefined ? {} : { cotangentOf: of }) }));
    return tensor;
  };

  const parts = new Map<Tensor, Part[]>();
  const add = (tensor: Tensor, part: Part): void => {
    if (leads.has(tensor)) parts.set(tensor, [...(parts.get(tensor) ?? []), part]);
  };

  /** The sum of the parts; null where there is none. */
  const total = (tensor: Tensor): Tensor | null => {
    const all = parts.get(tensor) ?? [];
    const seed = seeds.get(tensor);
    if (all.length === 0) return seed !== undefined && leads.has(tensor) ? seed : null;
    if (seed !== undefined) all.push({ via: null, rule: (to) => ({ kind: 'map', body: readAt(seed, to) }) });
    const groups = slotNames
      .map((slot) => [slot, all.filter(({ via }) => slotOf(via) === slot)] as const)
      .filter(([, group]) => group.length > 0);
    if (groups.length === 1) return sum(tensor, `${prefix}${tensor.name}`, all);
    // What is computed once a step waits for what every layer adds: one sum for each slot, then theirs.
    const sums = groups.map(([slot, group]) => sum(tensor, `${prefix}${tensor.name}_${slot}`, group));
    const { axes } = freshAxes(tensor.axes);
    const body = sums.map((one) => readAt(one, axes)).reduce(plus);
    return emit(`${prefix}${tensor.name}`, axes, { kind: 'map', body }, groups[0]![1][0]!.via, tensor);
  };

  /** One definition of the sum of parts; those that are not maps are definitions of their own. */
  const sum = (tensor: Tensor, name: string, group: readonly Part[]): Tensor => {
    const { axes } = freshAxes(tensor.axes);
    const via = group.find((part) => part.via !== null)?.via ?? null;
    const rules = group.map((part) => part.rule(axes));
    const [only] = rules;
    if (rules.length === 1) return emit(name, axes, only!, via, tensor);
    const terms = rules.map((rule, n): Scalar => {
      if (rule.kind === 'map') return rule.body;
      const from = group[n]!.via!;
      const fresh = freshAxes(axes);
      const part = emit(`${name}_from_${from.tensor.name}`, fresh.axes, renamed(rule, fresh.by), from);
      return readAt(part, axes);
    });
    return emit(name, axes, { kind: 'map', body: terms.reduce(plus) }, via, tensor);
  };

  const context = makeContext({ training: true, tensors: argmaxRanges(program) });
  const results = new Map(program.results);
  const keep = (tensor: Tensor, cotangent: Tensor | null): void => {
    if (cotangent !== null && wanted.includes(tensor)) results.set(`${prefix}${tensor.name}`, cotangent);
  };
  for (const d of program.definitions.toReversed()) {
    if (!leads.has(d.tensor)) continue;
    const cotangent = total(d.tensor);
    keep(d.tensor, cotangent);
    if (cotangent === null) continue;
    const sweep: Sweep = {
      context,
      wants: (tensor) => leads.has(tensor),
      emit: (name, axes, rule) => emit(name, axes, rule, d),
      contribute: (tensor, rule) => add(tensor, { via: d, rule }),
    };
    pull(d, cotangent, sweep);
  }
  for (const input of program.inputs) keep(input, total(input));

  return makeProgram({
    name: program.name,
    inputs: [...program.inputs, ...seeded],
    definitions: [...program.definitions, ...made],
    sites: program.sites,
    results,
  });
}

const plus = (a: Scalar, b: Scalar): Scalar => call('add', a, b);

/** The same rule over renamed axes; of the rules that reverse mode makes. */
function renamed(rule: Rule, by: ReadonlyMap<Axis, Scalar>): Rule {
  if (rule.kind === 'reduce' || rule.kind === 'map') return { ...rule, body: substitute(rule.body, by) };
  if (rule.kind === 'rotate') return { ...rule, phase: substitute(rule.phase, by) };
  return rule; // functions of matrices and scatter do not use the axes of their tensor
}

/** The place of a maximum is an index of its axis. */
function argmaxRanges(program: Program): Map<Tensor, ReturnType<typeof axisRange>> {
  const ranges = new Map<Tensor, ReturnType<typeof axisRange>>();
  for (const d of program.definitions) {
    if (d.kind === 'reduce' && d.op === 'argmax') ranges.set(d.tensor, axisRange(d.over[0]!));
  }
  return ranges;
}
