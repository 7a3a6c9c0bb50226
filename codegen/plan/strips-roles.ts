// What the axes of tensors of queries and keys mean under a frame, and the indices that stand for the frame's own axes.

import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { at, call, integer } from '../../src/ir/scalar.ts';
import { scalarsOfRoot, type StripFrame } from './nest.ts';

/** Places of a tensor's axes by what they mean. */
export interface Roles {
  readonly batch: number;
  readonly head: number;
  readonly query: number;
  readonly keys: number;
  /** Items and heads of which each has but its own share of the values, to be added up. */
  readonly shares: ReadonlySet<Axis>;
}

export const none: ReadonlySet<Axis> = new Set();

/** What it is to be a strip or values of rows under a frame; -1: it has no such axis. */
export function rolesOf(tensor: Tensor, frame: StripFrame, shares = none): Roles | null {
  const find = (test: (axis: Axis) => boolean): number => tensor.axes.findIndex(test);
  const query = find(({ extent }) => extent === 'tokens');
  if (query < 0) return null;
  const keys = tensor.axes.findIndex((one, n) => n !== query && isTokens(one));
  if (tensor.axes.filter(isTokens).length > 2) return null;
  const head = frame.head === null ? -1 : find((one) => isHead(one, frame));
  return { batch: find(({ extent }) => extent === 'batch'), head, query, keys, shares };
}

export const isTokens = ({ extent }: Axis): boolean => extent === 'tokens' || extent === 'keys';
export const isQuadratic = ({ axes }: Tensor): boolean => axes.filter(isTokens).length >= 2;

/** Query heads of a key head. */
export const groupOf = ({ within }: StripFrame): number => (within === null ? 1 : (within.extent as number));

export const headsOf = (frame: StripFrame): number =>
  frame.head === null ? 0 : (frame.head.extent as number) * groupOf(frame);

export const isHead = ({ role, extent }: Axis, frame: StripFrame): boolean =>
  role === 'head' && extent === headsOf(frame);

/** Strips and values of rows that are made so far. */
export type Known = ReadonlyMap<Tensor, Roles>;

/** The query head of an item: its key head's `within`-th. */
export const headOf = (frame: StripFrame): Scalar =>
  frame.within === null
    ? at(frame.head!)
    : call('add', call('multiply', at(frame.head!), integer(groupOf(frame))), at(frame.within));

/** Equal indices made of axes and numbers. */
export function sameScalar(a: Scalar, b: Scalar): boolean {
  if (a === b) return true;
  if (a.kind === 'axis' && b.kind === 'axis') return a.axis === b.axis;
  if (a.kind === 'constant' && b.kind === 'constant') return a.value === b.value && a.type === b.type;
  if (a.kind === 'size' && b.kind === 'size') return a.size === b.size;
  if (a.kind !== 'call' || b.kind !== 'call' || a.op !== b.op) return false;
  return a.args.every((one, n) => sameScalar(one, b.args[n]!));
}

export const scalarsIn = (definition: Definition): readonly Scalar[] =>
  scalarsOfRoot({ definition, hints: new Map(), turn: null, periodic: false });
