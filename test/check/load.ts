// A `.pe` file of this repository with the files it imports, as texts by path: the file itself first.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from '../../grammar/index.ts';

export const programs = new URL('../fixtures/programs/', import.meta.url).pathname;
export const examples = new URL('../../examples/', import.meta.url).pathname;

export const list = (folder: string): readonly string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.pe'))
    .toSorted();

export function load(path: string, sources = new Map<string, string>()): ReadonlyMap<string, string> {
  if (sources.has(path) || !existsSync(path)) return sources;
  const text = readFileSync(path, 'utf8');
  sources.set(path, text);
  for (const { path: imported } of parse(text, path).file.imports) load(join(dirname(path), imported), sources);
  return sources;
}
