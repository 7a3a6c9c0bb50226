// A unit triangular system -> one kernel for a CPU: an item takes a block of neighbouring right sides through all rows, in vectors
// along the block, with several earlier rows added at once to the sums that private memory has.

import type { Axis } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  element,
  f32,
  i32,
  lessEqual,
  local,
  loop,
  maximum,
  minimum,
  multiply,
  quotient,
  remainder,
  select,
  storeElement,
  subtract,
  workgroupIndex,
} from '../kernel-build.ts';
import { openPoint, type Point } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { TriangularNest } from '../plan/nest.ts';
import { ceilDivide, numberSize, product } from '../plan/size.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting } from '../simt/draft.ts';
import { countOf, indicesAt, pointsOf, takeApart } from '../simt/grid.ts';
import { extentOf, startOf, type Scope } from '../simt/scope.ts';
import { storeInto } from '../simt/store.ts';
import { eachRow, solvedAt, type Triangular } from '../simt/triangular.ts';
import { setTo } from '../simt/variable.ts';

/** Right sides of an item. */
const width = 64;
/** Earlier rows that are added together. */
const together = 4;

export function lowerTriangular({ root }: TriangularNest, setting: Setting): Draft {
  const d = root.definition as Triangular;
  const { tensor, along } = d;
  const others = tensor.axes.filter((axis) => axis !== along);
  const name = setting.kernelName(tensor.name);
  const last = tensor.axes.at(-1)!;
  const block: readonly Axis[] = last === along || others.length === 0 ? [] : [last];
  const rows = block.length === 0 ? others : others.slice(0, -1);
  const blocks = block.length === 0 ? numberSize(1) : ceilDivide(pointsOf(block), width);
  const { body, buffers } = writeBody(setting, name, 1, buffersOf([root], setting), (scope) => {
    const item = scope.bind('item', workgroupIndex);
    const inRow = quotient(add(countOf(block), i32(width - 1)), i32(width));
    const grid = takeApart(scope, rows, scope.bind('matrix', quotient(item, inRow)));
    const low = scope.bind('low', multiply(remainder(item, inRow), i32(width)));
    const high = scope.bind('high', minimum(add(low, i32(width)), countOf(block)));
    const fixed = indicesAt(scope, rows, grid.local);
    const column = (at: Expression): [Axis, Expression][] => [...fixed, ...indicesAt(scope, block, [at])];
    solve(scope, setting, d, { low, high, column, point: openPoint(scope, root.hints) });
  });
  return {
    name,
    comment: `${describe([root])}, row by row`,
    definitions: [d],
    buffers,
    variants: [variant('software', product([pointsOf(rows), blocks]), body)],
    flops: flopsOf([root]),
  };
}

/** A block of right sides: from `low` to `high` along the last axis. */
interface Block {
  readonly low: Expression;
  readonly high: Expression;
  readonly column: (at: Expression) => [Axis, Expression][];
  readonly point: Point;
}

function solve(scope: Scope, setting: Setting, d: Triangular, { low, high, column, point }: Block): void {
  const { tensor, along, other, reverse } = d;
  const sums = scope.scratch('sum', 'f32', numberSize(width));
  const each = (wanted: string, mode: 'vector' | 'serial', write: (at: Expression) => void): void => {
    const name = scope.fresh(wanted);
    scope.emit(
      loop(
        name,
        low,
        high,
        scope.block(() => write(local(name, 'i32'))),
        { mode },
      ),
    );
  };
  const from = (at: Expression): Expression => point.with(column(at)).value(d.from);
  const place = (at: Expression): Expression => subtract(at, low);
  const indexAt = (at: Expression, row: Expression): Expression[] => {
    const own = new Map(column(at));
    return tensor.axes.map((axis) => (axis === along ? row : own.get(axis)!));
  };
  const end = add(startOf(scope, along), extentOf(along.extent));
  const first = scope.variable('first_row', end);
  each('at', 'serial', (at) => scope.emit(setTo(first, minimum(first, maximum(from(at), i32(0))))));
  eachRow(scope, d, (row) => {
    each('at', 'vector', (at) => {
      const term = point.with([...column(at), [along, row]]).real(d.term);
      scope.emit(storeElement(sums, place(at), term));
    });
    const add_ = (others: readonly Expression[]): void =>
      each('at', 'vector', (at) => {
        const start = from(at);
        const total = others.reduce(
          (sum, one) => {
            const factor = point.with([...column(at), [along, row], [other, one]]).real(d.factor);
            return add(sum, multiply(factor, solvedAt(scope, d, indexAt(at, one), one, start)));
          },
          element(sums, place(at)),
        );
        scope.emit(storeElement(sums, place(at), total));
      });
    const [begin, stop] = reverse ? [add(row, i32(1)), end] : [first, row];
    const count = scope.bind('count', maximum(subtract(stop, begin), i32(0)));
    const groups = scope.bind('groups', quotient(count, i32(together)));
    const group = scope.fresh('group');
    const start = scope.bind('begin', begin);
    const whole = scope.block(() => {
      const one = scope.bind(other.name, add(start, multiply(local(group, 'i32'), i32(together))));
      add_(Array.from({ length: together }, (_, k) => add(one, i32(k))));
    });
    scope.emit(loop(group, i32(0), groups, whole));
    const rest = scope.fresh(other.name);
    const tail = scope.block(() => add_([local(rest, 'i32')]));
    scope.emit(loop(rest, add(start, multiply(groups, i32(together))), add(start, count), tail));
    each('at', 'vector', (at) => {
      const value = select(lessEqual(from(at), row), element(sums, place(at)), f32(0));
      storeInto(scope, setting, tensor, indexAt(at, row), value);
    });
  });
}
