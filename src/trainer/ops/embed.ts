// Tokens to vectors: tokens [B, T] integers, table [V, C] -> embedding [B, T, C]. A token that is not in the table has a
// zero vector. The gradient of the table is a sum by token, for which the caller sorts the tokens (../segments.ts).

import { at, axis, given, program, read } from '../../ir/build.ts';
import type { Program } from '../../ir/ir.ts';
import { batchAxis, mapped, point, tokenAxis, weight } from './axes.ts';
import type { Sizes } from './sizes.ts';

export function embed(sizes: Sizes): Program {
  const [batch, token, model] = [batchAxis(), tokenAxis(), axis('model', sizes.width, 'model')];
  const tokens = given('tokens', [batch, token], 'operand', 'integer');
  const table = weight('table', [
    ['word', sizes.vocabulary],
    ['model', sizes.width],
  ]);
  const row = read(table, [point(tokens, batch, token), at(model)], 0);
  const embedding = mapped('embedding', [batch, token, model], row);
  return program({
    name: 'embed',
    inputs: [tokens, table],
    definitions: embedding.definitions,
    results: { embedding: embedding.out },
  });
}
