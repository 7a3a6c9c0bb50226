// The tensor IR: flat definitions over named axes. What comes in: nothing but itself; constructors are in build.ts,
// the meaning is interpret/, the invariants are verify.ts.
//
// Axes, tensors and scalars are compared by identity; names are only for people and for generated text.
// An axis of extent `tokens` runs over the tokens of this call, first <= t < first + tokens, counted from the start of
// the sequence; an axis of extent `keys` over 0 <= j < keys = first + tokens. In training first = 0 and keys = tokens.
// So one-token decode is the same program with first > 0: only storage differs (codegen/plan).

import type { Span } from '../../grammar/span.ts';
import type { OpName } from './signatures.ts';

export type Type = 'real' | 'integer' | 'boolean';

/** Sizes known only when kernels are launched. */
export type RuntimeSize = 'batch' | 'tokens' | 'keys' | 'first';
export type Extent = number | Exclude<RuntimeSize, 'first'>;

/** What an axis means; used for layouts, explain and causality, never for the mathematics. */
export type Role = 'batch' | 'token' | 'key-token' | 'head' | 'kv-head' | 'pair' | 'feature' | 'model' | 'user';

export interface Axis {
  readonly name: string;
  readonly extent: Extent;
  readonly role: Role;
}

export interface Tensor {
  readonly name: string;
  readonly axes: readonly Axis[]; // row-major, outermost first
  readonly type: Type;
  readonly origin: Origin;
}

export type Given =
  | 'position'
  | 'embedding'
  | 'x'
  | 'query'
  | 'key'
  | 'value'
  | 'cotangent'
  | 'relevance'
  | 'user'
  | 'training' // without axes: 1 in a training step, else 0
  | 'scalar'
  | 'operand';

export type Origin =
  | { readonly kind: 'given'; readonly given: Given } // supplied by the caller at each call
  | {
      readonly kind: 'learned';
      readonly shared: boolean;
      readonly trained: boolean;
      readonly initial: Scalar;
      readonly axes: readonly Axis[];
    }
  /** Supplied by the caller, fresh for each step and sequence: the first axis is the batch, which `initial` does not use. */
  | { readonly kind: 'draw'; readonly initial: Scalar; readonly axes: readonly Axis[] }
  | { readonly kind: 'defined' };

/** A scalar at one point. A DAG: the same object read twice is computed once. */
export type Scalar =
  | { readonly kind: 'constant'; readonly type: Type; readonly value: number } // booleans are 0 and 1
  | { readonly kind: 'size'; readonly type: 'integer'; readonly size: RuntimeSize }
  | { readonly kind: 'axis'; readonly type: 'integer'; readonly axis: Axis } // the index itself
  | {
      readonly kind: 'read';
      readonly type: Type;
      readonly tensor: Tensor;
      readonly index: readonly Scalar[]; // integers, one for each axis of the tensor
      readonly outside: number | null; // the value outside the tensor; null: proved inside
    }
  | { readonly kind: 'call'; readonly type: Type; readonly op: OpName; readonly args: readonly Scalar[] };

export type MatrixFunction = 'expm' | 'inverse';

export type Rule =
  | { readonly kind: 'map'; readonly body: Scalar }
  | {
      readonly kind: 'reduce';
      readonly op: 'sum' | 'prod' | 'argmax';
      readonly over: readonly Axis[];
      readonly body: Scalar;
    }
  /** h[t] = factor[t] h[t-1] + term[t] along `along` (h before the start is `initial`); exclusive: h[t-1] is stored at t. */
  | {
      readonly kind: 'scan';
      readonly along: Axis;
      readonly reverse: boolean;
      readonly exclusive: boolean;
      readonly factor: Scalar;
      readonly term: Scalar;
      readonly initial: 0 | 1;
    }
  /**
   * A unit triangular system along `along`, row by row: h[t] = term[t] + the sum of factor[t, s] h[s] over from <= s < t,
   * for t >= from, and 0 before. reverse: from the last row on, over s > t. `other` is s in `factor`; `from` is an integer
   * over the other axes.
   */
  | {
      readonly kind: 'triangular';
      readonly along: Axis;
      readonly other: Axis;
      readonly reverse: boolean;
      readonly from: Scalar;
      readonly factor: Scalar;
      readonly term: Scalar;
    }
  /** tensor[index] += body at every point of `over`, in row-major order; 0 where nothing lands, nothing from an index outside. */
  | {
      readonly kind: 'scatter';
      readonly over: readonly Axis[];
      readonly index: readonly Scalar[];
      readonly body: Scalar;
    }
  /** softmax of body over `over` where `where` holds; 0 where it does not; a row with none is all 0. */
  | { readonly kind: 'softmax'; readonly over: Axis; readonly where: Scalar; readonly body: Scalar }
  /**
   * Turns pairs of the last axis of `input` (same axes as the tensor made) counter-clockwise by sign * phase.
   * `pair` has n members; pair p is features (from + p, from + p + n) or, interleaved, (from + 2p, from + 2p + 1).
   * `phase` is a scalar over the tensor's axes but the last, and `pair`. Other features pass.
   */
  | {
      readonly kind: 'rotate';
      readonly input: Tensor;
      readonly phase: Scalar;
      readonly pair: Axis;
      readonly sign: 1 | -1;
      readonly layout: 'split' | 'interleaved';
      readonly from: number;
    }
  /**
   * A function of the square matrices over the last two axes of `input` (row, column): the exponential or the inverse.
   * With `cotangent`, which an inverse has not, the adjoint of the exponential at `input`.
   */
  | {
      readonly kind: 'matrix';
      readonly function: MatrixFunction;
      readonly input: Tensor;
      readonly cotangent: Tensor | null;
    };

export type Definition = {
  readonly tensor: Tensor;
  readonly span: Span | null;
  readonly adjointOf: Definition | null;
  /** The tensor whose cotangent this is, or a part of whose cotangent; only in the backward part. */
  readonly cotangentOf?: Tensor;
} & Rule;

/** Which line made which version of one of attention's tensors; the mathematics is in the definitions alone. */
export interface Site {
  readonly kind: 'rotate' | 'transform' | 'transport' | 'assign';
  readonly target: string; // query, key, score, ...
  readonly span: Span;
  readonly reads: Tensor;
  readonly makes: Tensor;
}

/**
 * Definitions in topological order over the tensors `inputs`. `results` names the tensors that callers see
 * (output, score, query_encoded, every `let` by its name, ...).
 */
export interface Program {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly definitions: readonly Definition[];
  readonly sites: readonly Site[];
  readonly results: ReadonlyMap<string, Tensor>;
}
