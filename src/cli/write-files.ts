// Generated files -> a folder: only where the text has changed, never over a file that pegen has not written, never
// outside the folder. All are decided on before the first is written.

import { mkdir, readFile, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isOwn } from '../../codegen/glue/header.ts';
import { writeAtomic } from '../trainer/atomic.ts';
import type { OutputFile } from '../compile.ts';
import { usage } from './failure.ts';

export interface Written {
  readonly path: string;
  readonly changed: boolean;
}

export async function writeFiles(folder: string, files: readonly OutputFile[]): Promise<readonly Written[]> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST' || code === 'ENOTDIR') throw usage(`--out ${folder} is not a folder`);
    if (code === 'EACCES' || code === 'EROFS') throw usage(`--out ${folder} may not be written`);
    throw error;
  }
  const root = await realpath(folder);
  const planned: { path: string; file: OutputFile; changed: boolean }[] = [];
  for (const file of files) {
    if (file.path !== basename(file.path)) throw new Error(`${file.path} is not a plain file name`);
    const path = join(root, file.path);
    const before = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      if (error.code === 'EISDIR') throw usage(`${join(folder, file.path)} is a folder`);
      throw error;
    });
    if (before !== null && !isOwn(before))
      throw usage(
        `${join(folder, file.path)} was not written by pegen (it does not begin with its header)`,
        'move it away, or give another --out',
      );
    planned.push({ path, file, changed: before !== file.text });
  }
  for (const { path, file, changed } of planned) if (changed) await writeAtomic(path, [file.text]);
  return planned.map(({ file, changed }) => ({ path: join(folder, file.path), changed }));
}
