// SwiftShader, a Vulkan driver in software, out of the npm package @sparticuz/chromium: unpacked once into the user's
// cache, with the Vulkan loader that lies beside it, so that neither root nor a system library is needed. Node only.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { constants, homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';

export interface SwiftShaderFiles {
  readonly loader: string; // libvulkan.so.1
  readonly driver: string; // the description that the loader reads
}

const wanted = ['libvk_swiftshader.so', 'libvulkan.so.1', 'vk_swiftshader_icd.json'];

/** null where the package is not installed or holds nothing for this machine. */
export async function swiftShaderFiles(): Promise<SwiftShaderFiles | null> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  const archive = findArchive();
  if (archive === null) return null;
  const packed = await readFile(archive);
  const hash = createHash('sha256').update(packed).digest('hex').slice(0, 16);
  for (const parent of cacheFolders()) {
    const folder = join(parent, `swiftshader-${hash}`);
    try {
      await mkdir(parent, { recursive: true, mode: 0o700 });
      if (!(await isPrivate(parent))) continue;
      if (!isWhole(folder)) await unpack(packed, parent, folder);
      return { loader: join(folder, 'libvulkan.so.1'), driver: join(folder, 'vk_swiftshader_icd.json') };
    } catch {
      continue; // not writable: try the next
    }
  }
  return null;
}

/** From now on Vulkan is SwiftShader, until the function that it returns is called. */
export function useSwiftShader(files: SwiftShaderFiles): () => void {
  loadLoader(files.loader);
  const names = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const;
  const before = names.map((name) => process.env[name]);
  for (const name of names) process.env[name] = files.driver;
  return () => {
    names.forEach((name, index) => {
      const value = before[index];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    });
  };
}

/**
 * Loads the system's Vulkan loader or else this one. Dawn looks for it by its soname, and gets a library of that soname
 * that is in the process already.
 */
export function loadLoader(own: string | null): void {
  if (load('libvulkan.so.1') || own === null) return;
  load(own);
}

function load(library: string): boolean {
  const keepLoaded = 0x1000; // RTLD_NODELETE, which Node has no name for
  try {
    const flags = constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | keepLoaded;
    process.dlopen({ exports: {} }, library, flags);
    return true;
  } catch (error) {
    // A library that is no module for Node is loaded, and then complained of; it stays loaded all the same.
    return /self-register/.test(String(error));
  }
}

function findArchive(): string | null {
  try {
    let folder = dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium'));
    for (;;) {
      const archive = join(folder, 'bin', 'swiftshader.tar.br');
      if (existsSync(archive)) return archive;
      const parent = dirname(folder);
      if (parent === folder) return null;
      folder = parent;
    }
  } catch {
    return null;
  }
}

function cacheFolders(): readonly string[] {
  const cache = process.env['XDG_CACHE_HOME'];
  const own = `pegen-${userInfo().uid}`;
  return [join(cache !== undefined && cache !== '' ? cache : join(homedir(), '.cache'), 'pegen'), join(tmpdir(), own)];
}

/** Whether nobody else can write there: a library is loaded from it. */
async function isPrivate(folder: string): Promise<boolean> {
  const { uid, mode } = await stat(folder);
  return uid === userInfo().uid && (mode & 0o022) === 0;
}

/** Unpacks beside and renames, so that a folder of this name is always whole. */
async function unpack(packed: Buffer, parent: string, folder: string): Promise<void> {
  const files = readTar(await promisify(brotliDecompress)(packed));
  const beside = await mkdtemp(join(parent, 'unpack-'));
  try {
    for (const name of wanted) {
      const data = files.get(name);
      if (data === undefined) throw new Error(`the archive has no ${name}`);
      await writeFile(join(beside, name), data);
    }
    await chmod(beside, 0o700);
    // Another process may have been faster, and use its folder already: only one that is not whole is taken away.
    await rename(beside, folder).catch(async () => {
      if (isWhole(folder)) return rm(beside, { recursive: true, force: true });
      await rm(folder, { recursive: true, force: true });
      await rename(beside, folder);
    });
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    if (!isWhole(folder)) throw error;
  }
}

const isWhole = (folder: string): boolean => wanted.every((name) => existsSync(join(folder, name)));

/** The regular files of a tar archive by name. */
function readTar(tar: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (from: number, length: number): string =>
    Buffer.from(tar.subarray(from, from + length))
      .toString('latin1')
      .replace(/\0.*$/s, '')
      .trim();
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    const size = parseInt(text(at + 124, 12), 8) || 0;
    const type = text(at + 156, 1);
    if (type === '0' || type === '') files.set(text(at, 100), tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
