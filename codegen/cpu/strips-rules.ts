// Softmax, recurrences, products and the place of the largest along the keys of a block: one key after the other, for several
// queries at once.

import type { Scalar } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import { add, divide, f32, i32, less, local, loop, maximum, multiply, select, subtract } from '../kernel-build.ts';
import { expandOp } from '../math.ts';
import type { StripMember, StripRule } from '../plan/nest.ts';
import { lowest } from '../simt/combine.ts';
import { indexAt, loadAt, startOf, storeAt } from '../simt/scope.ts';
import { addTo, setTo } from '../simt/variable.ts';
import {
  overAxes,
  overAxis,
  overRows,
  pointAt,
  put,
  resultAt,
  stepsAlong,
  type At,
  type Block,
} from './strips-block.ts';

type Rule<K extends StripRule['kind']> = Extract<StripRule, { kind: K }>;

export function writeProd(block: Block, member: StripMember, body: Scalar): void {
  const { scope } = block;
  overAxes(
    block,
    member,
    member.axes,
    () => 'serial',
    (before) =>
      overRows(block, 'vector', (row) => {
        const product = scope.variable('factors', f32(1));
        const at: At = [...before, ...row];
        overAxes(
          block,
          member,
          member.over,
          () => 'serial',
          (here) => scope.emit(setTo(product, multiply(product, pointAt(block, [...at, ...here]).real(body)))),
        );
        put(block, member, resultAt(block, member, at), product, 'set');
      }),
  );
}

export function writeArgmax(block: Block, member: StripMember, body: Scalar): void {
  const { scope } = block;
  const keys = member.keys!;
  overAxes(
    block,
    member,
    member.axes,
    () => 'serial',
    (before) =>
      overRows(block, 'vector', (row) => {
        const at: At = [...before, ...row];
        const best = scope.variable('best', lowest);
        const where = scope.variable('place', startOf(scope, keys));
        overAxis(block, member, keys, 'serial', (here) => {
          const value = scope.bind('candidate', pointAt(block, [...at, ...here]).real(body));
          const better = scope.bind('better', less(best, value));
          scope.emit(setTo(where, select(better, here[0]![1], where)), setTo(best, select(better, value, best)));
        });
        put(block, member, resultAt(block, member, at), where, 'set');
      }),
  );
}

/** Scores and the largest of a row; exponentials and their sum; divided by it. A row with nothing to see is all 0. */
export function writeSoftmax(block: Block, member: StripMember, { where, body }: Rule<'softmax'>): void {
  const { scope } = block;
  const { tensor } = member.root.definition;
  const keys = member.keys!;
  const others = member.axes.filter((axis) => axis !== keys);
  overAxes(
    block,
    member,
    others,
    () => 'serial',
    (before) =>
      overRows(block, 'vector', (row) => {
        const along = (write: (here: At, index: readonly Expression[]) => void): void =>
          overAxis(block, member, keys, 'serial', (key) => {
            const here: At = [...before, ...row, ...key];
            write(here, resultAt(block, member, here));
          });
        const own = (index: readonly Expression[]): Expression => loadAt(scope, tensor, index);
        const largest = scope.variable('largest', lowest);
        along((here, index) => {
          const point = pointAt(block, here);
          const seen = point.value(where);
          const score = scope.bind('score', select(seen, point.real(body), lowest));
          storeAt(scope, tensor, index, score);
          scope.emit(setTo(largest, maximum(largest, score)));
        });
        const total = scope.variable('total', f32(0));
        along((here, index) => {
          const seen = pointAt(block, here).value(where);
          const exponential = expandOp('exp', [subtract(own(index), largest)]);
          const weight = scope.bind('weight', select(seen, exponential, f32(0)));
          storeAt(scope, tensor, index, weight);
          scope.emit(addTo(total, weight));
        });
        const scale = scope.bind('scale', divide(f32(1), select(less(f32(0), total), total, f32(1))));
        along((_, index) => storeAt(scope, tensor, index, multiply(own(index), scale)));
      }),
  );
}

export function writeScan(block: Block, member: StripMember, rule: Rule<'scan'>): void {
  const { scope } = block;
  const keys = member.keys!;
  const others = member.axes.filter((axis) => axis !== keys);
  const end = scope.bind('end', stepsAlong(block, member, keys));
  overAxes(
    block,
    member,
    others,
    () => 'serial',
    (before) =>
      overRows(block, 'vector', (row) => {
        const carried = scope.variable('carried', f32(rule.initial));
        const name = scope.fresh(keys.name);
        const step = local(name, 'i32');
        const position = rule.reverse ? subtract(subtract(end, i32(1)), step) : step;
        const body = scope.block(() => {
          const here: At = [...before, ...row, [keys, indexAt(scope, keys, position)]];
          const point = pointAt(block, here);
          const index = resultAt(block, member, here);
          const next = scope.bind('next', add(multiply(point.real(rule.factor), carried), point.real(rule.term)));
          put(block, member, index, rule.exclusive ? carried : next, 'set');
          scope.emit(setTo(carried, next));
        });
        scope.emit(loop(name, i32(0), end, body));
      }),
  );
}
