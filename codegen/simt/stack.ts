// Point nests side by side in one kernel: the first workgroups take the points of the first nest, the next those of the second.

import type { Expression } from '../kernel.ts';
import { add, i32, laneIndex, less, multiply, subtract, when, workgroupIndex } from '../kernel-build.ts';
import { flopsOf } from '../plan/cost.ts';
import { membersOf, type RowsNest, type StackNest } from '../plan/nest.ts';
import type { Size } from '../plan/plan.ts';
import { sum } from '../plan/size.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting } from './draft.ts';
import { eachPoint, laneCount, laneGroups, pointsOf } from './grid.ts';
import { nameOf, writeRows } from './rows.ts';
import type { Scope } from './scope.ts';
import { sizeExpression } from './size-expression.ts';
import { widest, widthOf } from './width.ts';

export function lowerStack(nest: StackNest, setting: Setting): Draft {
  const members = membersOf(nest);
  const wanted = buffersOf(members, setting);
  const name = setting.kernelName(nameOf(members));
  const { lanes } = setting.options;
  const widths = nest.parts.map((part) => widthOf(part.grid, part.members, setting));
  const ways = [widths, widths.map(() => 1)];
  const groupsOf = (way: readonly number[]): Size[] =>
    nest.parts.map((part, n) => laneGroups(pointsOf(part.grid, way[n]!), lanes));
  const { way, written } = widest(ways, (each) =>
    writeBody(setting, name, lanes, wanted, (scope) => {
      const counts = groupsOf(each).map(sizeExpression);
      const write = (n: number, group: Expression): void => {
        const part = nest.parts[n]!;
        if (n === nest.parts.length - 1) return writePart(scope, setting, part, group, each[n]!);
        const mine = scope.block(() => writePart(scope, setting, part, group, each[n]!));
        const others = scope.block(() => write(n + 1, scope.bind('rest', subtract(group, counts[n]!))));
        scope.emit(...when(less(group, counts[n]!), mine, others));
      };
      write(0, scope.bind('place', workgroupIndex));
    }),
  );
  return {
    name,
    comment: describe(members),
    definitions: members.map((root) => root.definition),
    buffers: written.buffers,
    variants: [variant('software', sum(groupsOf(way)), written.body)],
    flops: flopsOf(members),
  };
}

/** All points of one nest, from its own first workgroup on. */
function writePart(scope: Scope, setting: Setting, part: RowsNest, group: Expression, width: number): void {
  const index = scope.bind('index', add(multiply(group, i32(scope.lanes)), laneIndex));
  const body = scope.block(() =>
    eachPoint(scope, part.grid, index, width, (grid) =>
      writeRows(scope, part, setting, grid, { lanes: null, steps: 1, mode: 'serial' }),
    ),
  );
  scope.emit(...when(less(index, laneCount(part.grid, width)), body));
}
