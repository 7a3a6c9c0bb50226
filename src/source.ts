// A source text with what it imports, and places in it as people read them.

import type { Span } from '../grammar/span.ts';
import { standardText } from './check/standard.ts';

export interface Source {
  readonly path: string;
  readonly text: string;
  /** Texts of all files that it imports, directly or not, by path. */
  readonly imports?: Readonly<Record<string, string>>;
}

export const baseName = (path: string): string => path.split(/[\\/]/).at(-1) ?? path;

/** The text of one of its files, or of one of the standard library's. */
export function textOf(source: Source, path: string): string | null {
  if (path === source.path) return source.text;
  return source.imports?.[path] ?? standardText(path);
}

/** 'rope.pe:4' */
export function lineOf(source: Source, span: Span): string {
  const text = textOf(source, span.file) ?? '';
  const line = text.slice(0, span.start).split('\n').length;
  return `${baseName(span.file)}:${line}`;
}

/** SHA-256 of the text, followed by those it imports: of one file, what `sha256sum` prints. */
export async function sourceHash(source: Source): Promise<string> {
  const imported = Object.entries(source.imports ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, text]) => `\0${text}`);
  const bytes = new TextEncoder().encode(source.text + imported.join(''));
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
