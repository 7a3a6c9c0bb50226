// A matrix product -> a register tile for each lane: it loads a few values of the left and of the right factor for each
// step and keeps their products in registers. Operands are any scalars of their axes, so transposes, heads shared by
// queries, and views need no copy. Where the points are few, chunks of what is summed are added up by a second kernel.

import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import type { Expression } from '../kernel.ts';
import {
  add,
  and,
  assign,
  bool,
  element,
  f32,
  i32,
  less,
  local,
  loop,
  minimum,
  multiply,
  quotient,
  remainder,
  store,
  storeElement,
  subtract,
  when,
} from '../kernel-build.ts';
import { openPoint, type Point } from '../point.ts';
import { flopsOf } from '../plan/cost.ts';
import type { ContractionNest, Root } from '../plan/nest.ts';
import { ceilDivide, nominal, product } from '../plan/size.ts';
import { partsOfSum } from '../plan/contract.ts';
import { isLarge } from '../plan/options.ts';
import { productOf, type Lie } from '../plan/product.ts';
import type { BufferPlan, ProductPlan, Size } from '../plan/plan.ts';
import { chunkCount, chunksIn, chunksOf, overChunk } from './chunks.ts';
import { buffersOf, describe, variant, writeBody, type Draft, type Setting, type Wanted } from './draft.ts';
import { alongAxis, countOf, laneGroups, laneNumber, lanesInGroup, pointsOf, takeApart } from './grid.ts';
import { finishPoint } from './finish-point.ts';
import { partialBuffer, sumPartials } from './partial-sums.ts';
import { extentOf, indexAt, positionAt, type KernelBuffer, type Scope } from './scope.ts';
import { lanesOfTile, sharedGroups, sharedTile, writeShared } from './shared-tile.ts';
import { sizeExpression } from './size-expression.ts';
import { widest, widthOf } from './width.ts';

/** Points of a lane along m and along n. */
interface Tile {
  readonly m: number;
  readonly n: number;
}

/** A CPU's vector units like large tiles: loads are dear, and few lanes are enough. */
const sides = { software: 8, portable: 4 } as const;
type Form = keyof typeof sides;

function tileOf(nest: ContractionNest, form: Form): Tile {
  const most = (axes: readonly Axis[]): number => {
    const points = axes.reduce((all, axis) => all * nominal(axis.extent), 1);
    return Math.min(sides[form], points);
  };
  return { m: most(nest.m), n: most(nest.n) };
}

interface Tiled {
  readonly form: Form;
  readonly tile: Tile;
}

/** The forms that differ in their tile. */
function formsOf(nest: ContractionNest): readonly Tiled[] {
  const software = tileOf(nest, 'software');
  const portable = tileOf(nest, 'portable');
  const one: Tiled = { form: 'software', tile: software };
  if (software.m === portable.m && software.n === portable.n) return [one];
  return [one, { form: 'portable', tile: portable }];
}

const tilesOf = (axes: readonly Axis[], by: number): Size => ceilDivide(pointsOf(axes), by);

/** A lane's points along one group of axes: flat, clamped to the last point, and taken apart. */
interface Side {
  readonly flat: readonly Expression[];
  readonly inside: readonly Expression[];
  readonly index: readonly (readonly [Axis, Expression][])[];
}

/** The members `which` of the tile of `count` points. */
function sideOf(
  scope: Scope,
  axes: readonly Axis[],
  count: number,
  tile: Expression,
  which: readonly Expression[] = Array.from({ length: count }, (_, n) => i32(n)),
): Side {
  const points = countOf(axes);
  const start = multiply(tile, i32(count));
  const flat = which.map((n) => add(start, n));
  const fits = points.kind === 'literal' && points.value % count === 0;
  const clamped = flat.map((each) => (fits ? each : minimum(each, subtract(points, i32(1)))));
  return {
    flat,
    inside: flat.map((each) => (fits ? bool(true) : less(each, points))),
    index: clamped.map((each) => {
      const { local: positions } = takeApart(scope, axes, each);
      return axes.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, positions[n]!)]);
    }),
  };
}

export function lowerContraction(nest: ContractionNest, setting: Setting): readonly Draft[] {
  return nest.split === null ? [whole(nest, setting)] : splitUp(nest, setting);
}

