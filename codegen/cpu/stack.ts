// Point nests side by side in one kernel: the first items are those of the first nest, the next those of the second.

import type { Expression } from '../kernel.ts';
import { less, subtract, when, workgroupIndex } from '../kernel-build.ts';
import { flopsOf } from '../plan/cost.ts';
import { membersOf, type StackNest } from '../plan/nest.ts';
import { sum } from '../plan/size.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting } from '../simt/draft.ts';
import { nameOf } from '../simt/rows.ts';
import { sizeExpression } from '../simt/size-expression.ts';
import { partOf } from './rows.ts';

export function lowerStack(nest: StackNest, setting: Setting): Draft {
  const members = membersOf(nest);
  const name = setting.kernelName(nameOf(members));
  const parts = nest.parts.map((part) => partOf(part, setting));
  const { body, buffers } = writeBody(setting, name, 1, buffersOf(members, setting), (scope) => {
    const write = (n: number, item: Expression): void => {
      const part = parts[n]!;
      if (n === parts.length - 1) return part.write(scope, item);
      const count = sizeExpression(part.items);
      const mine = scope.block(() => part.write(scope, item));
      const others = scope.block(() => write(n + 1, scope.bind('rest', subtract(item, count))));
      scope.emit(...when(less(item, count), mine, others));
    };
    write(0, scope.bind('item', workgroupIndex));
  });
  return {
    name,
    comment: describe(members),
    definitions: members.map((root) => root.definition),
    buffers,
    variants: [variant('software', sum(parts.map(({ items }) => items)), body)],
    flops: flopsOf(members),
  };
}
