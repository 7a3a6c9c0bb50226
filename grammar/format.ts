// `.pe` text -> its canonical form: the same program and the same comments, two blanks of indentation, at most one empty
// line between statements, signs and comments of neighbouring lines under each other, at most 120 columns where code
// allows. Formatting twice is formatting once. Text with syntax errors comes back as it was, with the errors.

import { align, type Entry } from './align.ts';
import type { Comment, Encoding, File, Statement } from './ast.ts';
import { parse } from './index.ts';
import type { SyntaxDiagnostic } from './syntax-error.ts';

export interface Formatted {
  readonly text: string;
  readonly diagnostics: readonly SyntaxDiagnostic[];
}

export function format(text: string, path = 'input.pe'): Formatted {
  const { file, diagnostics } = parse(text, path);
  return { text: diagnostics.length > 0 ? text : printFile(file), diagnostics };
}

/** A line or statement of the result with the place that it comes from. */
interface Part {
  readonly start: number;
  readonly end: number;
  readonly entry: Entry;
}

export function printFile(file: File): string {
  const inside = new Set<Comment>();
  const imports = file.imports.flatMap(({ path, span }): Part[] => {
    const own = commentsBetween(file.comments, span.start, span.end).map((comment) => line(comment, 0, inside));
    const { start, end } = span;
    return [...own, { start, end, entry: { kind: 'text', indent: 0, text: `import "${path}"` } }];
  });
  const encodings = file.encodings.flatMap((encoding) => printEncoding(file, encoding, inside));
  const others = file.comments.filter((comment) => !inside.has(comment)).map((comment) => line(comment, 0, inside));
  const parts = [...imports, ...encodings, ...others];
  const lines = align(entriesOf(parts, file.text), file.text);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function printEncoding(file: File, encoding: Encoding, inside: Set<Comment>): Part[] {
  const { start, end } = encoding.span;
  const comments = commentsBetween(file.comments, start, end);
  const lastName = encoding.parents.at(-1) ?? encoding.name;
  const brace = openingBrace(file, lastName.span.end);
  const parents = encoding.parents.map((parent) => parent.text).join(', ');
  const heading = `encoding ${encoding.name.text}${parents === '' ? '' : ` extends ${parents}`} {`;
  const body: Part[] = encoding.statements.map((statement) => printStatementPart(statement, comments, file, inside));
  for (const comment of comments) if (!inside.has(comment)) body.push(line(comment, 2, inside, brace));
  return [
    { start, end: brace + 1, entry: { kind: 'text', indent: 0, text: heading, opens: true } },
    ...body,
    { start: end - 1, end, entry: { kind: 'text', indent: 0, text: '}', closes: true } },
  ];
}

/** A statement that has comments inside keeps its lines; only their indentation moves. */
function printStatementPart(
  statement: Statement,
  comments: readonly Comment[],
  file: File,
  inside: Set<Comment>,
): Part {
  const { start, end } = statement.span;
  const own = commentsBetween(comments, start, end);
  if (own.length === 0) return { start, end, entry: { kind: 'statement', indent: 2, statement } };
  for (const comment of own) inside.add(comment);
  let lineStart = start;
  while (lineStart > 0 && !/[\r\n]/.test(file.text.charAt(lineStart - 1))) lineStart--;
  const indentation = (text: string): number => /^\s*/.exec(text)![0].replaceAll('\t', '  ').length;
  const first = indentation(file.text.slice(lineStart));
  const lines = file.text
    .slice(start, end)
    .split(/\r\n|\r|\n/)
    .filter((text) => text.trim() !== '');
  const [head = '', ...rest] = lines;
  const moved = rest.map((text) => ' '.repeat(Math.max(4, 2 + indentation(text) - first)) + text.trim());
  return { start, end, entry: { kind: 'verbatim', indent: 2, lines: [`  ${head.trimEnd()}`, ...moved] } };
}

function line(comment: Comment, indent: number, inside: Set<Comment>, after = -1): Part {
  inside.add(comment);
  const start = Math.max(comment.span.start, after + 1);
  return { start, end: Math.max(comment.span.end, start), entry: { kind: 'comment', indent, text: comment.text } };
}

/** In order of the text; a comment behind something on its line is joined to it; empty lines are marked. */
function entriesOf(parts: readonly Part[], text: string): Entry[] {
  const entries: Entry[] = [];
  let previous: Part | null = null;
  for (const part of parts.toSorted((a, b) => a.start - b.start)) {
    const gap = previous === null ? '' : text.slice(previous.end, part.start);
    const breaks = gap.match(/\r\n|\r|\n/g)?.length ?? 0;
    const last = entries.at(-1);
    const { entry } = part;
    const free = last !== undefined && last.kind !== 'comment' && last.trailing === undefined;
    if (entry.kind === 'comment' && free && breaks === 0) {
      entries[entries.length - 1] = { ...last, trailing: entry.text };
    } else {
      const opened = last?.kind === 'text' && last.opens === true;
      const closing = entry.kind === 'text' && entry.closes === true;
      entries.push(breaks > 1 && !opened && !closing ? { ...entry, spaced: true } : entry);
    }
    previous = part;
  }
  return entries;
}

/** By bisection: `comments` are in order of the text. */
function commentsBetween(comments: readonly Comment[], start: number, end: number): readonly Comment[] {
  let [low, high] = [0, comments.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comments[middle]!.span.start < start) low = middle + 1;
    else high = middle;
  }
  let last = low;
  while (last < comments.length && comments[last]!.span.start < end) last++;
  return comments.slice(low, last);
}

function openingBrace(file: File, from: number): number {
  let brace = file.text.indexOf('{', from);
  while (brace >= 0 && file.comments.some(({ span }) => span.start <= brace && brace < span.end)) {
    brace = file.text.indexOf('{', brace + 1);
  }
  return brace < 0 ? from : brace;
}
