// A first-order recurrence along one axis, in two kernels: what each chunk adds (and multiplies by), and the walk of each
// chunk from what the chunks before it carry in. The last chunk's total is never needed, so a single chunk costs nothing.

import type { Axis, Definition, Tensor } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  call,
  divide,
  equal,
  f32,
  i32,
  load,
  lessEqual,
  local,
  loop,
  minimum,
  multiply,
  or,
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
import { ceilDivide, extentSize, nominal, product } from '../plan/size.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting } from './draft.ts';
import { countOf, eachPoint, laneCount, laneGroups, laneNumber, pointsOf, takeApart } from './grid.ts';
import { extentOf, indexAt, loadAt, type Grid, type Scope } from './scope.ts';
import { axesAsScalars, storeInto } from './store.ts';
import { setTo } from './variable.ts';
import { busy, widthOf } from './width.ts';

type Scan = Extract<Definition, { kind: 'scan' }>;

const isOne = (d: Scan): boolean => d.factor.kind === 'constant' && d.factor.value === 1;

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
  const { lanes } = setting.options;
  const chunks = Math.ceil(nominal(along.extent) / length);
  const width = widthOf(others, [root], setting, busy / chunks);
  const groups = laneGroups(product([count, pointsOf(others, width)]), lanes);
  const reads = buffersOf([root], setting).filter(({ write }) => !write);
  const common = { definitions: [d], flops: flopsOf([root]) };

  const first = setting.kernelName(`${tensor.name}_chunks`);
  const sums = writeBody(
    setting,
    first,
    lanes,
    [...reads, ...partial.map((buffer) => ({ buffer, write: true }))],
    (scope, nameOf) => {
      const index = laneNumber(scope, multiply(subtract(pieces, i32(1)), laneCount(others, width)));
      eachLine(scope, others, index, width, (line) => {
        const sum = scope.variable('sum', f32(0));
        const factor = factors === null ? null : scope.variable('factor', f32(1));
        walk(scope, nest, line, (point) => {
          const term = point.real(d.term);
          const by = point.real(d.factor);
          if (factor !== null) scope.emit(setTo(factor, multiply(factor, by)));
          scope.emit(setTo(sum, factor === null ? add(sum, term) : add(multiply(by, sum), term)));
        });
        scope.emit(store(nameOf(totals), line.index, sum));
        if (factors !== null) scope.emit(store(nameOf(factors), line.index, factor!));
      });
    },
  );

  const second = setting.kernelName(tensor.name);
  const made = { buffer: setting.storage.get(tensor)!, write: true };
  const carried = nest.carry === null ? [] : [{ buffer: setting.storage.get(nest.carry)!, write: false }];
  const walked = writeBody(
    setting,
    second,
    lanes,
    [...reads, ...carried, ...partial.map((buffer) => ({ buffer, write: false })), made],
    (scope, nameOf) => {
      const index = laneNumber(scope, multiply(pieces, laneCount(others, width)));
      eachLine(scope, others, index, width, (line) => {
        const carry = scope.variable(tensor.name, carryIn(scope, nest, others, line));
        const before = scope.fresh('before');
        const at = add(multiply(local(before, 'i32'), points), line.point);
        const body = scope.block(() => {
          const total = load(nameOf(totals), at);
          const kept = factors === null ? carry : multiply(load(nameOf(factors), at), carry);
          const next = add(kept, total);
          scope.emit(setTo(carry, nest.periodic ? wrapped(scope, next) : next));
        });
        scope.emit(loop(before, i32(0), line.chunk, body));
        walk(scope, nest, line, (point) => {
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

/** Whether no call before has left a value at `index` of a carry: at the first call, and for keys that are new in this one. */
export function begins({ axes }: Tensor, index: readonly Expression[]): Expression {
  const key = axes.findIndex(({ extent }) => extent === 'keys');
  const isFirst = equal(sizeOf('first'), i32(0));
  return key < 0 ? isFirst : or(isFirst, lessEqual(sizeOf('first'), index[key]!));
}

/** The value before the first token: of the recurrence's beginning, or what the call before left. */
function carryIn(scope: Scope, { root, carry }: ScanNest, others: readonly Axis[], line: Line): Expression {
  const initial = f32((root.definition as Scan).initial);
  if (carry === null) return initial;
  const index = line.own?.local ?? takeApart(scope, others, line.point).local;
  return select(begins(carry, index), initial, loadAt(scope, carry, index));
}

/** A chunk of the axis at one point of the others: both as flat indices, and what both together number. */
interface Line {
  readonly others: readonly Axis[];
  readonly index: Expression;
  readonly chunk: Expression;
  readonly point: Expression;
  /** Where a lane has several lines, the point taken apart. */
  readonly own: Grid | null;
}

/** The lines of a lane: one, or `width` side by side. */
function eachLine(
  scope: Scope,
  others: readonly Axis[],
  index: Expression,
  width: number,
  write: (line: Line) => void,
): void {
  const lanes = laneCount(others, width);
  const chunk = quotient(index, lanes);
  const flat = others.length === 0 ? i32(0) : remainder(index, lanes);
  if (width === 1) return write({ others, index, chunk, point: flat, own: null });
  eachPoint(scope, others, flat, width, (own) => {
    const point = own.prefix.at(-1)!;
    write({ others, index: add(multiply(chunk, countOf(others)), point), chunk, point, own });
  });
}

/** The points of a line in the order of the scan. */
function walk(scope: Scope, { root, chunk: length }: ScanNest, line: Line, write: (point: Point) => void): void {
  const d = root.definition as Scan;
  const { others, chunk } = line;
  const grid = line.own ?? takeApart(scope, others, line.point);
  const fixed = others.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, grid.local[n]!)]);
  const from = multiply(chunk, i32(length));
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
export function wrapped(scope: Scope, angle: Expression): Expression {
  const bound = scope.bind('angle', angle);
  const turns = scope.bind('turns', call('round', divide(bound, f32(2 * Math.PI))));
  const coarse = 6.28125;
  return subtract(subtract(bound, multiply(turns, f32(coarse))), multiply(turns, f32(2 * Math.PI - coarse)));
}
