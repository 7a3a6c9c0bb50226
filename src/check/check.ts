// Files in, one checked encoding out: parents merged, names resolved, `fn`s written out, compile-time values folded,
// every expression typed. All independent mistakes are reported in one run; null when there was an error.

import type { Expression, File, Statement } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import type { Diagnostic, Label, Report } from '../diagnostics/diagnostic.ts';
import { createAxes } from './axes.ts';
import { checkParameters } from './binding.ts';
import { boundNames } from './bound-names.ts';
import { checkChain, inChainOrder, START, versionsAbove } from './chain.ts';
import type { CheckedEncoding, Geometry } from './checked.ts';
import { createDeclarations } from './declarations.ts';
import { expression } from './expressions.ts';
import { foreign } from './foreign.ts';
import { checkHidden } from './hidden.ts';
import { refuseKeptNames } from './kept-names.ts';
import { checkLaws } from './laws.ts';
import { merge, type Merged } from './merge.ts';
import { createRanges } from './ranges.ts';
import { emptyScope, type Checker, type Scope, type Versions } from './scope.ts';
import { checkSite, siteLine } from './sites.ts';
import { withStandard } from './standard.ts';

export interface CheckOptions {
  readonly geometry: Geometry;
  readonly params?: Readonly<Record<string, number>>;
  /** Lines with syntax errors were left out: names that nothing declares may be theirs, and are not reported. */
  readonly incomplete?: boolean;
}

/** What a line that was left out could have declared. */
const needsWholeFile: ReadonlySet<string> = new Set(
  [
    codes.unknownName,
    codes.unknownAxis,
    codes.foreignName,
    codes.axisAsNumber,
    codes.unknownEncoding,
    codes.noEncoding,
    codes.lawEncoding,
  ].map((row) => row.code),
);

/** What depends on the sizes of a model: silent where a condition on them keeps the line out. */
const ofSizes: ReadonlySet<string> = new Set(
  [codes.sharedKey, codes.rotateTooWide, codes.rotateFrom, codes.transformBlocks, codes.notSquare, codes.noValue].map(
    (row) => row.code,
  ),
);

const MOST_CALLS = 5_000; // of `fn`s written out in one encoding

/**
 * Checks the encoding `name` of the first file (null: its last one). The other files are what it imports; those of the
 * standard library are found here.
 * Reports every independent mistake, in the order of the text; returns null if there was an error.
 */
export function check(
  given: readonly File[],
  name: string | null,
  options: CheckOptions,
  report: Report,
): CheckedEncoding | null {
  const files = withStandard(given);
  const found: Diagnostic[] = [];
  const checked = checkEncoding(files, name, options, (diagnostic) => void found.push(diagnostic), true);
  const order = new Map(files.map((file, place) => [file.path, place] as const));
  const place = ({ span }: Diagnostic): number => order.get(span.file) ?? files.length;
  for (const one of found.toSorted((a, b) => place(a) - place(b) || a.span.start - b.span.start)) report(one);
  return checked;
}

function checkEncoding(
  files: readonly File[],
  name: string | null,
  options: CheckOptions,
  report: Report,
  withLaws: boolean,
): CheckedEncoding | null {
  let errors = 0;
  const seen = new Set<string>();
  const once = (diagnostic: Diagnostic): void => {
    const { file, start, end } = diagnostic.span;
    const key = `${diagnostic.code} ${start} ${end} ${file}`;
    if (seen.has(key)) return;
    seen.add(key);
    if (diagnostic.severity === 'error') errors++;
    if (options.incomplete !== true || !needsWholeFile.has(diagnostic.code)) report(diagnostic);
  };
  const merged = merge(files, name, once);
  if (merged === null) return null;
  const body = checkBody(merged, files, options, once, () => errors === 0);
  const other = (where: readonly File[], which: string): CheckedEncoding | null =>
    checkEncoding(where, which, options, () => {}, false);
  const laws = withLaws ? checkLaws(merged, files, other, once) : [];
  if (withLaws) reportUnknownParams(merged, options, once);
  if (errors > 0) return null;
  const { encoding } = merged;
  return { name: encoding.name.text, geometry: options.geometry, ...body, laws, span: encoding.name.span };
}

function reportUnknownParams(merged: Merged, { params }: CheckOptions, report: Report): void {
  const known = [...merged.values.values()].filter((entry) => entry.kind === 'param').map((entry) => entry.name.text);
  const { text, span } = merged.encoding.name;
  for (const name of Object.keys(params ?? {}))
    if (!known.includes(name)) report(codes.unknownParam(span, name, text, known));
}

