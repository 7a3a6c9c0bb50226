// Intervals of nodes, and proofs that an index stays inside its axis. Bounds come from axis sizes, constants,
// `clamp`, `min`, `max`, `mod` and rounding; conditions around a read (`if`, `where`) are facts about linear forms.

import type { Node } from './checked.ts';
import { children } from './nodes.ts';
import { intervalOf, type Interval } from './intervals.ts';

/** A linear form over atoms: constant + sum of coefficient * atom. As a fact it is promised to be <= 0. */
interface Linear {
  readonly constant: number;
  readonly terms: ReadonlyMap<number, { readonly coefficient: number; readonly atom: Node }>;
}
export type Fact = Linear;

export interface Ranges {
  readonly interval: (node: Node) => Interval;
  /** The same formula over the same indices. */
  readonly same: (a: Node, b: Node) => boolean;
  /** What `condition` (or its negation) promises. */
  readonly facts: (condition: Node, holds: boolean) => readonly Fact[];
  readonly atLeast: (node: Node, least: number, facts: readonly Fact[]) => boolean;
  readonly atMost: (node: Node, most: number, facts: readonly Fact[]) => boolean;
}

const DEEPEST = 12; // of nested min, max and if in a proof
const MOST_FACTS = 16;

export function createRanges(): Ranges {
  const intervals = new Map<Node, Interval>();
  const keys = new Map<Node, number>();
  const interned = new Map<string, number>();
  const identities = new Map<object, number>();

  const identity = (thing: object): number => {
    const known = identities.get(thing) ?? identities.size;
    identities.set(thing, known);
    return known;
  };

  function interval(node: Node): Interval {
    const known = intervals.get(node);
    if (known !== undefined) return known;
    const found = intervalOf(node, interval);
    intervals.set(node, found);
    return found;
  }

  /** Equal numbers for structurally equal nodes. */
  function key(node: Node): number {
    const known = keys.get(node);
    if (known !== undefined) return known;
    const below = children(node).map(key).join(',');
    const text = ((): string => {
      switch (node.kind) {
        case 'constant':
          return `c${node.value}`;
        case 'index':
          return `i${identity(node.index)}`;
        case 'runtime':
          return node.name;
        case 'call':
          return `${node.op}(${below})`;
        case 'read':
          return `r${identity(node.of)}(${below})`;
        case 'chain':
          return `${node.tensor}${node.version}(${below})`;
        case 'reduce':
        case 'map':
          return `n${identity(node)}`;
        default:
          return node satisfies never;
      }
    })();
    const number = interned.get(text) ?? interned.size;
    interned.set(text, number);
    keys.set(node, number);
    return number;
  }

  function linear(node: Node, depth = 0): Linear {
    if (node.kind === 'constant' && Number.isFinite(node.value)) return { constant: node.value, terms: new Map() };
    if (node.kind === 'call' && depth < DEEPEST) {
      const [a, b] = node.args;
      const of = (arg: Node | undefined): Linear => linear(arg!, depth + 1);
      if (node.op === 'add') return sum(of(a), of(b), 1);
      if (node.op === 'subtract') return sum(of(a), of(b), -1);
      if (node.op === 'negate') return sum(ZERO, of(a), -1);
      if (node.op === 'multiply') {
        const [left, right] = [of(a), of(b)];
        if (left.terms.size === 0) return sum(ZERO, right, left.constant);
        if (right.terms.size === 0) return sum(ZERO, left, right.constant);
      }
    }
    return { constant: 0, terms: new Map([[key(node), { coefficient: 1, atom: node }]]) };
  }

  /** The largest value a form can have. */
  function most(form: Linear): number {
    let total = form.constant;
    for (const { coefficient, atom } of form.terms.values()) {
      const { low, high } = interval(atom);
      total += coefficient > 0 ? coefficient * high : coefficient * low;
    }
    return total;
  }

  const holds = (form: Linear, facts: readonly Fact[]): boolean =>
    most(form) <= 0 ||
    facts.some((fact) => most(sum(form, fact, -1)) <= 0) ||
    (facts.length > 1 &&
      facts.length <= MOST_FACTS &&
      facts.some((one, place) => facts.slice(place + 1).some((two) => most(sum(sum(form, one, -1), two, -1)) <= 0)));

  function facts(condition: Node, truth: boolean): readonly Fact[] {
    if (condition.kind !== 'call') return [];
    const [a, b] = condition.args as [Node, Node];
    const whole = (): number => (a.type === 'integer' && b.type === 'integer' ? 1 : 0);
    const less = (left: Node, right: Node, gap: number): Fact => {
      const form = sum(linear(left), linear(right), -1);
      return { constant: form.constant + gap, terms: form.terms };
    };
    switch (condition.op) {
      case 'not':
        return facts(a, !truth);
      case 'and':
        return truth ? [...facts(a, true), ...facts(b, true)] : [];
      case 'or':
        return truth ? [] : [...facts(a, false), ...facts(b, false)];
      case 'less':
        return [truth ? less(a, b, whole()) : less(b, a, 0)];
      case 'less_equal':
        return [truth ? less(a, b, 0) : less(b, a, whole())];
      case 'equal':
        return truth ? [less(a, b, 0), less(b, a, 0)] : [];
      case 'not_equal':
        return truth ? [] : [less(a, b, 0), less(b, a, 0)];
      default:
        return [];
    }
  }

  function bounded(node: Node, side: 'most' | 'least', bound: number, known: readonly Fact[], depth: number): boolean {
    const { low, high } = interval(node);
    if (side === 'most' ? high <= bound : low >= bound) return true;
    if (node.kind === 'call' && depth < DEEPEST) {
      const [a, b, c] = node.args as [Node, Node, Node];
      const prove = (arg: Node, more: readonly Fact[] = []): boolean =>
        bounded(arg, side, bound, more.length === 0 ? known : [...known, ...more], depth + 1);
      const either = node.op === (side === 'most' ? 'min' : 'max');
      const both = node.op === (side === 'most' ? 'max' : 'min');
      if (either && (prove(a) || prove(b))) return true;
      if (both && prove(a) && prove(b)) return true;
      if (node.op === 'select') return prove(b, facts(a, true)) && prove(c, facts(a, false));
    }
    const constant: Linear = { constant: bound, terms: new Map() };
    return holds(side === 'most' ? sum(linear(node), constant, -1) : sum(constant, linear(node), -1), known);
  }

  return {
    interval,
    same: (a, b) => key(a) === key(b),
    facts,
    atLeast: (node, least, known) => bounded(node, 'least', least, known, 0),
    atMost: (node, bound, known) => bounded(node, 'most', bound, known, 0),
  };
}

const ZERO: Linear = { constant: 0, terms: new Map() };

/** a + factor * b */
function sum(a: Linear, b: Linear, factor: number): Linear {
  const terms = new Map(a.terms);
  for (const [key, { coefficient, atom }] of b.terms) {
    const total = (terms.get(key)?.coefficient ?? 0) + factor * coefficient;
    if (total === 0) terms.delete(key);
    else terms.set(key, { coefficient: total, atom });
  }
  return { constant: a.constant + factor * b.constant, terms };
}
