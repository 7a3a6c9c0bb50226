// Vectors, the program where it has another name, and its params.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCase, type Case } from '../../src/verify/case.ts';
import { root } from '../lower/load.ts';

export type VectorCase = readonly [vectors: string, program: string, params: Readonly<Record<string, number>>];

/** Those whose encodings every device compiles. */
export const compiledCases: readonly VectorCase[] = [
  ['rope_split', 'rope', {}],
  ['rope_interleaved', 'rope_interleaved', {}],
  ['rope_partial', 'rope_partial', {}],
  ['rope_learned_frequencies', 'rope_learned', {}],
  ['carope', 'carope', {}],
  ['carope_bias', 'carope_rope_init', {}],
  ['comrope_ap', 'comrope_ap', { block: 4 }],
  ['comrope_ld', 'comrope_ld', { block: 4 }],
  ['comrope_ld_1d', 'comrope_ld_1d', {}],
  ['alibi', 'alibi', {}],
];

export const referenceCases: readonly VectorCase[] = [
  ...compiledCases,
  ['t5', 't5', { buckets: 8, max_distance: 16 }],
  ['urpe', 'urpe', {}],
  ['fox', 'fox', {}],
  ['shaw', 'shaw', { far: 4 }],
  ['path', 'path_plain', {}],
];

export function vectors(name: string): Case {
  const read = readCase(readFileSync(join(root, `test/fixtures/vectors/${name}.json`), 'utf8'));
  if (!read.ok) throw new Error(read.problems.join('; '));
  return read.case;
}

export function pathOf(program: string): string {
  const places = ['examples', 'test/fixtures/vectors'].map((folder) => `${folder}/${program}.pe`);
  const found = places.find((path) => existsSync(join(root, path)));
  if (found === undefined) throw new Error(`there is no ${program}.pe`);
  return found;
}
