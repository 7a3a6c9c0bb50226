// A nest of strips -> one kernel for a CPU. An item has a batch and a key head and walks blocks of queries, or is one block:
// the members run one after the other over the block, and what has a query and a key lies in memory of the item's own, with
// the queries of the block side by side for each key.

import type { Axis, Tensor } from '../../src/ir/ir.ts';
import { at } from '../../src/ir/scalar.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  f32,
  i32,
  local,
  loop,
  minimum,
  multiply,
  ofSize,
  quotient,
  remainder,
  subtract,
  workgroupIndex,
} from '../kernel-build.ts';
import { flopsOf } from '../plan/cost.ts';
import type { Root, StripMember, StripsNest } from '../plan/nest.ts';
import { ceilDivide, extentSize, product, runtimeSize } from '../plan/size.ts';
import { isQuadratic, sameScalar } from '../plan/strips-roles.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting } from '../simt/draft.ts';
import { nameOf } from '../simt/rows.ts';
import { extentOf, indexAt, storeAt, type Scope } from '../simt/scope.ts';
import { writeMember } from './strips-members.ts';
import type { Block } from './strips-block.ts';
import { declareStrips } from './strips-memory.ts';

export function lowerStrips(nest: StripsNest, setting: Setting): Draft {
  const { frame, rows, members } = nest;
  const roots = members.map(({ root }) => root);
  const name = setting.kernelName(nameOf(storedBy(nest)));
  const { body, buffers } = writeBody(setting, name, 1, buffersOf(roots, setting), (scope) =>
    writeItem(scope, nest, setting),
  );
  const blocks = nest.blocks === 'items' ? [ceilDivide(runtimeSize('tokens'), rows)] : [];
  const items = [frame.batch, frame.head].filter((axis) => axis !== null).map((axis) => extentSize(axis.extent));
  return {
    name,
    comment: describeNest(nest),
    definitions: roots.map((root) => root.definition),
    buffers,
    variants: [variant('software', product([...items, ...blocks]), body)],
    flops: flopsOf(roots),
  };
}

const storedBy = ({ members, inside }: StripsNest): readonly Root[] =>
  members.map(({ root }) => root).filter(({ definition: { tensor } }) => !inside.has(tensor));

/** What has a buffer, and that no strip has one. */
function describeNest(nest: StripsNest): string {
  const stored = storedBy(nest);
  const isLinear = stored.every(({ definition: { tensor } }) => !isQuadratic(tensor));
  return `${describe(stored)}: strips of ${nest.rows} queries${isLinear ? ', no tokens x keys tensor' : ''}`;
}

function writeItem(scope: Scope, nest: StripsNest, setting: Setting): void {
  const { frame, rows, members } = nest;
  const tokens = extentOf('tokens');
  const blocks = ofSize(ceilDivide(runtimeSize('tokens'), rows));
  const item = scope.bind('item', workgroupIndex);
  const isBlock = nest.blocks === 'items';
  const upper = isBlock ? scope.bind('upper', quotient(item, blocks)) : item;
  const heads = frame.head === null ? i32(1) : extentOf(frame.head.extent);
  const fixed: [Axis, Expression][] = [];
  if (frame.batch !== null) fixed.push([frame.batch, scope.bind('batch_of_item', quotient(upper, heads))]);
  if (frame.head !== null) fixed.push([frame.head, scope.bind('head_of_item', remainder(upper, heads))]);
  declareStrips(scope, nest);
  for (const member of members) if (member.place === 'sum') clearSum(scope, nest, setting, member, fixed);
  const block = (number: Expression): void => {
    const start = scope.bind('first_row', multiply(number, i32(rows)));
    const count = scope.bind('rows', minimum(i32(rows), subtract(tokens, start)));
    const last = scope.bind('last', indexAt(scope, frame.query, add(start, subtract(count, i32(1)))));
    const own: Block = { scope, nest, setting, fixed, start, count, last };
    withinHeads(scope, frame.within, (within) => {
      for (const member of members) writeMember({ ...own, fixed: [...fixed, ...within] }, member);
    });
  };
  if (isBlock) return block(remainder(item, blocks));
  const name = scope.fresh('block');
  scope.emit(
    loop(
      name,
      i32(0),
      blocks,
      scope.block(() => block(local(name, 'i32'))),
    ),
  );
}

function withinHeads(scope: Scope, within: Axis | null, write: (fixed: readonly [Axis, Expression][]) => void): void {
  if (within === null) return write([]);
  const name = scope.fresh('head_within');
  const body = scope.block(() => write([[within, local(name, 'i32')]]));
  scope.emit(loop(name, i32(0), extentOf(within.extent), body));
}

/** Zeros where the sums of an item are added up. */
function clearSum(
  scope: Scope,
  { frame }: StripsNest,
  setting: Setting,
  { root, index }: StripMember,
  fixed: readonly [Axis, Expression][],
): void {
  const { tensor } = root.definition;
  if (setting.accumulate.has(tensor)) return;
  const known = (n: number): Expression | null => {
    const own = index[n]!;
    return fixed.find(([axis]) => own.kind === 'axis' && own.axis === axis)?.[1] ?? null;
  };
  const isHead = (n: number): boolean => frame.within !== null && isHeadOfItem(tensor, index, n, frame);
  const head = frame.head === null ? null : fixed.find(([axis]) => axis === frame.head)![1];
  const nested = (n: number, places: readonly Expression[]): void => {
    const axis = tensor.axes[n];
    if (axis === undefined) return storeAt(scope, tensor, places, f32(0));
    const here = known(n);
    if (here !== null) return nested(n + 1, [...places, here]);
    const name = scope.fresh(axis.name);
    const position = local(name, 'i32');
    const group = frame.within === null ? i32(1) : extentOf(frame.within.extent);
    const place = isHead(n) ? add(multiply(head!, group), position) : indexAt(scope, axis, position);
    const body = scope.block(() => nested(n + 1, [...places, place]));
    const mode = n === tensor.axes.length - 1 ? 'vector' : 'serial';
    scope.emit(loop(name, i32(0), isHead(n) ? group : extentOf(axis.extent), body, { mode }));
  };
  nested(0, []);
}

function isHeadOfItem(tensor: Tensor, index: StripMember['index'], n: number, frame: StripsNest['frame']): boolean {
  const own = index[n]!;
  return own.kind === 'call' && own.args.some((one) => sameScalar(one, at(frame.within!)));
}
