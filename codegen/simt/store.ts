// Stores of values at points, where a gradient may be added to what its caller has there.

import type { Axis, Scalar, Tensor } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import { add } from '../kernel-build.ts';
import type { Setting } from './draft.ts';
import { loadAt, storeAt, type Scope } from './scope.ts';

export const axesAsScalars = (axes: readonly Axis[]): Scalar[] =>
  axes.map((axis) => ({ kind: 'axis', type: 'integer', axis }));

/** Stores, or adds to what the caller has there. */
export function storeInto(
  scope: Scope,
  setting: Setting,
  tensor: Tensor,
  index: readonly Expression[],
  value: Expression,
): void {
  const before = setting.accumulate.has(tensor) ? loadAt(scope, tensor, index) : null;
  storeAt(scope, tensor, index, before === null ? value : add(before, value));
}
