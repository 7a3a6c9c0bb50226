// pegen fmt: files in their canonical form, written only when they change.

import type { Command } from 'commander';
import { failed, usage } from '../failure.ts';
import { showDiagnostics } from '../show.ts';
import { readText } from '../source-file.ts';

interface Flags {
  readonly check?: boolean;
  readonly stdin?: boolean;
}

export function addFmt(command: Command): void {
  command
    .argument('[files...]', '.pe files')
    .option('--check', 'write nothing; exit 1 when a file would change')
    .option('--stdin', 'from standard input to standard output, for editors')
    .addHelpText(
      'after',
      `
Examples:
  $ pegen fmt mine.pe
  $ pegen fmt --check examples/*.pe
  $ pegen fmt --stdin < mine.pe

A file with syntax errors is left as it is.`,
    )
    .action(run);
}

async function run(paths: readonly string[], flags: Flags): Promise<void> {
  if (flags.stdin === true ? paths.length > 0 : paths.length === 0)
    throw usage(flags.stdin === true ? '--stdin takes no files' : 'which files?', 'pegen fmt FILE.pe, or --stdin');
  if (flags.stdin === true) {
    const text = await readAll(process.stdin);
    const formatted = await canonical(text, 'standard input');
    process.stdout.write(formatted ?? text);
    if (formatted === null) throw failed();
    return;
  }
  let wrong = false;
  for (const path of paths) {
    const text = await readText(path, 'a .pe file');
    const formatted = await canonical(text, path);
    if (formatted === null) wrong = true;
    if (formatted === null || formatted === text) continue;
    if (flags.check === true) {
      wrong = true;
      console.log(`${path} is not in canonical form`);
      continue;
    }
    const { writeAtomic } = await import('../../trainer/atomic.ts');
    await writeAtomic(path, [formatted]);
    console.log(`wrote ${path}`);
  }
  if (wrong) throw failed();
}

/** null: it has syntax errors, which have been shown. */
async function canonical(text: string, path: string): Promise<string | null> {
  const { format } = await import('../../../grammar/format.ts');
  const { text: formatted, diagnostics } = format(text, path);
  if (diagnostics.length === 0) return formatted;
  await showDiagnostics(diagnostics, { path, text });
  return null;
}

async function readAll(stream: AsyncIterable<Uint8Array | string>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}