function whole(nest: ContractionNest, setting: Setting): Draft {
  const members = [nest.root, ...nest.epilogue];
  const name = setting.kernelName(
    members
      .map((root) => root.definition.tensor.name)
      .slice(0, 3)
      .join('_'),
  );
  const made = formsOf(nest).map(({ form, tile }) => {
    const shared = form === 'portable' ? sharedTile(nest, setting.options.lanes) : null;
    const groupLanes = shared === null ? lanesInGroup : lanesOfTile(shared);
    const { written } = widest(shared === null ? stepsOf(nest, setting, tile) : [1], (steps) =>
      writeBody(setting, name, groupLanes, buffersOf(members, setting), (scope) => {
        if (shared !== null) writeShared(scope, nest, setting, shared);
        else writeWhole(scope, nest, setting, tile, form, steps);
      }),
    );
    const { body, buffers } = written;
    if (shared !== null) return { variant: variant(form, sharedGroups(nest, shared), body), buffers };
    const lanes = product([pointsOf(nest.batch), tilesOf(nest.m, tile.m), tilesOf(nest.n, tile.n)]);
    return { variant: variant(form, laneGroups(lanes), body), buffers };
  });
  return {
    name,
    comment: describe(members),
    definitions: members.map((root) => root.definition),
    buffers: made[0]!.buffers,
    variants: made.map((each) => each.variant),
    flops: flopsOf(members),
    product: nest.library ? describedProduct(nest, setting, made[0]!.buffers, null) : null,
  };
}

/** What a library may do instead, with its operands where they lie here. `partial`: where the terms of the sum go. */
export function describedProduct(
  nest: ContractionNest,
  setting: Setting,
  buffers: readonly KernelBuffer[],
  partial: BufferPlan | null,
): ProductPlan | null {
  const { tensor } = nest.root.definition;
  const lieOf = (plan: BufferPlan | undefined, row: number): Lie => {
    const binding = buffers.findIndex(({ buffer }) => buffer === plan);
    if (plan === undefined || binding < 0) throw new Error(`'${tensor.name}' is made of what its kernel does not bind`);
    return { shape: plan.shape, type: plan.type, row, binding };
  };
  const liesAt = (of: Tensor): Lie => lieOf(setting.storage.get(of), setting.places.get(of)?.offset ?? 0);
  if (partial === null) {
    const accumulate = setting.accumulate.has(tensor);
    return productOf(nest, { axes: tensor.axes, lie: liesAt(tensor), accumulate }, liesAt);
  }
  const axes = [nest.over[0]!, ...tensor.axes];
  return productOf(partsOfSum(nest), { axes, lie: lieOf(partial, 0), accumulate: false }, liesAt);
}

/** Steps along k whose loads a lane has under way together. */
const stepsAhead = 8;

/** Steps along k that a lane takes at once, where its tile leaves room: neighbours in one load of a factor, if there are. */
function stepsOf(nest: ContractionNest, setting: Setting, tile: Tile): readonly number[] {
  if (!isLarge(setting.options) || Math.max(tile.m, tile.n) > sides.portable) return [1];
  if (typeof nest.over.at(-1)!.extent !== 'number') return [stepsAhead];
  const steps = widthOf(nest.over, [nest.root], setting, 1);
  const isWhole = nest.split === null || nest.split.chunk % steps === 0;
  return steps > 1 && isWhole ? [steps, 1] : [1];
}

function writeWhole(
  scope: Scope,
  nest: ContractionNest,
  setting: Setting,
  tile: Tile,
  form: Form,
  steps: number,
): void {
  const last = nest.over.length - 1;
  const sums = writeTile(scope, nest, tile, null, (write) => {
    const over = (k: number, index: readonly [Axis, Expression][]): void => {
      const axis = nest.over[k];
      if (axis === undefined) return write(index);
      alongAxis(scope, axis, k === last ? steps : 1, null, (position) =>
        over(k + 1, [...index, [axis, indexAt(scope, axis, position)]]),
      );
    };
    over(0, []);
  });
  sums[each(form)]((total, point, inside) => {
    const stores = scope.block(() => finishPoint(scope, nest, setting, total, point));
    scope.emit(...when(inside, stores));
  });
}

/** Many points are finished in loops: what comes after a sum would be written out as often otherwise. */
const each = (form: Form): 'each' | 'eachInLoops' => (form === 'software' ? 'eachInLoops' : 'each');

type Finish = (total: Expression, point: ReadonlyMap<Axis, Expression>, inside: Expression) => void;

interface Sums {
  each(use: Finish): void;
  eachInLoops(use: Finish): void;
}

