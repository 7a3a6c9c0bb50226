// Lines -> structure. Tokens of a file come in; out come the same tokens with a zero-width mark before and after every
// statement, with each encoding's braces complete, and with nothing outside of imports and encodings. What had to be
// put right is reported. The marks are where the parser recovers, so an error never reaches the next statement.

import type { IToken, TokenType } from 'chevrotain';
import { retype, tokenSpan } from './lex.ts';
import { tooDeep } from './nesting.ts';
import type { Span } from './span.ts';
import type { SyntaxCode, SyntaxDiagnostic } from './syntax-error.ts';
import { Assignment, entries, Misplaced, Name, Numeral, StatementEnd, StatementStart, T, Text } from './tokens.ts';

export interface Layout {
  readonly tokens: readonly IToken[];
  readonly diagnostics: readonly SyntaxDiagnostic[];
}

const statementKeywords = new Set(entries.filter((entry) => entry.statement).map((entry) => entry.type));
const valueEnds = [Name, Numeral, Text, T.True, T.False, T.Interleaved, T.CloseParenthesis, T.CloseBracket];
const endsValue = new Set<TokenType>([...valueEnds, T.CloseBrace, T.OpenBrace]);
/** A statement that begins so may go on after a comma with what looks like an assignment. */
const lists = new Set<TokenType>([T.Param, T.Axis, Name]);
const misplaced = new Set<TokenType>([T.Encoding, T.Import, T.OpenBrace, T.CloseBrace]);
const opens = new Set<TokenType>([T.OpenParenthesis, T.OpenBracket]);
const closes = new Set<TokenType>([T.CloseParenthesis, T.CloseBracket]);

type Place = 'outside' | 'import' | 'heading' | 'body';

export function layout(tokens: readonly IToken[], path: string): Layout {
  const out: IToken[] = [];
  const diagnostics: SyntaxDiagnostic[] = [];
  let place: Place = 'outside';
  let opener: IToken | null = null; // the brace or heading of the encoding at hand
  let braces = 0; // open inside a statement, where none belongs
  let depth = 0; // of brackets
  let inStatement = false;
  let seenEncoding = false;
  let strayReported = false;
  let statementAt = 0; // where the statement at hand begins in `out`

  const span = (token: IToken): Span => tokenSpan(token, path);
  const report = (code: SyntaxCode, message: string, at: Span, extra: Partial<SyntaxDiagnostic> = {}): void => {
    diagnostics.push({ code, severity: 'error', message, span: at, ...extra });
  };
  const endStatement = (next: IToken | null): void => {
    const deep = inStatement ? tooDeep(out, statementAt) : null;
    if (deep !== null) {
      const hint = 'give parts of the formula a name with `let` or `fn`';
      report('PE0107', 'this expression is nested too deeply', span(deep), { hint });
      out.length = statementAt;
    } else if (inStatement) out.push(mark(StatementEnd, next, tokens));
    [inStatement, depth] = [false, 0];
  };
  const closeBody = (next: IToken | null): void => {
    endStatement(next);
    const end = endOf(tokens, path, next);
    const labels = opener === null ? [] : [{ span: span(opener), text: 'opened here' }];
    if (opener?.image === '{') report('PE0110', 'the encoding is not closed: `}` is missing', end, { labels });
    out.push(mark(T.CloseBrace, next, tokens));
    place = 'outside';
  };
  const closeHeading = (next: IToken | null): void => {
    const before = endOf(tokens, path, next);
    const named = opener !== null && before.end > span(opener).end; // otherwise the parser asks for the name
    if (named) report('PE0110', '`{` is missing before the statements of the encoding', before);
    out.push(mark(T.OpenBrace, next, tokens));
    place = 'body';
    braces = 0;
  };

  for (const [index, token] of tokens.entries()) {
    const previous = tokens[index - 1];
    const lineStart = previous === undefined || token.startLine! > previous.endLine!;
    const type = token.tokenType;
    if (type === T.Encoding && (lineStart || place === 'outside' || previous?.tokenType === Text)) {
      if (place === 'heading') closeHeading(token);
      if (place === 'body') closeBody(token);
      [place, opener, seenEncoding, strayReported] = ['heading', token, true, false];
      out.push(token);
      continue;
    }
    if (place === 'import' && lineStart) place = 'outside';
    if (place === 'import' && previous?.tokenType !== T.Import) {
      if (previous?.tokenType === Text) report('PE0101', 'an import names one file', span(token));
      continue;
    }
    if (place === 'outside') {
      if (type === T.Import && !seenEncoding) {
        [place, strayReported] = ['import', false];
        out.push(token);
      } else if (type === T.Import) {
        report('PE0109', 'imports stand before the first encoding', span(token));
        strayReported = true;
      } else if (!strayReported) {
        const what = type === T.CloseBrace ? '`}` closes nothing' : `\`${token.image}\` stands outside of an encoding`;
        report('PE0109', what, span(token), { hint: 'statements stand in `encoding NAME { ... }`' });
        strayReported = true;
      }
      continue;
    }
    if (place === 'heading') {
      if (type === T.OpenBrace) {
        [place, opener, braces] = ['body', token, 0];
        out.push(token);
        continue;
      }
      if (type === T.CloseBrace || (lineStart && statementKeywords.has(type))) closeHeading(token);
    }
    if (place === 'body') {
      if (type === T.OpenBrace) braces++;
      if (type === T.CloseBrace && braces > 0) braces--;
      else if (type === T.CloseBrace) {
        endStatement(token);
        out.push(token);
        place = 'outside';
        continue;
      }
      if (!inStatement || (lineStart && beginsStatement(tokens, index, depth, out[statementAt + 1]))) {
        endStatement(token);
        statementAt = out.length;
        out.push(mark(StatementStart, token, tokens));
        [inStatement, braces] = [true, 0];
      }
      if (opens.has(type)) depth++;
      if (closes.has(type)) depth = Math.max(0, depth - 1);
    }
    out.push(misplaced.has(type) ? retype(token, Misplaced) : token);
  }
  if (place === 'heading') closeHeading(null);
  if (place === 'body') closeBody(null);
  return { tokens: out, diagnostics };
}

