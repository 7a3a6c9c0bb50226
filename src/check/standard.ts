// The standard library: the encodings of examples/std/, which `import "std/NAME"` finds from anywhere and which laws may compare
// with though no file imports them. Their texts are part of the package, so that no disk is needed.

import type { File } from '../../grammar/ast.ts';
import { parse } from '../../grammar/index.ts';
import { standardTexts } from './standard.generated.ts';

const scheme = 'pegen:';

/** The path that a file of the library has, for an import `std/NAME`; null for any other import. */
export const standardPath = (wanted: string): string | null =>
  /^std\/[^/.]+$/.test(wanted) ? `${scheme}${wanted}.pe` : null;

export const standardNames: readonly string[] = Object.keys(standardTexts).map((name) => `std/${name}`);

/** The text of a file of the library by its path, or null. */
export function standardText(path: string): string | null {
  const name = path.startsWith(`${scheme}std/`) ? path.slice(`${scheme}std/`.length, -'.pe'.length) : '';
  return Object.hasOwn(standardTexts, name) ? standardTexts[name]! : null;
}

/** Texts by path of all of it. */
export const standardFiles = (): readonly (readonly [string, string])[] =>
  standardNames.map((name) => [standardPath(name)!, standardText(standardPath(name)!)!] as const);

/** The files with those of the library that they import, directly or not, behind them. */
export function withStandard(files: readonly File[]): readonly File[] {
  const all = [...files];
  for (const { imports } of all) {
    for (const { path } of imports) {
      const place = standardPath(path);
      if (place === null || all.some((file) => file.path === place)) continue;
      const found = standardFile(path);
      if (found !== null) all.push(found);
    }
  }
  return all;
}

/** The file `std/NAME`, or null. */
export function standardFile(wanted: string): File | null {
  const path = standardPath(wanted);
  const text = path === null ? null : standardText(path);
  return text === null ? null : parse(text, path!).file;
}
