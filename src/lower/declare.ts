// Declarations become tensors: learned, given, or defined by the expression of a `let`.

import { axis, defined, drawn, given, learned, map } from '../ir/build.ts';
import type { Tensor } from '../ir/ir.ts';
import type { Declaration, Index, Node } from '../check/checked.ts';
import { axisOf, isToken, type Lowering } from './context.ts';
import { bind, collapse, openFrame } from './frame.ts';
import { children } from '../check/nodes.ts';

export function declare(lowering: Lowering, declaration: Declaration): Tensor {
  switch (declaration.kind) {
    case 'let':
      return declareLet(lowering, declaration);
    case 'learn':
    case 'fixed':
      return declareLearned(lowering, declaration);
    case 'given':
    case 'position':
      return declareGiven(lowering, declaration);
    case 'draw':
      return declareDraw(lowering, declaration);
    default:
      return declaration satisfies never;
  }
}

/** The first token index of a declaration is the token it belongs to, a second one runs over what that token sees. */
export function pairExtents(lowering: Lowering, indices: readonly Index[]): void {
  const tokens = indices.filter((index) => isToken(index.axis));
  tokens.forEach((index, k) => lowering.extents.set(index, k === 0 ? 'tokens' : 'keys'));
}

function declareLet(lowering: Lowering, declaration: Extract<Declaration, { kind: 'let' }>): Tensor {
  pairExtents(lowering, declaration.indices);
  const frame = openFrame(declaration.name);
  const own = declaration.indices.map((index) => bind(lowering, frame, index));
  const body = lowering.scalar(declaration.value, frame);
  const axes = frame.batched.value ? [frame.batch, ...own] : own;
  const taken = collapse(lowering, body, axes, (inOrder) => defined(declaration.name, inOrder, body.type));
  if (taken !== null) return taken;
  const tensor = defined(declaration.name, axes, declaration.type === 'real' ? 'real' : body.type);
  lowering.definitions.push(map(tensor, body, declaration.span));
  return tensor;
}

type Stored = Extract<Declaration, { kind: 'learn' | 'fixed' }>;

function declareLearned(lowering: Lowering, declaration: Stored): Tensor {
  const frame = openFrame(declaration.name);
  const axes = declaration.indices.map((index) => bind(lowering, frame, index));
  const sum = findSum(declaration.initial);
  const value = sum ?? declaration.initial;
  const initial = sum === null ? lowering.scalar(value, frame) : lowering.refuse('sum in initial value', sum.span);
  const { shared, name, kind } = declaration;
  const tensor = learned(name, axes, { shared, trained: kind === 'learn', initial });
  lowering.inputs.set(name, tensor);
  return tensor;
}

/** One a sequence, in front of the axes that it is declared with. */
function declareDraw(lowering: Lowering, declaration: Extract<Declaration, { kind: 'draw' }>): Tensor {
  pairExtents(lowering, declaration.indices);
  const frame = openFrame(declaration.name);
  const own = declaration.indices.map((index) => bind(lowering, frame, index));
  const value = withoutNames(declaration.initial);
  const wrong = find(value, ({ kind }) => kind === 'reduce' || kind === 'map');
  const initial =
    wrong === null ? lowering.scalar(value, frame) : lowering.refuse('sum in initial value', declaration.initial.span);
  const { name, type } = declaration;
  const tensor = drawn(name, [axis('b', 'batch', 'batch'), ...own], initial, wrong === null ? type : 'real');
  lowering.inputs.set(name, tensor);
  return tensor;
}

/** Numbers by their formulas: what the host draws with reads no tensor. */
function withoutNames(node: Node): Node {
  if (node.kind === 'read' && node.of.kind === 'let' && node.items.length === 0) return withoutNames(node.of.value);
  return node.kind === 'call' ? { ...node, args: node.args.map(withoutNames) } : node;
}

const findSum = (node: Node): Node | null => find(node, ({ kind }) => kind === 'reduce' || kind === 'map');

function find(node: Node, wanted: (node: Node) => boolean): Node | null {
  if (wanted(node)) return node;
  for (const part of children(node)) {
    const found = find(part, wanted);
    if (found !== null) return found;
  }
  return null;
}

function declareGiven(lowering: Lowering, declaration: Declaration): Tensor {
  pairExtents(lowering, declaration.indices);
  const axes = declaration.indices.map((index) => axisOf(lowering, index));
  const kind = declaration.name === 'position' ? 'position' : 'user';
  const tensor = given(declaration.name, axes, kind, declaration.type);
  lowering.inputs.set(declaration.name, tensor);
  return tensor;
}
