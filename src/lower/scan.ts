// A sum or product over tokens with a condition on their order becomes a scan, read where the condition ends:
// `s <= t`, `s < t` (forward), `t <= s`, `t < s` (reverse), `j < s <= i` (one scan, read twice). What comes out is the
// scalar, or the reason why the sum has to be computed anew at every point.

import { call, defined, integer, map, real, scan } from '../ir/build.ts';
import type { Axis, Scalar } from '../ir/ir.ts';
import type { Index, Node } from '../check/checked.ts';
import { extentOf, isToken, type Lowering } from './context.ts';
import { bind, capturedIndices, frameAxes, hoist, lookup, openFrame, readBatched, readHoisted } from './frame.ts';
import type { Frame, Hoisted } from './context.ts';
import { conditions, every, freeIndices } from './node.ts';

type ReduceNode = Extract<Node, { kind: 'reduce' }>;
export type Scanned =
  { readonly kind: 'scan'; readonly value: Scalar } | { readonly kind: 'none'; readonly reason: string };

interface Bound {
  readonly index: Index;
  readonly strict: boolean;
  readonly condition: Node;
}

/** What a condition says about the order of `token` and another index. */
function boundOf(condition: Node, token: Index): { side: 'lower' | 'upper'; bound: Bound } | null {
  if (condition.kind !== 'call' || (condition.op !== 'less' && condition.op !== 'less_equal')) return null;
  const [left, right] = condition.args;
  if (left?.kind !== 'index' || right?.kind !== 'index' || left.index === right.index) return null;
  const strict = condition.op === 'less';
  if (left.index === token && isToken(right.index.axis)) {
    return { side: 'upper', bound: { index: right.index, strict, condition } };
  }
  if (right.index === token && isToken(left.index.axis)) {
    return { side: 'lower', bound: { index: left.index, strict, condition } };
  }
  return null;
}

interface Shape {
  readonly lower: Bound | null;
  readonly upper: Bound | null;
  /** Conditions that stay inside the scan. */
  readonly guards: readonly Node[];
}

/** The order conditions whose other index nothing inside reads; the rest guards each term. */
function shapeOf(node: ReduceNode, token: Index): Shape | string {
  const found = { lower: null as Bound | null, upper: null as Bound | null };
  let guards: Node[] = [];
  for (const condition of conditions(node.where)) {
    const bound = boundOf(condition, token);
    if (bound === null || found[bound.side] !== null) guards.push(condition);
    else found[bound.side] = bound.bound;
  }
  if (found.lower === null && found.upper === null) return 'its condition does not compare two tokens by order';
  for (;;) {
    const inside = freeIndices([node.body, ...guards]);
    const read = [found.lower, found.upper].find((bound) => bound !== null && inside.has(bound.index));
    if (read === undefined || read === null) break;
    if (read === found.lower) found.lower = null;
    else found.upper = null;
    guards = [...guards, read.condition];
    if (found.lower === null && found.upper === null) return `it reads '${read.index.name}' inside`;
  }
  return { ...found, guards };
}

export function lowerScan(lowering: Lowering, node: ReduceNode, token: Index, outer: Frame): Scanned {
  const shape = shapeOf(node, token);
  if (typeof shape === 'string') return { kind: 'none', reason: shape };
  const { lower, upper } = shape;
  if (node.op === 'prod' && lower !== null && upper !== null) {
    return { kind: 'none', reason: 'a product between two tokens is no quotient of two products where one is 0' };
  }
  const others = node.over.filter((index) => index !== token);
  const inner = others.length === 0 ? node.body : foldOthers(node, others, shape.guards);
  const guards = others.length === 0 ? shape.guards : shape.guards.filter((guard) => !readsAny(guard, others));
  // One row of a pair is walked along its keys; a value of each token along the tokens of this call.
  const rows = [...freeIndices([inner, ...guards])].some((i) => i !== token && extentOf(lowering, i) === 'tokens');
  lowering.extents.set(token, rows ? 'keys' : 'tokens');
  const both = lower !== null && upper !== null;
  const direction = {
    reverse: !both && lower !== null,
    exclusive: !both && (lower ?? upper)!.strict,
  };
  const walk: Walk = { token, along: (lower ?? upper)!.index.name, ...direction };
  const made = makeScan(lowering, { ...node, body: inner, where: every(guards) }, walk, outer);
  if (both) return { kind: 'scan', value: difference(lowering, made, token, lower, upper, outer) };
  const index = lookup(lowering, outer, (lower ?? upper)!.index);
  return { kind: 'scan', value: readHoisted(lowering, made, outer, new Map([[token, index]])) };
}