/**
 * Whether the token that starts a line begins a statement: a keyword always does, a name if the line above is complete,
 * and in any case if the line is an assignment that does not go on with a list of `first`, where the statement began.
 */
function beginsStatement(tokens: readonly IToken[], index: number, depth: number, first: IToken | undefined): boolean {
  const type = tokens[index]?.tokenType;
  if (type === undefined) return false;
  if (statementKeywords.has(type)) return true;
  if (type !== Name) return false;
  const previous = tokens[index - 1]?.tokenType;
  if (depth === 0 && previous !== undefined && endsValue.has(previous)) return true;
  const listed = depth === 0 && previous === T.Comma && first !== undefined && lists.has(first.tokenType);
  return !listed && isAssignment(tokens, index);
}

/** NAME { "," NAME } [ "[" ... "]" ] and an assignment, on one line. */
function isAssignment(tokens: readonly IToken[], start: number): boolean {
  const line = tokens[start]?.startLine;
  const on = (index: number, type: TokenType): boolean =>
    tokens[index]?.tokenType === type && tokens[index]?.startLine === line;
  let index = start + 1;
  while (on(index, T.Comma) && on(index + 1, Name)) index += 2;
  if (on(index, T.OpenBracket)) {
    index++;
    while (on(index, Name) || on(index, T.Comma) || on(index, T.Colon)) index++;
    if (!on(index, T.CloseBracket)) return false;
    index++;
  }
  return tokens[index]?.startLine === line && (tokens[index]?.tokenType.CATEGORIES ?? []).includes(Assignment);
}

/** A token without text where `next` begins, or at the end of the last token. */
function mark(type: TokenType, next: IToken | null, tokens: readonly IToken[]): IToken {
  const last = tokens.at(-1);
  const offset = next?.startOffset ?? (last === undefined ? 0 : last.startOffset + last.image.length);
  const line = next?.startLine ?? last?.endLine ?? 1;
  const column = next?.startColumn ?? last?.endColumn ?? 1;
  return {
    image: '',
    tokenType: type,
    tokenTypeIdx: type.tokenTypeIdx ?? -1,
    startOffset: offset,
    endOffset: offset,
    startLine: line,
    endLine: line,
    startColumn: column,
    endColumn: column,
  };
}

/** The place behind the token before `next`, where something is missing. */
function endOf(tokens: readonly IToken[], path: string, next: IToken | null): Span {
  const before = next === null ? tokens.at(-1) : tokens[tokens.indexOf(next) - 1];
  const end = before === undefined ? 0 : before.startOffset + before.image.length;
  return { file: path, start: end, end };
}
