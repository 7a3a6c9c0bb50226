// Equal tables of several layers have one buffer; tables that differ, or bear other names, have their own. Layers whose
// programs are equal have one module, whose tables are computed once.

import { expect, it } from 'vitest';
import { createLoader } from '../../src/load-module.ts';
import { compileEncoding } from '../../src/trainer/compile-encoding.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { encodingParameters } from '../../src/trainer/encoding.ts';
import type { LayerEncoding } from '../../src/trainer/encoding.ts';
import type { Operations } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { openShape } from '../../src/trainer/shape.ts';
import { openStore, wholeBuffer } from '../../src/trainer/store.ts';
import { sharedTables } from '../../src/trainer/tables.ts';
import { interpretedDevice } from './interpreted.ts';

it('equal tables are uploaded once', () => {
  const made: string[] = [];
  const upload = sharedTables((name, data) => {
    made.push(name);
    return wholeBuffer({ label: name, bytes: data.byteLength } as never, 'f32');
  });
  const angles = Float32Array.of(1, NaN, 3);
  const first = upload('angle', angles);
  expect(upload('angle', Float32Array.from(angles))).toBe(first);
  expect(upload('angle', Float32Array.of(1, NaN, 4))).not.toBe(first);
  expect(upload('angle', Float32Array.of(1, NaN))).not.toBe(first);
  expect(upload('angle', Int32Array.of(1, 2, 3))).not.toBe(first);
  expect(upload('other', angles)).not.toBe(first);
  expect(upload('angle', Float32Array.of(1, NaN, 4))).not.toBe(first);
  expect(made).toEqual(['angle', 'angle', 'angle', 'angle', 'other']);
});

const rotary = (slope: string): string => `
encoding tables {
  let theta[p: pair] = 10 ^ (-2 * p / head_dim)
  let slope[h: head] = 2 ^ (-(h + 1)) * ${slope}
  rotate query, key [t, h, p] by position[t] * theta[p]
  score[h, i, j] += -slope[h] * (i - j)
}`;

it.each([
  ['which no layer changes', '1', [0, 0, 0, 0]],
  ['which some layers change', '(if mod(layer, 2) == 0 then 1 else 2)', [0, 1, 0, 1]],
  ['which every layer changes', '(1 + layer)', [0, 1, 2, 3]],
] as const)('a model has tables once for all layers, %s', async (_, slope, kinds) => {
  const configuration = configure({ layers: 4, heads: 2, width: 8, context: 6, batch: 1 });
  const device = interpretedDevice();
  const choice = { source: { path: 'tables.pe', text: rotary(slope) }, encoding: null, params: {} };
  const { encoding } = await compileEncoding(choice, configuration, createLoader(), {}, 'wasm');
  let computed = 0;
  const counted = new Map<LayerEncoding, LayerEncoding>();
  for (const layer of new Set(encoding!.layers)) {
    const tables: typeof layer.module.tables = (...given) => {
      computed += 1;
      return layer.module.tables(...given);
    };
    counted.set(layer, { ...layer, module: { ...layer.module, tables } });
  }
  const layers = encoding!.layers.map((layer) => counted.get(layer)!);
  const own = { ...encoding!, layers };
  const store = await openStore(device, layOut(configuration, 7, encodingParameters(own)));
  const operations = { head: { kind: 'whole' } } as Operations;
  const shape = openShape(device, { operations, encoding: own, store, seed: 1 }, 1, 6);
  expect(computed).toBe(new Set(kinds).size);
  const first = (name: string): readonly number[] => {
    const storages = shape.layers.map((buffers) => buffers[name]!.storage);
    const found = [...new Set(storages)];
    return storages.map((one) => found.indexOf(one));
  };
  expect(first('phase_cos')).toEqual([0, 0, 0, 0]);
  expect(first('score_1_of_key')).toEqual(kinds);
  shape.free();
});
