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
  const { hidden, gain, shift, matrix, bias } = inputs(sizes);
  const x = layerNorm('x', hidden, gain, shift);
  const qkv = linear('qkv', x.out, matrix, bias);
  return program({
    name: 'project',
    inputs: [hidden, gain, shift, matrix, bias],
    definitions: [...x.definitions, ...qkv.definitions],
    results: { x: x.out, qkv: qkv.out },
  });
}

/** The first half alone, where an encoding changes x before the second: hidden [B, T, C] -> x [B, T, C]. */
export function norm(sizes: Sizes): Program {
  const { hidden, gain, shift } = inputs(sizes);
  const { out, definitions } = layerNorm('x', hidden, gain, shift);
  return program({ name: 'norm', inputs: [hidden, gain, shift], definitions, results: { x: out } });
}

/** The second half alone: x [B, T, C] -> qkv [B, T, H + 2 K, D]. */
export function rows(sizes: Sizes): Program {
  const { matrix, bias } = inputs(sizes);
  const x = stream('x', sizes.width);
  const { out, definitions } = linear('qkv', x, matrix, bias);
  return program({ name: 'rows', inputs: [x, matrix, bias], definitions, results: { qkv: out } });
}

function inputs({ width, heads, kv_heads, head_dim }: Sizes) {
  const all = heads + 2 * kv_heads;
  return {
    hidden: stream('hidden', width),
    gain: weight('norm_weight', [['model', width]]),
    shift: weight('norm_bias', [['model', width]]),
    matrix: weight('attention_weight', [
      ['model', width],
      ['row', all],
      ['dim', head_dim],
    ]),
    bias: weight('attention_bias', [
      ['row', all],
      ['dim', head_dim],
    ]),
  };
}
