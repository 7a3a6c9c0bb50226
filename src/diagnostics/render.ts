// Diagnostics as text for a terminal: message, source frames with every label, hint. `sources` maps paths to texts.
// Nothing of a source reaches the terminal but printable characters.

import colors from 'picocolors';
import type { Diagnostic, Severity } from './diagnostic.ts';
import { linesOf, type Lines } from './lines.ts';

export interface RenderOptions {
  /** Default: what the terminal can do; NO_COLOR turns it off. */
  readonly color?: boolean;
}

type Colors = ReturnType<typeof colors.createColors>;

interface Mark {
  readonly line: number;
  readonly from: number; // offsets into the line
  readonly to: number;
  readonly text: string;
  readonly main: boolean;
}

const MOST_COLUMNS = 160; // of a source line that are shown

/** One diagnostic as several lines, without a line end at the end. */
export function render(
  diagnostic: Diagnostic,
  sources: ReadonlyMap<string, string>,
  options: RenderOptions = {},
): string {
  const paint = colors.createColors(options.color ?? colors.isColorSupported);
  const tone = toneOf(diagnostic.severity, paint);
  const out = [`${tone(`${diagnostic.severity}[${diagnostic.code}]`)}${paint.bold(`: ${plain(diagnostic.message)}`)}`];
  const files = [diagnostic.span.file];
  for (const { span } of diagnostic.labels ?? []) if (!files.includes(span.file)) files.push(span.file);
  const known = files.flatMap((file) => {
    const text = sources.get(file);
    return text === undefined ? [] : [{ file, lines: linesOf(text) }];
  });
  const width = Math.max(1, ...known.map(({ file, lines }) => String(lastLine(diagnostic, file, lines)).length));
  for (const { file, lines } of known) out.push(...frame(diagnostic, file, lines, width, paint, tone));
  if (known.length === 0) out.push(`${paint.blue(' -->')} ${plain(diagnostic.span.file)}`);
  if (diagnostic.hint !== undefined)
    out.push(`${' '.repeat(width + 1)}${paint.blue('=')} ${paint.bold('hint')}: ${plain(diagnostic.hint)}`);
  return out.join('\n');
}

/** All of them, with a blank line between, and a last line that counts them. */
export function renderAll(
  diagnostics: readonly Diagnostic[],
  sources: ReadonlyMap<string, string>,
  options: RenderOptions = {},
): string {
  const parts = diagnostics.map((diagnostic) => render(diagnostic, sources, options));
  return [...parts, summary(diagnostics)].filter((part) => part !== '').join('\n\n');
}

/** "2 errors, 1 warning"; empty where there is nothing. */
export function summary(diagnostics: readonly Diagnostic[]): string {
  const count = (severity: Severity): string => {
    const found = diagnostics.filter((one) => one.severity === severity).length;
    return found === 0 ? '' : `${found} ${severity}${found === 1 ? '' : 's'}`;
  };
  return [count('error'), count('warning'), count('note')].filter((part) => part !== '').join(', ');
}

function toneOf(severity: Severity, paint: Colors): (text: string) => string {
  switch (severity) {
    case 'error':
      return (text) => paint.bold(paint.red(text));
    case 'warning':
      return (text) => paint.bold(paint.yellow(text));
    case 'note':
      return (text) => paint.bold(paint.cyan(text));
    default:
      return severity satisfies never;
  }
}

function marksIn(diagnostic: Diagnostic, file: string, lines: Lines): readonly Mark[] {
  const all = [
    { span: diagnostic.span, text: diagnostic.label ?? '', main: true },
    ...(diagnostic.labels ?? []).map((label) => ({ ...label, main: false })),
  ];
  const marks = all
    .filter(({ span }) => span.file === file)
    .map(({ span, text, main }): Mark => {
      const start = lines.position(span.start);
      const end = lines.position(span.end);
      const last = end.line === start.line ? end.column - 1 : lines.text(start.line).trimEnd().length;
      const more = end.line === start.line ? '' : ` (to line ${end.line})`;
      return {
        line: start.line,
        from: start.column - 1,
        to: Math.max(last, start.column),
        text: `${text}${more}`.trimStart(),
        main,
      };
    });
  return marks.toSorted((a, b) => a.line - b.line || a.from - b.from || Number(b.main) - Number(a.main));
}

const lastLine = (diagnostic: Diagnostic, file: string, lines: Lines): number =>
  Math.max(1, ...marksIn(diagnostic, file, lines).map((mark) => mark.line));

function frame(
  diagnostic: Diagnostic,
  file: string,
  lines: Lines,
  width: number,
  paint: Colors,
  tone: (text: string) => string,
): readonly string[] {
  const marks = marksIn(diagnostic, file, lines);
  const isMain = file === diagnostic.span.file;
  const at = isMain ? lines.position(diagnostic.span.start) : { line: marks[0]!.line, column: marks[0]!.from + 1 };
  const bar = paint.blue('|');
  const empty = `${' '.repeat(width)} ${bar}`;
  const arrow = paint.blue(isMain ? '-->' : ':::');
  const out = [`${' '.repeat(width)}${arrow} ${plain(file)}:${at.line}:${at.column}`, empty];
  let before = 0;
  for (const [place, mark] of marks.entries()) {
    const text = lines.text(mark.line);
    if (mark.line !== before) {
      if (before !== 0 && mark.line > before + 1) out.push(paint.blue('...'));
      out.push(`${paint.blue(String(mark.line).padStart(width))} ${bar} ${shown(text)}`.trimEnd());
      before = mark.line;
    }
    if (place > 0 && marks[place - 1]!.line === mark.line && same(marks[place - 1]!, mark) && mark.text === '')
      continue;
    const indent = ' '.repeat(Math.min(columns(text.slice(0, mark.from)), MOST_COLUMNS));
    const length = Math.max(1, Math.min(columns(text.slice(mark.from, mark.to)), MOST_COLUMNS - indent.length));
    const line = (mark.main ? '^' : '-').repeat(length);
    const words = mark.text === '' ? line : `${line} ${plain(mark.text)}`;
    out.push(`${empty} ${indent}${mark.main ? tone(words) : paint.blue(words)}`);
  }
  out.push(empty);
  return out;
}

const same = (a: Mark, b: Mark): boolean => a.from === b.from && a.to === b.to;

const TAB = 4;

/** A source line as a terminal shows it: tabs as spaces, cut where it is too long. */
function shown(text: string): string {
  const wide = plain(text.replaceAll('\t', ' '.repeat(TAB)));
  return wide.length > MOST_COLUMNS ? `${wide.slice(0, MOST_COLUMNS)}...` : wide;
}

/** Columns of a terminal that a text takes. */
function columns(text: string): number {
  let total = 0;
  for (const character of text) total += character === '\t' ? TAB : widthOf(character);
  return total;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

const widthOf = (character: string): number =>
  /^(?:\p{Mn}|\p{Me}|\u200d|\ufe0f)$/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1;

/** Control characters and marks that change the direction of text as a visible replacement. */
const plain = (text: string): string =>
  text.replaceAll(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
