// One point of a matrix product once its sum is known: the factors that do not depend on what is summed, the maps that
// read the sum at its own point, and the stores.

import type { Axis, Definition, Tensor } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import { multiply, toF32 } from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import type { ContractionNest } from '../plan/nest.ts';
import type { Setting } from './draft.ts';
import type { Scope } from './scope.ts';
import { storeInto } from './store.ts';

/** The factors that do not depend on the sum, and the maps that read it. */
export function finishPoint(
  scope: Scope,
  nest: ContractionNest,
  setting: Setting,
  total: Expression,
  index: ReadonlyMap<Axis, Expression>,
): void {
  const { tensor } = nest.root.definition;
  const at = tensor.axes.map((axis) => index.get(axis)!);
  const point = openPoint(scope, nest.root.hints).with(index);
  const sum = nest.scale === null ? total : multiply(point.real(nest.scale), total);
  const values = new Map<Tensor, Expression>([[tensor, scope.hint(sum, tensor.name)]]);
  const stores: (() => void)[] = [];
  if (!setting.registers.has(tensor)) stores.push(() => storeInto(scope, setting, tensor, at, sum));
  for (const root of nest.epilogue) {
    const d = root.definition as Extract<Definition, { kind: 'map' }>;
    const own = openPoint(scope, root.hints).with(
      d.tensor.axes.map((axis, n): [Axis, Expression] => [axis, at[n]!]),
      values,
    );
    const raw = own.value(d.body);
    const value = scope.hint(d.tensor.type === 'real' ? toF32(raw) : raw, d.tensor.name);
    values.set(d.tensor, value);
    if (!setting.registers.has(d.tensor)) stores.push(() => storeInto(scope, setting, d.tensor, at, value));
  }
  for (const each of stores) each();
}
