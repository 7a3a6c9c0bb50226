// The members of strips by their rule, over one block of queries.

import { f32, local, loop } from '../kernel-build.ts';
import type { StripMember } from '../plan/nest.ts';
import { extentOf, indexAt } from '../simt/scope.ts';
import { overAxes, overRows, put, resultAt, stepsAlong, type At, type Block } from './strips-block.ts';
import { writePoints, writeSum } from './strips-points.ts';
import { writeArgmax, writeProd, writeScan, writeSoftmax } from './strips-rules.ts';
import { writeScatter } from './strips-scatter.ts';

export function writeMember(block: Block, member: StripMember): void {
  const { rule } = member;
  switch (rule.kind) {
    case 'map':
      writePoints(block, member, [rule.body], 'set');
      break;
    case 'sum':
      writeSum(block, member, rule.terms);
      break;
    case 'prod':
      writeProd(block, member, rule.body);
      break;
    case 'argmax':
      writeArgmax(block, member, rule.body);
      break;
    case 'softmax':
      writeSoftmax(block, member, rule);
      break;
    case 'scan':
      writeScan(block, member, rule);
      break;
    case 'scatter':
      writeScatter(block, member, rule.body);
      break;
    default:
      rule satisfies never;
  }
  if (member.padded) writeZeros(block, member);
}

/** Zeros in a strip that others read whole, after the last query of the block. */
function writeZeros(block: Block, member: StripMember): void {
  const { scope } = block;
  const keys = member.keys!;
  const from = scope.bind('end', stepsAlong(block, member, keys));
  const name = scope.fresh(keys.name);
  const others = member.axes.filter((axis) => axis !== keys);
  const body = scope.block(() =>
    overAxes(
      block,
      member,
      others,
      () => 'serial',
      (before) =>
        overRows(block, 'vector', (row) => {
          const here: At = [...before, ...row, [keys, indexAt(scope, keys, local(name, 'i32'))]];
          put(block, member, resultAt(block, member, here), f32(0), 'set');
        }),
    ),
  );
  scope.emit(loop(name, from, extentOf(keys.extent), body));
}
