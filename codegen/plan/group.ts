// Roots of one stage -> nests in the order in which they run. Each root becomes a nest of the kind of its rule, or joins
// an earlier nest: rows over the same points, maps at the end of a matrix product. Nothing is reordered past what it reads.

import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { at, call, real } from '../../src/ir/scalar.ts';
import { operandsOf, readsOf, substitute } from '../../src/ir/visit.ts';
import { asContraction, splitAxis, type TypeOf } from './contract.ts';
import {
  madeBy,
  membersOf,
  readBy,
  scalarsOfRoot,
  type ColumnsNest,
  type Nest,
  type Root,
  type RowsNest,
} from './nest.ts';
import { isLarge } from './options.ts';
import type { PlanOptions } from './plan.ts';
import { placesIn } from './same-point.ts';
import { asSegments, sortedPlaces } from './segments.ts';
import { nominal } from './size.ts';
import { stacked } from './stack.ts';
import { cutStrips, isStrips } from './strips.ts';

const pointsIn = (axes: readonly Axis[]): number => axes.reduce((all, axis) => all * nominal(axis.extent), 1);

const sameExtents = (a: readonly Axis[], b: readonly Axis[]): boolean =>
  a.length === b.length && a.every((axis, n) => axis.extent === b[n]!.extent);

/** Fewer results than this, each of more terms than `manyTerms`, are summed by chunks. */
const fewResults = 8192;
const manyTerms = 512;
/** As many rows keep a device busy where a workgroup of many lanes shares each. */
const manyRows = 1024;
const manyLanes = 128;

/** Terms that a lane of a column sum adds, at least. */
function isColumns(d: Extract<Definition, { kind: 'reduce' }>, options: PlanOptions): boolean {
  if (d.op !== 'sum') return false;
  const isShared = (options.lanes >= manyLanes || options.machine === 'cpu') && pointsIn(d.tensor.axes) >= manyRows;
  const rest = d.over.some(({ extent }) => typeof extent !== 'number' || (extent > manyTerms && !isShared));
  return rest && pointsIn(d.over) >= manyTerms && pointsIn(d.tensor.axes) <= fewResults;
}

/**
 * A scatter is a sum with a condition: every result looks at all points; but along an axis that an index of the result names,
 * at its own place alone.
 */
function gathered(root: Root): Root {
  const d = root.definition;
  if (d.kind !== 'scatter') return root;
  const { tensor, span, adjointOf } = d;
  const named = new Map<Axis, Axis>(); // of `over` -> of the result
  d.index.forEach((index, n) => {
    const axis = tensor.axes[n]!;
    if (index.kind === 'axis' && !named.has(index.axis) && index.axis.extent === axis.extent)
      named.set(index.axis, axis);
  });
  const places = new Map<Axis, Scalar>([...named].map(([axis, own]) => [axis, at(own)]));
  const hits = d.index.flatMap((index, n): Scalar[] => {
    const axis = tensor.axes[n]!;
    if (index.kind === 'axis' && named.get(index.axis) === axis) return [];
    return [call('equal', substitute(index, places), at(axis))];
  });
  const value = substitute(d.body, places);
  const body =
    hits.length === 0
      ? value
      : call(
          'select',
          hits.reduce((all, hit) => call('and', all, hit)),
          value,
          real(0),
        );
  const over = d.over.filter((axis) => !named.has(axis));
  const made = { tensor, span, adjointOf };
  const definition: Definition =
    over.length === 0 ? { ...made, kind: 'map', body } : { ...made, kind: 'reduce', op: 'sum', over, body };
  return { ...root, definition };
}

/** A lane walks the tokens one after the other: shorter chunks, and more lanes, where a device is busy with many. */
const chunkOfScan = (options: PlanOptions): number => (isLarge(options) ? Math.ceil(options.chunk / 4) : options.chunk);

const isSum = (d: Extract<Definition, { kind: 'scan' }>): boolean =>
  d.factor.kind === 'constant' && d.factor.value === 1;

