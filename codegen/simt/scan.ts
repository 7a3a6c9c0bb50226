// A first-order recurrence along one axis, in two kernels: what each chunk adds (and multiplies by), and the walk of each
// chunk from what the chunks before it carry in. The last chunk's total is never needed, so a single chunk costs nothing.

import type { Axis, Definition } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  assign,
  call,
  divide,
  equal,
  f32,
  i32,
  load,
  local,
  loop,
  minimum,
  multiply,
  quotient,
  remainder,
  select,
  sizeOf,
  store,
  subtract,
} from '../kernel-build.ts';
import { openPoint, type Point } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { ScanNest } from '../plan/nest.ts';
import { ceilDivide, extentSize, product } from '../plan/size.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting } from './draft.ts';
import { countOf, laneGroups, laneNumber, pointsOf, takeApart } from './grid.ts';
import { extentOf, indexAt, loadAt, type Scope } from './scope.ts';
import { axesAsScalars, storeInto } from './store.ts';

type Scan = Extract<Definition, { kind: 'scan' }>;

const isOne = (d: Scan): boolean => d.factor.kind === 'constant' && d.factor.value === 1;

const setTo = (variable: Expression, value: Expression): ReturnType<typeof assign> => {
  if (variable.kind !== 'local') throw new Error('not a variable');
  return assign(variable.name, value);
};

export function lowerScan(nest: ScanNest, setting: Setting): readonly Draft[] {
  const { root, chunk: length } = nest;
  const d = root.definition as Scan;
  const { tensor, along } = d;
  const others = tensor.axes.filter((axis) => axis !== along);
  const count = ceilDivide(extentSize(along.extent), length);
  const shape = [count, ...others.map((axis) => extentSize(axis.extent))];
  const totals = setting.temporary(`${tensor.name}_chunk`, shape, `what each chunk adds to ${tensor.name}`);
  const factors = isOne(d)
    ? null
    : setting.temporary(`${tensor.name}_factor`, shape, `what each chunk multiplies ${tensor.name} by`);
  const partial = factors === null ? [totals] : [totals, factors];
  const pieces = quotient(add(extentOf(along.extent), i32(length - 1)), i32(length));
  const points = countOf(others);
  const groups = laneGroups(product([count, pointsOf(others)]));
  const reads = buffersOf([root], setting).filter(({ write }) => !write);
  const common = { definitions: [d], flops: flopsOf([root]) };

  const first = setting.kernelName(`${tensor.name}_chunks`);
  const sums = writeBody(
    setting,
    first,
    64,
    [...reads, ...partial.map((buffer) => ({ buffer, write: true }))],
    (scope, nameOf) => {
      const index = laneNumber(scope, multiply(subtract(pieces, i32(1)), points));
      const sum = scope.variable('sum', f32(0));
      const factor = factors === null ? null : scope.variable('factor', f32(1));
      walk(scope, nest, others, index, (point) => {
        const term = point.real(d.term);
        const by = point.real(d.factor);
        if (factor !== null) scope.emit(setTo(factor, multiply(factor, by)));
        scope.emit(setTo(sum, factor === null ? add(sum, term) : add(multiply(by, sum), term)));
      });
      scope.emit(store(nameOf(totals), index, sum));
      if (factors !== null) scope.emit(store(nameOf(factors), index, factor!));
    },
  );

  const second = setting.kernelName(tensor.name);
  const made = { buffer: setting.storage.get(tensor)!, write: true };
  const carried = nest.carry === null ? [] : [{ buffer: setting.storage.get(nest.carry)!, write: false }];
  const walked = writeBody(
    setting,
    second,
    64,
    [...reads, ...carried, ...partial.map((buffer) => ({ buffer, write: false })), made],
    (scope, nameOf) => {
      const index = laneNumber(scope, multiply(pieces, points));
      const point = others.length === 0 ? i32(0) : remainder(index, points);
      const carry = scope.variable(tensor.name, carryIn(scope, nest, others, point));
      const before = scope.fresh('before');
      const at = add(multiply(local(before, 'i32'), points), point);
      const body = scope.block(() => {
        const total = load(nameOf(totals), at);
        const kept = factors === null ? carry : multiply(load(nameOf(factors), at), carry);
        const next = add(kept, total);
        scope.emit(setTo(carry, nest.periodic ? wrapped(scope, next) : next));
      });
      scope.emit(loop(before, i32(0), quotient(index, points), body));
      walk(scope, nest, others, index, (point) => {
        const next = add(isOne(d) ? carry : multiply(point.real(d.factor), carry), point.real(d.term));
        const target = point.index(axesAsScalars(tensor.axes));
        if (d.exclusive) {
          const value = scope.bind('next', next);
          storeInto(scope, setting, tensor, target, carry);
          scope.emit(setTo(carry, value));
        } else {
          scope.emit(setTo(carry, next));
          storeInto(scope, setting, tensor, target, carry);
        }
      });
    },
  );
  return [
    {
      ...common,
      name: first,
      comment: `what each chunk of ${length} adds to ${describe([root])}`,
      buffers: sums.buffers,
      variants: [variant('software', groups, sums.body)],
    },
    {
      ...common,
      name: second,
      comment: `${describe([root])}, chunks of ${length}`,
      buffers: walked.buffers,
      variants: [variant('software', groups, walked.body)],
    },
  ];
}

/** The value before the first token: of the recurrence's beginning, or what the call before left. */
function carryIn(scope: Scope, { root, carry }: ScanNest, others: readonly Axis[], flat: Expression): Expression {
  const initial = f32((root.definition as Scan).initial);
  if (carry === null) return initial;
  const { local: index } = takeApart(scope, others, flat);
  return select(equal(sizeOf('first'), i32(0)), initial, loadAt(scope, carry, index));
}

/** The points of a lane's chunk in the order of the scan. */
function walk(
  scope: Scope,
  { root, chunk: length }: ScanNest,
  others: readonly Axis[],
  index: Expression,
  write: (point: Point) => void,
): void {
  const d = root.definition as Scan;
  const points = countOf(others);
  const grid = takeApart(scope, others, others.length === 0 ? i32(0) : remainder(index, points));
  const fixed = others.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, grid.local[n]!)]);
  const from = multiply(quotient(index, points), i32(length));
  const extent = extentOf(d.along.extent);
  const name = scope.fresh(d.reverse ? 'step' : d.along.name);
  const step = local(name, 'i32');
  const body = scope.block(() => {
    const position = d.reverse ? scope.bind(d.along.name, subtract(subtract(extent, i32(1)), step)) : step;
    const at: [Axis, Expression] = [d.along, indexAt(scope, d.along, position)];
    write(openPoint(scope, root.hints).with([...fixed, at]));
  });
  scope.emit(loop(name, from, minimum(add(from, i32(length)), extent), body));
}

/** An angle within half a turn: the multiple of the first constant is exact, so that nothing is lost. */
function wrapped(scope: Scope, angle: Expression): Expression {
  const bound = scope.bind('angle', angle);
  const turns = scope.bind('turns', call('round', divide(bound, f32(2 * Math.PI))));
  const coarse = 6.28125;
  return subtract(subtract(bound, multiply(turns, f32(coarse))), multiply(turns, f32(2 * Math.PI - coarse)));
}
