// From the residual stream to what attention takes: x = layer norm of it, then query, key and value by one matrix, whose
// columns are the heads of all three side by side, as GPT-2's c_attn has them. They stay side by side: an encoding's module
// reads them there and turns them in place.
// hidden [B, T, C] -> x [B, T, C], qkv [B, T, H + 2 K, D].

import { program } from '../../ir/build.ts';
import type { Program } from '../../ir/ir.ts';
import { stream, weight } from './axes.ts';
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
  const qkv = linear('qkv', x.out, matrix, bias);
  return program({
    name: 'project',
    inputs: [hidden, gain, shift, matrix, bias],
    definitions: [...x.definitions, ...qkv.definitions],
    results: { x: x.out, qkv: qkv.out },
  });
}