function nestOf(given: Root, options: PlanOptions, typeOf?: TypeOf): Nest {
  const root = gathered(given);
  const d = root.definition;
  switch (d.kind) {
    case 'map':
      return { kind: 'rows', grid: d.tensor.axes, inner: [], members: [root] };
    case 'rotate':
      return { kind: 'rows', grid: [...d.tensor.axes.slice(0, -1), d.pair], inner: [], members: [root] };
    case 'softmax':
      return { kind: 'rows', grid: d.tensor.axes.filter((axis) => axis !== d.over), inner: [d.over], members: [root] };
    case 'reduce': {
      const contraction = asContraction(root, options, typeOf);
      if (contraction !== null) return contraction;
      if (!isColumns(d, options)) return { kind: 'rows', grid: d.tensor.axes, inner: d.over, members: [root] };
      const axes = d.tensor.axes;
      return { kind: 'columns', axes, over: d.over, split: splitAxis(d.over), chunk: options.chunk, members: [root] };
    }
    case 'scan':
      return { kind: 'scan', chunk: chunkOfScan(options), periodic: root.periodic && isSum(d), carry: null, root };
    case 'triangular':
      return { kind: 'triangular', root };
    case 'matrix':
      return { kind: 'matrix', root };
    case 'scatter':
      throw new Error('a scatter is a sum');
    default:
      return d satisfies never;
  }
}

/** `needed`: tensors that are read outside these roots. */
export function group(
  given: readonly Root[],
  needed: ReadonlySet<Tensor>,
  options: PlanOptions,
  typeOf?: TypeOf,
): readonly Nest[] {
  const steps = cutStrips(given, needed, options);
  const roots = steps.flatMap((step) => (isStrips(step) ? membersOf(step) : [step]));
  const readers = new Map<Tensor, Root[]>();
  for (const root of roots) {
    for (const tensor of readBy(root)) readers.set(tensor, [...(readers.get(tensor) ?? []), root]);
  }
  const escapes = (tensor: Tensor, members: readonly Root[]): boolean =>
    needed.has(tensor) || (readers.get(tensor) ?? []).some((root) => !members.includes(root));
  const nests: Nest[] = [];
  const sorted = sortedPlaces();
  const placeOf = new Map<Tensor, number>();
  for (const step of steps) {
    if (isStrips(step)) {
      const place = nests.push(step) - 1;
      for (const tensor of madeBy(step)) placeOf.set(tensor, place);
      continue;
    }
    const root = step;
    const nest = asSegments(root, sorted) ?? nestOf(root, options, typeOf);
    const after = Math.max(-1, ...[...readBy(root)].map((tensor) => placeOf.get(tensor) ?? -1));
    let home = -1;
    for (let n = Math.max(after, 0); n < nests.length && home < 0; n += 1) {
      const joined = join(nests[n]!, nest, n === after, escapes, options);
      if (joined === null) continue;
      nests[n] = joined;
      home = n;
    }
    if (home < 0) home = nests.push(nest) - 1;
    placeOf.set(root.definition.tensor, home);
  }
  return stacked(nests, options);
}

/** `into` with the one root of `nest`, or null. `depends`: the root reads what `into` makes. */
function join(into: Nest, nest: Nest, depends: boolean, escapes: Escapes, options: PlanOptions): Nest | null {
  const root = membersOf(nest)[0]!;
  const joined = joinKinds(into, nest, root, depends, options);
  if (joined === null || buffersOf(joined, escapes) > options.maxBindings) return null;
  return joined;
}

function joinKinds(into: Nest, nest: Nest, root: Root, depends: boolean, options: PlanOptions): Nest | null {
  if (into.kind === 'rows' && nest.kind === 'rows')
    return joinRows(into, nest, root, depends) ?? (options.access === 4 ? null : joinTurns(into, nest));
  if (into.kind === 'columns' && nest.kind === 'columns' && !depends) return joinColumns(into, nest);
  if (into.kind === 'contraction' && nest.kind === 'rows' && depends && into.split === null && !into.library) {
    const d = root.definition;
    const { axes } = into.root.definition.tensor;
    if (d.kind !== 'map' || !sameExtents(d.tensor.axes, axes)) return null;
    return readsOnlyHere(root, madeBy(into), d.tensor.axes) ? { ...into, epilogue: [...into.epilogue, root] } : null;
  }
  return null;
}

