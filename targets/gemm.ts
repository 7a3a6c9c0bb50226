// A matrix product as calls of a column-major library: sizes and strides come in, the calls that make it up go out, or null
// where an operand lies in a way that the library has no words for. Pure. Batches that lie evenly become part of m or n or
// one strided batch; what is left is a call each.

import type { MatrixProduct, Operand } from './device.ts';

/** A factor as it is stored: `rows` x `columns`, the elements of a column side by side. */
export interface StoredMatrix {
  readonly operand: 'left' | 'right';
  readonly transposed: boolean;
  readonly rows: number;
  readonly columns: number;
  readonly leading: number; // elements from a column to the next
  readonly stride: number; // elements from a batch to the next
}

/** D[m, n] = A[m, k] * B[k, n], D stored column by column, for each of `batch`. */
export interface GemmShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  readonly a: StoredMatrix;
  readonly b: StoredMatrix;
  readonly leading: number; // of D
  readonly stride: number;
}

export interface Gemm {
  readonly shape: GemmShape;
  /** One call each: where the operands begin, in elements. */
  readonly calls: readonly { readonly left: number; readonly right: number; readonly out: number }[];
}

type Role = 'left' | 'right' | 'out';
const roles: readonly Role[] = ['left', 'right', 'out'];

interface Dimension {
  readonly extent: number;
  readonly left: number;
  readonly right: number;
  readonly out: number;
}

/** More calls than this cost more than a kernel of our own. */
const mostCalls = 256;

export function gemmOf(product: MatrixProduct): Gemm | null {
  const { k } = product;
  let m: Dimension = { extent: product.m, left: product.left.rows, right: 0, out: product.out.rows };
  let n: Dimension = { extent: product.n, left: 0, right: product.right.rows, out: product.out.columns };
  const all = product.batches.map((extent, index): Dimension => {
    const at = ({ batches }: Operand): number => batches[index]!;
    return { extent, left: at(product.left), right: at(product.right), out: at(product.out) };
  });
  if (m.extent < 1 || n.extent < 1 || k < 1 || all.some(({ extent }) => extent < 1)) return null;
  let batches = mergeAll(all.filter(({ extent }) => extent > 1));
  // A batch that one factor does not have makes the other's rows more.
  const absorb = (into: Dimension, other: 'left' | 'right'): Dimension => {
    for (const batch of batches) {
      if (batch[other] !== 0) continue;
      const merged = merge(into, batch) ?? merge(batch, into);
      if (merged === null) continue;
      batches = batches.filter((each) => each !== batch);
      return absorb(merged, other);
    }
    return into;
  };
  m = absorb(m, 'right');
  n = absorb(n, 'left');
  if (batches.some(({ out }) => out === 0)) return null;
  const strided = batches.reduce<Dimension | null>((a, b) => (a === null || b.extent > a.extent ? b : a), null);
  const looped = batches.filter((each) => each !== strided);
  if (looped.reduce((count, { extent }) => count * extent, 1) > mostCalls) return null;
  const shape = shapeOf(m, n, k, product, strided);
  if (shape === null) return null;
  return { shape, calls: offsetsOf(looped, product) };
}

/** `outer` and `inner` as one dimension, where the outer's step is the inner's whole length in every operand. */
function merge(outer: Dimension, inner: Dimension): Dimension | null {
  if (inner.extent === 1) return outer;
  if (outer.extent === 1) return inner;
  return roles.every((role) => outer[role] === inner[role] * inner.extent)
    ? { ...inner, extent: outer.extent * inner.extent }
    : null;
}

function mergeAll(dimensions: readonly Dimension[]): readonly Dimension[] {
  for (const outer of dimensions) {
    for (const inner of dimensions) {
      const merged = outer === inner ? null : merge(outer, inner);
      if (merged === null) continue;
      return mergeAll([...dimensions.filter((each) => each !== outer && each !== inner), merged]);
    }
  }
  return dimensions;
}

/** A factor `along` x `k` as it lies, or null; `transposed` says whether it is `k` x `along` in the library's eyes. */
function stored(
  along: number,
  alongStride: number,
  k: number,
  kStride: number,
): Omit<StoredMatrix, 'operand' | 'stride'> | null {
  if ((alongStride === 1 || along === 1) && fits(kStride, k, along)) {
    return { transposed: false, rows: along, columns: k, leading: k === 1 ? along : kStride };
  }
  if ((kStride === 1 || k === 1) && fits(alongStride, along, k)) {
    return { transposed: true, rows: k, columns: along, leading: along === 1 ? k : alongStride };
  }
  return null;
}

/** Whether columns of `rows` elements, `stride` apart, do not run into each other. */
const fits = (stride: number, columns: number, rows: number): boolean => columns === 1 || stride >= rows;

function shapeOf(
  m: Dimension,
  n: Dimension,
  k: number,
  { left, right }: MatrixProduct,
  batch: Dimension | null,
): GemmShape | null {
  const rowMajor = (n.out === 1 || n.extent === 1) && fits(m.out, m.extent, n.extent);
  const columnMajor = (m.out === 1 || m.extent === 1) && fits(n.out, n.extent, m.extent);
  if (!rowMajor && !columnMajor) return null;
  const l = stored(m.extent, m.left, k, left.columns);
  const r = stored(n.extent, n.right, k, right.columns);
  if (l === null || r === null) return null;
  const leftStored: StoredMatrix = { ...l, operand: 'left', stride: batch?.left ?? 0 };
  const rightStored: StoredMatrix = { ...r, operand: 'right', stride: batch?.right ?? 0 };
  const common = { k, batch: batch?.extent ?? 1, stride: batch?.out ?? 0 };
  // Rows of the result side by side are columns of its transpose: right * left^T.
  return rowMajor
    ? {
        ...common,
        m: n.extent,
        n: m.extent,
        a: rightStored,
        b: turned(leftStored),
        leading: m.extent === 1 ? n.extent : m.out,
      }
    : {
        ...common,
        m: m.extent,
        n: n.extent,
        a: leftStored,
        b: turned(rightStored),
        leading: n.extent === 1 ? m.extent : n.out,
      };
}

const turned = (matrix: StoredMatrix): StoredMatrix => ({ ...matrix, transposed: !matrix.transposed });

function offsetsOf(looped: readonly Dimension[], { left, right, out }: MatrixProduct): Gemm['calls'] {
  let calls: Gemm['calls'] = [{ left: left.offset, right: right.offset, out: out.offset }];
  for (const each of looped) {
    calls = calls.flatMap((call) =>
      Array.from({ length: each.extent }, (_, index) => ({
        left: call.left + index * each.left,
        right: call.right + index * each.right,
        out: call.out + index * each.out,
      })),
    );
  }
  return calls;
}
