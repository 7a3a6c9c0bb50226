// Matrix products for tests of libraries: random layouts with operands of whole numbers, and what the product is by its
// definition.

import fc from 'fast-check';
import type { MatrixProduct, Operand } from '../../targets/device.ts';

export type Arrays = { readonly left: Float64Array; readonly right: Float64Array; readonly out: Float64Array };

/** Every index of a list of extents. */
function* indices(extents: readonly number[]): Generator<readonly number[]> {
  const [first, ...rest] = extents;
  if (first === undefined) yield [];
  else for (let index = 0; index < first; index += 1) for (const each of indices(rest)) yield [index, ...each];
}
const at = ({ offset, batches }: Operand, batch: readonly number[]): number =>
  batch.reduce((sum, index, which) => sum + index * batches[which]!, offset);

/** The definition of a product. */
export function defined(
  { m, n, k, batches, left, right, out, scale, accumulate }: MatrixProduct,
  arrays: Arrays,
): Float64Array {
  const result = arrays.out.slice();
  for (const batch of indices(batches))
    for (const [i, j] of indices([m, n]) as Iterable<[number, number]>) {
      let sum = 0;
      for (let l = 0; l < k; l += 1)
        sum +=
          arrays.left[at(left, batch) + i * left.rows + l * left.columns]! *
          arrays.right[at(right, batch) + j * right.rows + l * right.columns]!;
      const to = at(out, batch) + i * out.rows + j * out.columns;
      result[to] = scale * sum + (accumulate ? arrays.out[to]! : 0);
    }
  return result;
}

/** Strides of axes that lie in some order, the innermost side by side; `shared` axes have none. */
function lay(
  extents: readonly number[],
  order: readonly number[],
  gaps: readonly number[],
  shared: readonly boolean[],
) {
  const strides = extents.map(() => 0);
  let step = 1;
  for (const [position, axis] of order.entries()) {
    if (shared[axis]) continue;
    strides[axis] = step;
    step = step * extents[axis]! + (position < order.length - 1 ? (gaps[axis] ?? 0) : 0);
  }
  return { strides, elements: step + 8 };
}

export const productOf = fc
  .record({
    sizes: fc.tuple(...[4, 4, 4].map((size) => fc.integer({ min: 1, max: size }))),
    batches: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
    orders: fc.array(fc.infiniteStream(fc.nat(1000)), { minLength: 3, maxLength: 3 }),
    gaps: fc.array(fc.constantFrom(0, 0, 0, 1, 2), { minLength: 5, maxLength: 5 }),
    shared: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
    offsets: fc.tuple(...[0, 0, 0].map(() => fc.nat(5))),
    scale: fc.constantFrom(1, 0.5),
    accumulate: fc.boolean(),
  })
  .map(({ sizes: [m, n, k], batches, orders, gaps, shared, offsets, scale, accumulate }) => {
    const operand = (which: number, rows: number, columns: number, broadcasts: readonly boolean[]) => {
      const extents = [rows, columns, ...batches];
      const keys = orders[which]!;
      const order = extents.map((_, axis) => [keys.next().value as number, axis] as const);
      const sorted = order.toSorted((a, b) => a[0] - b[0]).map(([, axis]) => axis);
      const { strides, elements } = lay(extents, sorted, gaps, [false, false, ...broadcasts]);
      return {
        binding: which,
        offset: offsets[which]!,
        rows: strides[0]!,
        columns: strides[1]!,
        batches: strides.slice(2),
        elements,
      };
    };
    const left = operand(
      0,
      m!,
      k!,
      batches.map((_, index) => shared[index]!),
    );
    const right = operand(
      1,
      n!,
      k!,
      batches.map((_, index) => shared[index + 3]!),
    );
    const out = operand(
      2,
      m!,
      n!,
      batches.map(() => false),
    );
    const product: MatrixProduct = { scale, accumulate, m: m!, n: n!, k: k!, batches, left, right, out };
    const random = (count: number): Float64Array =>
      Float64Array.from({ length: count }, (_, index) => ((index * 7919) % 23) - 11);
    const arrays: Arrays = {
      left: random(left.elements + left.offset),
      right: random(right.elements + right.offset).map((value) => value - 2),
      out: random(out.elements + out.offset),
    };
    return { product, arrays };
  });
