// The value of a checked expression at one point: at token i = 3, head h = 0, and so on. What is learned, given, drawn or
// comes from the model is unknown (null), and so is all that needs it. Branches that are not taken are not looked at.

import type { Declaration, Index, Node } from '../check/checked.ts';
import { children } from '../check/nodes.ts';
import { operations } from '../ir/ops.ts';

export type Point = ReadonlyMap<Index, number>;

export interface Evaluator {
  readonly at: (node: Node, point: Point) => number | null;
  /** Whether there was no time left: then nothing follows from what was seen. */
  readonly spent: () => boolean;
}

/** Called where finite arguments give no finite value. */
type Surge = (node: Node, value: number, point: Point) => void;

const MOST_NODES = 400_000;

/**
 * `tokens` is the length of the sequence; null: sums over tokens and `length` are unknown. Positions count tokens.
 * `ordered`: the model hides later keys.
 */
export function evaluator(tokens: number | null, ordered: boolean, surge: Surge = () => {}): Evaluator {
  const unknown = new Map<Node, boolean>();
  let left = MOST_NODES;

  function at(node: Node, point: Point): number | null {
    if (left <= 0) return null;
    left--;
    switch (node.kind) {
      case 'constant':
        return node.value;
      case 'index':
        return point.get(node.index) ?? null;
      case 'runtime':
        return node.name === 'length' ? tokens : null;
      case 'call':
        return ofCall(node, point);
      case 'read':
        return ofRead(node, point);
      case 'chain':
        return ofChain(node, point);
      case 'reduce':
        return ofReduction(node, point);
      case 'map':
        if (node.where === null || at(node.where, point) === 1) at(node.body, point);
        return null;
      default:
        return node satisfies never;
    }
  }

  function ofCall(node: Extract<Node, { kind: 'call' }>, point: Point): number | null {
    const { op, args } = node;
    if (op === 'select') {
      const condition = at(args[0]!, point);
      return condition === null ? null : at(args[condition !== 0 ? 1 : 2]!, point);
    }
    if (op === 'and' || op === 'or') return ofCondition(op, args, point);
    if (op === 'multiply' && args.some((arg) => isHiddenWeight(arg, point))) return 0;
    const values = args.map((arg) => at(arg, point));
    const divisor = op === 'divide' ? values[1] : null;
    const { evaluate } = operations[op];
    if (values.some((value) => value === null) || evaluate === null) {
      if (divisor === 0) surge(node, Infinity, point);
      return null;
    }
    const value = evaluate(...(values as readonly number[]));
    if (Number.isFinite(value)) return value;
    if (values.every((one) => Number.isFinite(one))) surge(node, value, point);
    return null;
  }

  function ofCondition(op: 'and' | 'or', args: readonly Node[], point: Point): number | null {
    const decides = op === 'and' ? 0 : 1;
    let known = true;
    for (const arg of args) {
      const value = at(arg, point);
      if (value === decides) return decides;
      known &&= value !== null;
    }
    return known ? 1 - decides : null;
  }

  function ofRead(node: Extract<Node, { kind: 'read' }>, point: Point): number | null {
    const items = node.items.map((item) => at(item, point));
    if (items.some((item) => item === null)) return null;
    const places = items as readonly number[];
    if (node.of.kind === 'position') return places[0]!;
    if (node.of.kind !== 'let' || !isWorthIt(node.of.value)) return null;
    const { indices, value } = node.of;
    const inside = indices.every(
      ({ axis }, k) => places[k]! >= 0 && (axis.size === 'tokens' || places[k]! < axis.size),
    );
    if (!inside) return 0;
    return at(value, new Map(indices.map((index, k) => [index, places[k]!] as const)));
  }

  function ofChain(node: Extract<Node, { kind: 'chain' }>, point: Point): null {
    for (const item of node.items) at(item, point);
    return null;
  }

  /** A weight of a later key: 0, whatever it is multiplied by. */
  function isHiddenWeight(node: Node, point: Point): boolean {
    if (!ordered || node.kind !== 'chain' || node.tensor !== 'attention') return false;
    const [, query, key] = node.items.map((item) => at(item, point));
    return query != null && key != null && key > query;
  }

  function ofReduction(node: Extract<Node, { kind: 'reduce' }>, point: Point): number | null {
    if (!isWorthIt(node.body)) return null;
    const hidden = isUnknown(node.body);
    let points: readonly Point[] = [point];
    for (const index of node.over) {
      const places = index.axis.size === 'tokens' ? (tokens === null ? [] : upTo(tokens)) : placesOf(index, hidden);
      points = points.flatMap((one) => places.map((place) => new Map([...one, [index, place]])));
    }
    let all: number[] | null = tokens === null && node.over.some(({ axis }) => axis.size === 'tokens') ? null : [];
    for (const inner of points) {
      const taken = node.where === null ? 1 : at(node.where, inner);
      if (taken === 0) continue;
      const value = taken === null ? null : at(node.body, inner);
      if (value === null) all = null;
      else all?.push(value);
    }
    return all === null || hidden || all.length === 0 ? null : reduced(node.op, all);
  }

  /** Whether an expression reads, now or through a `let`, what nobody knows before the model runs. */
  function isUnknown(node: Node): boolean {
    const known = unknown.get(node);
    if (known !== undefined) return known;
    const itself =
      node.kind === 'chain' ||
      node.kind === 'map' ||
      (node.kind === 'read' && !['let', 'position'].includes(node.of.kind));
    const found =
      itself ||
      (node.kind === 'read' && node.of.kind === 'let' && isUnknown(node.of.value)) ||
      children(node).some(isUnknown);
    unknown.set(node, found);
    return found;
  }

  /** Whether its value can be known, or something in it may have none. */
  const isWorthIt = (node: Node): boolean => !isUnknown(node) || maySurgeIn(node);

  return { at, spent: () => left <= 0 };
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n);

/** All places of an axis, or the first two and the last where the values are not needed. */
export function placesOf({ axis }: Index, few: boolean): readonly number[] {
  if (axis.size === 'tokens') return [];
  return few ? [...new Set([0, Math.min(1, axis.size - 1), axis.size - 1])] : upTo(axis.size);
}

const partial: ReadonlySet<string> = new Set([
  'divide',
  'power',
  'log',
  'log2',
  'log1p',
  'sqrt',
  'mod',
  'exp',
  'expm1',
]);

function maySurgeIn(node: Node, seen = new Set<Declaration>()): boolean {
  if (node.kind === 'call' && partial.has(node.op)) return true;
  if (node.kind === 'read' && node.of.kind === 'let' && !seen.has(node.of)) {
    seen.add(node.of);
    if (maySurgeIn(node.of.value, seen)) return true;
  }
  return children(node).some((part) => maySurgeIn(part, seen));
}

function reduced(op: Extract<Node, { kind: 'reduce' }>['op'], values: readonly number[]): number {
  const sum = (all: readonly number[]): number => all.reduce((total, value) => total + value, 0);
  switch (op) {
    case 'sum':
      return sum(values);
    case 'prod':
      return values.reduce((total, value) => total * value, 1);
    case 'mean':
      return sum(values) / values.length;
    case 'max':
      return Math.max(...values);
    case 'min':
      return Math.min(...values);
    case 'logsumexp':
      return Math.log(sum(values.map(Math.exp)));
    default:
      return op satisfies never;
  }
}
