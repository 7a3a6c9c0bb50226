// Which members of a rows nest stand at the same point: where the axes of each lie among those of the nest, and whether one
// reads only what a rotation turns there.

import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { domainOf, operandsOf, readsOf, scalarsOf } from '../../src/ir/visit.ts';
import type { Root, RowsNest } from './nest.ts';

/**
 * For each axis of a definition its place among [...grid, ...inner], both in their order; null: other axes. Axes of a
 * rotation may stand between each other as they like, those of the others are the nest's own.
 */
export function placesIn(d: Definition, { grid, inner }: Pick<RowsNest, 'grid' | 'inner'>): readonly number[] | null {
  const domain = domainOf(d);
  const fits = (axis: Axis, place: number): boolean => axis.extent === [...grid, ...inner][place]!.extent;
  const find = (done: readonly number[], g: number, i: number): readonly number[] | null => {
    const axis = domain[done.length];
    if (axis === undefined) return g === grid.length && i === inner.length ? done : null;
    const inGrid = g < grid.length && fits(axis, g) ? find([...done, g], g + 1, i) : null;
    if (inGrid !== null) return inGrid;
    const place = grid.length + i;
    return i < inner.length && fits(axis, place) ? find([...done, place], g, i + 1) : null;
  };
  return find([], 0, 0);
}

/** factor * axis + constant. */
function alongAxis(s: Scalar): { axis: Axis; factor: number; constant: number } | null {
  if (s.kind === 'axis') return { axis: s.axis, factor: 1, constant: 0 };
  if (s.kind !== 'call' || (s.op !== 'add' && s.op !== 'multiply')) return null;
  const [a, b] = s.args as [Scalar, Scalar];
  const [value, number] = b.kind === 'constant' ? [alongAxis(a), b.value] : [alongAxis(b), constantOf(a)];
  if (value === null || number === null) return null;
  return s.op === 'add'
    ? { ...value, constant: value.constant + number }
    : { axis: value.axis, factor: value.factor * number, constant: value.constant * number };
}

const constantOf = (s: Scalar): number | null => (s.kind === 'constant' ? s.value : null);

/** Whether `other` reads `tensor`, which the rotation turns, only at the two features that it turns at the point. */
export function readsTurned(rotation: Root, other: Root, tensor: Tensor, nest: RowsNest): boolean {
  const d = rotation.definition;
  if (d.kind !== 'rotate' || d.input !== tensor || operandsOf(other.definition).includes(tensor)) return false;
  const turned = placesIn(d, nest);
  const own = placesIn(other.definition, nest);
  if (turned === null || own === null) return false;
  const placeOf = new Map(domainOf(other.definition).map((axis, n) => [axis, own[n]!]));
  const pairs = d.pair.extent as number;
  const [factor, second] = d.layout === 'split' ? [1, d.from + pairs] : [2, d.from + 1];
  return readsOf(scalarsOf(other.definition)).every(({ tensor: read, index }) => {
    if (read !== tensor) return true;
    return index.every((one, n) => {
      const along = alongAxis(one);
      if (along === null || placeOf.get(along.axis) !== turned[n]) return false;
      const { constant } = along;
      if (n < index.length - 1) return along.factor === 1 && constant === 0;
      return along.factor === factor && (constant === d.from || constant === second);
    });
  });
}
