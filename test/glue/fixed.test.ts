// Initial values that read a tensor which is stored and not trained: what modules compute, and what the trainer gives them.

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { compile } from '../../src/compile.ts';
import { createLoader } from '../../src/load-module.ts';
import { compileEncoding } from '../../src/trainer/compile-encoding.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { encodingParameters } from '../../src/trainer/encoding.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { complaints } from './complaints.ts';

it('a module asks for it by its name', async () => {
  const path = 'examples/catalogue/axes/mixed.pe';
  const { module: text } = await compile({ path, text: readFileSync(path, 'utf8') });
  expect(complaints([text!])).toEqual([]);
  const module = await createLoader()({ key: text!, make: () => Promise.resolve(text!) });
  const speed = module.learned.find(({ name }) => name === 'speed')!;
  const turns = [0.25, 1, 2.5, 4];
  const asked: string[] = [];
  const values = speed.initial(
    () => 0.5,
    (name) => {
      asked.push(name);
      return turns;
    },
  );
  expect(asked).toEqual(['direction']);
  expect(speed.shape).toEqual([2, 4, 8]);
  values.forEach((value, n) => {
    const [k, h, p] = [Math.floor(n / 32), Math.floor(n / 8) % 4, n % 8];
    const quarter = Math.floor(p / 4);
    expect(value).toBeCloseTo(10 ** ((-2 * (p % 4)) / 8) * Math.cos(turns[h]! + ((quarter - k) * Math.PI) / 2), 14);
  });
});

it('the trainer gives each layer its own, and all the same where it is shared', async () => {
  const text = (shared: string): string => `encoding aside {
  fixed ${shared} direction[h: kv_head] ~ uniform(1, 2)
  learn w[h: kv_head] ~ 3 * direction[h]
  score[h, i, j] += w[h] * j
}`;
  const configuration = configure({ layers: 3, heads: 2, width: 8, context: 4 });
  const initial = async (shared: string) => {
    const choice = { source: { path: 'aside.pe', text: text(shared) }, encoding: null, params: {} };
    const { encoding } = await compileEncoding(choice, configuration, createLoader(), {}, 'wasm');
    const { parameters } = layOut(configuration, 5, encodingParameters(encoding!));
    const of = (name: string): readonly number[] => [...(parameters.get(name)?.initial() ?? [])];
    const layers = [0, 1, 2].map((layer) => of(`transformer.h.${layer}.attn.encoding.w`));
    return { layers, direction: of('transformer.encoding.direction') };
  };
  const own = await initial('');
  expect(new Set(own.layers.flat()).size).toBe(6);
  for (const value of own.layers.flat()) expect(value >= 3 && value < 6).toBe(true);
  const { layers, direction } = await initial('shared');
  for (const layer of layers) layer.forEach((value, h) => expect(value).toBeCloseTo(3 * direction[h]!, 5));
});
