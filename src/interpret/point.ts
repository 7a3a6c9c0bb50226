// Turns a scalar into a function that evaluates it at the current point of a loop nest. A node that is used twice, or
// that does not change in the innermost loops, is evaluated once for each point at which its axes change.

import type { Axis, Scalar, Tensor } from '../ir/ir.ts';
import { operations } from '../ir/ops.ts';
import { children, visit } from '../ir/visit.ts';
import type { Read } from '../ir/visit.ts';
import type { RuntimeSizes, Storage } from './storage.ts';

export interface Loop {
  readonly axis: Axis;
  readonly base: number;
  readonly count: number;
}

/** A loop nest, outermost first, with the indices of the current point. */
export interface Nest {
  readonly loops: readonly Loop[];
  readonly index: Float64Array; // one for each loop
  readonly stamp: Float64Array; // [0]: never changes; [k + 1]: changes whenever index k or an outer one does
}

export const makeNest = (loops: readonly Loop[]): Nest => ({
  loops,
  index: new Float64Array(loops.length),
  stamp: new Float64Array(loops.length + 1),
});

/** Runs loops from <= k < to of a nest in order, and `body` at each point. */
export function eachPoint(nest: Nest, from: number, to: number, body: () => void, reverse = false): void {
  if (from === to) return body();
  const { base, count } = nest.loops[from]!;
  for (let n = 0; n < count; n++) {
    nest.index[from] = base + (reverse ? count - 1 - n : n);
    nest.stamp[from + 1]!++;
    if (from + 1 === to) body();
    else eachPoint(nest, from + 1, to, body, reverse);
  }
}

export type Evaluate = () => number;
export type Lookup = (tensor: Tensor) => Storage;

/** Draws a number for a random operation; undefined where none may occur. */
export type Draw = (op: 'normal' | 'trunc_normal' | 'uniform', a: number, b: number) => number;

/** A compiler of scalars over one nest; scalars compiled by the same one share what they have in common. */
export function scalarCompiler(nest: Nest, sizes: RuntimeSizes, lookup: Lookup, draw?: Draw) {
  const level = new Map<Scalar, number>(); // the innermost loop a node depends on, -1: none
  const uses = new Map<Scalar, number>();
  const compiled = new Map<Scalar, Evaluate>();
  const place = new Map(nest.loops.map((loop, k) => [loop.axis, k]));

  const compile = (s: Scalar): Evaluate => {
    const known = compiled.get(s);
    if (known !== undefined) return known;
    const bare = compileBare(s);
    const changes = level.get(s)!;
    const keep = s.kind !== 'constant' && s.kind !== 'axis' && s.kind !== 'size';
    const worth = keep && !isRandom(s) && (uses.get(s)! > 1 || changes < nest.loops.length - 1);
    const result = worth ? remembered(bare, nest.stamp, changes + 1) : bare;
    compiled.set(s, result);
    return result;
  };

  const compileBare = (s: Scalar): Evaluate => {
    switch (s.kind) {
      case 'constant': {
        const { value } = s;
        return () => value;
      }
      case 'size': {
        const value = sizes[s.size];
        return () => value;
      }
      case 'axis': {
        const k = place.get(s.axis)!;
        const { index } = nest;
        return () => index[k]!;
      }
      case 'read':
        return compileRead(s, lookup(s.tensor), nest, place, compile);
      case 'call':
        if (s.op === 'select') return select(s.args.map(compile));
        if (isRandom(s)) return random(s, s.args.map(compile));
        return applied(operations[s.op].evaluate!, s.args.map(compile));
      default:
        return s satisfies never;
    }
  };

  const random = (s: Scalar, [a, b]: readonly Evaluate[]): Evaluate => {
    if (draw === undefined || s.kind !== 'call') throw new Error('random numbers are only for initial values');
    const op = s.op as 'normal' | 'trunc_normal' | 'uniform';
    return () => draw(op, a!(), b!());
  };

  return (root: Scalar): Evaluate => {
    visit(root, (s) => {
      let deepest = s.kind === 'axis' ? place.get(s.axis)! : -1;
      for (const child of children(s)) {
        deepest = Math.max(deepest, level.get(child)!);
        uses.set(child, (uses.get(child) ?? 0) + 1);
      }
      if (isRandom(s)) deepest = nest.loops.length - 1;
      level.set(s, deepest);
    });
    uses.set(root, (uses.get(root) ?? 0) + 1);
    return compile(root);
  };
}

