// Modules from earlier runs, kept beside compiled kernels: a training run that was started before starts at once. A key also
// says which build of pegen it was, by the sizes and times of its files, so that a changed compiler finds nothing.

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashOf, openCache } from '../../targets/cuda/device/cache.ts';
import type { ScriptStore } from '../load-module.ts';
import { version } from './version.ts';

const parts = ['grammar', 'src', 'codegen', 'targets'];

/** Of the files beside and below this one. */
export function buildStamp(root = fileURLToPath(new URL('../..', import.meta.url))): string {
  const files = parts.flatMap((part) => {
    const names = readdirSync(join(root, part), { recursive: true, encoding: 'utf8' });
    return names.filter((name) => /\.[jt]s$/.test(name)).map((name) => join(part, name));
  });
  const lines = files.sort().map((file) => {
    const { size, mtimeMs } = statSync(join(root, file));
    return `${file} ${size} ${mtimeMs}`;
  });
  return hashOf(version, ...lines);
}

export async function openScripts(): Promise<ScriptStore> {
  const cache = await openCache(undefined);
  const stamp = buildStamp();
  const keyOf = (key: string): string => hashOf('script', stamp, key);
  return {
    async find(key) {
      const found = await cache.find(keyOf(key));
      return found === null ? null : new TextDecoder().decode(found.bytes);
    },
    async keep(key, script) {
      await cache.keep([keyOf(key)], new TextEncoder().encode(script));
    },
  };
}
