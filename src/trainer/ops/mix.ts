// The end of attention: the heads' outputs through one matrix, plus bias, plus the residual stream.
// attended [B, T, H, D], hidden [B, T, C] -> output [B, T, C].

import { axis, call, given, program } from '../../ir/build.ts';
import type { Program } from '../../ir/ir.ts';
import { batchAxis, point, stream, tokenAxis, weight } from './axes.ts';
import { linear } from './linear.ts';
import type { Sizes } from './sizes.ts';

export function mix(sizes: Sizes): Program {
  const { width, heads, head_dim } = sizes;
  const head = axis('head', heads, 'head');
  const attended = given('attended', [batchAxis(), tokenAxis(), head, axis('dim', head_dim, 'feature')], 'operand');
  const hidden = stream('hidden', width);
  const matrix = weight('weight', [
    ['head', heads],
    ['dim', head_dim],
    ['model', width],
  ]);
  const bias = weight('bias', [['model', width]]);
  const output = linear('output', attended, matrix, bias, (value, axes) => call('add', value, point(hidden, ...axes)));
  return program({
    name: 'mix',
    inputs: [attended, hidden, matrix, bias],
    definitions: output.definitions,
    results: { output: output.out },
  });
}
