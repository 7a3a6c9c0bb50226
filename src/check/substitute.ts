// An expression with other expressions in the place of its indices.

import type { Index, Node } from './checked.ts';

export function substitute(node: Node, at: ReadonlyMap<Index, Node>): Node {
  const known = new Map<Node, Node>();
  const of = (one: Node): Node => {
    const made = known.get(one) ?? inside(one);
    known.set(one, made);
    return made;
  };
  const inside = (one: Node): Node => {
    switch (one.kind) {
      case 'constant':
      case 'runtime':
        return one;
      case 'index':
        return at.get(one.index) ?? one;
      case 'call':
        return { ...one, args: one.args.map(of) };
      case 'read':
      case 'chain':
        return { ...one, items: one.items.map(of) };
      case 'reduce':
      case 'map':
        return { ...one, where: one.where === null ? null : of(one.where), body: of(one.body) };
      default:
        return one satisfies never;
    }
  };
  return of(node);
}
