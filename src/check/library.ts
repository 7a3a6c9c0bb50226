// Finds encodings by name: in their file and in the files it imports.

import type { Encoding, File, Name } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import type { Report } from '../diagnostics/diagnostic.ts';
import { standardNames, standardPath } from './standard.ts';

export interface Found {
  readonly encoding: Encoding;
  readonly file: File;
}

export interface Library {
  /** The encoding to compile: by name, or the last of the first file. */
  readonly start: (name: string | null) => Found | null;
  /** An encoding named in `file`; reports where there is none. */
  readonly find: (name: Name, file: File) => Found | null;
  /** The same without a report. */
  readonly look: (name: string, file: File) => Found | null;
}

export function createLibrary(files: readonly File[], report: Report): Library {
  const byPath = new Map(files.map((file) => [normalize(file.path), file] as const));
  const imported = new Map<File, readonly File[]>();
  const someMissing = new Set<File>();

  function importsOf(file: File): readonly File[] {
    const known = imported.get(file);
    if (known !== undefined) return known;
    const found: File[] = [];
    for (const { path, span } of file.imports) {
      const standard = standardPath(path);
      const other =
        standard === null
          ? (byPath.get(resolve(file.path, path)) ?? byPath.get(normalize(path)))
          : byPath.get(standard);
      if (other === undefined) {
        const others = standard === null ? files.slice(1).map((one) => one.path) : standardNames;
        report(codes.importNotFound(span, path, others, standard !== null));
        someMissing.add(file);
      } else if (other !== file && !found.includes(other)) found.push(other);
    }
    imported.set(file, found);
    return found;
  }

  const visible = (file: File): readonly Found[] =>
    [file, ...importsOf(file)].flatMap((one) => one.encodings.map((encoding) => ({ encoding, file: one })));

  const checked = new Set<File>();
  function reportTwins(file: File): void {
    if (checked.has(file)) return;
    checked.add(file);
    const seen = new Map<string, Encoding>();
    for (const { encoding } of visible(file)) {
      const { text, span } = encoding.name;
      const earlier = seen.get(text);
      if (earlier === undefined) seen.set(text, encoding);
      else report(codes.encodingTwice(span, text, { span: earlier.name.span, text: `\`${text}\` is declared here` }));
    }
  }

  const look = (name: string, file: File): Found | null =>
    visible(file).find(({ encoding }) => encoding.name.text === name) ?? null;

  return {
    start(name) {
      const file = files[0];
      if (file === undefined) return null;
      reportTwins(file);
      const encoding = name === null ? file.encodings.at(-1) : file.encodings.find((one) => one.name.text === name);
      if (encoding !== undefined) return { encoding, file };
      const whole = { file: file.path, start: 0, end: 0 };
      report(
        name === null
          ? codes.noEncoding(whole)
          : codes.unknownEncoding(
              whole,
              name,
              file.encodings.map((one) => one.name.text),
            ),
      );
      return null;
    },
    find(name, file) {
      reportTwins(file);
      const found = look(name.text, file);
      if (found !== null) return found;
      if (someMissing.has(file)) return null; // it may be in a file that is not there
      const candidates = visible(file).map(({ encoding }) => encoding.name.text);
      report(codes.unknownEncoding(name.span, name.text, candidates));
      return null;
    },
    look,
  };
}

/** A path without `.` and `..`, with forward slashes. */
function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.replaceAll('\\', '/').split('/')) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '.' && (part !== '' || parts.length === 0)) parts.push(part);
  }
  return parts.join('/');
}

/** An import as seen from the file that has it. */
function resolve(from: string, path: string): string {
  if (path.startsWith('/')) return normalize(path);
  const folder = normalize(from).split('/').slice(0, -1);
  return normalize([...folder, path].join('/'));
}
