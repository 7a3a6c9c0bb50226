// Scatters of a block of queries, one term after the other: into rows of the queries, or into sums over them.

import type { Scalar } from '../../src/ir/ir.ts';
import { axesOf } from '../../src/ir/visit.ts';
import type { Expression } from '../kernel.ts';
import { add, and, bool, f32, i32, less, lessEqual, local, loop, toF32, when } from '../kernel-build.ts';
import type { StripMember } from '../plan/nest.ts';
import { rolesOf } from '../plan/strips-roles.ts';
import { extentOf, indexAt, startOf, storeAt } from '../simt/scope.ts';
import { overAxes, overRows, pointAt, put, resultAt, type At, type Block } from './strips-block.ts';

/** Terms go where their index says, one after the other; nothing from an index outside. */
export function writeScatter(block: Block, member: StripMember, body: Scalar): void {
  const { scope, nest } = block;
  const { tensor } = member.root.definition;
  overRows(block, 'serial', (row) => {
    if (member.place === 'row') clearRow(block, member, row);
    overAxes(
      block,
      member,
      member.over,
      () => 'serial',
      (here) => {
        const at: At = [...row, ...here];
        const index = resultAt(block, member, at).map((each, n) =>
          member.index[n]!.kind === 'axis' ? each : scope.bind('to', each),
        );
        const inside = index.reduce((all, each, n) => {
          const own = member.index[n]!;
          if (own.kind === 'axis' && (own.axis === nest.frame.query || own.axis.extent === tensor.axes[n]!.extent))
            return all;
          const first = startOf(scope, tensor.axes[n]!);
          const end = add(first, extentOf(tensor.axes[n]!.extent));
          return and(all, and(lessEqual(first, each), less(each, end)));
        }, bool(true));
        const more = scope.block(() => put(block, member, index, toF32(pointAt(block, at).real(body)), 'add'));
        scope.emit(...when(inside, more));
      },
    );
  });
}

function clearRow(block: Block, member: StripMember, row: At): void {
  const { scope, setting } = block;
  const { tensor } = member.root.definition;
  if (setting.accumulate.has(tensor)) return;
  const fixed = pointAt(block, row);
  // The row is where batch, head and query stand; a term may name the query at the place of the key besides.
  const roles = rolesOf(tensor, block.nest.frame);
  const isOfRow = (n: number): boolean => n === roles?.batch || n === roles?.head || n === roles?.query;
  const nested = (n: number, before: readonly Expression[]): void => {
    const axis = tensor.axes[n];
    if (axis === undefined) return storeAt(scope, tensor, before, f32(0));
    const own = member.index[n]!;
    const isFrame = [...axesOf(own)].every(
      (one) => one === block.nest.frame.query || block.fixed.some(([each]) => each === one),
    );
    if (isOfRow(n) && isFrame && axesOf(own).size > 0) return nested(n + 1, [...before, fixed.value(own)]);
    const name = scope.fresh(axis.name);
    const inner = scope.block(() => nested(n + 1, [...before, indexAt(scope, axis, local(name, 'i32'))]));
    scope.emit(loop(name, i32(0), extentOf(axis.extent), inner));
  };
  nested(0, []);
}
