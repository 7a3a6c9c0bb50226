// What operations make of an infinite argument: infinite again, a number (null), or nothing that is right ('none').

import type { OpName } from '../ir/ops.ts';
import type { Node } from './checked.ts';
import type { Interval } from './intervals.ts';

export interface Infinite {
  readonly sign: 1 | -1;
  readonly origin: Node; // the hidden score, or the number
}

/** null: a number. It may be infinite at some points and a number at others. */
export type Value = Infinite | null;

type Limit = 'low' | 'high' | 'number' | 'none';

/** At -infinity and at infinity; those left out have no limit that is right in kernels too, backward as well. */
const limits: Readonly<Partial<Record<OpName, readonly [Limit, Limit]>>> = {
  negate: ['high', 'low'],
  real: ['low', 'high'],
  detach: ['low', 'high'],
  abs: ['high', 'high'],
  exp: ['number', 'none'],
  expm1: ['number', 'none'],
  log: ['none', 'high'],
  log1p: ['none', 'high'],
  log2: ['none', 'high'],
  sqrt: ['none', 'high'],
  sigmoid: ['number', 'number'],
  tanh: ['number', 'number'],
  erf: ['number', 'number'],
  sign: ['number', 'number'],
  relu: ['number', 'high'],
  softplus: ['number', 'high'],
  silu: ['number', 'high'],
  log_sigmoid: ['low', 'number'],
};

const flipped = (value: Infinite): Infinite => ({ ...value, sign: value.sign > 0 ? -1 : 1 });

/** Of two infinite values; null where their signs differ. */
export const sum = (a: Infinite, b: Infinite): Infinite | null => (a.sign === b.sign ? a : null);

/** One value is infinite at least. An argument is null where it is a number of unknown sign. */
export function infinities(
  op: OpName,
  values: readonly Value[],
  args: readonly (Node | null)[],
  interval: (node: Node) => Interval,
): Value | 'none' {
  const [a, b] = values as [Value, Value?];
  switch (op) {
    case 'add':
      return a === null || !b ? (a ?? b!) : (sum(a, b) ?? 'none');
    case 'subtract':
      if (a === null) return flipped(b!);
      return !b ? a : (sum(a, flipped(b)) ?? 'none');
    case 'multiply':
      if (a !== null && b) return 'none';
      return a === null ? scaled(b!, args[0]!, interval) : scaled(a, args[1]!, interval);
    case 'divide':
      if (a !== null && b) return 'none';
      return a === null ? null : scaled(a, args[1]!, interval);
    case 'min':
      return least(a, b ?? null, -1);
    case 'max':
      return least(a, b ?? null, 1);
    default: {
      const limit = a === null ? 'none' : (limits[op]?.[a.sign < 0 ? 0 : 1] ?? 'none');
      if (limit === 'none' || a === null) return 'none';
      return limit === 'number' ? null : { ...a, sign: limit === 'high' ? 1 : -1 };
    }
  }
}

/** Times or over a number: its sign decides. */
function scaled(value: Infinite, by: Node | null, interval: (node: Node) => Interval): Value | 'none' {
  const { low, high } = by === null ? { low: -Infinity, high: Infinity } : interval(by);
  if (low >= 0) return value;
  return high <= 0 ? flipped(value) : 'none';
}

/** The least (-1) or largest (1) of two: an infinite one wins on its own side, and where nothing else stands beside it. */
function least(a: Value, b: Value, side: 1 | -1): Value {
  const wins = [a, b].find((value) => value?.sign === side);
  return wins ?? (a === null || b === null ? null : a);
}
