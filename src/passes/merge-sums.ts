// a[..] = sum[p](f) + sum[q](g), where p and q run over like axes and nobody else reads the two sums, becomes one sum of
// f + g: the phase's cotangents from query and key are one kernel. All three are of one slot: what is made once a step for all
// layers stays apart from what is made for each.

import type { Axis, Definition, Program, Scalar, Tensor } from '../ir/ir.ts';
import { at, call, readAt } from '../ir/scalar.ts';
import { freshAxes, substitute } from '../ir/visit.ts';
import type { Read } from '../ir/visit.ts';
import { define } from '../ir/build.ts';
import { readersOf, visibleTensors, withDefinitions } from './pass.ts';
import type { Pass } from './pass.ts';
import { assignSlots } from './slots.ts';
import type { Slot } from './slots.ts';

type Sum = Extract<Definition, { kind: 'reduce' }>;
type Map_ = Extract<Definition, { kind: 'map' }>;

interface Term {
  readonly scalar: Scalar;
  readonly sign: 1 | -1;
}

/** The terms of a sum, in order. */
function termsOf(s: Scalar, sign: 1 | -1 = 1): Term[] {
  const flipped = sign === 1 ? -1 : 1;
  if (s.kind !== 'call' || s.type !== 'real') return [{ scalar: s, sign }];
  if (s.op === 'add') return [...termsOf(s.args[0]!, sign), ...termsOf(s.args[1]!, sign)];
  if (s.op === 'subtract') return [...termsOf(s.args[0]!, sign), ...termsOf(s.args[1]!, flipped)];
  if (s.op === 'negate') return termsOf(s.args[0]!, flipped);
  return [{ scalar: s, sign }];
}

const addTerm = (sum: Scalar | null, { scalar, sign }: Term): Scalar => {
  if (sum === null) return sign === 1 ? scalar : call('negate', scalar);
  return call(sign === 1 ? 'add' : 'subtract', sum, scalar);
};

/** The read takes every element of its tensor once: its indices are all the axes, in some order. */
function isWhole(read: Read, axes: readonly Axis[]): boolean {
  const used = read.index.map((index) => (index.kind === 'axis' ? index.axis : null));
  return used.length === axes.length && new Set(used).size === used.length && used.every((a) => a && axes.includes(a));
}

const likeAxes = (a: readonly Axis[], b: readonly Axis[]): boolean =>
  a.length === b.length && a.every((axis, n) => axis.extent === b[n]!.extent);

export const mergeSums: Pass = (program) => {
  let current = program;
  const { tensors } = assignSlots(program);
  for (const d of program.definitions) {
    if (d.kind === 'map' && d.tensor.type === 'real') current = mergeInto(current, d, tensors);
  }
  return current;
};

function mergeInto(program: Program, d: Map_, slots: ReadonlyMap<Tensor, Slot>): Program {
  const terms = termsOf(d.body);
  if (terms.length < 2) return program;
  const readers = readersOf(program);
  const visible = visibleTensors(program);
  const made = new Map<Tensor, Definition>(program.definitions.map((one) => [one.tensor, one]));
  const sumOf = ({ scalar }: Term): Sum | null => {
    if (scalar.kind !== 'read' || !isWhole(scalar, d.tensor.axes) || visible.has(scalar.tensor)) return null;
    const from = made.get(scalar.tensor);
    const mine = from?.kind === 'reduce' && from.op === 'sum' && readers.get(from.tensor)?.length === 1;
    const once = terms.filter((t) => t.scalar.kind === 'read' && t.scalar.tensor === scalar.tensor).length === 1;
    return mine && once && slots.get(from.tensor) === slots.get(d.tensor) ? from : null;
  };
  const sums = terms.map(sumOf);
  const first = sums.findIndex(
    (one, n) => one !== null && sums.some((o, m) => m > n && o && likeAxes(o.over, one.over)),
  );
  if (first < 0) return program;

  const chosen = terms.flatMap((term, n) => {
    const sum = sums[n];
    return sum && likeAxes(sum.over, sums[first]!.over) ? [{ term, sum }] : [];
  });
  const others = terms.filter((term) => !chosen.some((one) => one.term === term));
  const { axes: over } = freshAxes(sums[first]!.over);
  const own = freshAxes(d.tensor.axes);
  const body = chosen.reduce<Scalar | null>((total, { term, sum }) => {
    const read = term.scalar as Read;
    const by = new Map<Axis, Scalar>(sum.tensor.axes.map((axis, n) => [axis, substitute(read.index[n]!, own.by)]));
    sum.over.forEach((axis, n) => by.set(axis, at(over[n]!)));
    return addTerm(total, { scalar: substitute(sum.body, by), sign: term.sign });
  }, null)!;
  const gone = new Set<Definition>([...chosen.map(({ sum }) => sum), d]);
  const merged = mergedDefinitions(d, chosen[0]!.sum, { own, over, body, others });
  return withDefinitions(
    program,
    program.definitions.flatMap((one) => (one === d ? merged : gone.has(one) ? [] : [one])),
  );
}

interface Merged {
  readonly own: { readonly axes: readonly Axis[]; readonly by: ReadonlyMap<Axis, Scalar> };
  readonly over: readonly Axis[];
  readonly body: Scalar;
  readonly others: readonly Term[];
}

/** The one sum in place of `d`, or the one sum and what is left of `d`. */
function mergedDefinitions(d: Map_, sum: Sum, { own, over, body, others }: Merged): Definition[] {
  const rule = { kind: 'reduce', op: 'sum', over } as const;
  const more = {
    span: d.span,
    adjointOf: d.adjointOf,
    ...(d.cotangentOf === undefined ? {} : { cotangentOf: d.cotangentOf }),
  };
  if (others.length === 0) {
    const back = new Map<Axis, Scalar>(own.axes.map((axis, n) => [axis, at(d.tensor.axes[n]!)]));
    return [define(d.tensor, { ...rule, body: substitute(body, back) }, more)];
  }
  const tensor: Tensor = Object.freeze({ ...sum.tensor, axes: own.axes });
  const part = define(tensor, { ...rule, body }, { span: sum.span, adjointOf: sum.adjointOf });
  const rest = others.reduce<Scalar | null>(addTerm, readAt(tensor, d.tensor.axes))!;
  return [part, define(d.tensor, { kind: 'map', body: rest }, more)];
}
