// Diagnostics for a person or a script, tables, and progress that is safe where stdout is no terminal.

import { wantsColor } from './colors.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { Source } from '../source.ts';

/** Texts by path of all files that a diagnostic may point into. */
export async function textsOf(source: Source): Promise<ReadonlyMap<string, string>> {
  const { standardFiles } = await import('../check/standard.ts');
  return new Map([...standardFiles(), [source.path, source.text], ...Object.entries(source.imports ?? {})]);
}

/** Frames on stderr. */
export async function showDiagnostics(diagnostics: readonly Diagnostic[], source: Source): Promise<void> {
  if (diagnostics.length === 0) return;
  const { renderAll } = await import('../diagnostics/render.ts');
  console.error(renderAll(diagnostics, await textsOf(source), { color: wantsColor() }));
}

export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, null, 2));
}

/** Columns under each other; numbers to the right. The first row is the heading. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const texts = rows.map((row) => row.map(String));
  const columns = Math.max(...texts.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, n) => Math.max(...texts.map((row) => row[n]?.length ?? 0)));
  const right = widths.map((_, n) =>
    rows.slice(1).every((row) => typeof row[n] !== 'string' || /^[\d.,e<+-]*\S?$/.test(row[n])),
  );
  return texts
    .map((row) =>
      row.map((cell, n) => (right[n] === true ? cell.padStart(widths[n]!) : cell.padEnd(widths[n]!))).join('  '),
    )
    .map((line) => line.trimEnd())
    .join('\n');
}

/** One line that is written over on a terminal; elsewhere at most a line every few seconds. */
export function progressLine(): { show(line: string): void; done(): void } {
  const { stderr } = process;
  if (!stderr.isTTY) {
    let last = -Infinity;
    return {
      show(line) {
        const now = performance.now();
        if (now - last < 5000) return;
        last = now;
        stderr.write(`${line}\n`);
      },
      done() {},
    };
  }
  return {
    show: (line) => void stderr.write(`\r\x1b[2K${line.slice(0, (stderr.columns || 80) - 1)}`),
    done: () => void stderr.write('\r\x1b[2K'),
  };
}
