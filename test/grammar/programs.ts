// Every `.pe` file that the repository has, and views of syntax trees that tests compare.

import { readdirSync, readFileSync } from 'node:fs';
import type { File } from '../../grammar/ast.ts';
import { parse } from '../../grammar/index.ts';
import type { Span } from '../../grammar/span.ts';

export interface Program {
  readonly path: string;
  readonly text: string;
}

export function programs(...folders: readonly string[]): readonly Program[] {
  return folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.pe'))
      .toSorted()
      .map((name) => ({ path: `${folder}/${name}`, text: readFileSync(`${folder}/${name}`, 'utf8') })),
  );
}

export const everyProgram = (): readonly Program[] => programs('examples', 'examples/std', 'test/fixtures/programs');

/** What a file says, without where it says it. */
export function meaning(file: File): unknown {
  const { imports, encodings } = file;
  return JSON.parse(
    JSON.stringify({ imports, encodings }, (key, value: unknown) => (key === 'span' ? undefined : value)),
  );
}

/** Every span below a node, with the span of the nearest node above. */
export function spans(node: unknown, above: Span | null = null): { span: Span; above: Span | null }[] {
  if (node === null || typeof node !== 'object') return [];
  const own = 'span' in node ? (node.span as Span) : null;
  const below = Object.entries(node).flatMap(([key, value]) => (key === 'span' ? [] : spans(value, own ?? above)));
  return own === null ? below : [{ span: own, above }, ...below];
}

/** Codes of the errors of one statement inside of an encoding. */
export function codes(text: string): string[] {
  return parse(text, 'test.pe').diagnostics.map(({ code }) => code);
}

export const inEncoding = (...statements: readonly string[]): string =>
  `encoding test {\n${statements.map((statement) => `  ${statement}\n`).join('')}}\n`;
