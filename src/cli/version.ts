// The version of this package, as its package.json has it.

import { readFileSync } from 'node:fs';

/** The nearest package.json called pegen above this file: beside src/, or above dist/src/. */
function find(): string {
  for (const folder of ['../../', '../../../']) {
    try {
      const text = readFileSync(new URL(`${folder}package.json`, import.meta.url), 'utf8');
      const { name, version: found } = JSON.parse(text) as { name: string; version: string };
      if (name === 'pegen') return found;
    } catch {
      continue;
    }
  }
  return 'unknown';
}

export const version = find();
