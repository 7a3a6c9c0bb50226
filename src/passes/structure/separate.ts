// A score term -> what of it a row of a softmax has in common, what depends on the key alone, and the rest. The three add
// up to the term. Products and quotients by what a row has in common are multiplied out; nothing else is.

import type { Axis, Scalar } from '../../ir/ir.ts';
import { call } from '../../ir/scalar.ts';
import { axesOf } from '../../ir/visit.ts';
import type { Read } from '../../ir/visit.ts';

export interface Parts {
  readonly row: Scalar | null;
  readonly key: Scalar | null;
  readonly mixed: Scalar | null;
  /** A difference of whole numbers (indices, positions) was taken apart, which float32 had exactly. */
  readonly exact: boolean;
}

export interface Row {
  readonly over: Axis; // the keys
  readonly queries: ReadonlySet<Axis>; // axes of tokens that a row has one point of
  /** What a read of a definition that nobody else reads stands for; null: it stays a read. */
  readonly open: (read: Read) => Scalar | null;
}

const only = (parts: Partial<Parts>): Parts => ({ row: null, key: null, mixed: null, exact: false, ...parts });

export function separate(s: Scalar, row: Row): Parts {
  const used = axesOf(s);
  if (!used.has(row.over)) return only({ row: s });
  if (![...used].some((axis) => row.queries.has(axis))) return only({ key: s });
  const parts = s.kind === 'read' ? opened(s, row) : s.kind === 'call' ? ofCall(s, row) : null;
  return parts !== null && (parts.row !== null || parts.key !== null) ? parts : only({ mixed: s });
}

function opened(s: Read, row: Row): Parts | null {
  const inside = row.open(s);
  return inside === null ? null : separate(inside, row);
}

function ofCall(s: Extract<Scalar, { kind: 'call' }>, row: Row): Parts | null {
  const [a, b] = s.args;
  const { op } = s;
  switch (op) {
    case 'add':
    case 'subtract': {
      const [left, right] = [separate(a!, row), separate(b!, row)];
      const joined = eachPart((part) => joinedBy(op, left[part], right[part]));
      const whole = isWhole(a!) && isWhole(b!) && joined.row !== null;
      return { ...joined, exact: whole || left.exact || right.exact };
    }
    case 'negate':
    case 'real': {
      const parts = separate(a!, row);
      const changed = (part: Scalar): Scalar => (op === 'negate' ? call('negate', part) : asReal(part));
      return { ...eachPart((part) => (parts[part] === null ? null : changed(parts[part]))), exact: parts.exact };
    }
    case 'multiply':
      return axesOf(a!).has(row.over)
        ? scaled(b!, separate(a!, row), (part) => call('multiply', part, b!), row)
        : scaled(a!, separate(b!, row), (part) => call('multiply', a!, part), row);
    case 'divide':
      return scaled(b!, separate(a!, row), (part) => call('divide', part, b!), row);
    default:
      return null;
  }
}

/** By a factor that a row has in common; one of its own for each row makes the key's part a mixed one. */
function scaled(factor: Scalar, parts: Parts, by: (part: Scalar) => Scalar, { over, queries }: Row): Parts | null {
  const used = axesOf(factor);
  if (used.has(over)) return null;
  const own = [...used].some((axis) => queries.has(axis));
  if (own && parts.exact) return null;
  const times = (part: Scalar | null): Scalar | null => (part === null ? null : by(part));
  const { row, key, mixed, exact } = parts;
  if (!own) return { row: times(row), key: times(key), mixed: times(mixed), exact };
  return { row: times(row), key: null, mixed: joinedBy('add', times(key), times(mixed)), exact };
}

const partNames = ['row', 'key', 'mixed'] as const;

const eachPart = (make: (part: (typeof partNames)[number]) => Scalar | null): Omit<Parts, 'exact'> => ({
  row: make('row'),
  key: make('key'),
  mixed: make('mixed'),
});

export function joinedBy(op: 'add' | 'subtract', a: Scalar | null, b: Scalar | null): Scalar | null {
  if (b === null) return a;
  if (a === null) return op === 'add' ? b : call('negate', b);
  return call(op, a, b);
}

/** The sign outside, where products are looked for. */
const asReal = (s: Scalar): Scalar =>
  s.kind === 'call' && s.op === 'negate' ? call('negate', call('real', s.args[0]!)) : call('real', s);

/** Whole numbers, or coordinates that the caller gives, which mostly are. */
function isWhole(s: Scalar): boolean {
  if (s.type === 'integer') return true;
  if (s.kind === 'call' && (s.op === 'real' || s.op === 'negate')) return isWhole(s.args[0]!);
  return s.kind === 'read' && s.tensor.origin.kind === 'given' && s.tensor.origin.given === 'position';
}
