// A path -> the `.pe` text there with all that it imports. Missing files are usage errors; a missing import is left to
// the checker, which knows its place.

import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Source } from '../source.ts';
import { usage } from './failure.ts';

export async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw usage(`there is no file ${path}`, `give the path of ${what}`);
    if (code === 'EISDIR') throw usage(`${path} is a folder`, `give the path of ${what}`);
    if (code === 'EACCES') throw usage(`${path} may not be read`);
    throw error;
  }
}

export async function readSource(path: string): Promise<Source> {
  const text = await readText(path, 'a .pe file');
  const { parse } = await import('../../grammar/index.ts');
  const imports: Record<string, string> = {};
  const add = async (from: string, content: string): Promise<void> => {
    for (const { path: wanted } of parse(content, from).file.imports) {
      const place = resolveImport(from, wanted);
      if (place === resolveImport('', path) || place === path || Object.hasOwn(imports, place)) continue;
      const found = await readFile(place, 'utf8').catch(() => null);
      if (found === null) continue;
      imports[place] = found;
      await add(place, found);
    }
  };
  await add(path, text);
  return { path, text, imports };
}

/** An import as seen from the file that has it, with forward slashes. */
function resolveImport(from: string, wanted: string): string {
  const slashes = (text: string): string => text.replaceAll('\\', '/');
  return posix.isAbsolute(wanted) ? posix.normalize(wanted) : posix.join(posix.dirname(slashes(from)), wanted);
}