const isRandom = (s: Scalar): boolean => s.kind === 'call' && operations[s.op].evaluate === null;

function remembered(bare: Evaluate, stamp: Float64Array, k: number): Evaluate {
  let when = -1;
  let value = 0;
  return () => {
    const now = stamp[k]!;
    if (now !== when) {
      value = bare();
      when = now;
    }
    return value;
  };
}

/** Only the branch taken is evaluated. */
function select([condition, then, otherwise]: readonly Evaluate[]): Evaluate {
  const [c, t, o] = [condition!, then!, otherwise!];
  return () => (c() !== 0 ? t() : o());
}

function applied(op: (...args: number[]) => number, args: readonly Evaluate[]): Evaluate {
  const [a, b] = args;
  if (args.length === 1) return () => op(a!());
  return () => op(a!(), b!());
}

/** An index that is a plain axis inside the tensor needs no check. */
function compileRead(
  s: Read,
  storage: Storage,
  nest: Nest,
  place: ReadonlyMap<Axis, number>,
  compile: (s: Scalar) => Evaluate,
): Evaluate {
  const { data, base, count, stride } = storage;
  const plain: { k: number; stride: number }[] = [];
  const checked: { evaluate: Evaluate; base: number; count: number; stride: number }[] = [];
  let start = 0;
  for (const [n, at] of s.index.entries()) {
    const k = at.kind === 'axis' ? place.get(at.axis)! : -1;
    const loop = nest.loops[k];
    if (loop !== undefined && loop.base >= base[n]! && loop.base + loop.count <= base[n]! + count[n]!) {
      plain.push({ k, stride: stride[n]! });
      start -= base[n]! * stride[n]!;
    } else {
      checked.push({ evaluate: compile(at), base: base[n]!, count: count[n]!, stride: stride[n]! });
    }
  }
  const offset = plainOffset(plain, start, nest.index);
  if (checked.length === 0) return () => data[offset()]!;
  const { outside, tensor } = s;
  return () => {
    let where = offset();
    for (const part of checked) {
      const value = part.evaluate();
      const n = value - part.base;
      if (!(n >= 0 && n < part.count)) {
        const unknown = value >= 0 && n < 0; // a row before `first` that was not given
        if (outside === null || unknown) throw new Error(outsideMessage(tensor, value, part.base, part.count));
        return outside;
      }
      where += n * part.stride;
    }
    return data[where]!;
  };
}

const outsideMessage = (tensor: Tensor, value: number, base: number, count: number): string =>
  `'${tensor.name}' is read at ${value}, outside ${base} .. ${base + count - 1}`;

function plainOffset(parts: readonly { k: number; stride: number }[], start: number, index: Float64Array): Evaluate {
  const [a, b, c, d] = parts;
  if (a === undefined) return () => start;
  if (b === undefined) return () => start + index[a.k]! * a.stride;
  if (c === undefined) return () => start + index[a.k]! * a.stride + index[b.k]! * b.stride;
  if (d === undefined) {
    return () => start + index[a.k]! * a.stride + index[b.k]! * b.stride + index[c.k]! * c.stride;
  }
  const rest = parts.slice(4);
  return () => {
    let where = start + index[a.k]! * a.stride + index[b.k]! * b.stride + index[c.k]! * c.stride;
    where += index[d.k]! * d.stride;
    for (const part of rest) where += index[part.k]! * part.stride;
    return where;
  };
}
