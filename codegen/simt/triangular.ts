// A unit triangular system -> one kernel: a lane takes one right side through all rows. Lanes side by side have right sides that
// lie side by side, so that what they read of earlier rows is contiguous and a factor is the same for all of them; to that end
// lanes begin at the same row, the first of their block, where their own has nothing yet.

import type { Axis, Definition } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  f32,
  i32,
  less,
  lessEqual,
  local,
  loop,
  maximum,
  multiply,
  quotient,
  select,
  subtract,
  when,
} from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { TriangularNest } from '../plan/nest.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting } from './draft.ts';
import { laneGrid, laneGroups, pointsOf } from './grid.ts';
import { extentOf, indexAt, loadAt, startOf, type Scope } from './scope.ts';
import { storeInto } from './store.ts';
import { addTo, setTo } from './variable.ts';

export type Triangular = Extract<Definition, { kind: 'triangular' }>;

/** Lanes that begin at the same row. */
const together = 32;

export function lowerTriangular({ root }: TriangularNest, setting: Setting): Draft {
  const d = root.definition as Triangular;
  const { tensor, along, reverse } = d;
  const others = tensor.axes.filter((axis) => axis !== along);
  const { lanes } = setting.options;
  const name = setting.kernelName(tensor.name);
  const { body, buffers } = writeBody(setting, name, lanes, buffersOf([root], setting), (scope) => {
    const grid = laneGrid(scope, others, 'column');
    const fixed = others.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, grid.local[n]!)]);
    const column = openPoint(scope, root.hints).with(fixed);
    const from = scope.bind('from', column.value(d.from));
    const start = scope.bind('start', multiply(quotient(maximum(from, i32(0)), i32(together)), i32(together)));
    eachRow(scope, d, (row) => {
      const at = (index: Expression): Expression[] =>
        tensor.axes.map((axis) => (axis === along ? index : fixed.find(([one]) => one === axis)![1]));
      const sum = scope.variable('sum', f32(0));
      const body = scope.block(() => {
        const point = column.with([[along, row]]);
        scope.emit(setTo(sum, point.real(d.term)));
        const other = local(scope.fresh(d.other.name), 'i32');
        if (other.kind !== 'local') throw new Error('a variable is a local');
        const terms = scope.block(() => {
          const before = solvedAt(scope, d, at(other), other, from);
          scope.emit(
            addTo(
              sum,
              multiply(
                point
                  .with([
                    [along, row],
                    [d.other, other],
                  ])
                  .real(d.factor),
                before,
              ),
            ),
          );
        });
        const end = add(startOf(scope, along), extentOf(along.extent));
        scope.emit(reverse ? loop(other.name, add(row, i32(1)), end, terms) : loop(other.name, start, row, terms));
      });
      scope.emit(...when(lessEqual(from, row), body));
      storeInto(scope, setting, tensor, at(row), sum);
    });
  });
  return {
    name,
    comment: `${describe([root])}, row by row`,
    definitions: [d],
    buffers,
    variants: [variant('software', laneGroups(pointsOf(others), lanes), body)],
    flops: flopsOf([root]),
  };
}

/** All rows of this call, in the order in which they are solved. */
export function eachRow(scope: Scope, { along, reverse }: Triangular, write: (row: Expression) => void): void {
  const extent = extentOf(along.extent);
  const name = scope.fresh('step');
  const step = local(name, 'i32');
  const body = scope.block(() => {
    const position = reverse ? subtract(subtract(extent, i32(1)), step) : step;
    write(scope.bind(along.name, indexAt(scope, along, position)));
  });
  scope.emit(loop(name, i32(0), extent, body));
}

/**
 * What another row has. Before `from` it is 0 and stored so, but for rows that a call made before there was such a right
 * side.
 */
export function solvedAt(
  scope: Scope,
  d: Triangular,
  index: readonly Expression[],
  row: Expression,
  from: Expression,
): Expression {
  const value = loadAt(scope, d.tensor, index);
  return scope.mode === 'whole' || d.reverse ? value : select(less(row, from), f32(0), value);
}
