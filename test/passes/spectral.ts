// A skew matrix of even size, taken apart: A = U C U^T with U orthogonal and C zero outside of its 2 x 2 diagonal blocks.

export type Matrix = readonly (readonly number[])[];

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, n) => sum + x * b[n]!, 0);
const times = (m: Matrix, v: readonly number[]): number[] => m.map((row) => dot(row, v));

export interface Spectral {
  /** Orthonormal; pair k turns in the plane of vectors 2k and 2k + 1. */
  readonly columns: Matrix;
  /** C[2k + 1, 2k] */
  readonly angles: readonly number[];
}

export function spectral(a: Matrix): Spectral {
  const square = a.map((row) => a.map((other) => dot(row, other))); // A A^T, whose eigenspaces A keeps
  const columns: number[][] = [];
  const angles: number[] = [];
  for (const vector of eigenvectors(square)) {
    const first = unit(without(vector, columns));
    if (first === null) continue; // in a plane that is there already
    const image = times(a, first);
    const angle = Math.sqrt(dot(image, image));
    columns.push(
      first,
      image.map((x) => x / angle),
    );
    angles.push(angle);
  }
  return { columns, angles };
}

const without = (v: readonly number[], columns: Matrix): number[] =>
  columns.reduce<number[]>((rest, c) => rest.map((x, n) => x - dot(c, v) * c[n]!), [...v]);

function unit(v: readonly number[]): number[] | null {
  const length = Math.sqrt(dot(v, v));
  return length < 1e-3 ? null : v.map((x) => x / length);
}

/** Of a symmetric matrix, by Jacobi's rotations. */
function eigenvectors(symmetric: Matrix): Matrix {
  const m = symmetric.map((row) => [...row]);
  const n = m.length;
  const vectors = m.map((_, i) => m.map((__, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < 60; sweep += 1) {
    for (let p = 0; p < n; p += 1) {
      for (let q = p + 1; q < n; q += 1) {
        if (m[p]![q] === 0) continue;
        const angle = 0.5 * Math.atan2(2 * m[p]![q]!, m[q]![q]! - m[p]![p]!);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        const turn = (row: number[]): void => {
          [row[p], row[q]] = [c * row[p]! - s * row[q]!, s * row[p]! + c * row[q]!];
        };
        m.forEach(turn);
        for (let k = 0; k < n; k += 1) {
          [m[p]![k], m[q]![k]] = [c * m[p]![k]! - s * m[q]![k]!, s * m[p]![k]! + c * m[q]![k]!];
        }
        vectors.forEach(turn);
      }
    }
  }
  return vectors.map((_, k) => vectors.map((row) => row[k]!));
}
