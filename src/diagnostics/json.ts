// Diagnostics as plain JSON for editors and scripts: `pegen check --json` prints exactly this.

import type { Span } from '../../grammar/span.ts';
import type { Diagnostic, Severity } from './diagnostic.ts';
import { linesOf, type Lines, type Position } from './lines.ts';

interface JsonPlace {
  readonly file: string;
  /** Lines and columns count from 1, columns in UTF-16 code units; the end is excluded. */
  readonly start: Position;
  readonly end: Position;
}

export interface JsonDiagnostic extends JsonPlace {
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  readonly label?: string;
  readonly labels?: readonly (JsonPlace & { readonly text: string })[];
  readonly hint?: string;
}

export function toJson(
  diagnostics: readonly Diagnostic[],
  sources: ReadonlyMap<string, string>,
): readonly JsonDiagnostic[] {
  const known = new Map<string, Lines>();
  const place = ({ file, start, end }: Span): JsonPlace => {
    const lines = known.get(file) ?? linesOf(sources.get(file) ?? '');
    known.set(file, lines);
    return { file, start: lines.position(start), end: lines.position(end) };
  };
  return diagnostics.map(({ code, severity, message, span, label, labels, hint }) => ({
    code,
    severity,
    message,
    ...place(span),
    ...(label === undefined ? {} : { label }),
    ...(labels === undefined ? {} : { labels: labels.map((one) => ({ text: one.text, ...place(one.span) })) }),
    ...(hint === undefined ? {} : { hint }),
  }));
}
