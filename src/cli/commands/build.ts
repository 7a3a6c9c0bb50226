// pegen build: kernels as text and the module that calls them, as files.

import { Option } from 'commander';
import type { Command } from 'commander';
import { addEncodingFlags, addGeometryFlags, compileOptionsOf } from '../flags.ts';
import type { EncodingFlags, GeometryFlags } from '../flags.ts';
import { failed } from '../failure.ts';
import { showDiagnostics } from '../show.ts';
import { readSource } from '../source-file.ts';

interface Flags extends EncodingFlags, GeometryFlags {
  readonly out: string;
  readonly emit: 'all' | 'wgsl' | 'ts';
}

export function addBuild(command: Command): void {
  command
    .argument('<files...>', '.pe files')
    .option('--out <folder>', 'where to', '.')
    .addOption(new Option('--emit <what>', 'which files').choices(['all', 'wgsl', 'ts']).default('all'))
    .addHelpText(
      'after',
      `
Examples:
  $ pegen build examples/carope.pe --out out/
  $ pegen build mine.pe --heads 12 --head-dim 64 --layers 12 --context 1024
  $ pegen build mine.pe --emit ts

NAME.webgpu.ts has everything in it; NAME.wgsl has the same kernels, to be read.
Files are written only when they change, and never over a file that pegen did not write.`,
    );
  addGeometryFlags(addEncodingFlags(command)).action(run);
}

async function run(paths: readonly string[], flags: Flags): Promise<void> {
  const options = await compileOptionsOf(flags);
  const { compile } = await import('../../compile.ts');
  const { writeFiles } = await import('../write-files.ts');
  const { formatTypeScript } = await import('../../../codegen/glue/format.ts');
  let errors = false;
  for (const path of paths) {
    const source = await readSource(path);
    const { files, diagnostics } = await compile(source, options);
    await showDiagnostics(diagnostics, source);
    if (files.length === 0) {
      errors = true;
      continue;
    }
    const wanted = files.filter((file) => flags.emit === 'all' || file.path.endsWith(`.${flags.emit}`));
    const readable = await Promise.all(
      wanted.map(async (file) =>
        file.path.endsWith('.ts') ? { ...file, text: await formatTypeScript(file.text) } : file,
      ),
    );
    for (const written of await writeFiles(flags.out, readable))
      console.log(`${written.changed ? 'wrote' : 'unchanged'} ${written.path}`);
  }
  if (errors) throw failed();
}