function checkBody(
  merged: Merged,
  files: readonly File[],
  options: CheckOptions,
  report: Report,
  isRight: () => boolean, // so far
): Pick<CheckedEncoding, 'params' | 'declarations' | 'sites'> {
  let versions: readonly Versions[] | null = null; // not known while `when` is read, which reads none
  const checker: Checker = createChecker(merged, files, options, report, (place) => versions?.[place] ?? START);
  const sites = new Map(
    merged.lines.flatMap((line) =>
      line.statement.kind === 'site' ? [[line, siteLine(line, line.statement.site, checker)] as const] : [],
    ),
  );
  const above = versionsAbove(merged.lines, sites);
  versions = above;
  const params = new Map<string, number>();
  for (const entry of merged.values.values()) {
    if (entry.body.kind === 'fn') checkParameters(entry.body.parameters, emptyScope(above[entry.line.place]!), checker);
    const { constant } = checker.resolve(entry, entry.name.span);
    if (entry.kind === 'param' && typeof constant === 'number') params.set(entry.name.text, constant);
  }
  for (const entry of merged.axes.values()) checker.axis(entry.name, null);
  refuseKeptNames(checker);
  const checked = [...sites.values()].map((site) => checkSite(site, above[site.line.place]!, checker));
  checkChain(checked, checker.declared(), checker);
  const body = {
    params,
    declarations: checker.ordered(),
    sites: inChainOrder(checked.filter((site) => site.live)).flatMap((site) => site.checked),
  };
  if (isRight()) checkHidden(body, checker);
  return body;
}

function createChecker(
  merged: Merged,
  files: readonly File[],
  options: CheckOptions,
  report: Report,
  versionsAt: Parameters<typeof createDeclarations>[2],
): Checker {
  const texts = new Map(files.map((file) => [file.path, file.text] as const));
  let bound: ReadonlySet<string> | null = null;
  let calls = 0;
  let grown = false;
  let depth = 0;
  let sunk = false;
  const declarations = createDeclarations(() => checker, options.params ?? {}, versionsAt, merged.encoding.name.span);
  const axis = createAxes(() => checker);
  const checker: Checker = {
    geometry: options.geometry,
    values: merged.values,
    axisEntries: merged.axes,
    ranges: createRanges(),
    foreign,
    axis,
    get boundNames() {
      bound ??= boundNames(merged.lines.map((line) => line.statement));
      return bound;
    },
    assigned: new Set(merged.lines.flatMap((line) => targetsOf(line.statement))),
    position: declarations.position,
    resolve: declarations.resolve,
    ordered: () => declarations.ordered,
    declared: () => declarations.values,
    expression: (e: Expression, scope: Scope) => expression(e, scope, checker),
    text: ({ file, start, end }) => excerpt(texts.get(file)?.slice(start, end) ?? ''),
    line: ({ file, start }) => texts.get(file)?.slice(0, start).split('\n').length ?? 1,
    spend: () => ++calls <= MOST_CALLS,
    descend: () => ++depth <= DEEPEST,
    ascend: () => void depth--,
    tooDeep(scope, at) {
      if (!sunk) checker.report(scope, codes.tooDeep(at, DEEPEST));
      sunk = true;
      return null;
    },
    tooLarge(scope, at, name) {
      if (!grown) checker.report(scope, codes.inliningTooLarge(at, name));
      grown = true;
      return null;
    },
    report(scope, diagnostic) {
      if (scope?.dead === true && (diagnostic.severity !== 'error' || ofSizes.has(diagnostic.code))) return null;
      const labels = [...(diagnostic.labels ?? []), ...shortened(scope?.calls ?? [])];
      report(labels.length === 0 ? diagnostic : { ...diagnostic, labels });
      return null;
    },
  };
  return checker;
}

const targetsOf = (statement: Statement): readonly string[] =>
  statement.kind === 'site' ? statement.site.targets.names.map((name) => name.text) : [];

const DEEPEST = 800; // expressions inside each other, through `fn`s and declarations: far from the end of the stack

const MOST_SHOWN = 4; // calls of `fn`s that led to a mistake

/** The outermost and innermost calls. */
const shortened = (calls: readonly Label[]): readonly Label[] =>
  calls.length <= MOST_SHOWN ? calls : [...calls.slice(0, MOST_SHOWN / 2), ...calls.slice(-MOST_SHOWN / 2)];

const LONGEST = 72; // of source text quoted in a message

/** Source text on one line, without comments. */
function excerpt(text: string): string {
  const line = text
    .replaceAll(/\/\/[^\r\n]*/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}...` : line;
}
