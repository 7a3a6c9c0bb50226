// Logits after one token, for drawing the next: hidden [1, T, C], place -> logits [V], without those of the other tokens.

import { at, axis, call, given, integer, program, read, readAt } from '../../ir/build.ts';
import type { Program } from '../../ir/ir.ts';
import { mapped, point, stream, summed, weight } from './axes.ts';
import { layerNorm } from './layer-norm.ts';
import type { Sizes } from './sizes.ts';

export function nextWord({ width, vocabulary }: Pick<Sizes, 'width' | 'vocabulary'>): Program {
  const hidden = stream('hidden', width);
  const gain = weight('norm_weight', [['model', width]]);
  const shift = weight('norm_bias', [['model', width]]);
  const table = weight('table', [
    ['word', vocabulary],
    ['model', width],
  ]);
  const place = given('place', [], 'operand', 'integer');
  const [row, token, model] = [axis('row', 1), axis('place', 1), axis('model', width)];
  const picked = mapped('picked', [row, token, model], read(hidden, [integer(0), readAt(place), at(model)], 0));
  const x = layerNorm('x', picked.out, gain, shift);
  const word = axis('word', vocabulary);
  const feature = read(x.out, [integer(0), integer(0), at(model)]);
  const logits = summed('logits', [word], [model], call('multiply', feature, point(table, word, model)));
  return program({
    name: 'next_word',
    inputs: [hidden, gain, shift, table, place],
    definitions: [picked, x, logits].flatMap((part) => part.definitions),
    results: { logits: logits.out },
  });
}
