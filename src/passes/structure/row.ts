// The scores of a softmax over keys as one sum: maps between that nobody else reads are opened where they are looked into.

import type { Span } from '../../../grammar/span.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../../ir/ir.ts';
import { at } from '../../ir/scalar.ts';
import { substitute } from '../../ir/visit.ts';
import { readersOf, visibleTensors } from '../pass.ts';
import type { Row } from './separate.ts';

export const isTokens = ({ extent }: Axis): boolean => extent === 'tokens' || extent === 'keys';

type Softmax = Extract<Definition, { kind: 'softmax' }>;
type Map_ = Extract<Definition, { kind: 'map' }>;

export interface SoftmaxRow extends Row {
  readonly softmax: Softmax;
  /** What is summed, over the axes of the softmax. */
  readonly body: Scalar;
  readonly axes: readonly Axis[];
  /** The definition that has the scores: the softmax, or the map that only it reads. */
  readonly home: Softmax | Map_;
  /** A scalar over the softmax's axes, over those of `home`. */
  readonly inHome: (s: Scalar) => Scalar;
  readonly name: string;
  readonly span: Span | null;
}

/** Null where it is no softmax of queries over keys. */
export function rowOf(program: Program, wanted: Definition): SoftmaxRow | null {
  const softmax = program.definitions.find((d) => d.tensor === wanted.tensor);
  if (softmax?.kind !== 'softmax' || !isTokens(softmax.over)) return null;
  const { over, tensor } = softmax;
  const queries = new Set(tensor.axes.filter((axis) => axis !== over && isTokens(axis)));
  if (queries.size === 0) return null;
  const readers = readersOf(program);
  const visible = visibleTensors(program);
  const made = new Map<Tensor, Definition>(program.definitions.map((d) => [d.tensor, d]));
  const privateMap = (s: Scalar): Map_ | null => {
    if (s.kind !== 'read' || visible.has(s.tensor) || readers.get(s.tensor)?.length !== 1) return null;
    const d = made.get(s.tensor);
    const plain = s.index.every((index) => index.kind === 'axis');
    return d?.kind === 'map' && d.tensor.type === 'real' && plain ? d : null;
  };
  const opened = (s: Scalar): Scalar | null => {
    const d = privateMap(s);
    if (d === null || s.kind !== 'read') return null;
    return substitute(d.body, new Map(d.tensor.axes.map((axis, n) => [axis, s.index[n]!])));
  };
  const last = privateMap(softmax.body);
  const home = last !== null && isWhole(softmax.body, tensor.axes) ? last : softmax;
  return {
    softmax,
    over,
    queries,
    open: opened,
    body: softmax.body,
    axes: tensor.axes,
    home,
    inHome: (s) => (home === softmax ? s : substitute(s, backTo(softmax.body, home.tensor.axes))),
    name: home.tensor.name,
    span: home.span,
  };
}

/** Every axis once. */
function isWhole(s: Scalar, axes: readonly Axis[]): boolean {
  if (s.kind !== 'read' || s.index.length !== axes.length) return false;
  const used = new Set(s.index.map((index) => (index.kind === 'axis' ? index.axis : null)));
  return axes.every((axis) => used.has(axis));
}

/** The axes that a read is at, to those of the tensor that it reads. */
function backTo(s: Scalar, axes: readonly Axis[]): Map<Axis, Scalar> {
  if (s.kind !== 'read') throw new Error('only a read has indices');
  return new Map(s.index.map((index, n) => [index.kind === 'axis' ? index.axis : axes[n]!, at(axes[n]!)]));
}

export interface SignedTerm {
  readonly scalar: Scalar;
  readonly sign: 1 | -1;
}

/** The terms of a sum, through maps that nobody else reads. */
export function termsOf(s: Scalar, row: Pick<Row, 'open'>, sign: 1 | -1 = 1): readonly SignedTerm[] {
  const flipped = sign === 1 ? -1 : 1;
  if (s.kind === 'read') {
    const inside = row.open(s);
    return inside === null ? [{ scalar: s, sign }] : termsOf(inside, row, sign);
  }
  if (s.kind !== 'call' || s.type !== 'real') return [{ scalar: s, sign }];
  const [a, b] = s.args;
  switch (s.op) {
    case 'add':
      return [...termsOf(a!, row, sign), ...termsOf(b!, row, sign)];
    case 'subtract':
      return [...termsOf(a!, row, sign), ...termsOf(b!, row, flipped)];
    case 'negate':
      return termsOf(a!, row, flipped);
    default:
      return [{ scalar: s, sign }];
  }
}
