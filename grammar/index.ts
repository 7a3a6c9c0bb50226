// The language: `.pe` text -> syntax tree and syntax errors. This folder knows how a file is written (tokens, grammar,
// layout, canonical form) and nothing of what it means: no names, shapes or types. It imports nothing from the rest of
// pegen, and everything in it is a pure function of its arguments.

import type { IRecognitionException, IToken } from 'chevrotain';
import type { File } from './ast.ts';
import { buildFile } from './build-ast.ts';
import { layout } from './layout.ts';
import { lex } from './lex.ts';
import { syntaxDiagnostic } from './messages.ts';
import { parseTokens } from './parser.ts';
import type { SyntaxDiagnostic } from './syntax-error.ts';

export { syntaxCodes, type SyntaxCode, type SyntaxDiagnostic } from './syntax-error.ts';

export interface Parsed {
  /** Statements with errors are left out. */
  readonly file: File;
  readonly diagnostics: readonly SyntaxDiagnostic[]; // in order of the text
}

/** Never throws. `path` only names the file in spans. */
export function parse(text: string, path: string): Parsed {
  const lexed = lex(text, path);
  const structure = layout(lexed.tokens, path);
  const { cst, errors } = parseTokens(structure.tokens);
  const places = new Map(structure.tokens.map((token, index) => [token, index]));
  const context = { path, tokens: structure.tokens, places, comments: lexed.comments };
  const diagnostics = [
    ...lexed.diagnostics,
    ...structure.diagnostics,
    ...errors.filter((error) => !follows(error, lexed.dropped)).map((error) => syntaxDiagnostic(error, context)),
  ].toSorted((a, b) => a.span.start - b.span.start);
  return { file: { path, text, ...buildFile(cst, path), comments: lexed.comments }, diagnostics };
}

/** Whether the parser stumbled just behind something that was reported and left out; `dropped` is ascending. */
function follows(error: IRecognitionException, dropped: readonly number[]): boolean {
  const { token, previousToken } = error as IRecognitionException & { previousToken?: IToken };
  let [low, high] = [0, dropped.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (dropped[middle]! < (previousToken?.startOffset ?? 0)) low = middle + 1;
    else high = middle;
  }
  return low < dropped.length && dropped[low]! < token.startOffset;
}
