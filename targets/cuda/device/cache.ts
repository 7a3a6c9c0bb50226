// Compiled kernels on disk. A kernel's key (a hash of all that its code depends on) leads to the unit that it was compiled
// in, and a unit is called by the hash of its bytes: a file that was cut off or changed is not found, and built again.
// Nothing here fails: without a folder that can be written to, nothing is kept.

import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

export interface CachedUnit {
  readonly hash: string;
  readonly bytes: Uint8Array;
}

export interface KernelCache {
  readonly folder: string | null;
  /** The unit that holds a kernel. */
  find(key: string): Promise<CachedUnit | null>;
  /** Keeps a unit for the kernels in it. */
  keep(keys: readonly string[], bytes: Uint8Array): Promise<CachedUnit>;
}

export const hashOf = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(String(part.length)).update('\n').update(part);
  return hash.digest('hex').slice(0, 32);
};

/** `wanted`: a folder; null: nothing is kept. */
export async function openCache(wanted: string | null | undefined): Promise<KernelCache> {
  const folder = wanted === null ? null : await firstUsable(wanted === undefined ? usualFolders() : [wanted], wanted);
  const units = new Map<string, Promise<CachedUnit | null>>(); // read from disk, by hash
  const path = (name: string): string => join(folder!, name);

  const readUnit = async (hash: string): Promise<CachedUnit | null> => {
    const bytes = await readFile(path(`${hash}.unit`)).catch(() => null);
    return bytes !== null && hashOf(bytes) === hash ? { hash, bytes } : null;
  };
  /** A file of this name is always whole. */
  const write = async (name: string, data: string | Uint8Array): Promise<void> => {
    const beside = path(`${name}.${randomUUID()}`);
    try {
      await writeFile(beside, data, { mode: 0o600 });
      await rename(beside, path(name));
    } catch {
      await rm(beside, { force: true }).catch(() => undefined);
    }
  };
  return {
    folder,
    async find(key) {
      if (folder === null) return null;
      const hash = await readFile(path(`${key}.kernel`), 'utf8').catch(() => '');
      if (!/^[0-9a-f]{32}$/.test(hash)) return null;
      let unit = units.get(hash);
      if (unit === undefined) units.set(hash, (unit = readUnit(hash)));
      return unit;
    },
    async keep(keys, bytes) {
      const hash = hashOf(bytes);
      const unit = { hash, bytes };
      if (folder === null) return unit;
      await write(`${hash}.unit`, bytes);
      await Promise.all(keys.map((key) => write(`${key}.kernel`, hash)));
      units.set(hash, Promise.resolve(unit));
      return unit;
    },
  };
}

function usualFolders(): readonly string[] {
  const own = process.env['PEGEN_CACHE'];
  if (own !== undefined && own !== '') return [own];
  const cache = process.env['XDG_CACHE_HOME'];
  return [
    join(cache !== undefined && cache !== '' ? cache : join(homedir(), '.cache'), 'pegen', 'cuda'),
    join(tmpdir(), `pegen-${userName()}`, 'cuda'),
  ];
}

const userName = (): string => {
  try {
    return String(userInfo().uid);
  } catch {
    return 'user';
  }
};

async function firstUsable(folders: readonly string[], given: string | undefined): Promise<string | null> {
  const named = given !== undefined || (process.env['PEGEN_CACHE'] ?? '') !== '';
  for (const folder of folders) {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      if (named || (await isPrivate(folder))) return folder;
    } catch {
      continue;
    }
  }
  return null;
}

/** Whether nobody else can write there: what lies in it is run. */
async function isPrivate(folder: string): Promise<boolean> {
  if (process.platform === 'win32') return true;
  const { uid, mode } = await stat(folder);
  return uid === userInfo().uid && (mode & 0o022) === 0;
}
