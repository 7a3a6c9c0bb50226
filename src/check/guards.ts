// Whether a query is known to see a key where an expression is looked at: by `if visible[h, i, j]`, or by conditions around it
// that leave only keys at or before the query and hold all that `visible` lines ask for.

import type { CheckedSite, Index, Node } from './checked.ts';
import * as nodes from './nodes.ts';
import type { Fact } from './ranges.ts';
import type { Checker } from './scope.ts';
import { substitute } from './substitute.ts';

/** A condition of an `if` or a `where` around an expression, and whether it holds there. */
export interface Guard {
  readonly condition: Node;
  readonly holds: boolean;
}

type ChainRead = Extract<Node, { kind: 'chain' }>;
type Narrowing = Extract<CheckedSite, { kind: 'assign' }>;

export interface Guards {
  /** Whether the key of this read is seen by its query. */
  readonly isSeen: (read: ChainRead, known: readonly Guard[]) => boolean;
  /** What holds wherever the score or the weight that a site makes is looked at. */
  readonly ofSite: (site: CheckedSite) => Guard;
  /** Whether a line hides more than the model does. */
  readonly narrowed: boolean;
}

export function guardsOf(sites: readonly CheckedSite[], { geometry, ranges }: Checker): Guards {
  const { bidirectional = false } = geometry;
  const narrowings = sites.filter((site): site is Narrowing => site.target === 'visible' && site.kind === 'assign');

  const readsHead = ({ value, indices: [head] }: Narrowing): boolean => head !== undefined && readsIndex(value, head);

  /** `visible` of the same query and key, and of the same head where that counts, below as many lines. */
  const says = (guard: ChainRead, read: ChainRead): boolean => {
    if (guard.tensor !== 'visible' || guard.version < read.mask) return false;
    const heads = narrowings.slice(0, read.mask).some(readsHead);
    return guard.items.every((item, n) => (n === 0 && !heads) || isSame(item, read.items[n]!));
  };
  const isSame = (a: Node, b: Node): boolean => ranges.same(a, b);

  const isSeen = (read: ChainRead, known: readonly Guard[]): boolean => {
    const parts = known.flatMap(conjuncts);
    const shown = parts.filter((one): one is ChainRead => one.kind === 'chain' && one.tensor === 'visible');
    if (shown.some((guard) => says(guard, read))) return true;
    const facts = known.flatMap(({ condition, holds }) =>
      (holds ? parted(condition) : [condition]).flatMap((one) => ranges.facts(one, holds)),
    );
    const ordered = bidirectional ? [] : shown.flatMap(({ items }) => orderOf(items));
    const all = [...facts, ...ordered];
    const [, query, key] = read.items as [Node, Node, Node];
    if (!bidirectional && !isAtMost(key, query, all)) return false;
    return narrowings.slice(0, read.mask).every((site) => {
      const at = new Map(site.indices.map((index, n) => [index, read.items[n]!] as const));
      return holds(substitute(site.value, at), all, parts);
    });
  };

  /** A query sees no later key. */
  const orderOf = (items: readonly Node[]): readonly Fact[] => {
    const [, query, key] = items as [Node, Node, Node];
    return ranges.facts(nodes.compare('<=', key, query, key.span), true);
  };

  const isAtMost = (a: Node, b: Node, facts: readonly Fact[]): boolean => {
    if (a.kind === 'call' && a.op === 'max') return a.args.every((arg) => isAtMost(arg, b, facts));
    if (a.kind === 'call' && a.op === 'min' && a.args.some((arg) => isAtMost(arg, b, facts))) return true;
    return ranges.same(a, b) || ranges.atMost(nodes.call('subtract', [a, b], a.span), 0, facts);
  };

  const holds = (condition: Node, facts: readonly Fact[], known: readonly Node[]): boolean => {
    if (condition.kind === 'constant') return condition.value !== 0;
    if (known.some((one) => isSame(one, condition))) return true;
    if (condition.kind !== 'call') return false;
    const [a, b] = condition.args as [Node, Node];
    switch (condition.op) {
      case 'and':
        return holds(a, facts, known) && holds(b, facts, known);
      case 'or':
        return holds(a, facts, known) || holds(b, facts, known);
      case 'less_equal':
        return isAtMost(a, b, facts);
      case 'less': {
        const whole = a.type === 'integer' && b.type === 'integer';
        return whole && isAtMost(nodes.call('add', [a, nodes.number(1, a.span)], a.span), b, facts);
      }
      default:
        return false;
    }
  };

  const ofSite = (site: CheckedSite): Guard => {
    const above = sites.slice(0, sites.indexOf(site)).filter(({ target }) => target === 'visible').length;
    const items = site.indices.map((index): Node => indexNode(index));
    const at = { type: 'boolean', span: site.span, kind: 'chain', tensor: 'visible' } as const;
    return { condition: { ...at, version: above, mask: above, items }, holds: true };
  };

  return { isSeen, ofSite, narrowed: narrowings.length > 0 };
}

/** a <= min(b, c) is a <= b and a <= c. */
function parted(condition: Node): readonly Node[] {
  if (condition.kind !== 'call') return [condition];
  const [a, b] = condition.args as [Node, Node];
  if (condition.op === 'and') return [...parted(a), ...parted(b)];
  if (condition.op !== 'less' && condition.op !== 'less_equal') return [condition];
  const sides = (node: Node, op: 'min' | 'max'): readonly Node[] | null =>
    node.kind === 'call' && node.op === op ? node.args : null;
  const [lefts, rights] = [sides(a, 'max'), sides(b, 'min')];
  if (lefts === null && rights === null) return [condition];
  return (lefts ?? [a]).flatMap((left) =>
    (rights ?? [b]).flatMap((right) => parted({ ...condition, args: [left, right] })),
  );
}

export function readsIndex(root: Node, index: Index): boolean {
  let found = false;
  nodes.walk(root, (node) => void (found ||= node.kind === 'index' && node.index === index));
  return found;
}

const indexNode = (index: Index): Node => ({ kind: 'index', type: 'integer', span: index.span, index });

/** The conditions that all hold where a guard does. */
function conjuncts({ condition, holds }: Guard): readonly Node[] {
  if (!holds) return [];
  if (condition.kind !== 'call' || condition.op !== 'and') return [condition];
  return condition.args.flatMap((arg) => conjuncts({ condition: arg, holds }));
}
