// What the checker hands to lowering: one encoding with parents merged, names resolved, `fn`s inlined, compile-time
// values folded, every expression typed. Nothing here can be wrong any more; sizes are numbers but for the token axis.

import type { Span } from '../../grammar/span.ts';
import type { Role, Type } from '../ir/ir.ts';
import type { OpName } from '../ir/ops.ts';

/** The model that the encoding is compiled for: static sizes, and what its attention shows. `tokens` stays open. */
export interface Geometry {
  readonly heads: number;
  readonly kv_heads: number;
  readonly head_dim: number;
  readonly model_dim: number;
  readonly context: number;
  readonly layers: number;
  readonly layer: number; // the layer compiled for, from 0
  /** Every token sees every token of its sequence; otherwise none sees later ones. */
  readonly bidirectional?: boolean;
}

export interface CheckedAxis {
  readonly name: string;
  readonly size: number | 'tokens';
  readonly role: Role;
}

/** An index bound by a left side or a reduction. By identity. */
export interface Index {
  readonly name: string;
  readonly axis: CheckedAxis;
  readonly span: Span;
}

export type ChainTensor =
  'embedding' | 'x' | 'query' | 'key' | 'value' | 'visible' | 'score' | 'attention' | 'output' | 'loss';

export type Node = { readonly type: Type; readonly span: Span } & (
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'index'; readonly index: Index }
  /** Known only at run time: the length of this sequence, cache included; whether this is a training step. */
  | { readonly kind: 'runtime'; readonly name: 'length' | 'training' }
  | { readonly kind: 'call'; readonly op: OpName; readonly args: readonly Node[] }
  /** A declared tensor or `position` (a Declaration), or a chain tensor at the version above this line. */
  | { readonly kind: 'read'; readonly of: Declaration; readonly items: readonly Node[] }
  | {
      readonly kind: 'chain';
      readonly tensor: ChainTensor;
      readonly version: number;
      readonly mask: number; // the version of `visible` above this line: what hides a score
      readonly items: readonly Node[];
    }
  | {
      readonly kind: 'reduce';
      readonly op: 'sum' | 'prod' | 'mean' | 'max' | 'min' | 'logsumexp';
      readonly over: readonly Index[];
      readonly where: Node | null;
      readonly body: Node;
    }
  /** softmax[j], rank[j] along one index in scope; expm[r, c], inverse[r, c] along two. */
  | {
      readonly kind: 'map';
      readonly op: 'softmax' | 'rank' | 'expm' | 'inverse';
      readonly along: readonly Index[];
      readonly where: Node | null;
      readonly body: Node;
    }
);

/** A tensor or number that a program declares. By identity; `indices` are those its expression uses. */
export type Declaration = {
  readonly name: string;
  readonly span: Span;
  readonly indices: readonly Index[];
  readonly type: Type;
} & (
  | { readonly kind: 'let'; readonly value: Node }
  | { readonly kind: 'learn' | 'fixed'; readonly shared: boolean; readonly initial: Node } // normal/uniform/trunc_normal calls inside
  | { readonly kind: 'draw'; readonly initial: Node }
  | { readonly kind: 'given' }
  | { readonly kind: 'position' } // the default position[t]; `given position[...]` is a given named position
);

/**
 * One target of one site, in the order of the chain: reads version v of its tensor and makes version v + 1.
 * Joint targets are one entry each. Sites whose `when` is false are gone.
 */
export type CheckedSite = {
  readonly target: ChainTensor;
  readonly version: number; // the version read; 0 is the model's own
  readonly indices: readonly Index[]; // as bound: [t, h, d], or [t, h, p], or [t, h, b, r, c] / [t, h, r, c] for transform and transport
  readonly span: Span;
} & (
  | { readonly kind: 'assign'; readonly operator: '=' | '+=' | '*='; readonly value: Node }
  | { readonly kind: 'rotate'; readonly by: Node; readonly layout: 'split' | 'interleaved'; readonly from: number }
  | { readonly kind: 'transform' | 'transport'; readonly by: Node }
);

export interface CheckedLaw {
  readonly name: 'relative' | 'orthogonal' | 'causal' | 'commuting' | 'bounded' | 'starts_as';
  readonly encoding: CheckedEncoding | null; // of starts_as
  readonly span: Span;
}

export interface CheckedEncoding {
  readonly name: string;
  readonly geometry: Geometry;
  readonly params: ReadonlyMap<string, number>;
  /** Used or not, in an order in which each reads only earlier ones and chain versions above its line. */
  readonly declarations: readonly Declaration[];
  readonly sites: readonly CheckedSite[];
  readonly laws: readonly CheckedLaw[];
  readonly span: Span;
}
