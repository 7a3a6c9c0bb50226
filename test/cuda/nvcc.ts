// NVIDIA's compiler, where it is installed: texts of kernels come in; what each uses of a multiprocessor, and what the
// compiler says, go out. Needs no GPU and no driver.

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renameEntry } from '../../targets/cuda/entry.ts';
import { prelude } from '../../targets/cuda/prelude.ts';

export interface Usage {
  readonly registers: number;
  readonly stack: number; // bytes
  readonly spills: number; // bytes stored and loaded
  readonly shared: number; // bytes
}

export interface Compiled {
  /** In the order of the texts; null: not compiled. */
  readonly usage: readonly (Usage | null)[];
  readonly messages: readonly string[]; // warnings and errors
}

const program = process.env['PEGEN_NVCC'] || 'nvcc';

const run = (args: readonly string[], cwd?: string): Promise<{ failed: boolean; output: string }> =>
  new Promise((resolve) => {
    execFile(program, [...args], { cwd, maxBuffer: 1 << 28 }, (error, stdout, stderr) =>
      resolve({ failed: error !== null, output: stdout + stderr }),
    );
  });

/** '13.0'; null where there is no nvcc. */
export const release: string | null =
  /release ([\d.]+)/.exec((await run(['--version']).catch(() => ({ output: '' }))).output)?.[1] ?? null;

export const missing = 'nvcc is missing: kernels are not compiled for a GPU (set PEGEN_NVCC, or install cuda-nvcc)';

/** A kernel's name in the unit, and its text. */
export interface Text {
  readonly name: string;
  readonly code: string;
}

/** One translation unit, for sm_90. `wide`: with 64-bit offsets. */
export async function compileTexts(
  texts: readonly Text[],
  { wide = false, flags = [] }: { readonly wide?: boolean; readonly flags?: readonly string[] } = {},
): Promise<Compiled> {
  const unit = [
    wide ? '#define PEGEN_WIDE 1\n' : '',
    prelude,
    ...texts.map(({ name, code }, index) => `#line 1 "${name}"\n${renameEntry(code, name, symbol(name, index))}`),
  ].join('');
  const folder = await mkdtemp(join(tmpdir(), 'pegen-nvcc-'));
  try {
    await writeFile(join(folder, 'unit.cu'), unit);
    const options = ['-cubin', '-arch=sm_90', '-std=c++17', '-Xptxas', '-v', '-o', 'unit.cubin'];
    const { failed, output } = await run([...options, ...flags, 'unit.cu'], folder);
    const messages = output
      .split('\n')
      .filter((line) => /\b(warning|error)\b/.test(line) && !line.startsWith('Remark'));
    if (failed && messages.length === 0) messages.push(output);
    const found = usageOf(output);
    return { usage: texts.map(({ name }, index) => found.get(symbol(name, index)) ?? null), messages };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const symbol = (name: string, index: number): string => `${name}_in_unit_${index}`;

/** What `ptxas -v` says. */
function usageOf(output: string): ReadonlyMap<string, Usage> {
  const found = new Map<string, Usage>();
  const entries = output.split(/Compiling entry function '/).slice(1);
  for (const entry of entries) {
    const number = (pattern: RegExp): number => Number(pattern.exec(entry)?.[1] ?? 0);
    found.set(entry.slice(0, entry.indexOf("'")), {
      registers: number(/Used (\d+) registers/),
      stack: number(/(\d+) bytes stack frame/),
      spills: number(/(\d+) bytes spill stores/) + number(/(\d+) bytes spill loads/),
      shared: number(/(\d+) bytes smem/),
    });
  }
  return found;
}

/** Units of about as many bytes each, compiled side by side. */
export async function compileAll(texts: readonly Text[], side = 2): Promise<Compiled> {
  const size = Math.max(1, Math.ceil(texts.length / (4 * side)));
  const chunks = Array.from({ length: Math.ceil(texts.length / size) }, (_, at) =>
    texts.slice(at * size, (at + 1) * size),
  );
  const results: Compiled[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < chunks.length; at = next++) results[at] = await compileTexts(chunks[at]!);
  };
  await Promise.all(Array.from({ length: side }, worker));
  return {
    usage: results.flatMap(({ usage }) => usage),
    messages: results.flatMap(({ messages }) => messages),
  };
}
