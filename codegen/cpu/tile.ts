// A matrix product over given accessors -> kernel IR of vectors of four. Sums of a few rows and a few vectors stay in
// registers while k is walked; what is left of m and n takes narrower tiles, so that nothing outside is read or stored.
// Every sum adds its terms in the order of k, whichever tile it is in.

import type { Expression } from '../kernel.ts';
import {
  add,
  assign,
  f32,
  i32,
  less,
  loop,
  local,
  multiply,
  quotient,
  splat,
  subtract,
  when,
} from '../kernel-build.ts';
import type { Scope } from '../simt/scope.ts';

/** Neighbours along n of one value: a vector of four, or a single number. */
export type Lanes = 1 | 4;

/** The product of [m, k] and [k, n]. Extents are known at run time, or literals; positions count from 0. */
export interface Product {
  readonly m: Expression;
  readonly n: Expression;
  readonly k: Expression;
  /** What surely divides n: no narrow tiles are written for what cannot be left. A literal n says it by itself. */
  readonly multiple?: number;
  /** f32 */
  left(m: Expression, k: Expression): Expression;
  /** f32x4 of n to n + 3, or the f32 at n. */
  right(k: Expression, n: Expression, lanes: Lanes): Expression;
  /** Emits what becomes of the sums at (m, n): f32x4 of n to n + 3, or f32. */
  store(m: Expression, n: Expression, sum: Expression, lanes: Lanes): void;
  /** What sums begin with; zero otherwise. */
  start?(m: Expression, n: Expression, lanes: Lanes): Expression;
  /** The steps of k that rows `first` to `last` need: from `from`, before `to`; all otherwise. */
  steps?(first: Expression, last: Expression): { readonly from: Expression; readonly to: Expression };
}

/**
 * Rows and vectors of the largest tile. Engines move all loads of a step to its begin, so that 8 sums, 2 vectors, 4 numbers
 * and a product are what 16 registers hold; with several steps side by side, or a larger tile, sums would go to memory.
 */
export const tileRows = 4;
export const tileVectors = 2;
export const tileColumns = 4 * tileVectors;

/** Points of a tile along n. */
interface Width {
  readonly lanes: Lanes;
  readonly vectors: number;
}

const pointsOf = ({ lanes, vectors }: Width): number => lanes * vectors;

/** The widths of tiles, the widest first, of which each may be left over by those before it. */
function widthsOf(n: Expression, multiple: number): readonly Width[] {
  const vectors = [tileVectors, 1].map((count): Width => ({ lanes: 4, vectors: count }));
  if (multiple % pointsOf(vectors[0]!) === 0) return [vectors[0]!];
  const all: readonly Width[] = multiple % 4 === 0 ? vectors : [...vectors, { lanes: 1, vectors: 1 }];
  if (n.kind !== 'literal') return all;
  let left = n.value;
  return all.filter((width) => {
    const taken = Math.floor(left / pointsOf(width));
    left -= taken * pointsOf(width);
    return taken > 0;
  });
}

export function writeProduct(scope: Scope, product: Product): void {
  const { m, n, multiple = 1 } = product;
  const widths = widthsOf(n, multiple);
  inSteps(scope, 'row', i32(0), m, [tileRows, 1], (row, rows) => {
    const steps = product.steps?.(row, add(row, i32(rows - 1))) ?? { from: i32(0), to: product.k };
    const from = settled(scope, 'first_step', steps.from);
    const to = settled(scope, 'end_step', steps.to);
    inSteps(scope, 'column', i32(0), n, widths.map(pointsOf), (column, points) => {
      const { lanes, vectors } = widths.find((each) => pointsOf(each) === points)!;
      const at = (r: number): Expression => add(row, i32(r));
      const across = (vector: number): Expression => add(column, i32(vector * lanes));
      writeTile(scope, {
        rows,
        vectors,
        lanes,
        from,
        to,
        step: 1,
        left: (r, k) => product.left(at(r), k),
        right: (k, vector) => product.right(k, across(vector), lanes),
        start: (r, vector) => product.start?.(at(r), across(vector), lanes) ?? null,
        store: (r, vector, sum) => product.store(at(r), across(vector), sum, lanes),
      });
    });
  });
}

/** One tile: accessors take the row and the vector by number. `k` runs from `from` to before `to` by `step`. */
export interface Tile {
  readonly rows: number;
  readonly vectors: number;
  readonly lanes: Lanes;
  readonly from: Expression;
  readonly to: Expression;
  readonly step: number;
  left(row: number, k: Expression): Expression;
  right(k: Expression, vector: number): Expression;
  start(row: number, vector: number): Expression | null;
  store(row: number, vector: number, sum: Expression): void;
}

const counting = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n);

export function writeTile(scope: Scope, tile: Tile): void {
  const [rows, vectors] = [counting(tile.rows), counting(tile.vectors)];
  const wide = (value: Expression): Expression => (tile.lanes === 4 ? splat(value) : value);
  const sums = rows.map((row) =>
    vectors.map((vector) => scope.variable(`sum_${row}_${vector}`, tile.start(row, vector) ?? wide(f32(0)))),
  );
  const k = scope.fresh('k');
  const body = scope.block(() => {
    const at = local(k, 'i32');
    const rights = vectors.map((vector) => scope.bind(`right_${vector}`, tile.right(at, vector)));
    for (const row of rows) {
      const left = scope.bind(`left_${row}`, wide(tile.left(row, at)));
      rights.forEach((right, vector) => accumulate(scope, sums[row]![vector]!, multiply(left, right)));
    }
  });
  scope.emit(loop(k, tile.from, tile.to, body, { step: tile.step }));
  sums.forEach((line, row) => line.forEach((sum, vector) => tile.store(row, vector, sum)));
}

function accumulate(scope: Scope, sum: Expression, term: Expression): void {
  if (sum.kind === 'local') scope.emit(assign(sum.name, add(sum, term)));
}

/** The value, bound where it is more than a name. */
const settled = (scope: Scope, name: string, value: Expression): Expression =>
  value.kind === 'literal' || value.kind === 'local' || value.kind === 'size' ? value : scope.bind(name, value);

/**
 * Loops from `from` to `to`, by the largest of `sizes` as long as so much is left, then by the next. The last is 1, or
 * what surely divides what is left.
 */
export function inSteps(
  scope: Scope,
  name: string,
  from: Expression,
  to: Expression,
  sizes: readonly number[],
  write: (at: Expression, size: number) => void,
): void {
  let start = from;
  for (const [index, size] of sizes.entries()) {
    const isLast = index === sizes.length - 1;
    const left = subtract(to, start);
    const steps = quotient(left, i32(size));
    if (left.kind === 'literal' && left.value < size) continue;
    // Where one step can be left at most, it is a branch.
    const before = index === 0 ? null : sizes[index - 1]!;
    const once = before !== null && before <= 2 * size;
    const end =
      isLast && (left.kind !== 'literal' || left.value % size === 0) ? to : add(start, multiply(steps, i32(size)));
    if (once || (steps.kind === 'literal' && steps.value === 1)) {
      const at = start;
      const body = scope.block(() => write(at, size));
      scope.emit(...when(less(start, end), body));
    } else {
      const variable = scope.fresh(name);
      const body = scope.block(() => write(local(variable, 'i32'), size));
      scope.emit(loop(variable, start, settled(scope, `end_${name}`, end), body, { step: size }));
    }
    start = isLast ? to : settled(scope, `rest_${name}`, end);
  }
}
