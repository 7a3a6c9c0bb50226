// The members of strips by their rule, over one block of queries. Vectors run along the queries of the block, which lie side
// by side in strips, or along another axis where more of what is read lies side by side there.

import type { Axis, Scalar } from '../../src/ir/ir.ts';
import { axesOf, readsOf } from '../../src/ir/visit.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  and,
  bool,
  f32,
  i32,
  less,
  lessEqual,
  local,
  loop,
  maximum,
  multiply,
  divide,
  select,
  subtract,
  toF32,
  when,
} from '../kernel-build.ts';
import { expandOp } from '../math.ts';
import type { StripMember, StripRule } from '../plan/nest.ts';
import { lowest } from '../simt/combine.ts';
import { extentOf, indexAt, loadAt, startOf, storeAt } from '../simt/scope.ts';
import { addTo, setTo } from '../simt/variable.ts';
import { changeOf } from './strides.ts';
import {
  axesIn,
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
import { asProduct, writeStripProduct } from './strips-product.ts';

type Rule<K extends StripRule['kind']> = Extract<StripRule, { kind: K }>;

export function writeMember(block: Block, member: StripMember): void {
  const { rule } = member;
  switch (rule.kind) {
    case 'map':
      writePoints(block, member, [rule.body], 'set');
      break;
    case 'sum':
      writeSum(block, member, rule);
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

/** Products by tiles, the other terms together. */
function writeSum(block: Block, member: StripMember, { terms }: Rule<'sum'>): void {
  const adds = member.place === 'sum' || block.setting.accumulate.has(member.root.definition.tensor);
  let how: 'set' | 'add' = adds ? 'add' : 'set';
  const rest: Scalar[] = [];
  for (const term of terms) {
    const product = asProduct(block, member, term);
    if (product === null) {
      rest.push(term);
      continue;
    }
    writeStripProduct(block, member, product, how);
    how = 'add';
  }
  if (rest.length > 0) writePoints(block, member, rest, how);
}

/** Accesses that jump along an axis, more to be avoided the more there are. */
function jumpsAlong(block: Block, member: StripMember, terms: readonly Scalar[], axis: Axis): number {
  const { scope, nest } = block;
  const order = (index: readonly Scalar[], tensor: StripMember['root']['definition']['tensor']): readonly Scalar[] => {
    const strip = scope.strips.get(tensor);
    return strip === undefined ? index : [...strip.axes.map((n) => index[n]!), index[strip.query]!];
  };
  const isFar = (index: readonly Scalar[], tensor: StripMember['root']['definition']['tensor']): boolean =>
    changeOf(order(index, tensor), axis) === 'far';
  const reads = readsOf(terms).filter((read) => isFar(read.index, read.tensor)).length;
  const isResult = resultAxes(block, member).includes(axis);
  const stores = isResult && isFar(member.index, member.root.definition.tensor) ? 1 : 0;
  return reads + stores + (axis === nest.frame.query ? 0 : 0.5);
}

function resultAxes(block: Block, member: StripMember): readonly Axis[] {
  const used = axesOf(member.index);
  return axesIn(block, member).filter((axis) => used.has(axis));
}

const isLong = ({ extent }: Axis): boolean => typeof extent !== 'number' || extent >= 4;

/** The axis that vectors run along. */
function vectorAxis(block: Block, member: StripMember, terms: readonly Scalar[]): Axis {
  const candidates = axesIn(block, member).filter(isLong);
  const jumps = candidates.map((axis) => jumpsAlong(block, member, terms, axis));
  return candidates[jumps.indexOf(Math.min(...jumps))] ?? block.nest.frame.query;
}

/** Every result: the sum of the terms over what is summed there; or the one value of a map. */
function writePoints(block: Block, member: StripMember, terms: readonly Scalar[], how: 'set' | 'add'): void {
  const { scope } = block;
  const along = vectorAxis(block, member, terms);
  const results = resultAxes(block, member);
  const summed = axesIn(block, member).filter((axis) => !results.includes(axis));
  const outer = results.filter((axis) => axis !== along);
  const value = (at: At): Expression => {
    const point = pointAt(block, at);
    const isReal = member.root.definition.tensor.type === 'real';
    const values = terms.map((term) => (isReal ? point.real(term) : point.value(term)));
    return values.reduce(add);
  };
  const store = (at: At, result: Expression): void => put(block, member, resultAt(block, member, at), result, how);
  const total = (at: At, axes: readonly Axis[]): Expression => {
    const sum = scope.variable('total', f32(0));
    const mode = (axis: Axis) => (axis === along ? 'vector' : 'serial');
    overAxes(block, member, axes, mode, (more) => scope.emit(addTo(sum, value([...at, ...more]))));
    return sum;
  };
  const inside = (at: At): void => {
    if (summed.includes(along)) {
      store(at, total(at, [along, ...summed.filter((axis) => axis !== along)]));
      return;
    }
    overAxis(block, member, along, 'vector', (here) => {
      const all = [...at, ...here];
      guarded(block, member, all, results, () => store(all, summed.length === 0 ? value(all) : total(all, summed)));
    });
  };
  overAxes(
    block,
    member,
    outer,
    () => 'serial',
    (at) => {
      if (member.where !== null && results.includes(along) && !axesOf(member.where).has(along))
        scope.emit(
          ...when(
            pointAt(block, at).value(member.where),
            scope.block(() => inside(at)),
          ),
        );
      else inside(at);
    },
  );
}

/** Only where the member's condition holds. */
function guarded(block: Block, member: StripMember, at: At, results: readonly Axis[], write: () => void): void {
  const { where } = member;
  const isDone = where === null || ![...axesOf(where)].some((axis) => at.at(-1)?.[0] === axis);
  if (isDone || !results.includes(at.at(-1)![0])) return write();
  const { scope } = block;
  const condition = pointAt(block, at).value(where);
  scope.emit(...when(condition, scope.block(write)));
}

function writeProd(block: Block, member: StripMember, body: Scalar): void {
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

function writeArgmax(block: Block, member: StripMember, body: Scalar): void {
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
function writeSoftmax(block: Block, member: StripMember, { where, body }: Rule<'softmax'>): void {
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

function writeScan(block: Block, member: StripMember, rule: Rule<'scan'>): void {
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

/** Terms go where their index says, one after the other; nothing from an index outside. */
function writeScatter(block: Block, member: StripMember, body: Scalar): void {
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
  const nested = (n: number, before: readonly Expression[]): void => {
    const axis = tensor.axes[n];
    if (axis === undefined) return storeAt(scope, tensor, before, f32(0));
    const own = member.index[n]!;
    const isFrame = [...axesOf(own)].every(
      (one) => one === block.nest.frame.query || block.fixed.some(([each]) => each === one),
    );
    if (isFrame && axesOf(own).size > 0) return nested(n + 1, [...before, fixed.value(own)]);
    const name = scope.fresh(axis.name);
    const inner = scope.block(() => nested(n + 1, [...before, indexAt(scope, axis, local(name, 'i32'))]));
    scope.emit(loop(name, i32(0), extentOf(axis.extent), inner));
  };
  nested(0, []);
}
