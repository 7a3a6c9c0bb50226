// Every program of the fixtures and every example passes, with nothing to say, for several models.

import { describe, expect, test } from 'vitest';
import { say } from '../diagnostics/front.ts';
import { examples, list, load, programs } from './load.ts';

const model = { heads: 4, kv_heads: 4, head_dim: 16, model_dim: 64, context: 128, layers: 2, layer: 0 };
const models = {
  plain: model,
  'wide heads, a later layer': { ...model, head_dim: 64, layers: 12, layer: 11 },
  'one head': { ...model, heads: 1, kv_heads: 1 },
  'shared key heads': { ...model, kv_heads: 2 },
};

const files = [...list(programs).map((name) => programs + name), ...list(examples).map((name) => examples + name)];
const nameOf = (path: string): string => path.split('/').at(-1)!.replace('.pe', '');
const needsHeads = ['selective_rope']; // its phase is a query head's own

test('there are 76 programs', () => {
  expect(list(programs).length).toBe(76);
});

describe.each(Object.entries(models))('%s', (_, sizes) => {
  test.each(files.map((path) => [nameOf(path), path] as const))('%s', (name, path) => {
    const { diagnostics, checked } = say(load(path), sizes, false);
    const said = diagnostics.map(({ code, message }) => `${code} ${message}`);
    if (sizes.heads !== sizes.kv_heads && needsHeads.includes(name))
      expect(said).toEqual(['PE0311 2 query heads share this key: declare `phase` over `kv_head`']);
    else {
      expect(said).toEqual([]);
      expect(checked).not.toBeNull();
    }
  });
});
