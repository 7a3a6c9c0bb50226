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
        return { ...one, where: one.where === null ? null : of(one.where), body: of(one.body) };
      case 'map':
        return ofMap(one);
      default:
        return one satisfies never;
    }
  };
  /** What a map works along stays: it has every element, whichever is read. */
  const ofMap = (one: Extract<Node, { kind: 'map' }>): Node => {
    const rest = new Map([...at].filter(([index]) => !one.along.includes(index)));
    const where = one.where === null ? null : substitute(one.where, rest);
    return { ...one, where, body: substitute(one.body, rest) };
  };
  return of(node);
}
