// Builds typed nodes: folds what is known when compiling, types a constant by its value, writes `clamp`, `delta`, `>`
// and chains of comparisons as the operations of ir/ops.ts.

import type { Relation } from '../../grammar/ast.ts';
import type { Span } from '../../grammar/span.ts';
import type { Type } from '../ir/ir.ts';
import { operations, signatures, type OpName } from '../ir/ops.ts';
import type { Node } from './checked.ts';

const LARGEST_WHOLE = 2 ** 31 - 1; // kernels count in 32 bits

export type Constant = Extract<Node, { kind: 'constant' }>;

/** A number known when compiling: whole when it is. */
export function number(value: number, span: Span): Constant {
  const whole = Number.isInteger(value) && Math.abs(value) <= LARGEST_WHOLE;
  return { kind: 'constant', type: whole ? 'integer' : 'real', value: value === 0 ? 0 : value, span };
}

export const boolean = (value: boolean, span: Span): Constant => ({
  kind: 'constant',
  type: 'boolean',
  value: value ? 1 : 0,
  span,
});

function typeOf(op: OpName, args: readonly Node[]): Type {
  const [, result] = signatures[op];
  if (result !== 'same') return result;
  const values = op === 'select' ? args.slice(1) : args;
  return values.every((arg) => arg.type === 'integer') ? 'integer' : 'real';
}

const isConstant = (node: Node): node is Constant => node.kind === 'constant';

/** An operation on typed arguments; a constant where all of them are. */
export function call(op: OpName, args: readonly Node[], span: Span): Node {
  const { evaluate } = operations[op];
  if (evaluate !== null && op !== 'select' && args.every(isConstant)) {
    const value = evaluate(...args.map((arg) => arg.value));
    return typeOf(op, args) === 'boolean' ? boolean(value !== 0, span) : number(value, span);
  }
  return { kind: 'call', type: typeOf(op, args), op, args, span };
}

export function not(operand: Node, span: Span): Node {
  return call('not', [operand], span);
}

/** `and`, `or`: one side that decides is the answer. */
export function join(op: 'and' | 'or', left: Node, right: Node, span: Span): Node {
  const decides = op === 'and' ? 0 : 1;
  for (const [side, other] of [
    [left, right],
    [right, left],
  ] as const)
    if (isConstant(side)) return side.value === decides ? boolean(decides === 1, span) : other;
  return call(op, [left, right], span);
}

/** `if`: of conditions it is written with `and`, `or`; a known condition takes its branch. */
export function choose(condition: Node, then: Node, otherwise: Node, span: Span): Node {
  if (isConstant(condition)) return condition.value !== 0 ? then : otherwise;
  if (then.type !== 'boolean') return call('select', [condition, then, otherwise], span);
  return join('or', join('and', condition, then, span), join('and', not(condition, span), otherwise, span), span);
}

const comparisons: Readonly<Record<Relation, readonly [op: OpName, swapped: boolean]>> = {
  '<': ['less', false],
  '<=': ['less_equal', false],
  '>': ['less', true],
  '>=': ['less_equal', true],
  '==': ['equal', false],
  '!=': ['not_equal', false],
};

export function compare(relation: Relation, left: Node, right: Node, span: Span): Node {
  const [op, swapped] = comparisons[relation];
  return call(op, swapped ? [right, left] : [left, right], span);
}

export function clamp(value: Node, low: Node, high: Node, span: Span): Node {
  return call('min', [call('max', [value, low], span), high], span);
}

export function delta(a: Node, b: Node, span: Span): Node {
  return choose(call('equal', [a, b], span), number(1, span), number(0, span), span);
}

/** floor(a / b) and ceil(a / b) of whole numbers with a known b are exact divisions, not rounded quotients. */
export function toWhole(op: 'floor' | 'ceil', value: Node, span: Span): Node {
  if (value.type === 'integer') return value;
  if (value.kind === 'call' && value.op === 'divide') {
    const [a, b] = value.args as [Node, Node];
    if (a.type === 'integer' && b.kind === 'constant' && b.type === 'integer' && b.value !== 0)
      return op === 'floor'
        ? call('div', [a, b], span)
        : call('negate', [call('div', [call('negate', [a], span), b], span)], span);
  }
  return call(op, [value], span);
}

/** Every node below, each once; `enter` may stop the descent into a node by returning false. */
export function walk(root: Node, enter: (node: Node) => boolean | void, seen = new Set<Node>()): void {
  const pending = [root];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    if (enter(node) !== false) pending.push(...children(node).toReversed());
  }
}

export function children(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'constant':
    case 'index':
    case 'runtime':
      return [];
    case 'call':
      return node.args;
    case 'read':
    case 'chain':
      return node.items;
    case 'reduce':
    case 'map':
      return node.where === null ? [node.body] : [node.where, node.body];
    default:
      return node satisfies never;
  }
}
