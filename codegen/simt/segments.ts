// Sums by id -> two kernels. The places of each id stand side by side in `order`. First the sums of pieces of `order` that
// are of one id throughout; then a lane a result: the places before the first whole piece of its row, the whole pieces,
// the places after. The order of additions depends on the ids only.

import type { Axis, Definition, Tensor } from '../../src/ir/ir.ts';
import { readsOf } from '../../src/ir/visit.ts';
import type { Expression, Statement } from '../kernel.ts';
import {
  add,
  assign,
  equal,
  f32,
  i32,
  less,
  load,
  local,
  loop,
  maximum,
  minimum,
  multiply,
  quotient,
  remainder,
  store,
  when,
} from '../kernel-build.ts';
import { openPoint } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { SegmentsNest } from '../plan/nest.ts';
import type { BufferPlan, Size } from '../plan/plan.ts';
import { ceilDivide, extentSize, product } from '../plan/size.ts';
import { describe, variant, writeBody, type Draft, type Setting, type Wanted } from './draft.ts';
import { countOf, indicesAt, laneGroups, laneNumber, lanesInGroup, pointsOf, takeApart } from './grid.ts';
import type { Scope } from './scope.ts';
import { storeInto } from './store.ts';

type Scatter = Extract<Definition, { kind: 'scatter' }>;

/** Places of a piece. */
const piece = 64;

interface Lowering {
  readonly nest: SegmentsNest;
  readonly setting: Setting;
  readonly definition: Scatter;
  readonly partial: BufferPlan;
  readonly buffer: (tensor: Tensor) => BufferPlan;
}

export function lowerSegments(nest: SegmentsNest, setting: Setting): readonly Draft[] {
  const definition = nest.root.definition as Scatter;
  const { name } = definition.tensor;
  const buffer = (tensor: Tensor): BufferPlan => {
    const found = setting.storage.get(tensor);
    if (found === undefined) throw new Error(`'${tensor.name}' has no buffer`);
    return found;
  };
  const shape = [pieceCount(nest), ...nest.inner.map((axis) => extentSize(axis.extent))];
  const partial = setting.temporary(`${name}_partial`, shape, `sums of ${name} over ${piece} places`);
  const lowering = { nest, setting, definition, partial, buffer };
  return [pieces(lowering), rows(lowering)];
}

const pieceCount = ({ places }: SegmentsNest): Size => ceilDivide(pointsOf(places), piece);

/** The sum of each piece whose places are all of one id; the others stay as they are, and nobody reads them. */
function pieces({ nest, setting, definition, partial, buffer }: Lowering): Draft {
  const name = setting.kernelName(`${definition.tensor.name}_partial`);
  const wanted: Wanted[] = [
    ...[nest.order, nest.ids].map((tensor) => ({ buffer: buffer(tensor), write: false })),
    ...bodyBuffers(definition, buffer),
    { buffer: partial, write: true },
  ];
  const { body, buffers } = writeBody(setting, name, lanesInGroup, wanted, (scope, nameOf) => {
    const placeCount = countOf(nest.places);
    const index = laneNumber(
      scope,
      multiply(quotient(add(placeCount, i32(piece - 1)), i32(piece)), countOf(nest.inner)),
    );
    const { first, point } = outerAndInner(scope, index, nest.inner, 'piece');
    const from = scope.bind('from', multiply(first, i32(piece)));
    const last = add(from, i32(piece - 1));
    const idAt = (place: Expression): Expression =>
      load(nameOf(buffer(nest.ids)), load(nameOf(buffer(nest.order)), place, 'i32'), 'i32');
    const whole = scope.block(() => {
      const total = scope.variable('total', f32(0));
      addPlaces(
        scope,
        { nest, definition, order: nameOf(buffer(nest.order)), point, total },
        from,
        add(from, i32(piece)),
      );
      scope.emit(store(nameOf(partial), index, total));
    });
    scope.emit(...when(less(last, placeCount), when(equal(idAt(from), idAt(last)), whole)));
  });
  return {
    name,
    comment: `${definition.tensor.name}: sums over ${piece} places of one of ${nest.ids.name}`,
    definitions: [definition],
    buffers,
    variants: [variant('software', laneGroups(product([pieceCount(nest), pointsOf(nest.inner)])), body)],
    flops: flopsOf([nest.root]),
  };
}

