// The files of examples/catalogue/FAMILY/NAME.pe, with what each says of itself, in the order of families and names.
// Imports of a file beside it come along. Paths are seen from the root of the repository.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { parse } from '../../grammar/index.ts';
import type { Source } from '../source.ts';
import { readHeader, type Header } from './header.ts';

/** Families in the order of the page, with what they have in common. */
export const families: Readonly<Record<string, string>> = {
  scaling: 'Rotary frequencies changed for a longer context.',
  rotary: 'Pairs of queries and keys turn by an angle.',
  axes: 'Positions with several coordinates, or numbers of several streams.',
  matrices: 'Blocks of features are multiplied by a matrix.',
  bias: 'A term joins the score.',
  relative: 'Vectors by relative position meet queries and keys.',
  gates: 'What lies between key and query decides how much of the score is left.',
  position: 'The position itself is embedded, drawn, learned or counted otherwise.',
  attention: 'The softmax is replaced, masked or scaled.',
  transport: 'Each token changes all keys before it.',
  structure: 'Positions from the structure of what is said.',
};

export const folder = 'examples/catalogue';

export interface Entry {
  readonly family: string;
  readonly name: string; // of the file
  readonly path: string;
  readonly source: Source;
  readonly header: Header | string; // or what is wrong with it
}

const read = (path: string): string => readFileSync(path, 'utf8').replaceAll('\r\n', '\n');

export function entries(): readonly Entry[] {
  const found = readdirSync(folder, { withFileTypes: true }).filter((each) => each.isDirectory());
  const names = [...Object.keys(families), ...found.map(({ name }) => name).toSorted()];
  return [...new Set(names)].flatMap((family) => (existsSync(`${folder}/${family}`) ? entriesOf(family) : []));
}

/** The files beside the page, which every suite of tests runs. */
export const firstChoice = (): readonly Entry[] => filesOf('examples', 'first choice');

const entriesOf = (family: string): readonly Entry[] => filesOf(`${folder}/${family}`, family);

function filesOf(place: string, family: string): readonly Entry[] {
  const files = readdirSync(place).filter((file) => file.endsWith('.pe'));
  return files.toSorted().map((file) => {
    const path = `${place}/${file}`;
    const text = read(path);
    const source = { path, text, imports: importsOf(path, text) };
    return { family, name: file.slice(0, -'.pe'.length), path, source, header: readHeader(text) };
  });
}

function importsOf(path: string, text: string, found: Record<string, string> = {}): Readonly<Record<string, string>> {
  for (const { path: wanted } of parse(text, path).file.imports) {
    const place = posix.join(posix.dirname(path), wanted);
    if (place in found || !existsSync(place)) continue; // of the standard library, or missing: the checker knows
    found[place] = read(place);
    importsOf(place, found[place], found);
  }
  return found;
}
