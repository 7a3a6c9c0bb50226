// Loop nests: what a kernel, or a few kernels, compute together. Roots have a buffer (or live in registers of their nest)
// and read only other roots, inputs and host tables: everything else has been inlined into their scalars.

import type { Axis, Definition, Scalar, Tensor } from '../../src/ir/ir.ts';
import { operandsOf, readsOf, scalarsOf } from '../../src/ir/visit.ts';
import type { Hints } from '../point.ts';

export interface Root {
  readonly definition: Definition;
  /** Names of inlined definitions, for readable kernels. */
  readonly hints: Hints;
  /** Cosine and sine of a rotation's phase: reads of host tables, or calls. */
  readonly turn: { readonly cos: Scalar; readonly sin: Scalar } | null;
  /** Nothing but rotations by it read it. */
  readonly periodic: boolean;
}

/** grid: independent points; inner: the axes that reductions of the nest run over, the same for all of them. */
export interface RowsNest {
  readonly kind: 'rows';
  readonly grid: readonly Axis[];
  readonly inner: readonly Axis[];
  readonly members: readonly Root[];
}

/** Sums of many rows into few numbers: partial sums by chunk of `over[split]`, added up by a second kernel. */
export interface ColumnsNest {
  readonly kind: 'columns';
  readonly axes: readonly Axis[];
  readonly over: readonly Axis[];
  readonly split: number;
  readonly chunk: number;
  readonly members: readonly Root[];
}

/** out[batch, m, n] = after(sum over k of left[batch, m, k] * right[batch, n, k]), axes in the order of the output. */
export interface ContractionNest {
  readonly kind: 'contraction';
  readonly root: Root;
  readonly batch: readonly Axis[];
  readonly m: readonly Axis[];
  readonly n: readonly Axis[];
  readonly over: readonly Axis[];
  readonly left: Scalar;
  readonly right: Scalar;
  /** Factors that do not depend on `over`. */
  readonly scale: Scalar | null;
  /** Partial sums by chunk of over[split], where m and n alone are too few points; null: one lane sums all of a point. */
  readonly split: { readonly axis: number; readonly chunk: number } | null;
  /** A library may do it: nothing is done at the points but the product. */
  readonly library: boolean;
  /** Maps over the same points that read the sum at their own point only. */
  readonly epilogue: readonly Root[];
}

export interface ScanNest {
  readonly kind: 'scan';
  readonly chunk: number;
  /** Only rotations read it: what is carried may lose whole turns. */
  readonly periodic: boolean;
  /** Where the value before the first token of this call is, from the call before. */
  readonly carry: Tensor | null;
  readonly root: Root;
}

export interface MatrixNest {
  readonly kind: 'matrix';
  readonly root: Root;
}

/** A unit triangular system, solved row by row for many right sides at once. */
export interface TriangularNest {
  readonly kind: 'triangular';
  readonly root: Root;
}

/**
 * made[id, ...inner] = the sum of a scatter's body over the places where `ids` is id. `order`: places by id, as the caller
 * sorts them; start[id] .. start[id + 1]: those of one id in it.
 */
export interface SegmentsNest {
  readonly kind: 'segments';
  readonly root: Root;
  readonly ids: Tensor;
  readonly order: Tensor;
  readonly start: Tensor;
  readonly places: readonly Axis[]; // of the scatter, that ids is read at
  readonly inner: readonly Axis[]; // of the scatter, that stand behind id
}

/** Point nests that do not read from each other, in one launch. */
export interface StackNest {
  readonly kind: 'stack';
  readonly parts: readonly RowsNest[];
}

/** Axes that all members of strips share; heads and `within` where heads go apart. */
export interface StripFrame {
  readonly batch: Axis | null;
  /** Key heads, and the query heads of one. */
  readonly head: Axis | null;
  readonly within: Axis | null;
  readonly query: Axis;
}

export type StripRule =
  | { readonly kind: 'map'; readonly body: Scalar }
  | { readonly kind: 'sum'; readonly terms: readonly Scalar[] }
  | { readonly kind: 'prod' | 'argmax' | 'scatter'; readonly body: Scalar }
  | { readonly kind: 'softmax'; readonly where: Scalar; readonly body: Scalar }
  | {
      readonly kind: 'scan';
      readonly reverse: boolean;
      readonly exclusive: boolean;
      readonly factor: Scalar;
      readonly term: Scalar;
      readonly initial: 0 | 1;
    };

/**
 * One definition over the axes of the frame and its own. strip: one value for each query and key; row: for each query;
 * sum: over the queries.
 */
export interface StripMember {
  readonly root: Root;
  readonly place: 'strip' | 'row' | 'sum';
  readonly rule: StripRule;
  /** Of keys, that strips are read and made along. */
  readonly keys: Axis | null;
  /** Results beside the frame's, and what is reduced: keys among one of them. */
  readonly axes: readonly Axis[];
  readonly over: readonly Axis[];
  /** Of the result in its tensor. */
  readonly index: readonly Scalar[];
  /** Points without it take no part. */
  readonly where: Scalar | null;
  /** Keys after the last query of a block are left out; a strip has, or `padded` is given, zeros there. */
  readonly causal: boolean;
  readonly padded: boolean;
}

/**
 * Blocks of queries, one after the other: what has a query and a key is a strip of `rows` queries, in memory of the item's
 * own. An item has a batch and a key head, or a block of its own where nothing is summed over queries.
 */
export interface StripsNest {
  readonly kind: 'strips';
  readonly frame: StripFrame;
  readonly rows: number;
  readonly blocks: 'items' | 'inside';
  readonly members: readonly StripMember[];
  /** Made and read here alone. */
  readonly inside: ReadonlySet<Tensor>;
}

export type Nest =
  | RowsNest
  | ColumnsNest
  | ContractionNest
  | ScanNest
  | MatrixNest
  | TriangularNest
  | SegmentsNest
  | StackNest
  | StripsNest;

export function membersOf(nest: Nest): readonly Root[] {
  switch (nest.kind) {
    case 'rows':
    case 'columns':
      return nest.members;
    case 'contraction':
      return [nest.root, ...nest.epilogue];
    case 'stack':
      return nest.parts.flatMap((part) => part.members);
    case 'strips':
      return nest.members.map(({ root }) => root);
    case 'scan':
    case 'matrix':
    case 'triangular':
    case 'segments':
      return [nest.root];
    default:
      return nest satisfies never;
  }
}

export const madeBy = (nest: Nest): readonly Tensor[] => membersOf(nest).map((root) => root.definition.tensor);

/** Its scalars, or the cosine and sine of its phase. */
export const scalarsOfRoot = (root: Root): readonly Scalar[] =>
  root.turn === null ? scalarsOf(root.definition) : [root.turn.cos, root.turn.sin];

export function readBy(root: Root): ReadonlySet<Tensor> {
  return new Set([...readsOf(scalarsOfRoot(root)).map((read) => read.tensor), ...operandsOf(root.definition)]);
}
