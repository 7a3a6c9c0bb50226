// How the axes of a definition stand to those of the frame: the same batch and query as the strips that it reads, a head of
// the item, a distance from key to query. null: it reads strips otherwise.

import type { Axis, Definition, Scalar } from '../../src/ir/ir.ts';
import { at, boolean, call } from '../../src/ir/scalar.ts';
import { domainOf, operandsOf, readsOf } from '../../src/ir/visit.ts';
import type { Root, StripFrame } from './nest.ts';
import { groupOf, headOf, headsOf, isHead, rolesOf, sameScalar, scalarsIn, type Known } from './strips-roles.ts';

export interface Unified {
  readonly by: ReadonlyMap<Axis, Scalar>;
  /** Simpler forms of what becomes of heads and distances. */
  straight(s: Scalar): Scalar | null;
  /** The axis of keys, where the result is by distance from it to the query. */
  readonly distance: Axis | null;
}

export function unify(root: Root, known: Known, frame: StripFrame): Unified | null {
  const d = root.definition;
  if (operandsOf(d).some((tensor) => known.has(tensor))) return null;
  const domain = domainOf(d);
  const group = groupOf(frame);
  const by = new Map<Axis, Scalar>();
  const put = (one: Axis, to: Scalar): boolean => {
    const before = by.get(one);
    if (before !== undefined) return sameScalar(before, to);
    by.set(one, to);
    return domain.includes(one);
  };
  const head = (): Scalar => headOf(frame);
  const putHead = (index: Scalar): boolean => {
    if (index.kind === 'axis' && index.axis.extent === headsOf(frame)) {
      return put(index.axis, head());
    }
    const parts = asHeadOfGroup(index, group);
    if (parts === null || frame.within === null) return false;
    return put(parts.head, at(frame.head!)) && put(parts.within, at(frame.within));
  };
  let apart: { readonly distance: Axis; readonly keys: Axis } | null = null;
  const putQuery = (index: Scalar): boolean => {
    if (index.kind === 'axis') return index.axis.extent === 'tokens' && put(index.axis, at(frame.query));
    const parts = asDistance(index, d);
    if (parts === null || (apart !== null && (apart.distance !== parts.distance || apart.keys !== parts.keys)))
      return false;
    apart = parts;
    return put(parts.distance, call('subtract', at(frame.query), at(parts.keys)));
  };
  const batch = domain.filter(({ extent }) => extent === 'batch');
  if (batch.length > 1) return null;
  if (batch[0] !== undefined && (frame.batch === null || !put(batch[0], at(frame.batch)))) return null;
  let reads = 0;
  for (const each of readsOf(scalarsIn(d))) {
    const roles = known.get(each.tensor);
    if (roles === undefined) continue;
    reads += 1;
    const index = (place: number): Scalar => each.index[place]!;
    if (!putQuery(index(roles.query))) return null;
    if (
      roles.batch >= 0 &&
      !(index(roles.batch).kind === 'axis' && batch.includes((index(roles.batch) as AxisIndex).axis))
    )
      return null;
    if (roles.head >= 0 && !putHead(index(roles.head))) return null;
  }
  const own = rolesOf(d.tensor, frame);
  if (reads === 0) {
    if (own === null || own.keys < 0 || d.kind === 'scatter') return null;
    if (!put(d.tensor.axes[own.query]!, at(frame.query))) return null;
  }
  if (frame.head !== null) {
    // Heads that no strip is read at: of what the root makes.
    for (const one of d.tensor.axes) {
      if (by.has(one) || d.kind === 'scatter') continue;
      if (isHead(one, frame) && !putHead(at(one))) return null;
    }
    const left = domain.filter((one) => !by.has(one) && (isHead(one, frame) || one.role === 'kv-head'));
    if (left.length > 0) return null;
  }
  const found: { readonly distance: Axis; readonly keys: Axis } | null = apart;
  const straight = (s: Scalar): Scalar | null => {
    if (s.kind !== 'call') return null;
    const [a, b] = s.args as [Scalar, Scalar];
    if (frame.within !== null && s.op === 'div' && b.kind === 'constant' && b.value === group) {
      if (sameScalar(a, head())) return at(frame.head!);
    }
    if (found === null) return null;
    if (s.op === 'add' && (isFromKeys(a, b, found, frame) || isFromKeys(b, a, found, frame))) return at(frame.query);
    if (s.op === 'less' && a.kind === 'axis' && a.axis === frame.query && b.kind === 'size' && b.size === 'keys')
      return boolean(true);
    return null;
  };
  return { by, straight, distance: found === null ? null : (found as { keys: Axis }).keys };
}

type AxisIndex = Extract<Scalar, { kind: 'axis' }>;

/** (query - keys) and keys, which add up to the query. */
function isFromKeys(a: Scalar, b: Scalar, { keys }: { readonly keys: Axis }, frame: StripFrame): boolean {
  return (
    a.kind === 'call' &&
    a.op === 'subtract' &&
    sameScalar(a.args[0]!, at(frame.query)) &&
    sameScalar(a.args[1]!, at(keys)) &&
    sameScalar(b, at(keys))
  );
}

/** group * head + within */
function asHeadOfGroup(index: Scalar, group: number): { readonly head: Axis; readonly within: Axis } | null {
  if (index.kind !== 'call' || index.op !== 'add') return null;
  for (const [times, within] of [index.args, index.args.toReversed()] as [Scalar, Scalar][]) {
    if (within.kind !== 'axis' || within.axis.extent !== group) continue;
    if (times.kind !== 'call' || times.op !== 'multiply') continue;
    const head = times.args.find((one) => one.kind === 'axis');
    const by = times.args.find((one) => one.kind === 'constant');
    if (head?.kind === 'axis' && by?.kind === 'constant' && by.value === group)
      return { head: head.axis, within: within.axis };
  }
  return null;
}

/** distance + keys, of a sum over keys whose results are by distance. */
function asDistance(index: Scalar, d: Definition): { readonly distance: Axis; readonly keys: Axis } | null {
  if (d.kind !== 'reduce' || d.op !== 'sum' || index.kind !== 'call' || index.op !== 'add') return null;
  const [a, b] = index.args as [Scalar, Scalar];
  if (a.kind !== 'axis' || b.kind !== 'axis') return null;
  for (const [distance, keys] of [
    [a.axis, b.axis],
    [b.axis, a.axis],
  ] as const) {
    const fits = distance.extent === 'keys' && keys.extent === 'keys';
    if (fits && d.tensor.axes.includes(distance) && d.over.includes(keys)) return { distance, keys };
  }
  return null;
}
