// The state of one lowering: what has been defined so far, and the doors between the files of this folder (an
// expression needs declarations, a declaration needs expressions). lower.ts makes one for each program.

import type { Transport } from '../attention/transport.ts';
import type { Report } from '../diagnostics/diagnostic.ts';
import type { Axis, Definition, Extent, Scalar, Site, Tensor } from '../ir/ir.ts';
import type { ChainTensor, CheckedAxis, CheckedEncoding, Declaration, Index, Node } from '../check/checked.ts';
import type { Span } from '../../grammar/span.ts';
import { axis } from '../ir/build.ts';
import type { Context } from '../ir/ranges.ts';
import type { Feature } from './features.ts';

/** What is in scope while the body of one definition is built; frame.ts works on it. */
export interface Frame {
  /** What definitions hoisted out of this one are named after. */
  readonly name: string;
  readonly outer: Frame | null;
  readonly bound: Map<Index, Scalar>;
  readonly captured: Map<Index, Axis>;
  readonly batch: Axis;
  readonly batched: { value: boolean };
  /** Conditions of the branches of `if` around the expression that is being built. */
  readonly guards: readonly Node[];
  /** Query and key index of a score: only points that the model shows are ever looked at. */
  readonly shown: { readonly query: Index; readonly key: Index } | null;
}

/** A definition made out of an expression inside another: over the indices it captured, and its own. */
export interface Hoisted {
  readonly tensor: Tensor;
  /** The indices of the axes after the batch. */
  readonly indices: readonly Index[];
}

export interface Lowering {
  readonly encoding: CheckedEncoding;
  readonly report: Report;
  /** `embed`: the sites on `embedding`, before the first layer; `input`: those on `x`, before query, key and value are made. */
  readonly part: 'attend' | 'embed' | 'input';
  /** In topological order: what a definition reads stands before it. */
  readonly definitions: Definition[];
  /** Made by an expression inside another definition, not by a line of the file. */
  readonly hoisted: Set<Tensor>;
  readonly sites: Site[];
  /** Tensors that the caller supplies, in the order in which they were first read. */
  readonly inputs: Map<string, Tensor>;
  /** `keys` for token indices that run over every token so far: the second of a pair, and what a sum binds. */
  readonly extents: Map<Index, Extent>;
  readonly ranges: Context;
  /** Phases and matrices by the place of their expression: the targets of one line share them. */
  readonly siteValues: Map<string, Hoisted>;
  /** A name that nothing else in the program has, as near to the wanted one as can be. */
  name(wanted: string): string;
  /** The scalar of an expression inside the definition that `frame` stands for. */
  scalar(node: Node, frame: Frame): Scalar;
  declared(declaration: Declaration): Tensor;
  /** A version of one of attention's tensors (but `visible`, which has no tensor); `loss` has none before its first site. */
  version(tensor: Exclude<ChainTensor, 'visible'>, version: number): Tensor;
  /** Whether this is a training step: the caller says. */
  training(): Scalar;
  /** The map that each token applies to earlier keys, if the encoding has one. */
  transport(): Transport | null;
  /** Whether query token i of head h may look at key token j; `version` 0 is the model's own mask. */
  visible(version: number, point: VisiblePoint, frame: Frame): Scalar;
  /** The same under every `visible` site. */
  allVisible(point: VisiblePoint, frame: Frame): Scalar;
  /** Reports a feature that is not compiled, once a place; the value returned only lets the lowering go on. */
  refuse(feature: Feature, span: Span): Scalar;
}

export interface VisiblePoint {
  readonly head: Scalar;
  readonly query: Scalar;
  readonly key: Scalar;
}

export function extentOf(lowering: Lowering, index: Index): Extent {
  return lowering.extents.get(index) ?? index.axis.size;
}

/** A fresh axis for an index. */
export function axisOf(lowering: Lowering, index: Index, name = index.name): Axis {
  const extent = extentOf(lowering, index);
  return axis(name, extent, extent === 'keys' ? 'key-token' : index.axis.role);
}

export function isToken(checked: CheckedAxis): boolean {
  return checked.size === 'tokens';
}
