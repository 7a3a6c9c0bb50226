// The one place that says what is not compiled: a table from a feature of the language to the diagnostic it gets.

import type { Span } from '../../grammar/span.ts';
import { compileCodes } from '../diagnostics/codes/compile.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';

export const notCompiled = {
  'older embedding in attention': compileCodes.olderEmbedding,
  'sum in initial value': compileCodes.sumInInitial,
} as const satisfies Record<string, (span: Span) => Diagnostic>;

export type Feature = keyof typeof notCompiled;
