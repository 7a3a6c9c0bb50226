// From the residual stream to what attention takes: x = layer norm of it, then query, key and value by one matrix, whose
// columns are the heads of all three side by side, as GPT-2's c_attn has them.
// hidden [B, T, C] -> x [B, T, C], query [B, T, H, D], key and value [B, T, K, D].

import { at, axis, call, integer, program, read } from '../../ir/build.ts';
import type { Axis, Program, Tensor } from '../../ir/ir.ts';
import { mapped, stream, weight } from './axes.ts';
import type { Part } from './axes.ts';
import { layerNorm } from './layer-norm.ts';
import { linear } from './linear.ts';
import type { Sizes } from './sizes.ts';

export function project(sizes: Sizes): Program {
  const { width, heads, kv_heads, head_dim } = sizes;
  const rows = heads + 2 * kv_heads;
  const hidden = stream('hidden', width);
  const gain = weight('norm_weight', [['model', width]]);
  const shift = weight('norm_bias', [['model', width]]);
  const matrix = weight('attention_weight', [
    ['model', width],
    ['row', rows],
    ['dim', head_dim],
  ]);
  const bias = weight('attention_bias', [
    ['row', rows],
    ['dim', head_dim],
  ]);
  const x = layerNorm('x', hidden, gain, shift);
  const all = linear('projected', x.out, matrix, bias); // [B, T, H + 2 K, D]
  const query = rowsOf('query', all.out, axis('head', heads, 'head'), 0);
  const key = rowsOf('key', all.out, axis('kv_head', kv_heads, 'kv-head'), heads);
  const value = rowsOf('value', all.out, axis('kv_head', kv_heads, 'kv-head'), heads + kv_heads);
  return program({
    name: 'project',
    inputs: [hidden, gain, shift, matrix, bias],
    definitions: [x, all, query, key, value].flatMap((part) => part.definitions),
    results: { x: x.out, query: query.out, key: key.out, value: value.out },
  });
}

/** The rows from `first` on as a tensor of their own. */
function rowsOf(name: string, all: Tensor, head: Axis, first: number): Part {
  const [batch, token, , dim] = all.axes as [Axis, Axis, Axis, Axis];
  const row = call('add', at(head), integer(first));
  return mapped(name, [batch, token, head, dim], read(all, [at(batch), at(token), row, at(dim)]));
}
