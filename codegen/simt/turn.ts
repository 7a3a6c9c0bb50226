// The stores of one point of a rotation: two features turned by the phase, and the share of the features that pass
// (none in place, where they already lie right).

import type { Definition } from '../../src/ir/ir.ts';
import { call } from '../../src/ir/scalar.ts';
import type { Expression } from '../kernel.ts';
import { add, i32, less, local, loop, multiply, negate, select, subtract } from '../kernel-build.ts';
import type { Point } from '../point.ts';
import type { Root } from '../plan/nest.ts';
import { loadAt, storeAt, type Scope } from './scope.ts';

type Rotate = Extract<Definition, { kind: 'rotate' }>;

export interface PointStore {
  readonly index: readonly Expression[];
  readonly value: Expression;
}

/** `outer`: the indices of all axes but the last; `pair`: the pair. */
export function turned(
  scope: Scope,
  root: Root & { definition: Rotate },
  point: Point,
  outer: readonly Expression[],
  pair: Expression,
): PointStore[] {
  const d = root.definition;
  const pairs = d.pair.extent as number;
  const start = i32(d.from);
  const [first, second] =
    d.layout === 'split'
      ? [add(pair, start), add(pair, i32(d.from + pairs))]
      : [add(multiply(pair, i32(2)), start), add(multiply(pair, i32(2)), i32(d.from + 1))];
  const cos = point.real(root.turn?.cos ?? call('cos', d.phase));
  const sine = point.real(root.turn?.sin ?? call('sin', d.phase));
  const sin = d.sign === 1 ? sine : negate(sine);
  const a = loadAt(scope, d.input, [...outer, first!]);
  const b = loadAt(scope, d.input, [...outer, second!]);
  return [
    { index: [...outer, first!], value: subtract(multiply(a, cos), multiply(b, sin)) },
    { index: [...outer, second!], value: add(multiply(a, sin), multiply(b, cos)) },
  ];
}

/** Copies the features that do not turn: each pair's lane takes every n-th of them. */
export function passOthers(scope: Scope, d: Rotate, outer: readonly Expression[], pair: Expression): void {
  const pairs = d.pair.extent as number;
  const others = (d.tensor.axes.at(-1)!.extent as number) - 2 * pairs;
  if (others === 0 || scope.storage.get(d.tensor) === scope.storage.get(d.input)) return;
  const name = scope.fresh('other');
  const other = local(name, 'i32');
  const feature =
    d.from === 0 ? add(other, i32(2 * pairs)) : select(less(other, i32(d.from)), other, add(other, i32(2 * pairs)));
  const body = scope.block(() => {
    const index = [...outer, feature];
    storeAt(scope, d.tensor, index, loadAt(scope, d.input, index));
  });
  scope.emit(loop(name, pair, i32(others), body, { step: pairs }));
}
