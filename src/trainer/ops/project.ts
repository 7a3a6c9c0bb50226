// From the residual stream to what attention takes: x = layer norm of it, then query, key and value.
// hidden [B, T, C] -> x [B, T, C], query [B, T, H, D], key and value [B, T, KV, D].

import { axis, given, program } from '../../ir/build.ts';
import type { Program, Tensor } from '../../ir/ir.ts';
import { stream, weight } from './axes.ts';
import { layerNorm } from './layer-norm.ts';
import { linear } from './linear.ts';
import type { Sizes } from './sizes.ts';

export function project(sizes: Sizes): Program {
  const { width, heads, kv_heads, head_dim } = sizes;
  const hidden = stream('hidden', width);
  const gain = weight('norm_weight', [['model', width]]);
  const shift = weight('norm_bias', [['model', width]]);
  const x = layerNorm('x', hidden, gain, shift);
  const ends = (['query', 'key', 'value'] as const).map((name) => {
    const head = name === 'query' ? axis('head', heads, 'head') : axis('kv_head', kv_heads, 'kv-head');
    const dim = axis('dim', head_dim, 'feature');
    const operand = (suffix: string, axes: Tensor['axes']): Tensor => given(`${name}_${suffix}`, axes, 'operand');
    const matrix = operand('weight', [axis('model', width, 'model'), head, dim]);
    const bias = operand('bias', [head, dim]);
    return { name, matrix, bias, part: linear(name, x.out, matrix, bias) };
  });
  return program({
    name: 'project',
    inputs: [hidden, gain, shift, ...ends.flatMap((end) => [end.matrix, end.bias])],
    definitions: [...x.definitions, ...ends.flatMap((end) => end.part.definitions)],
    results: { x: x.out, ...Object.fromEntries(ends.map((end) => [end.name, end.part.out])) },
  });
}
