// Tokens to vectors, and back to the gradient of the table. tokens [B, T] integers, table [V, C] -> embedding [B, T, C].
// A token that is not in the table has a zero vector.

import { call, defined, given, map, program, read, readAt, real, reduce } from '../../ir/build.ts';
import type { Program } from '../../ir/ir.ts';
import { batchAxis, mapped, point, stream, tokenAxis, weight } from './axes.ts';
import type { Sizes } from './sizes.ts';
import { at, axis } from '../../ir/build.ts';

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

/** d_table + the sum of d_embedding over the places where each word stands, in a fixed order. */
export function embedGradient(sizes: Sizes): Program {
  const [word, model] = [axis('word', sizes.vocabulary), axis('model', sizes.width, 'model')];
  const gradient = stream('d_embedding', sizes.width);
  const [batch, token] = gradient.axes as [typeof word, typeof word];
  const tokens = given('tokens', [batch, token], 'operand', 'integer');
  const before = weight('d_table', [
    ['word', sizes.vocabulary],
    ['model', sizes.width],
  ]);
  const here = call('equal', readAt(tokens), at(word));
  const share = call('select', here, point(gradient, batch, token, model), real(0));
  const total = defined('places', [word, model]);
  const after = defined('d_table_after', [word, model]);
  return program({
    name: 'embed_gradient',
    inputs: [tokens, gradient, before],
    definitions: [
      reduce('sum', total, [batch, token], share),
      map(after, call('add', point(before, word, model), point(total, word, model))),
    ],
    results: { d_table_after: after },
  });
}
