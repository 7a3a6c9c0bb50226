// Small checked encodings made by hand, for tests that must not depend on the parser and the checker.

import type {
  ChainTensor,
  CheckedAxis,
  CheckedEncoding,
  CheckedSite,
  Declaration,
  Geometry,
  Index,
  Node,
} from '../../src/check/checked.ts';
import type { Type } from '../../src/ir/ir.ts';
import type { OpName } from '../../src/ir/ops.ts';

let place = 0;
/** Every span is another place, as in a file. */
const span = () => ({ file: 'hand.pe', start: place++, end: place });

export const geometry: Geometry = {
  heads: 3,
  kv_heads: 3,
  head_dim: 8,
  model_dim: 12,
  context: 9,
  layers: 1,
  layer: 0,
};

export const axes = {
  token: { name: 'token', size: 'tokens', role: 'token' },
  head: { name: 'head', size: 3, role: 'head' },
  kv_head: { name: 'kv_head', size: 3, role: 'kv-head' },
  dim: { name: 'dim', size: 8, role: 'feature' },
  pair: { name: 'pair', size: 4, role: 'pair' },
  model: { name: 'model', size: 12, role: 'model' },
} as const satisfies Record<string, CheckedAxis>;

export const index = (name: string, axis: CheckedAxis): Index => ({ name, axis, span: span() });
export const number = (value: number, type: Type = Number.isInteger(value) ? 'integer' : 'real'): Node => ({
  kind: 'constant',
  type,
  value,
  span: span(),
});
export const ix = (of: Index): Node => ({ kind: 'index', type: 'integer', index: of, span: span() });
export const call = (op: OpName, type: Type, ...args: Node[]): Node => ({ kind: 'call', type, op, args, span: span() });
export const add = (a: Node, b: Node): Node => call('add', 'real', a, b);
export const times = (a: Node, b: Node): Node => call('multiply', 'real', a, b);
export const less = (a: Index, b: Index): Node => call('less', 'boolean', ix(a), ix(b));
export const atMost = (a: Index, b: Index): Node => call('less_equal', 'boolean', ix(a), ix(b));
export const and = (a: Node, b: Node): Node => call('and', 'boolean', a, b);
export const get = (of: Declaration, ...items: Node[]): Node => ({ kind: 'read', type: of.type, of, items, span: span() });
export const chain = (tensor: ChainTensor, version: number, ...items: Node[]): Node => ({
  kind: 'chain',
  type: tensor === 'visible' ? 'boolean' : 'real',
  tensor,
  version,
  items,
  span: span(),
});
type ReduceOp = Extract<Node, { kind: 'reduce' }>['op'];
export const over = (op: ReduceOp, indices: Index[], body: Node, where: Node | null = null): Node => ({
  kind: 'reduce',
  type: body.type,
  op,
  over: indices,
  where,
  body,
  span: span(),
});
export const let_ = (name: string, indices: Index[], value: Node): Declaration => ({
  kind: 'let',
  name,
  indices,
  type: value.type,
  value,
  span: span(),
});
export const learn = (name: string, indices: Index[], initial: Node = number(0, 'real')): Declaration => ({
  kind: 'learn',
  name,
  indices,
  type: 'real',
  shared: false,
  initial,
  span: span(),
});
export const assign = (
  target: ChainTensor,
  version: number,
  indices: Index[],
  operator: '=' | '+=' | '*=',
  value: Node,
): CheckedSite => ({ kind: 'assign', target, version, indices, operator, value, span: span() });
export const rotate = (target: ChainTensor, version: number, indices: Index[], by: Node): CheckedSite => ({
  kind: 'rotate',
  target,
  version,
  indices,
  by,
  layout: 'split',
  from: 0,
  span: span(),
});

export const encoding = (name: string, declarations: Declaration[], sites: CheckedSite[]): CheckedEncoding => ({
  name,
  geometry,
  params: new Map(),
  declarations,
  sites,
  laws: [],
  span: span(),
});
