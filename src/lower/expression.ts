// An expression of a checked program becomes a scalar of the tensor IR inside one definition (a frame). What cannot
// stand in a scalar (sums, scans, softmax, expm) is hoisted into definitions of its own by reduce.ts and maps.ts.

import { boolean, call, integer, real, size } from '../ir/build.ts';
import type { Axis, Scalar, Tensor } from '../ir/ir.ts';
import { insideAxis } from '../ir/ranges.ts';
import type { ChainTensor, Index, Node } from '../check/checked.ts';
import { extentOf, type Lowering } from './context.ts';
import type { Frame } from './context.ts';
import { lookup, readBatched } from './frame.ts';
import { lowerMap } from './maps.ts';
import { negation } from './node.ts';
import { lowerReduce } from './reduce.ts';
import { lastVersion } from './versions.ts';

/** Stands for infinity: the IR has finite constants only, and this one is finite in float32 too. */
const largest = 3.4028234663852886e38;

/** A hidden score: lower than any other, with room for products and sums before float32 overflows. */
const hidden = -(2 ** 100);

export function lowerScalar(lowering: Lowering, node: Node, frame: Frame): Scalar {
  const lowered = lowerUntyped(lowering, node, frame);
  if (node.type === 'boolean' && lowered.type !== 'boolean') return boolean(false); // refused
  return node.type === 'integer' ? asInteger(lowered) : lowered;
}

/** Sums are made in reals; a whole number is one again. */
function asInteger(scalar: Scalar): Scalar {
  if (scalar.type !== 'real') return scalar;
  if (scalar.kind === 'constant' && Number.isInteger(scalar.value)) return integer(scalar.value);
  return call('round', scalar);
}

function lowerUntyped(lowering: Lowering, node: Node, frame: Frame): Scalar {
  switch (node.kind) {
    case 'constant':
      return constant(node.type, node.value);
    case 'index':
      return lookup(lowering, frame, node.index);
    case 'runtime':
      return node.name === 'length' ? size('keys') : lowering.training();
    case 'call':
      return node.op === 'select'
        ? lowerBranches(lowering, node.args, frame)
        : call(node.op, ...node.args.map((arg) => lowering.scalar(arg, frame)));
    case 'read': {
      const tensor = lowering.declared(node.of);
      const index = indexOf(lowering, tensor, node.items, frame);
      return readBatched(tensor, index, frame, outsideOf(lowering, tensor, node.items, index));
    }
    case 'chain':
      return lowerChain(lowering, node.tensor, node, frame);
    case 'reduce':
      return lowerReduce(lowering, node, frame);
    case 'map':
      return lowerMap(lowering, node, frame);
    default:
      return node satisfies never;
  }
}

/** A sum in a branch that is not taken must not bring an infinity into the gradient: it gets the branch's condition. */
function lowerBranches(lowering: Lowering, args: readonly Node[], frame: Frame): Scalar {
  const [condition, then, otherwise] = args as [Node, Node, Node];
  const inside = (guard: Node): Frame => ({ ...frame, guards: [...frame.guards, guard] });
  return call(
    'select',
    lowering.scalar(condition, frame),
    lowering.scalar(then, inside(condition)),
    lowering.scalar(otherwise, inside(negation(condition))),
  );
}

function constant(type: Node['type'], value: number): Scalar {
  if (type === 'boolean') return boolean(value !== 0);
  if (type === 'integer' && Number.isInteger(value)) return integer(value);
  return real(Math.max(-largest, Math.min(largest, value)));
}

function lowerChain(
  lowering: Lowering,
  tensor: ChainTensor,
  node: Extract<Node, { kind: 'chain' }>,
  frame: Frame,
): Scalar {
  if (tensor === 'visible') {
    const [head, query, key] = node.items.map((item) => lowering.scalar(item, frame));
    return lowering.visible(node.version, { head: head!, query: query!, key: key! }, frame);
  }
  const isGiven = tensor === 'embedding' && lowering.part !== 'embed';
  if (isGiven && node.version < lastVersion(lowering.encoding, tensor))
    return lowering.refuse('older embedding in attention', node.span);
  const made = lowering.version(tensor, node.version);
  const index = indexOf(lowering, made, node.items, frame);
  const value = readBatched(made, index, frame, outsideOf(lowering, made, node.items, index));
  return tensor === 'score' ? hiddenScore(lowering, node, value, index, frame) : value;
}

/** A hidden score reads as minus infinity, but where only visible points are looked at. */
function hiddenScore(
  lowering: Lowering,
  node: Extract<Node, { kind: 'chain' }>,
  value: Scalar,
  index: readonly Scalar[],
  frame: Frame,
): Scalar {
  const [head, query, key] = index;
  if (head === undefined || query === undefined || key === undefined) throw new Error('a score has three indices');
  const [, queryItem, keyItem] = node.items;
  const own =
    frame.shown !== null &&
    queryItem?.kind === 'index' &&
    keyItem?.kind === 'index' &&
    queryItem.index === frame.shown.query &&
    keyItem.index === frame.shown.key;
  if (own) return value;
  const seen = lowering.visible(node.mask, { head, query, key }, frame);
  return call('select', seen, value, real(hidden));
}

/** The indices of a read; an index over query heads stands for the key head it shares. */
function indexOf(lowering: Lowering, tensor: Tensor, items: readonly Node[], frame: Frame): readonly Scalar[] {
  const axes = tensor.axes.filter((axis) => axis.role !== 'batch');
  return items.map((item, k) => {
    const scalar = asInteger(lowering.scalar(item, frame));
    const groups = headGroups(lowering, item, axes[k]);
    return groups > 1 ? call('div', scalar, integer(groups)) : scalar;
  });
}

function headGroups(lowering: Lowering, item: Node, axis: Axis | undefined): number {
  if (item.kind !== 'index' || item.index.axis.role !== 'head' || axis?.role !== 'kv-head') return 1;
  const { heads, kv_heads } = lowering.encoding.geometry;
  return heads / kv_heads;
}

/** 0 outside the tensor; null where the index is proved to lie inside. */
function outsideOf(
  lowering: Lowering,
  tensor: Tensor,
  items: readonly Node[],
  index: readonly Scalar[],
): number | null {
  const axes = tensor.axes.filter((axis) => axis.role !== 'batch');
  const proved = axes.every((axis, k) => {
    const [item, scalar] = [items[k], index[k]];
    if (item?.kind === 'index' && indexFits(lowering, item.index, axis)) return true;
    return scalar !== undefined && insideAxis(scalar, axis, lowering.ranges);
  });
  return proved ? null : 0;
}

function indexFits(lowering: Lowering, index: Index, axis: Axis): boolean {
  if (typeof axis.extent !== 'number') return typeof extentOf(lowering, index) !== 'number';
  if (axis.role === 'kv-head' && index.axis.role === 'head') return true;
  return typeof index.axis.size === 'number' && index.axis.size <= axis.extent;
}