/** Sums of a lane's tile. `chunk`: the number of chunks, whose index then is the slowest part of the lane's number. */
function writeTile(
  scope: Scope,
  nest: ContractionNest,
  tile: Tile,
  chunk: { readonly count: Expression; use(index: Expression): void } | null,
  overAll: (write: (index: readonly [Axis, Expression][]) => void) => void,
): Sums {
  const columns = sizeExpression(tilesOf(nest.n, tile.n));
  const rows = sizeExpression(tilesOf(nest.m, tile.m));
  const batches = countOf(nest.batch);
  const lanes = multiply(multiply(batches, rows), columns);
  const index = laneNumber(scope, chunk === null ? lanes : multiply(chunk.count, lanes));
  const column = scope.bind('column', remainder(index, columns));
  const upper = quotient(index, columns);
  const row = scope.bind('row', remainder(upper, rows));
  const rest = quotient(upper, rows);
  const batch = takeApart(scope, nest.batch, nest.batch.length === 0 ? i32(0) : remainder(rest, batches));
  chunk?.use(quotient(rest, batches));
  const fixed = nest.batch.map((axis, n): [Axis, Expression] => [axis, indexAt(scope, axis, batch.local[n]!)]);
  const left = sideOf(scope, nest.m, tile.m, row);
  const right = sideOf(scope, nest.n, tile.n, column);
  const totals = left.flat.map((_, a) => right.flat.map((__, b) => scope.variable(`sum_${a}_${b}`, f32(0))));
  overAll((k) => {
    const at = (own: readonly [Axis, Expression][]): Point =>
      openPoint(scope, nest.root.hints).with([...fixed, ...own, ...k]);
    const operand = (name: string, scalar: Scalar, points: Side): Expression[] =>
      points.index.map((own) => scope.bind(name, at(own).real(scalar)));
    const ls = operand('left', nest.left, left);
    const rs = operand('right', nest.right, right);
    ls.forEach((l, a) =>
      rs.forEach((r, b) => {
        const total = totals[a]![b]!;
        if (total.kind === 'local') scope.emit(assign(total.name, add(total, multiply(l, r))));
      }),
    );
  });
  return {
    each(use) {
      totals.forEach((line, a) =>
        line.forEach((total, b) => {
          const point = new Map([...fixed, ...left.index[a]!, ...right.index[b]!]);
          use(total, point, and(left.inside[a]!, right.inside[b]!));
        }),
      );
    },
    eachInLoops(use) {
      const sums = scope.array('sums', 'f32', tile.m * tile.n);
      totals.forEach((line, a) =>
        line.forEach((total, b) => scope.emit(storeElement(sums, i32(a * tile.n + b), total))),
      );
      const [a, b] = [scope.fresh('across'), scope.fresh('along')];
      const body = scope.block(() => {
        const l = sideOf(scope, nest.m, tile.m, row, [local(a, 'i32')]);
        const r = sideOf(scope, nest.n, tile.n, column, [local(b, 'i32')]);
        const total = scope.bind('sum', element(sums, add(multiply(local(a, 'i32'), i32(tile.n)), local(b, 'i32'))));
        use(total, new Map([...fixed, ...l.index[0]!, ...r.index[0]!]), and(l.inside[0]!, r.inside[0]!));
      });
      scope.emit(loop(a, i32(0), i32(tile.m), [loop(b, i32(0), i32(tile.n), body)]));
    },
  };
}

/** Partial sums by chunk, then their sums. */
function splitUp(nest: ContractionNest, setting: Setting): readonly Draft[] {
  const { tensor } = nest.root.definition;
  const chunks = chunksOf(nest.over, nest.split!.axis, nest.split!.chunk);
  const count = chunkCount(chunks);
  const name = setting.kernelName(`${tensor.name}_partial`);
  const partial = partialBuffer(setting, tensor, count);
  const wanted: Wanted[] = [
    ...buffersOf([withoutScale(nest)], setting).filter(({ write }) => !write),
    { buffer: partial, write: true },
  ];
  const made = formsOf(nest).map(({ form, tile }) => {
    const { written } = widest(stepsOf(nest, setting, tile), (steps) =>
      writeBody(setting, name, lanesInGroup, wanted, (scope, nameOf) => {
        let chunk: Expression = i32(0);
        const use = (index: Expression): void => {
          chunk = scope.bind('chunk', index);
        };
        const sums = writeTile(scope, nest, tile, { count: chunksIn(chunks), use }, (write) =>
          overChunk(scope, chunks, chunk, write, steps),
        );
        sums[each(form)]((total, point, inside) => {
          // By position: these rows are of this call's tokens, whichever is the first.
          const flat = tensor.axes.reduce(
            (all: Expression, axis) =>
              add(multiply(all, extentOf(axis.extent)), positionAt(scope, axis, point.get(axis)!)),
            chunk,
          );
          scope.emit(...when(inside, [store(nameOf(partial), flat, total)]));
        });
      }),
    );
    const { body, buffers } = written;
    const lanes = product([count, pointsOf(nest.batch), tilesOf(nest.m, tile.m), tilesOf(nest.n, tile.n)]);
    return { variant: variant(form, laneGroups(lanes), body), buffers };
  });
  const first: Draft = {
    name,
    comment: `partial sums of ${describe([nest.root])}`,
    definitions: [nest.root.definition],
    buffers: made[0]!.buffers,
    variants: made.map(({ variant: each }) => each),
    flops: flopsOf([nest.root]),
    product: nest.library ? describedProduct(nest, setting, made[0]!.buffers, partial) : null,
  };
  return [first, ...sumPartials(setting, [{ root: nest.root, partial, scale: nest.scale }], count, nest.split!.chunk)];
}

/** What the first of two kernels reads. */
function withoutScale(nest: ContractionNest): Root {
  const d = nest.root.definition as Extract<Definition, { kind: 'reduce' }>;
  const body: Scalar = { kind: 'call', type: 'real', op: 'multiply', args: [nest.left, nest.right] };
  return { ...nest.root, definition: { ...d, body } };
}
