// Which accesses of neighbouring points are neighbours in their buffer: rows of one element a point, or of as many as the
// point's index grows by. Each row has its private array, and the widest access that its alignment surely allows.

import { bytesOfElement, loadedType, type Binding, type Expression, type ValueType } from '../kernel.ts';
import { add, i32 } from '../kernel-build.ts';
import { replace } from '../unroll.ts';
import { alignment, linear, namesIn, type Bindings } from './linear.ts';
import { childrenOf } from './walk-kernel.ts';

/** How a value changes from point to point: an index that grows by `stride` a point, or anything. */
export type Change = { readonly kind: 'grows'; readonly stride: number } | { readonly kind: 'varies' };
export type Changes = ReadonlyMap<string, Change>;

/** The loop over points: its variable, how many there are, how the values bound in it change, what all names stand for. */
export interface Points {
  readonly variable: string;
  readonly width: number;
  readonly changes: Changes;
  readonly names: Bindings;
}

export function isDifferent(e: Expression, variable: string, changes: Changes): boolean {
  for (const name of namesIn(e)) if (name === variable || changes.has(name)) return true;
  return readsPrivate(e);
}

const readsPrivate = (e: Expression): boolean =>
  e.kind === 'element' || e.kind === 'shared' || e.kind === 'subgroup' || childrenOf(e).some(readsPrivate);

/** By how much an index grows from one point to the next; null: unevenly. */
export function strideOf(e: Expression, { variable, changes, names }: Omit<Points, 'width'>): number | null {
  const { terms } = linear(e, names);
  for (const [key, { atom }] of terms) if (key !== variable && isDifferent(atom, variable, changes)) return null;
  return terms.get(variable)?.coefficient ?? 0;
}

export interface Access {
  readonly buffer: string;
  readonly index: Expression;
}

/** Where the accesses of all points lie: `row` tells rows apart, `constant` what stands in one row. */
interface Place {
  readonly row: string;
  readonly stride: number;
  readonly constant: number;
  readonly aligned: number; // of the row
}

const widestStride = 2;

function placeOf({ buffer, index }: Access, points: Points): Place | null {
  const stride = strideOf(index, points);
  if (stride === null || stride < 1 || stride > widestStride) return null;
  const { constant, terms } = linear(index, points.names);
  const rest = [...terms].flatMap(([key, each]) => (key === points.variable ? [] : [`${key}*${each.coefficient}`]));
  const aligned = alignment({ constant: 0, terms }, points.variable, points.names);
  return { row: [buffer, stride, ...rest.toSorted()].join(' '), stride, constant, aligned };
}

/** Neighbouring elements of all points in a private array. */
export interface Vector {
  readonly array: string;
  readonly type: ValueType;
  readonly size: number;
  readonly buffer: string;
  readonly index: Expression; // of the first element
  readonly stride: number;
  readonly count: number; // elements of one access
}

export interface Vectors {
  readonly all: readonly Vector[];
  /** The vector an access is part of, and which of a point's elements it is. */
  find(access: Access): { readonly vector: Vector; readonly element: number } | null;
}

export interface VectorOptions {
  readonly bindings: readonly Binding[];
  readonly access: number;
  /** The private array for the elements of a buffer. */
  readonly array: (buffer: string) => string;
}

export function vectorsOf(accesses: readonly Access[], points: Points, options: VectorOptions): Vectors {
  const rows = new Map<string, { place: Place; access: Access }[]>();
  for (const access of accesses) {
    const place = placeOf(access, points);
    if (place === null) continue;
    const row = rows.get(place.row) ?? [];
    if (!row.some((each) => each.place.constant === place.constant)) row.push({ place, access });
    rows.set(place.row, row);
  }
  const found = new Map<string, { vector: Vector; element: number }>();
  for (const row of rows.values()) {
    const sorted = row.toSorted((a, b) => a.place.constant - b.place.constant);
    for (let n = 0; n < sorted.length; n += 1) {
      const { stride, constant } = sorted[n]!.place;
      const members = sorted.slice(n, n + stride);
      if (members.length < stride || members.some(({ place }, m) => place.constant !== constant + m)) continue;
      // Names in the index of the first access of the text are bound before all of them.
      const first = row.find((each) => members.includes(each))!;
      const vector = vectorAt(first, constant, points, options);
      if (vector === null) continue;
      members.forEach(({ place }, element) => found.set(keyOf(place), { vector, element }));
      n += stride - 1;
    }
  }
  return {
    all: [...new Set([...found.values()].map(({ vector }) => vector))],
    find(access) {
      const place = placeOf(access, points);
      return place === null ? null : (found.get(keyOf(place)) ?? null);
    },
  };
}

const keyOf = ({ row, constant }: Place): string => `${row} ${constant}`;

function vectorAt(
  { place, access }: { readonly place: Place; readonly access: Access },
  constant: number,
  { variable, width }: Points,
  { bindings, access: bytes, array }: VectorOptions,
): Vector | null {
  const { buffer } = access;
  const { type } = bindings.find(({ name }) => name === buffer)!;
  const size = place.stride * width;
  let count = Math.min(bytes / bytesOfElement[type], size);
  while (count > 1 && (constant % count !== 0 || place.aligned % count !== 0)) count /= 2;
  if (count < 2) return null;
  const index = add(replace(access.index, variable, i32(0)), i32(constant - place.constant));
  return { array: array(buffer), type: loadedType(type), size, buffer, index, stride: place.stride, count };
}