/** A lane a result. A row without places is left as it is where it is added to. */
function rows({ nest, setting, definition, partial, buffer }: Lowering): Draft {
  const { tensor } = definition;
  const name = setting.kernelName(tensor.name);
  const wanted: Wanted[] = [
    ...[nest.start, nest.order].map((one) => ({ buffer: buffer(one), write: false })),
    ...bodyBuffers(definition, buffer),
    { buffer: partial, write: false },
    { buffer: buffer(tensor), write: true },
  ];
  const { body, buffers } = writeBody(setting, name, lanesInGroup, wanted, (scope, nameOf) => {
    const index = laneNumber(scope, countOf(tensor.axes));
    const { first: row, point } = outerAndInner(scope, index, nest.inner, tensor.axes[0]!.name);
    const start = (of: Expression): Expression => load(nameOf(buffer(nest.start)), of, 'i32');
    const begin = scope.bind('begin', start(row));
    const end = scope.bind('end', start(add(row, i32(1))));
    const writeSum = (): void => {
      const total = scope.variable('total', f32(0));
      const sum: Sum = { nest, definition, order: nameOf(buffer(nest.order)), point, total };
      const up = multiply(quotient(add(begin, i32(piece - 1)), i32(piece)), i32(piece));
      const head = scope.bind('whole', minimum(end, up)); // where whole pieces begin
      const tail = scope.bind('rest', maximum(head, multiply(quotient(end, i32(piece)), i32(piece)))); // and end
      addPlaces(scope, sum, begin, head);
      const number = scope.fresh('piece');
      const at = add(multiply(local(number, 'i32'), countOf(nest.inner)), point.flat);
      const more = [addTo(total, load(nameOf(partial), at))];
      scope.emit(loop(number, quotient(add(head, i32(piece - 1)), i32(piece)), quotient(tail, i32(piece)), more));
      addPlaces(scope, sum, tail, end);
      storeInto(scope, setting, tensor, [row, ...point.local.map(([, position]) => position)], total);
    };
    if (setting.accumulate.has(tensor)) scope.emit(...when(less(begin, end), scope.block(writeSum)));
    else writeSum();
  });
  return {
    name,
    comment: `${describe([nest.root])}: the places of each row, whole pieces by their sums`,
    definitions: [definition],
    buffers,
    variants: [variant('software', laneGroups(pointsOf(tensor.axes)), body)],
    flops: flopsOf([nest.root]),
  };
}

const bodyBuffers = ({ body }: Scatter, buffer: Lowering['buffer']): Wanted[] =>
  readsOf(body).map((each) => ({ buffer: buffer(each.tensor), write: false }));

/** A point along the axes that a row has besides. */
interface Inner {
  readonly flat: Expression;
  readonly local: readonly (readonly [Axis, Expression])[];
}

/** A lane's flat index over [outer, ...inner], taken apart. */
function outerAndInner(scope: Scope, index: Expression, inner: readonly Axis[], name: string) {
  const count = countOf(inner);
  const first = scope.bind(name, quotient(index, count));
  const flat = inner.length === 0 ? i32(0) : scope.bind('inner', remainder(index, count));
  return { first, point: { flat, local: indicesAt(scope, inner, takeApart(scope, inner, flat).local) } };
}

interface Sum {
  readonly nest: SegmentsNest;
  readonly definition: Scatter;
  readonly order: string;
  readonly point: Inner;
  readonly total: Expression;
}

/** Adds the body at the places order[from], ..., order[to - 1]. */
function addPlaces(
  scope: Scope,
  { nest, definition, order, point, total }: Sum,
  from: Expression,
  to: Expression,
): void {
  const slot = scope.fresh('slot');
  const body = scope.block(() => {
    const place = scope.bind('place', load(order, local(slot, 'i32'), 'i32'));
    const at = indicesAt(scope, nest.places, takeApart(scope, nest.places, place).local);
    const value = openPoint(scope, nest.root.hints)
      .with([...at, ...point.local])
      .real(definition.body);
    scope.emit(addTo(total, value));
  });
  scope.emit(loop(slot, from, to, body));
}

function addTo(total: Expression, value: Expression): Statement {
  if (total.kind !== 'local') throw new Error('not a variable');
  return assign(total.name, add(total, value));
}
