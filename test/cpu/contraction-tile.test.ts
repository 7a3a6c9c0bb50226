// Register tiles over accessors: any extents, ranges of steps by row, sums that begin somewhere, in the simulator.

import { describe, expect, it } from 'vitest';
import { verifyKernel } from '../../codegen/kernel-verify.ts';
import type { Expression, KernelBody } from '../../codegen/kernel.ts';
import { add, i32, load, minimum, multiply, sizeOf, store } from '../../codegen/kernel-build.ts';
import { createNames } from '../../codegen/names.ts';
import { simulate } from '../../codegen/simulate.ts';
import { writeProduct, type Product } from '../../codegen/cpu/tile.ts';
import { openScope, type Scope } from '../../codegen/simt/scope.ts';
import { randomValues } from '../kernels/check-plan.ts';

/** m, n and k are batch, tokens and keys of the kernel. */
const runTime = { m: sizeOf('batch'), n: sizeOf('tokens'), k: sizeOf('keys') };

function kernel(write: (scope: Scope) => void): KernelBody {
  const names = createNames(['product']);
  const fresh = (wanted: string): string => names.allocate(wanted);
  const binding = (name: string, access: 'read' | 'read_write') => ({
    buffer: { name, tensor: null, shape: [], type: 'f32', rows: 'window', comment: '' } as const,
    binding: { name: fresh(name), type: 'f32', access } as const,
  });
  const bindings = [binding('a', 'read'), binding('b', 'read'), binding('c', 'read_write')];
  const scope = openScope({ mode: 'whole', lanes: 1, storage: new Map(), places: new Map(), bindings, names: fresh });
  write(scope);
  return scope.finish('product');
}

const at = (row: Expression, stride: Expression, column: Expression): Expression => add(multiply(row, stride), column);

const accessors = (scope: Scope, { n, k }: Pick<Product, 'n' | 'k'>): Pick<Product, 'left' | 'right' | 'store'> => ({
  left: (row, step) => load('a', at(row, k, step)),
  right: (step, column, lanes) => load('b', at(step, n, column), lanes === 4 ? 'f32x4' : 'f32'),
  store: (row, column, sum) => scope.emit(store('c', at(row, n, column), sum)),
});

interface Sizes {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** The largest error of a kernel; `before`: what stands in c. */
function worst(
  body: KernelBody,
  { m, n, k }: Sizes,
  expected: (row: number, step: number) => boolean,
  before = 0,
): number {
  expect(verifyKernel(body, 'cpu')).toEqual([]);
  const [a, b] = [Float32Array.from(randomValues(m * k, 3)), Float32Array.from(randomValues(k * n, 4))];
  const c = new Float32Array(m * n).fill(before);
  simulate(body, 1, { a, b, c }, { batch: m, tokens: n, keys: k, first: 0, capacity: k });
  let error = 0;
  for (let row = 0; row < m; row += 1) {
    for (let column = 0; column < n; column += 1) {
      let sum = before;
      for (let step = 0; step < k; step += 1)
        if (expected(row, step)) sum += a[row * k + step]! * b[step * n + column]!;
      error = Math.max(error, Math.abs(c[row * n + column]! - sum));
    }
  }
  return error;
}

const all = (): boolean => true;

describe('a register tile', () => {
  const body = kernel((scope) => writeProduct(scope, { ...runTime, ...accessors(scope, runTime) }));
  it.each([1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 16, 19, 20, 23, 24, 25, 30])('has %i columns known at run time', (n) => {
    for (const m of [1, 3, 4, 6, 8]) expect(worst(body, { m, n, k: 5 + (n % 4) }, all)).toBeLessThan(2e-6);
  });

  it.each([0, 1, 2, 3, 4, 5, 8, 9])('takes %i steps', (k) => {
    expect(worst(body, { m: 5, n: 17, k }, all)).toBeLessThan(2e-6);
  });

  it.each([
    [1, 1, 1],
    [4, 12, 4],
    [5, 13, 9],
    [8, 8, 3],
    [9, 20, 16],
    [2, 39, 6],
  ])('has literal extents %i, %i, %i', (m, n, k) => {
    const literal = { m: i32(m), n: i32(n), k: i32(k) };
    const fixed = kernel((scope) => writeProduct(scope, { ...literal, ...accessors(scope, literal) }));
    expect(worst(fixed, { m, n, k }, all)).toBeLessThan(2e-6);
  });

  it.each([4, 8])('has no narrow tiles where %i divides n', (multiple) => {
    const wide = kernel((scope) => writeProduct(scope, { ...runTime, multiple, ...accessors(scope, runTime) }));
    expect(JSON.stringify(wide.statements).includes('"type":"f32","buffer":"b"')).toBe(false);
    for (const n of [8, 24, 48]) expect(worst(wide, { m: 6, n, k: 7 }, all)).toBeLessThan(2e-6);
    if (multiple === 4) for (const n of [4, 12, 20]) expect(worst(wide, { m: 6, n, k: 7 }, all)).toBeLessThan(2e-6);
  });

  it('begins with what is there', () => {
    const begun = kernel((scope) =>
      writeProduct(scope, {
        ...runTime,
        ...accessors(scope, runTime),
        start: (row, column, lanes) => load('c', at(row, runTime.n, column), lanes === 4 ? 'f32x4' : 'f32'),
      }),
    );
    expect(worst(begun, { m: 5, n: 19, k: 6 }, all, 0.5)).toBeLessThan(2e-6);
  });

  it('takes the steps that its rows need', () => {
    const causal = kernel((scope) =>
      writeProduct(scope, {
        ...runTime,
        ...accessors(scope, runTime),
        steps: (first, last) => ({
          from: minimum(first, runTime.k),
          to: minimum(add(last, i32(1)), runTime.k),
        }),
      }),
    );
    // Rows of a tile share its steps: four rows from 0 on, then one each.
    const seen = (row: number, step: number): boolean => (row < 8 ? row >> 2 === step >> 2 : row === step);
    expect(worst(causal, { m: 10, n: 13, k: 10 }, seen)).toBeLessThan(2e-6);
  });
});