function joinColumns(into: ColumnsNest, nest: ColumnsNest): ColumnsNest | null {
  if (!sameExtents(into.axes, nest.axes) || !sameExtents(into.over, nest.over)) return null;
  return { ...into, members: [...into.members, ...nest.members] };
}

/** Every read of `tensors` is at the point itself: its axes are the first of `point`, in order. */
function readsOnlyHere(root: Root, tensors: readonly Tensor[], point: readonly Axis[]): boolean {
  const made = new Set(tensors);
  if (operandsOf(root.definition).some((operand) => made.has(operand))) return false;
  return readsOf(scalarsOfRoot(root)).every(
    (read) =>
      !made.has(read.tensor) || read.index.every((index, n) => index.kind === 'axis' && index.axis === point[n]),
  );
}

function joinRows(into: RowsNest, nest: RowsNest, root: Root, depends: boolean): RowsNest | null {
  const d = root.definition;
  const made = madeBy(into);
  const withRoot = (inner: readonly Axis[]): RowsNest => ({ ...into, inner, members: [...into.members, root] });
  if (into.inner.length === 0) {
    if (nest.inner.length > 0 || !sameExtents(into.grid, nest.grid)) return null;
    // Kinds of points that have different stores stay apart only where one reads the other.
    return readsOnlyHere(root, made, nest.grid) ? withRoot([]) : null;
  }
  if (nest.inner.length > 0) {
    if (!sameExtents(into.grid, nest.grid) || !sameExtents(into.inner, nest.inner)) return null;
    return readsOnlyHere(root, made, [...nest.grid, ...nest.inner]) ? withRoot(into.inner) : null;
  }
  if (d.kind !== 'map' || !depends) return null;
  if (sameExtents(d.tensor.axes, into.grid))
    return readsOnlyHere(root, made, d.tensor.axes) ? withRoot(into.inner) : null;
  const all = [...into.grid, ...into.inner];
  return sameExtents(d.tensor.axes, all) && readsOnlyHere(root, made, d.tensor.axes) ? withRoot(into.inner) : null;
}

const sumsOrTurns = ({ definition: { kind } }: Root): boolean => kind === 'reduce' || kind === 'rotate';

/** Rotations and the sums over what they turn, each from the same loads: the sums' rows pass by every point. */
function joinTurns(into: RowsNest, nest: RowsNest): RowsNest | null {
  const [rows, points] = into.inner.length > 0 ? [into, nest] : [nest, into];
  if (rows.inner.length === 0 || points.inner.length > 0) return null;
  if (!rows.members.every(sumsOrTurns) || points.members.some((root) => root.definition.kind !== 'rotate')) return null;
  const turned = new Set(points.members.flatMap((root) => [...operandsOf(root.definition)]));
  const shares = rows.members.some((root) => [...readBy(root)].some((tensor) => turned.has(tensor)));
  const made = new Set([...madeBy(rows), ...madeBy(points)]);
  const members = [...into.members, ...nest.members];
  if (!shares || members.some((root) => [...readBy(root)].some((tensor) => made.has(tensor)))) return null;
  if (points.members.some((root) => placesIn(root.definition, rows) === null)) return null;
  return { ...rows, members };
}

type Escapes = (tensor: Tensor, members: readonly Root[]) => boolean;

/** Values that stay in the nest: of a row, or of a point of a matrix product. */
export function staysInside(nest: Nest, tensor: Tensor): boolean {
  if (nest.kind === 'contraction') return nest.split === null;
  if (nest.kind === 'stack') return nest.parts.some((part) => staysInside(part, tensor));
  if (nest.kind === 'strips') return nest.inside.has(tensor);
  if (nest.kind !== 'rows' || tensor.axes.length !== nest.grid.length) return false;
  const made = nest.members.find((root) => root.definition.tensor === tensor);
  return made !== undefined && made.definition.kind !== 'softmax' && made.definition.kind !== 'rotate';
}

function buffersOf(nest: Nest, escapes: Escapes): number {
  const members = membersOf(nest);
  const made = madeBy(nest);
  const inside = new Set(made.filter((tensor) => staysInside(nest, tensor) && !escapes(tensor, members)));
  const all = new Set<Tensor>(made);
  for (const root of members) for (const tensor of readBy(root)) all.add(tensor);
  return [...all].filter((tensor) => !inside.has(tensor)).length;
}
