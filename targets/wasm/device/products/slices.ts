// A matrix product and where its operands lie -> slices of it, each a product of a column-major library, in bytes of memory.
// How it is cut depends on its shape and on the machine, never on the threads: whoever does a slice, the bits are the same.

import { bytesOfElement, type MatrixProduct } from '../../../device.ts';
import { gemmOf, type StoredMatrix } from '../../../gemm.ts';

/** Columns of `rows` elements side by side, `leading` elements apart; op(A) is its transpose where `transposed`. */
export interface Matrix {
  readonly address: number;
  readonly leading: number;
  readonly rows: number;
  readonly columns: number;
}

export interface Factor extends Matrix {
  readonly transposed: boolean;
}

/** out[m, n] = scale * op(a)[m, k] * op(b)[k, n], added to out where `accumulate`. */
export interface Slice {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly scale: number;
  readonly accumulate: boolean;
  readonly a: Factor;
  readonly b: Factor;
  readonly out: Matrix;
}

/** Whether slices may also be of rows of the column-major result, which then do not lie side by side. */
export type Cuts = 'columns' | 'both';

const bytes = bytesOfElement.f32;

/** Where it pays to call a library, and to cut. */
export interface Worth {
  /** Operations below which a call does no better than a kernel of our own. */
  readonly operations: number;
  /** Points of a slice below which a library is slow. */
  readonly points: number;
  /** Slices begin at multiples of it. */
  readonly step: number;
  /** Slices of a product: as many as the machine has cores, since more of them are slower. */
  readonly slices: number;
}

export const worthOn = (cores: number): Worth => ({ operations: 2 ** 17, points: 64, step: 16, slices: cores });

/** `addresses` of the bindings. null: a layout that libraries have no words for, or too little to be worth calls. */
export function slicesOf(
  product: MatrixProduct,
  addresses: readonly number[],
  cuts: Cuts,
  worth: Worth,
): readonly Slice[] | null {
  const gemm = gemmOf(product);
  if (gemm === null) return null;
  const { shape, calls } = gemm;
  const { m, n, k, a, b } = shape;
  if (2 * m * n * k < worth.operations) return null;
  const of = { left: product.left.binding, right: product.right.binding };
  const slices: Slice[] = [];
  const alongM = cuts === 'both' && m > n;
  const pieces = piecesOf(alongM ? m : n, calls.length * shape.batch, worth);
  for (const call of calls) {
    for (let batch = 0; batch < shape.batch; batch += 1) {
      const factor = (matrix: StoredMatrix, skipped: number, kept: Partial<Factor>): Factor => ({
        transposed: matrix.transposed,
        rows: matrix.rows,
        columns: matrix.columns,
        leading: matrix.leading,
        ...kept,
        address: addresses[of[matrix.operand]]! + bytes * (call[matrix.operand] + batch * matrix.stride + skipped),
      });
      const out = addresses[product.out.binding]! + bytes * (call.out + batch * shape.stride);
      for (const [begin, end] of pieces) {
        const size = end - begin;
        const common = { k, scale: product.scale, accumulate: product.accumulate };
        const cutA = alongM ? cut(a, begin, size, a.transposed) : whole;
        const cutB = alongM ? whole : cut(b, begin, size, !b.transposed);
        slices.push({
          ...common,
          m: alongM ? size : m,
          n: alongM ? n : size,
          a: factor(a, cutA.skipped, cutA.kept),
          b: factor(b, cutB.skipped, cutB.kept),
          out: {
            address: out + bytes * (alongM ? begin : begin * shape.leading),
            leading: shape.leading,
            rows: alongM ? size : m,
            columns: alongM ? n : size,
          },
        });
      }
    }
  }
  return slices;
}

const whole = { skipped: 0, kept: {} } as const;

/** A part of a stored matrix: some of its columns, or some of its rows. */
const cut = (matrix: StoredMatrix, begin: number, size: number, ofColumns: boolean) =>
  ofColumns ? { skipped: begin * matrix.leading, kept: { columns: size } } : { skipped: begin, kept: { rows: size } };

/** Begin and end of each slice of an axis; where there are many `products` of the shape, they are not cut. */
function piecesOf(
  extent: number,
  products: number,
  { points, step, slices }: Worth,
): readonly (readonly [begin: number, end: number])[] {
  const count = products >= 4 * slices ? 1 : Math.max(1, Math.min(slices, Math.floor(extent / points)));
  const size = Math.ceil(extent / count / step) * step;
  return Array.from({ length: Math.ceil(extent / size) }, (_, index) => [
    index * size,
    Math.min(extent, (index + 1) * size),
  ]);
}
