// Attention as definitions of the tensor IR: scores of queries and keys, softmax over visible keys, sums of values.
// Lowering puts the sites of an encoding between them; the interpreter, reverse mode and the planner see one program.

import type { Span } from '../../grammar/span.ts';
import { at, axis, boolean, call, defined, given, integer, map, read, real, reduce, softmax } from '../ir/build.ts';
import type { Axis, Definition, Role, Scalar, Tensor } from '../ir/ir.ts';

/** What attention needs to know of the model. */
export interface AttentionSizes {
  readonly heads: number;
  readonly kv_heads: number;
  readonly head_dim: number;
  readonly model_dim: number;
}

export type AttentionInput = 'embedding' | 'x' | 'query' | 'key' | 'value';

/** Axes of attention's tensors, fresh. Query and output: [b, t, h, d]. */
const chainAxes = {
  embedding: (s: AttentionSizes): readonly Axis[] => [...sequence(), axis('m', s.model_dim, 'model')],
  x: (s: AttentionSizes): readonly Axis[] => [...sequence(), axis('m', s.model_dim, 'model')],
  query: (s: AttentionSizes): readonly Axis[] => perHead(s.heads, 'head', s.head_dim),
  key: (s: AttentionSizes): readonly Axis[] => perHead(s.kv_heads, 'kv-head', s.head_dim),
  value: (s: AttentionSizes): readonly Axis[] => perHead(s.kv_heads, 'kv-head', s.head_dim),
  score: pairAxes,
  attention: pairAxes,
  output: (s: AttentionSizes): readonly Axis[] => perHead(s.heads, 'head', s.head_dim),
} as const;

function sequence(): readonly Axis[] {
  return [axis('b', 'batch', 'batch'), axis('t', 'tokens', 'token')];
}

function perHead(heads: number, role: Role, features: number): readonly Axis[] {
  return [...sequence(), axis('h', heads, role), axis('d', features, 'feature')];
}

/** [b, h, i, j]: query token i, key token j. */
export function pairAxes(s: AttentionSizes): readonly Axis[] {
  const head = axis('h', s.heads, 'head');
  return [axis('b', 'batch', 'batch'), head, axis('i', 'tokens', 'token'), axis('j', 'keys', 'key-token')];
}

export function attentionInput(kind: AttentionInput, sizes: AttentionSizes): Tensor {
  return given(kind, chainAxes[kind](sizes), kind);
}

/** The key head that a query head reads. */
export function keyHead(head: Scalar, sizes: AttentionSizes): Scalar {
  return call('div', head, integer(sizes.heads / sizes.kv_heads));
}

/** query . key over the features, not scaled. [b, h, i, j] */
export function products(name: string, query: Tensor, key: Tensor, sizes: AttentionSizes): Definition {
  const axes = pairAxes(sizes);
  const [b, h, i, j] = axes.map(at) as [Scalar, Scalar, Scalar, Scalar];
  const feature = axis('d', sizes.head_dim, 'feature');
  const left = read(query, [b, i, h, at(feature)]);
  const right = read(key, [b, j, keyHead(h, sizes), at(feature)]);
  return reduce('sum', defined(name, axes), [feature], call('multiply', left, right));
}

/** scale times the products. [b, h, i, j] */
export function scaledScore(name: string, product: Tensor, sizes: AttentionSizes): Definition {
  const axes = pairAxes(sizes);
  const scale = real(1 / Math.sqrt(sizes.head_dim));
  return map(defined(name, axes), call('multiply', scale, read(product, axes.map(at))));
}

/** What one query token may look at: a condition at a point of [b, h, i, j]. */
export type Visible = (point: { readonly head: Scalar; readonly query: Scalar; readonly key: Scalar }) => Scalar;

/** A decoder's own mask: no token looks ahead. */
export const causal: Visible = ({ query, key }) => call('less_equal', key, query);

/** The model's own mask, before any site narrows it. */
export const modelMask = ({ bidirectional = false }: { readonly bidirectional?: boolean }): Visible =>
  bidirectional ? () => boolean(true) : causal;

export function attentionWeights(
  name: string,
  score: Tensor,
  axes: readonly Axis[],
  where: Scalar,
  span: Span | null = null,
): Definition {
  const over = axes[3];
  if (over === undefined) throw new Error('attention is over [b, h, i, j]');
  return softmax(defined(name, axes), over, where, read(score, axes.map(at)), span);
}

/** Sum of values by weight. [b, i, h, d] */
export function weightedValues(name: string, weights: Tensor, value: Tensor, sizes: AttentionSizes): Definition {
  const axes = chainAxes.output(sizes);
  const [b, i, h, d] = axes.map(at) as [Scalar, Scalar, Scalar, Scalar];
  const key = axis('j', 'keys', 'key-token');
  const weight = read(weights, [b, h, i, at(key)]);
  const values = read(value, [b, at(key), keyHead(h, sizes), d]);
  return reduce('sum', defined(name, axes), [key], call('multiply', weight, values));
}
