// Functions of one small square matrix (row-major float64). Exponential and its adjoint: scaling and squaring with a Taylor
// polynomial, accurate to about 1e-15 relative to the norm of the result. Inverse: Gauss-Jordan with partial pivoting.

const ORDER = 18; // 0.5^19 / 19! is far below the last place

/** out = a b, all n x n. */
function product(n: number, a: Float64Array, b: Float64Array, out: Float64Array): void {
  for (let r = 0; r < n; r++) {
    for (let c = 0; c < n; c++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += a[r * n + k]! * b[k * n + c]!;
      out[r * n + c] = sum;
    }
  }
}

function largestRowSum(n: number, a: Float64Array): number {
  let largest = 0;
  for (let r = 0; r < n; r++) {
    let sum = 0;
    for (let c = 0; c < n; c++) sum += Math.abs(a[r * n + c]!);
    largest = Math.max(largest, sum);
  }
  return largest;
}

/** exp(a) for an n x n matrix; not finite where a is not. */
export function matrixExponential(n: number, a: Float64Array): Float64Array {
  const norm = largestRowSum(n, a);
  if (!Number.isFinite(norm)) return new Float64Array(n * n).fill(NaN);
  const squarings = norm > 0.5 ? Math.ceil(Math.log2(norm / 0.5)) : 0;
  const scaled = a.map((value) => value / 2 ** squarings);
  let result = new Float64Array(n * n);
  let other = new Float64Array(n * n);
  // Horner: I + A (I + A/2 (I + A/3 (...)))
  for (let k = ORDER; k >= 0; k--) {
    if (k < ORDER) {
      product(n, scaled, result, other);
      [result, other] = [other, result];
      for (let m = 0; m < n * n; m++) result[m] = result[m]! / (k + 1);
    }
    for (let d = 0; d < n; d++) result[d * n + d] = result[d * n + d]! + 1;
  }
  for (let s = 0; s < squarings; s++) {
    product(n, result, result, other);
    [result, other] = [other, result];
  }
  return result;
}

/**
 * The cotangent of a, from the cotangent of exp(a): the top right block of exp([[a^T, c], [0, a^T]]), which is linear in
 * c, so c is first brought to the size of a.
 */
export function matrixExponentialAdjoint(n: number, a: Float64Array, cotangent: Float64Array): Float64Array {
  const size = largestRowSum(n, cotangent);
  if (size === 0) return new Float64Array(n * n);
  const unit = Math.min(1, Math.max(largestRowSum(n, a), 2 ** -20)) / size;
  const wide = 2 * n;
  const block = new Float64Array(wide * wide);
  for (let r = 0; r < n; r++) {
    for (let c = 0; c < n; c++) {
      block[r * wide + c] = a[c * n + r]!;
      block[(n + r) * wide + n + c] = a[c * n + r]!;
      block[r * wide + n + c] = cotangent[r * n + c]! * unit;
    }
  }
  const exponential = matrixExponential(wide, block);
  const result = new Float64Array(n * n);
  for (let r = 0; r < n; r++) {
    for (let c = 0; c < n; c++) result[r * n + c] = exponential[r * wide + n + c]! / unit;
  }
  return result;
}

/** a^-1 for an n x n matrix; not finite where there is none. */
export function matrixInverse(n: number, a: Float64Array): Float64Array {
  const left = a.slice();
  const right = new Float64Array(n * n);
  for (let d = 0; d < n; d++) right[d * n + d] = 1;
  for (let p = 0; p < n; p++) {
    let pivot = p;
    for (let r = p + 1; r < n; r++) if (Math.abs(left[r * n + p]!) > Math.abs(left[pivot * n + p]!)) pivot = r;
    for (const side of [left, right]) {
      const above = side.slice(p * n, p * n + n);
      side.copyWithin(p * n, pivot * n, pivot * n + n);
      side.set(above, pivot * n);
    }
    const scale = 1 / left[p * n + p]!;
    for (const side of [left, right]) for (let c = 0; c < n; c++) side[p * n + c] = side[p * n + c]! * scale;
    for (let r = 0; r < n; r++) {
      const factor = left[r * n + p]!;
      if (r === p) continue;
      for (const side of [left, right]) {
        for (let c = 0; c < n; c++) side[r * n + c] = side[r * n + c]! - factor * side[p * n + c]!;
      }
    }
  }
  return right;
}