function readsAny(node: Node, indices: readonly Index[]): boolean {
  const free = freeIndices([node]);
  return indices.some((index) => free.has(index));
}

/** The sum over what is not the token, inside the scan along it. */
function foldOthers(node: ReduceNode, others: readonly Index[], guards: readonly Node[]): Node {
  return { ...node, over: others, where: every(guards.filter((guard) => readsAny(guard, others))) };
}

interface Walk {
  readonly token: Index;
  readonly along: string; // the name of the axis: that of the index at which the scan is read
  readonly reverse: boolean;
  readonly exclusive: boolean;
}

function makeScan(lowering: Lowering, node: ReduceNode, walk: Walk, outer: Frame): Hoisted {
  const { token, reverse, exclusive } = walk;
  const product = node.op === 'prod';
  const name = lowering.name(`${outer.name}_${product ? 'running_product' : 'running_sum'}`);
  const frame = openFrame(name, outer);
  const along = bind(lowering, frame, token, walk.along);
  const term = lowering.scalar(node.body, frame);
  const neutral = product ? real(1) : real(0);
  const guarded = node.where === null ? term : call('select', lowering.scalar(node.where, frame), term, neutral);
  if (!product) {
    const { axes, indices } = scanAxes(frame, token, along);
    const definition = scan(defined(name, axes), { along, reverse, exclusive, term: guarded }, node.span);
    return { ...hoist(lowering, frame, [], definition), indices };
  }
  // The factor of a scan is a plain read, so that its adjoint may shift it.
  const factor = scanAxes(frame, token, along);
  const factors = defined(lowering.name(`${name}_factor`), factor.axes);
  const made = { ...hoist(lowering, frame, [], map(factors, guarded, node.span)), indices: factor.indices };
  const second = openFrame(name, outer);
  const walked = bind(lowering, second, token, walk.along);
  const value = readHoisted(lowering, made, second);
  const { axes, indices } = scanAxes(second, token, walked);
  const options = { along: walked, reverse, exclusive, factor: value, initial: 1 as const };
  return { ...hoist(lowering, second, [], scan(defined(name, axes), options, node.span)), indices };
}

/** Tokens of the call stand first, as in every tensor of a token; keys last, as in every tensor of a pair. */
function scanAxes(frame: Frame, token: Index, along: Axis): { axes: readonly Axis[]; indices: readonly Index[] } {
  const captured = capturedIndices(frame);
  const axes = frameAxes(frame, [along]);
  if (along.extent === 'keys') return { axes, indices: [...captured, token] };
  const rest = axes.filter((axis) => axis !== along);
  const batch = rest.filter((axis) => axis.role === 'batch');
  return { axes: [...batch, along, ...rest.slice(batch.length)], indices: [token, ...captured] };
}

/** The sum up to where the condition ends, less the sum before it begins; 0 where it ends before it begins. */
function difference(lowering: Lowering, made: Hoisted, token: Index, lower: Bound, upper: Bound, outer: Frame): Scalar {
  const last = lookup(lowering, outer, upper.index);
  const first = lookup(lowering, outer, lower.index);
  const end = upper.strict ? call('subtract', last, integer(1)) : last;
  const before = lower.strict ? first : call('subtract', first, integer(1));
  const value = call(
    'subtract',
    readScan(lowering, made, token, end, upper.strict, outer),
    readScan(lowering, made, token, before, !lower.strict, outer),
  );
  const { shown } = outer;
  const fromKey = shown !== null && shown.query === upper.index && shown.key === lower.index;
  const isOrdered = fromKey && lowering.encoding.geometry.bidirectional !== true;
  if (isOrdered && !(lower.strict && upper.strict)) return value; // key <= query: never before the beginning
  return call('select', call('less', before, end), value, real(0));
}

/** The scan at an index that may be one before the first token, where nothing has been summed. */
function readScan(
  lowering: Lowering,
  made: Hoisted,
  token: Index,
  at: Scalar,
  mayLeave: boolean,
  outer: Frame,
): Scalar {
  const index = made.indices.map((i) => (i === token ? at : lookup(lowering, outer, i)));
  return readBatched(made.tensor, index, outer, mayLeave ? 0 : null);
}
