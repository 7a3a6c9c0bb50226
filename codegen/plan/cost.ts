// What a kernel must move and do at least: each buffer read or written once, each body evaluated once a point.

import type { Axis, Definition, Scalar } from '../../src/ir/ir.ts';
import { operations } from '../../src/ir/ops.ts';
import { domainOf, scalarsOf, visit } from '../../src/ir/visit.ts';
import { bytesOfElement } from '../kernel.ts';
import type { KernelBuffer } from '../simt/scope.ts';
import type { Root } from './nest.ts';
import type { BufferPlan, Size } from './plan.ts';
import { extentSize, numberSize, product, sum } from './size.ts';

/** Floating-point operations of scalars at one point; integer arithmetic is free. */
export function weightOf(scalars: readonly Scalar[]): number {
  let weight = 0;
  visit(scalars, (s) => {
    if (s.kind === 'call' && s.type === 'real') weight += operations[s.op].weight;
  });
  return weight;
}

const points = (axes: readonly Axis[]): readonly Size[] => axes.map((axis) => extentSize(axis.extent));

/** Beyond the scalars: what the rule itself does at a point. */
function ruleWeight(d: Definition): number {
  switch (d.kind) {
    case 'map':
      return 0;
    case 'reduce':
    case 'scatter':
    case 'triangular': // half of the points have a product and a sum
      return 1;
    case 'scan':
      return 2;
    case 'softmax':
      return operations.exp.weight + 4;
    case 'rotate':
      return 6;
    case 'matrix':
      return matrixWork(d);
    default:
      return d satisfies never;
  }
}

/** Operations an element: of an exponential about 16 products of n x n matrices, 4 times as many for the adjoint; of an inverse one. */
function matrixWork(d: Extract<Definition, { kind: 'matrix' }>): number {
  const n = d.tensor.axes.at(-1)!.extent;
  const products = d.function === 'inverse' ? 1 : d.cotangent === null ? 16 : 64;
  return (typeof n === 'number' ? 2 * n : 0) * products;
}

export function flopsOf(roots: readonly Root[]): Size {
  return sum(
    roots.map(({ definition, turn }) => {
      const scalars = turn === null ? scalarsOf(definition) : [turn.cos, turn.sin];
      const weight = weightOf(scalars) + ruleWeight(definition);
      return product([...points(domainOf(definition)), numberSize(weight)]);
    }),
  );
}

/**
 * Bytes of each buffer, twice where a kernel reads and writes it. `readBack`: buffers whose old contents matter.
 * `rowsIn`: of a buffer of several tensors, the rows moved; null: all of a buffer.
 */
export function bytesOf(
  buffers: readonly KernelBuffer[],
  readBack: ReadonlySet<BufferPlan>,
  rowsIn: (buffer: BufferPlan) => number | null,
): Size {
  return sum(
    buffers.map(({ buffer, binding }) => {
      const bytes = bytesOfElement[buffer.type];
      const rows = rowsIn(buffer);
      if (rows !== null) return product([...buffer.shape.toSpliced(2, 1), numberSize(rows * bytes)]);
      return product([
        ...buffer.shape,
        numberSize(bytes * (readBack.has(buffer) && binding.access === 'read_write' ? 2 : 1)),
      ]);
    }),
  );
}
