// The inverse of small matrices in f32: Gauss-Jordan in place, with the largest element of a column as its pivot. A step
// makes every element from those of the step before, so lanes need to meet only between steps.

import type { Expression } from '../kernel.ts';
import {
  and,
  call,
  divide,
  element,
  equal,
  f32,
  i32,
  less,
  lessEqual,
  local,
  loop,
  multiply,
  negate,
  select,
  storeElement,
  subtract,
  when,
} from '../kernel-build.ts';
import type { Setting } from './draft.ts';
import { loadElement, storeElementOf, type Engine, type MatrixDefinition } from './matrix-engine.ts';
import type { Scope } from './scope.ts';
import { setTo } from './variable.ts';

export function inverse(
  scope: Scope,
  setting: Setting,
  d: MatrixDefinition,
  side: number,
  outer: readonly Expression[],
  engine: Engine,
): void {
  const load = loadElement(scope, outer);
  const matrix = engine.matrix('reduced');
  engine.update([{ matrix, value: (r, c) => load(d.input, r, c) }]);
  const order = scope.array('order', 'i32', side); // row r of what is inverted is row order[r] of the input
  const first = scope.fresh('place');
  scope.emit(loop(first, i32(0), i32(side), [storeElement(order, local(first, 'i32'), local(first, 'i32'))]));

  const step = scope.fresh('step');
  const p = local(step, 'i32');
  const body = scope.block(() => {
    const pivot = findPivot(scope, side, p, (r) => engine.at(matrix, r, p));
    const [from, to] = [element(order, pivot, 'i32'), element(order, p, 'i32')];
    const [one, other] = [scope.bind('one', from), scope.bind('other', to)];
    scope.emit(storeElement(order, p, one), storeElement(order, pivot, other));
    const factor = scope.bind('factor', divide(f32(1), engine.at(matrix, pivot, p)));
    const value = (r: Expression, c: Expression): Expression => {
      const isPivot = equal(r, p);
      const row = select(equal(r, pivot), p, r); // after rows p and pivot have changed places; r = p is `above`
      const above = multiply(engine.at(matrix, pivot, c), factor);
      const own = engine.at(matrix, row, p);
      const others = subtract(engine.at(matrix, row, c), multiply(own, above));
      return select(
        equal(c, p),
        select(isPivot, factor, negate(multiply(own, factor))),
        select(isPivot, above, others),
      );
    };
    engine.update([{ matrix, value }]);
  });
  scope.emit(loop(step, i32(0), i32(side), body));

  // The inverse of the rows in their new order has its columns in that order.
  engine.each((r, c) =>
    storeElementOf(scope, setting, d, outer, [r, element(order, c, 'i32')], engine.at(matrix, r, c)),
  );
}

/** The row from p on with the largest element; the first of several. */
function findPivot(scope: Scope, side: number, p: Expression, at: (row: Expression) => Expression): Expression {
  const largest = scope.variable('largest', f32(-1));
  const pivot = scope.variable('pivot', p);
  const name = scope.fresh('row');
  const row = local(name, 'i32');
  const body = scope.block(() => {
    const size = scope.bind('size', call('abs', at(row)));
    scope.emit(...when(and(lessEqual(p, row), less(largest, size)), [setTo(largest, size), setTo(pivot, row)]));
  });
  scope.emit(loop(name, i32(0), i32(side), body));
  return pivot;
}
