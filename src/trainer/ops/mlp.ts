// The second half of a block: layer norm, a matrix to four times the width, GELU (tanh form), a matrix back, and the
// residual stream added. hidden [B, T, C] -> output [B, T, C].

import { call, program } from '../../ir/build.ts';
import type { Program } from '../../ir/ir.ts';
import { mapped, point, stream, weight } from './axes.ts';
import { layerNorm } from './layer-norm.ts';
import { linear } from './linear.ts';
import type { Sizes } from './sizes.ts';

export function mlp(sizes: Sizes): Program {
  const { width } = sizes;
  const wide = 4 * width;
  const hidden = stream('hidden', width);
  const gain = weight('norm_weight', [['model', width]]);
  const shift = weight('norm_bias', [['model', width]]);
  const up = weight('up_weight', [
    ['model', width],
    ['feature', wide],
  ]);
  const upBias = weight('up_bias', [['feature', wide]]);
  const down = weight('down_weight', [
    ['feature', wide],
    ['model', width],
  ]);
  const downBias = weight('down_bias', [['model', width]]);
  const x = layerNorm('x', hidden, gain, shift);
  const before = linear('before', x.out, up, upBias); // [B, T, 4C]
  const active = mapped('active', before.out.axes, call('gelu', point(before.out, ...before.out.axes)));
  const output = linear('output', active.out, down, downBias, (value, axes) =>
    call('add', value, point(hidden, ...axes)),
  );
  return program({
    name: 'mlp',
    inputs: [hidden, gain, shift, up, upBias, down, downBias],
    definitions: [x, before, active, output].flatMap((part) => part.definitions),
    results: { output: output.out },
  });
}
