// Tokens to vectors, and back to the gradient of the table. tokens [B, T] integers, table [V, C] -> embedding [B, T, C].
// A token that is not in the table has a zero vector.

import { at, axis, call, given, program, read, readAt, real } from '../../ir/build.ts';
import type { Axis, Program } from '../../ir/ir.ts';
import { batchAxis, mapped, point, stream, summed, tokenAxis, weight } from './axes.ts';
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

/**
 * d_table + the sum of d_embedding over the places where each word stands, in a fixed order: a matrix product with the
 * places as numbers 0 and 1, [B, T, V], no larger than the logits.
 */
export function embedGradient(sizes: Sizes): Program {
  const [word, model] = [axis('word', sizes.vocabulary), axis('model', sizes.width, 'model')];
  const gradient = stream('d_embedding', sizes.width);
  const [batch, token] = gradient.axes as [Axis, Axis];
  const tokens = given('tokens', [batch, token], 'operand', 'integer');
  const before = weight('d_table', [
    ['word', sizes.vocabulary],
    ['model', sizes.width],
  ]);
  const here = call('equal', readAt(tokens), at(word));
  const places = mapped('places', [batch, token, word], call('select', here, real(1), real(0)));
  const share = call('multiply', point(places.out, batch, token, word), point(gradient, batch, token, model));
  const total = summed('d_table_share', [word, model], [batch, token], share);
  const sum = call('add', point(before, word, model), point(total.out, word, model));
  const after = mapped('d_table_after', [word, model], sum);
  return program({
    name: 'embed_gradient',
    inputs: [tokens, gradient, before],
    definitions: [places, total, after].flatMap((part) => part.definitions),
    results: { d_table_after: after.out },
  });
}
