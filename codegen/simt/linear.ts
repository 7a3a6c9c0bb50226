// An i32 expression as a sum of products: constant + sum of coefficient * atom, seen through the names that `let` binds.
// Null where an atom is not the same for all values of the variable. Sums mod 2^32 have the same low bits, so that what
// divides every term by a power of two divides the sum, wrapped or not.

import type { Expression } from '../kernel.ts';
import { childrenOf } from './walk-kernel.ts';

export interface Linear {
  readonly constant: number;
  readonly terms: ReadonlyMap<string, { readonly atom: Expression; readonly coefficient: number }>;
}

/** What names stand for: the value of a `let`, or the first value and the step of a loop. */
export type Bound =
  | { readonly kind: 'let'; readonly value: Expression }
  | { readonly kind: 'loop'; readonly from: Expression; readonly step: number };
export type Bindings = ReadonlyMap<string, Bound>;

const keyOf = (atom: Expression): string => (atom.kind === 'local' ? atom.name : JSON.stringify(atom));

function combine(a: Linear, b: Linear, sign: number): Linear {
  const terms = new Map(a.terms);
  for (const [key, { atom, coefficient }] of b.terms) {
    const sum = (terms.get(key)?.coefficient ?? 0) + sign * coefficient;
    if (sum === 0) terms.delete(key);
    else terms.set(key, { atom, coefficient: sum });
  }
  return { constant: a.constant + sign * b.constant, terms };
}

function scaled({ constant, terms }: Linear, by: number): Linear {
  if (by === 0) return { constant: 0, terms: new Map() };
  const changed = [...terms].map(
    ([key, { atom, coefficient }]) => [key, { atom, coefficient: coefficient * by }] as const,
  );
  return { constant: constant * by, terms: new Map(changed) };
}

const isLinear = (e: Expression): boolean =>
  e.kind === 'local' ||
  (e.kind === 'call' && (e.op === 'add' || e.op === 'subtract' || e.op === 'multiply' || e.op === 'negate'));

export function linear(e: Expression, bindings: Bindings): Linear {
  const atom = (): Linear => ({ constant: 0, terms: new Map([[keyOf(e), { atom: e, coefficient: 1 }]]) });
  if (e.kind === 'literal') return { constant: e.value, terms: new Map() };
  if (e.kind === 'local') {
    const bound = bindings.get(e.name);
    return bound?.kind === 'let' && isLinear(bound.value) ? linear(bound.value, bindings) : atom();
  }
  if (e.kind !== 'call' || !isLinear(e)) return atom();
  const args = e.args.map((arg) => linear(arg, bindings));
  const [a, b] = args as [Linear, Linear];
  switch (e.op) {
    case 'add':
      return combine(a, b, 1);
    case 'subtract':
      return combine(a, b, -1);
    case 'negate':
      return scaled(a, -1);
    default:
      if (b.terms.size === 0) return scaled(a, b.constant);
      return a.terms.size === 0 ? scaled(b, a.constant) : atom();
  }
}

const most = 1024;

/** The largest power of two, up to 1024, that divides a number. */
function powerIn(value: number): number {
  if (value === 0) return most;
  let power = 1;
  while (power < most && value % (power * 2) === 0) power *= 2;
  return power;
}

/** A power of two that surely divides the value. */
export function multipleOf(e: Expression, bindings: Bindings): number {
  switch (e.kind) {
    case 'literal':
      return powerIn(e.value);
    case 'local': {
      const bound = bindings.get(e.name);
      if (bound === undefined) return 1;
      if (bound.kind === 'let') return multipleOf(bound.value, bindings);
      return Math.min(multipleOf(bound.from, bindings), powerIn(bound.step));
    }
    case 'call': {
      const [a, b] = e.args as [Expression, Expression];
      const of = (each: Expression): number => multipleOf(each, bindings);
      switch (e.op) {
        case 'add':
        case 'subtract':
        case 'min':
        case 'max':
        case 'remainder':
          return Math.min(of(a), of(b));
        case 'multiply':
          return Math.min(most, of(a) * of(b));
        case 'negate':
          return of(a);
        case 'select':
          return Math.min(of(b), of(e.args[2]!));
        default:
          return 1;
      }
    }
    default:
      return 1;
  }
}

/** A power of two that surely divides the sum, where the variable is 0. */
export function alignment(of: Linear, variable: string, bindings: Bindings): number {
  let least = powerIn(of.constant);
  for (const [key, { atom, coefficient }] of of.terms) {
    if (key !== variable) least = Math.min(least, powerIn(coefficient) * multipleOf(atom, bindings));
  }
  return least;
}

/** All names in an expression. */
export function namesIn(e: Expression, found = new Set<string>()): Set<string> {
  if (e.kind === 'local') found.add(e.name);
  for (const child of childrenOf(e)) namesIn(child, found);
  return found;
}
