// Loads a `.pe` file of the repository with its imports, checks it and lowers it; collects the diagnostics.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { File } from '../../grammar/ast.ts';
import { parse } from '../../grammar/index.ts';
import { check } from '../../src/check/check.ts';
import type { CheckedEncoding, Geometry } from '../../src/check/checked.ts';
import { standardPath } from '../../src/check/standard.ts';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';
import { lower, type Lowered } from '../../src/lower/lower.ts';

export const root = fileURLToPath(new URL('../../', import.meta.url));

export const small: Geometry = {
  heads: 4,
  kv_heads: 4,
  head_dim: 16,
  model_dim: 64,
  context: 128,
  layers: 2,
  layer: 0,
};

export interface Loaded {
  readonly checked: CheckedEncoding | null;
  readonly lowered: Lowered | null;
  readonly diagnostics: readonly Diagnostic[];
}

export interface LoadOptions {
  readonly geometry?: Geometry;
  readonly params?: Readonly<Record<string, number>>;
}

/** A path below the repository. */
export function loadFile(path: string, options: LoadOptions = {}): Loaded {
  return loadText(readFileSync(join(root, path), 'utf8'), path, options);
}

export function loadText(text: string, path = 'examples/test.pe', options: LoadOptions = {}): Loaded {
  const diagnostics: Diagnostic[] = [];
  const files: File[] = [];
  const take = (source: string, from: string): void => {
    if (files.some((file) => file.path === from)) return;
    const { file, diagnostics: errors } = parse(source, from);
    if (errors.length > 0) throw new Error(`${from}: ${errors.map((error) => error.message).join('; ')}`);
    files.push(file);
    for (const { path: other } of file.imports) {
      if (standardPath(other) !== null) continue; // the checker has it
      const next = join(dirname(from), other);
      take(readFileSync(join(root, next), 'utf8'), next);
    }
  };
  take(text, path);
  const report = (diagnostic: Diagnostic): void => {
    diagnostics.push(diagnostic);
  };
  const { geometry = small, params = {} } = options;
  const checked = check(files, null, { geometry, params }, report);
  const lowered = checked === null ? null : lower(checked, report);
  return { checked, lowered, diagnostics };
}

/** The text of a program with one mistake in it: the first `right` outside comments becomes `wrong`. Throws where there is none. */
export function mistaken(text: string, right: string, wrong: string): string {
  const code = text.replaceAll(/\/\/.*/g, (comment) => ' '.repeat(comment.length));
  const at = code.indexOf(right);
  if (at < 0) throw new Error(`no '${right}' in the program to make a mistake of`);
  return text.slice(0, at) + wrong + text.slice(at + right.length);
}
