// sum, prod, mean, max, min and logsumexp over new indices become definitions; a sum or product over tokens with a
// condition becomes a scan where scan.ts recognises one.

import { call, defined, integer, map, real, reduce, size } from '../ir/build.ts';
import type { Scalar } from '../ir/ir.ts';
import type { Index, Node } from '../check/checked.ts';
import { compileCodes } from '../diagnostics/codes/compile.ts';
import { isToken, type Lowering } from './context.ts';
import type { Frame, Hoisted } from './context.ts';
import { bind, frameAxes, hoist, openFrame, readHoisted } from './frame.ts';
import { conditions, constantNode, every, maySurge } from './node.ts';
import { lowerScan } from './scan.ts';

export type ReduceNode = Extract<Node, { kind: 'reduce' }>;

/** Stands below every value a maximum can have; finite, as all constants are. */
const lowest = { real: -3.4028234663852886e38, integer: -2147483647 };

export function lowerReduce(lowering: Lowering, node: ReduceNode, outer: Frame): Scalar {
  for (const index of node.over) if (isToken(index.axis)) lowering.extents.set(index, 'keys');
  switch (node.op) {
    case 'sum':
    case 'prod':
      return lowerFold(lowering, node, outer);
    case 'mean':
      return call('divide', lowerFold(lowering, { ...node, op: 'sum' }, outer), count(lowering, node, outer));
    case 'max':
      return lowerMaximum(lowering, node, outer);
    case 'min':
      return call('negate', lowerMaximum(lowering, { ...node, op: 'max', body: negated(node.body) }, outer));
    case 'logsumexp':
      return lowerLogSumExp(lowering, node, outer);
    default:
      return node.op satisfies never;
  }
}

function lowerFold(lowering: Lowering, node: ReduceNode, outer: Frame): Scalar {
  const tokens = node.over.filter((index) => isToken(index.axis));
  if (tokens.length === 1 && node.where !== null) {
    const scanned = lowerScan(lowering, node, tokens[0]!, outer);
    if (scanned.kind === 'scan') return scanned.value;
    lowering.report(compileCodes.notAScan(node.span, node.op, scanned.reason));
  }
  return lowerPlain(lowering, node, outer);
}

/** One value a point, however many tokens: the condition guards each term. */
function lowerPlain(lowering: Lowering, node: ReduceNode, outer: Frame): Scalar {
  const op = node.op === 'prod' ? 'prod' : 'sum';
  const name = lowering.name(`${outer.name}_${op === 'prod' ? 'product' : 'sum'}`);
  const frame = openFrame(name, outer);
  const axes = node.over.map((index) => bind(lowering, frame, index));
  const term = lowering.scalar(node.body, frame);
  const where = guardOf(lowering, node, frame);
  const guarded = where === null ? term : call('select', where, term, op === 'prod' ? real(1) : real(0));
  const tensor = defined(name, frameAxes(frame, []));
  const made = hoist(lowering, frame, [], reduce(op, tensor, axes, guarded, node.span));
  return readHoisted(lowering, made, outer);
}

/** The condition of a sum, and, where its terms may be infinite, of the branches of `if` that it stands in. */
function guardOf(lowering: Lowering, node: ReduceNode, frame: Frame): Scalar | null {
  const all = every([...(maySurge(node.body) ? frame.guards : []), ...conditions(node.where)]);
  return all === null ? null : lowering.scalar(all, frame);
}

/** How many points a mean is over. */
function count(lowering: Lowering, node: ReduceNode, outer: Frame): Scalar {
  if (node.where !== null) {
    return lowerFold(lowering, { ...node, op: 'sum', body: constantNode(1, node.body) }, outer);
  }
  const sizes = node.over.map((index) => (index.axis.size === 'tokens' ? size('keys') : integer(index.axis.size)));
  return call(
    'real',
    sizes.reduce((a, b) => call('multiply', a, b)),
  );
}

function negated(body: Node): Node {
  return { kind: 'call', type: body.type, span: body.span, op: 'negate', args: [body] };
}

interface Maximum {
  /** The values that are compared, over the indices read and the reduced one; lowest where the condition fails. */
  readonly values: Hoisted;
  readonly over: Index;
  /** The largest of them, read inside a definition. */
  readonly in: (frame: Frame) => Scalar;
}

/** The place of the maximum is found first and the value read there: so its gradient goes to exactly one place. */
function findMaximum(lowering: Lowering, node: ReduceNode, outer: Frame): Maximum {
  const [over, ...others] = node.over;
  if (over === undefined) throw new Error('a maximum is over at least one index');
  const frame = openFrame(lowering.name(`${outer.name}_each`), outer);
  const own = bind(lowering, frame, over);
  const body: Node = others.length === 0 ? node.body : { ...node, over: others };
  const term = lowering.scalar(body, frame);
  const low = term.type === 'integer' ? integer(lowest.integer) : real(lowest.real);
  const where = others.length > 0 ? null : guardOf(lowering, node, frame);
  const guarded = where === null ? term : call('select', where, term, low);
  const each = defined(frame.name, frameAxes(frame, [own]), guarded.type);
  const values = hoist(lowering, frame, [over], map(each, guarded, node.span));

  const search = openFrame(lowering.name(`${outer.name}_argmax`), outer);
  const along = bind(lowering, search, over);
  const compared = readHoisted(lowering, values, search);
  const place = defined(search.name, frameAxes(search, []), 'integer');
  const found = hoist(lowering, search, [], reduce('argmax', place, [along], compared, node.span));

  const largestIn = (reader: Frame): Scalar =>
    readHoisted(lowering, values, reader, new Map([[over, readHoisted(lowering, found, reader)]]));
  return { values, over, in: largestIn };
}

function lowerMaximum(lowering: Lowering, node: ReduceNode, outer: Frame): Scalar {
  if (node.where !== null && node.over.some((index) => isToken(index.axis))) {
    lowering.report(compileCodes.notAScan(node.span, 'max', 'a running maximum is computed anew for each token'));
  }
  return findMaximum(lowering, node, outer).in(outer);
}

/** m + log(sum(exp(e - m))) with m the maximum, through which no gradient needs to go. */
function lowerLogSumExp(lowering: Lowering, node: ReduceNode, outer: Frame): Scalar {
  const [over, ...others] = node.over;
  if (over === undefined) throw new Error('a logsumexp is over at least one index');
  if (others.length > 0) {
    // over a and b: over a of that over b
    const inner: Node = { ...node, over: others };
    return lowerLogSumExp(lowering, { ...node, over: [over], body: inner, where: null }, outer);
  }
  // The lowest whole number less another is none.
  const body: Node = { kind: 'call', type: 'real', span: node.span, op: 'real', args: [node.body] };
  const maximum = findMaximum(lowering, { ...node, op: 'max', body }, outer);
  const frame = openFrame(lowering.name(`${outer.name}_exp_sum`), outer);
  const along = bind(lowering, frame, over);
  const value = readHoisted(lowering, maximum.values, frame);
  const term = call('exp', call('subtract', value, call('detach', maximum.in(frame))));
  const tensor = defined(frame.name, frameAxes(frame, []));
  const made = hoist(lowering, frame, [], reduce('sum', tensor, [along], term, node.span));
  return call('add', call('detach', maximum.in(outer)), call('log', readHoisted(lowering, made, outer)));
}
