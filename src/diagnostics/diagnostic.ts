// A diagnostic as plain data. Codes and their messages are in codes.ts, pictures of them in render.ts.

import type { Span } from '../../grammar/span.ts';

export type Severity = 'error' | 'warning' | 'note';

export interface Label {
  readonly span: Span;
  readonly text: string;
}

export interface Diagnostic {
  readonly code: string; // PE0203
  readonly severity: Severity;
  readonly message: string;
  readonly span: Span;
  readonly label?: string; // what stands under the span in a frame
  readonly labels?: readonly Label[]; // other places that matter: where the axis was declared, the call of a `fn`
  readonly hint?: string;
}

/** Collects diagnostics; phases report and go on. */
export type Report = (diagnostic: Diagnostic) => void;
