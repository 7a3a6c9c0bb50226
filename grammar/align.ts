// Entries of a formatted file -> its lines. Neighbouring declarations of one family have their names, then their signs
// under each other; trailing comments of neighbouring lines stand under each other too.

import type { Statement } from './ast.ts';
import { type Printed, printStatement } from './print.ts';
import { columns, type Piece, wrap } from './wrap.ts';

export type Entry = { readonly spaced?: boolean; readonly trailing?: string; readonly indent: number } & (
  | { readonly kind: 'text'; readonly text: string; readonly opens?: boolean; readonly closes?: boolean }
  | { readonly kind: 'comment'; readonly text: string }
  | { readonly kind: 'verbatim'; readonly lines: readonly string[] }
  | { readonly kind: 'statement'; readonly statement: Statement }
);

interface Row {
  readonly entry: Entry;
  readonly printed: Printed | null;
  lines: readonly string[];
}

const families: Readonly<Record<Statement['kind'], string>> = {
  param: 'size',
  axis: 'size',
  given: 'tensor',
  learn: 'tensor',
  fixed: 'tensor',
  draw: 'tensor',
  let: 'definition',
  fn: 'definition',
  expect: 'law',
  site: 'site',
};

export function align(entries: readonly Entry[], text: string): string[] {
  const rows = entries.map((entry): Row => {
    if (entry.kind === 'statement') {
      const printed = printStatement(entry.statement, text);
      return { entry, printed, lines: lay(printed, entry.indent, 0, 0) };
    }
    const lines = entry.kind === 'verbatim' ? entry.lines : [' '.repeat(entry.indent) + entry.text];
    return { entry, printed: null, lines };
  });
  for (const run of runs(rows, sameFamily)) alignSigns(run);
  for (const run of runs(rows, bothCommented)) alignComments(run);
  return rows.flatMap(({ entry, lines }) => {
    const last = entry.trailing === undefined ? [] : [`${lines.at(-1)!}  ${entry.trailing}`];
    const body = entry.trailing === undefined ? lines : [...lines.slice(0, -1), ...last];
    return entry.spaced === true ? ['', ...body] : body;
  });
}

/** `keyword` and `sign` are the least columns from the indentation at which the name and the sign begin. */
function lay(printed: Printed, indent: number, keyword: number, sign: number): readonly string[] {
  const head = printed.keyword === '' ? '' : `${printed.keyword.padEnd(keyword)} `;
  const width = head.length + flat(printed.before).length;
  const pieces: Piece[] = [head, ...printed.before];
  if (printed.sign !== '') pieces.push(`${' '.repeat(Math.max(0, sign - width))} ${printed.sign}`, ...printed.after);
  return wrap(pieces, indent, indent + 2);
}

function flat(pieces: readonly Piece[]): string {
  return pieces.map((piece) => (typeof piece === 'string' ? piece : piece.kind === 'break' ? ' ' : '')).join('');
}

/** Groups of at least two rows, each fit to stand below the one before. */
function runs(rows: readonly Row[], fit: (above: Row, below: Row) => boolean): Row[][] {
  const groups: Row[][] = [];
  for (const [index, row] of rows.entries()) {
    const above = rows[index - 1];
    const joined = above !== undefined && row.entry.spaced !== true && fit(above, row);
    if (joined) groups.at(-1)!.push(row);
    else groups.push([row]);
  }
  return groups.filter((group) => group.length > 1);
}

function sameFamily(above: Row, below: Row): boolean {
  if (above.entry.kind !== 'statement' || below.entry.kind !== 'statement') return false;
  if (above.lines.length > 1 || below.lines.length > 1) return false;
  const [a, b] = [above.entry.statement, below.entry.statement];
  return families[a.kind] === families[b.kind] && (a.kind !== 'site' || (isAssignment(a) && isAssignment(b)));
}

const isAssignment = (statement: Statement): boolean => statement.kind === 'site' && statement.site.kind === 'assign';

function alignSigns(run: readonly Row[]): void {
  const keyword = longest(run.map((row) => row.printed!.keyword.length));
  const signed = run.filter((row) => row.printed!.sign !== '');
  const head = keyword === 0 ? 0 : keyword + 1;
  const sign = signsAlign(run) ? head + longest(signed.map((row) => flat(row.printed!.before).length)) : 0;
  const laid = (column: number): (readonly string[])[] =>
    run.map((row) => lay(row.printed!, row.entry.indent, keyword, column));
  const fits = (lines: readonly (readonly string[])[]): boolean =>
    lines.every((row) => row.length === 1 && row[0]!.length <= columns);
  const chosen = [laid(sign), laid(0)].find(fits);
  if (chosen === undefined) return;
  for (const [index, row] of run.entries()) row.lines = chosen[index]!;
}

/** Lists of parameters and axes read better close together; single ones of a kind are a table. */
function signsAlign(run: readonly Row[]): boolean {
  const kinds = new Set(run.map((row) => row.printed!.keyword));
  return run.every(({ entry }) => {
    if (entry.kind !== 'statement') return false;
    const { statement } = entry;
    if (statement.kind !== 'param' && statement.kind !== 'axis') return statement.kind !== 'expect';
    return kinds.size === 1 && statement.assignments.length === 1;
  });
}

const bothCommented = (above: Row, below: Row): boolean =>
  above.entry.trailing !== undefined &&
  below.entry.trailing !== undefined &&
  below.lines.length === 1 &&
  !isBrace(above.entry) &&
  !isBrace(below.entry);

const isBrace = (entry: Entry): boolean => entry.kind === 'text' && (entry.opens === true || entry.closes === true);

function alignComments(run: readonly Row[]): void {
  const column = longest(run.map((row) => row.lines.at(-1)!.length));
  for (const row of run) row.lines = [...row.lines.slice(0, -1), row.lines.at(-1)!.padEnd(column)];
}

const longest = (widths: readonly number[]): number => widths.reduce((a, b) => Math.max(a, b), 0);
