// pegen build: kernels as text and the module that calls them, as files.

import { Option } from 'commander';
import type { Command } from 'commander';
import {
  addBidirectionalFlag,
  addEncodingFlags,
  addGeometryFlags,
  addRewriteFlag,
  addVocabularyFlag,
  compileOptionsOf,
} from '../flags.ts';
import type { EncodingFlags, GeometryFlags, RewriteFlags, VocabularyFlag } from '../flags.ts';
import { addPrecisionFlag } from '../device.ts';
import type { PrecisionFlag } from '../device.ts';
import { failed, usage } from '../failure.ts';
import { showDiagnostics } from '../show.ts';
import { readSource } from '../source-file.ts';
import type { Language } from '../../../targets/device.ts';

interface Flags extends EncodingFlags, GeometryFlags, PrecisionFlag, RewriteFlags, VocabularyFlag {
  readonly out: string;
  readonly target: Language | 'all';
  readonly emit: 'all' | 'kernels' | 'ts';
  readonly relevance?: boolean;
}

export function addBuild(command: Command): void {
  command
    .argument('<files...>', '.pe files')
    .option('--out <folder>', 'where to', '.')
    .addOption(
      new Option('--target <name>', 'the language of the kernels')
        .choices(['wgsl', 'cuda', 'wasm', 'all'])
        .default('wgsl'),
    )
    .option('--relevance', 'also entries that propagate relevance (PA-LRP), beside those of gradients')
    .addOption(new Option('--emit <what>', 'which files').choices(['all', 'kernels', 'ts']).default('all'));
  addRewriteFlag(addPrecisionFlag(addVocabularyFlag(addBidirectionalFlag(addGeometryFlags(addEncodingFlags(command))))))
    .addHelpText(
      'after',
      `
Examples:
  $ pegen build examples/carope.pe --out out/
  $ pegen build mine.pe --heads 12 --head-dim 64 --layers 12 --context 1024
  $ pegen build mine.pe --target cuda --precision bf16 --out out/
  $ pegen build mine.pe --target wasm --emit ts
  $ pegen build mine.pe --relevance
  $ pegen build mine.pe --vocabulary 50257

NAME.webgpu.ts (NAME.cuda.ts, NAME.wasm.ts) has everything in it; NAME.wgsl (NAME.cu, NAME.wat) has the same
kernels, to be read.
Files are written only when they change, and never over a file that pegen did not write.`,
    )
    .action(run);
}

async function run(paths: readonly string[], flags: Flags): Promise<void> {
  const vocabulary = flags.vocabulary === undefined ? null : { words: flags.vocabulary, tokens: null };
  const options = { ...(await compileOptionsOf(flags)), vocabulary };
  const { precision = 'f32' } = flags;
  const targets = flags.target === 'all' ? (['wgsl', 'cuda', 'wasm'] as const) : [flags.target];
  if (precision === 'bf16' && flags.target !== 'cuda')
    throw usage(
      `${flags.target === 'wasm' ? 'WebAssembly' : 'WGSL'} has no bf16 storage`,
      'say --target cuda, or leave --precision out',
    );
  const { compile } = await import('../../compile.ts');
  const { writeFiles } = await import('../write-files.ts');
  const { formatTypeScript } = await import('../../../codegen/glue/format.ts');
  let errors = false;
  for (const path of paths) {
    const source = await readSource(path);
    const compiled = await Promise.all(
      targets.map((target) => compile(source, { ...options, target, precision, relevance: flags.relevance === true })),
    );
    await showDiagnostics(compiled[0]!.diagnostics, source);
    const files = compiled.flatMap((each) => each.files());
    if (files.length === 0) {
      errors = true;
      continue;
    }
    const wanted = files.filter(
      ({ path: file }) => flags.emit === 'all' || (flags.emit === 'ts') === file.endsWith('.ts'),
    );
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
