// What an encoding is given besides positions, a text does not have: the trainer says what that is, and how a variant has it.

import { expect, it } from 'vitest';
import { positionValues } from '../../src/trainer/encoding.ts';
import type { LayerEncoding } from '../../src/trainer/encoding.ts';
import { loadFile, loadText } from '../lower/load.ts';
import type { Loaded } from '../lower/load.ts';

const layerOf = ({ lowered, diagnostics }: Loaded, file: string): LayerEncoding => {
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  return { ...lowered!, module: { source: { file } } as LayerEncoding['module'] };
};

it.each([
  ['structure/f_stripe', /f_stripe is given `label` \[tokens\], which a text does not have/],
  ['structure/structure_rope', /structure_rope is given `label` \[tokens, 3\], which/],
  ['matrices/gta', /gta is given `view` \[tokens, 4, 4\] and `back` \[tokens, 4, 4\], which/],
  ['position/seqpe_table', /seqpe_table is given `code` \[tokens, 64\], which/],
])('of %s', (name, said) => {
  const layer = layerOf(loadFile(`examples/catalogue/${name}.pe`), `${name.split('/')[1]}.pe`);
  expect(() => positionValues(layer, 3)).toThrow(said);
});

it('is told what to write, and that is enough', () => {
  const layer = layerOf(loadFile('examples/catalogue/axes/v2pe.pe'), 'v2pe.pe');
  const lines = ['import "v2pe.pe"', 'encoding mine extends v2pe { let visual[...] = ... }'];
  const hint = expect.stringContaining(`\`${lines[0]}\` and \`${lines[1]}\``);
  expect(() => positionValues(layer, 3)).toThrow(expect.objectContaining({ hint }));
  const text = lines.join('\n').replace('[...] = ...', '[t: token] = delta(mod(position[t], 4), 0)');
  const variant = layerOf(loadText(text, 'examples/catalogue/axes/mine.pe'), 'mine.pe');
  expect(positionValues(variant, 3)).toEqual({ position: Float64Array.of(0, 1, 2) });
});
