// The table of codes: one typed function a code, from a span and details to a Diagnostic. A code never changes its
// meaning; its page is pages/CODE.md and its fixture test/fixtures/diagnostics/CODE*. PE01xx are the parser's.

import type { Code } from './code.ts';
import { axisCodes } from './codes/axes.ts';
import { compileCodes } from './codes/compile.ts';
import { fileCodes } from './codes/files.ts';
import { lawCodes } from './codes/laws.ts';
import { nameCodes } from './codes/names.ts';
import { siteCodes } from './codes/sites.ts';
import { valueCodes } from './codes/values.ts';

export const codes = {
  ...nameCodes, // PE02xx
  ...axisCodes, // PE03xx
  ...valueCodes, // PE04xx
  ...compileCodes, // PE05xx
  ...siteCodes, // PE06xx
  ...lawCodes, // PE071x, PE072x
  ...fileCodes, // PE070x, PE08xx
} as const;

/** Every row, sorted by code. */
export function allCodes(): readonly Code<never>[] {
  return (Object.values(codes) as unknown as Code<never>[]).toSorted((a, b) => (a.code < b.code ? -1 : 1));
}
