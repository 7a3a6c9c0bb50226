// Questions about and small pieces of checked expressions: which indices one reads, its conditions, new nodes.

import { children } from '../check/nodes.ts';
import type { ChainTensor, Declaration, Index, Node } from '../check/checked.ts';
import type { OpName } from '../ir/ops.ts';

/** The indices that an expression reads and does not bind itself. */
export function freeIndices(nodes: readonly Node[]): Set<Index> {
  const found = new Set<Index>();
  for (const node of nodes) {
    if (node.kind === 'index') found.add(node.index);
    if (node.kind === 'map') node.along.forEach((index) => found.add(index));
    const inner = freeIndices(children(node));
    if (node.kind === 'reduce') node.over.forEach((index) => inner.delete(index));
    inner.forEach((index) => found.add(index));
  }
  return found;
}

/** Whether an expression, or a `let` that it reads, reads one of attention's tensors. */
export function readsChain(node: Node, tensor: ChainTensor, seen = new Set<Declaration>()): boolean {
  if (node.kind === 'chain' && node.tensor === tensor) return true;
  if (node.kind === 'read' && node.of.kind === 'let' && !seen.has(node.of)) {
    seen.add(node.of);
    if (readsChain(node.of.value, tensor, seen)) return true;
  }
  return children(node).some((part) => readsChain(part, tensor, seen));
}

/** The conditions that `and` joins. */
export function conditions(node: Node | null): readonly Node[] {
  if (node === null) return [];
  return node.kind === 'call' && node.op === 'and' ? node.args.flatMap(conditions) : [node];
}

/** All of these conditions; null: none. */
export function every(nodes: readonly Node[]): Node | null {
  return nodes.reduce<Node | null>(
    (all, node) =>
      all === null ? node : { kind: 'call', type: 'boolean', span: all.span, op: 'and', args: [all, node] },
    null,
  );
}

export function negation(condition: Node): Node {
  return { kind: 'call', type: 'boolean', span: condition.span, op: 'not', args: [condition] };
}

/** Operations that are not finite everywhere, or whose derivative is not. */
const singular: ReadonlySet<OpName> = new Set<OpName>([
  'divide',
  'power',
  'log',
  'log2',
  'log1p',
  'sqrt',
  'atan2',
  'exp',
  'expm1',
  'tan',
]);

/** Whether the value or the derivative of an expression may be infinite somewhere, as a hidden score is. */
export function maySurge(node: Node): boolean {
  const itself = (node.kind === 'call' && singular.has(node.op)) || (node.kind === 'chain' && node.tensor === 'score');
  return itself || children(node).some(maySurge);
}

export function constantNode(value: number, like: Node): Node {
  return { kind: 'constant', type: 'real', span: like.span, value };
}
