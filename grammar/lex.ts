// Text -> tokens and comments. Unknown and invisible characters and foreign spellings are reported and put right, so
// what comes out has only tokens of the language, in order, with offsets into the text as it was given.

import { type IToken, Lexer } from 'chevrotain';
import type { Comment as CommentNode } from './ast.ts';
import { mistakeOf, mistakes, quote } from './mistakes.ts';
import type { Span } from './span.ts';
import type { SyntaxDiagnostic } from './syntax-error.ts';
import { Blank, Comment, Name, Numeral, vocabulary } from './tokens.ts';

export interface Lexed {
  readonly tokens: readonly IToken[];
  readonly comments: readonly CommentNode[];
  readonly diagnostics: readonly SyntaxDiagnostic[];
  readonly dropped: readonly number[]; // offsets of what was reported and left out, ascending
}

const others = vocabulary.filter((type) => type !== Blank && type !== Comment);
const lexer = new Lexer([Blank, Comment, ...mistakes.map((mistake) => mistake.type), ...others], {
  positionTracking: 'full',
  skipValidations: true,
});

const invisible =
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069]|(?!^)\ufeff/g;

export function lex(text: string, path: string): Lexed {
  const result = lexer.tokenize(text);
  const at = (start: number, end: number): Span => ({ file: path, start, end });
  const diagnostics: SyntaxDiagnostic[] = [];
  const dropped: number[] = [];
  for (const match of text.matchAll(invisible)) {
    const point = match[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
    diagnostics.push({
      code: 'PE0108',
      severity: 'error',
      message: `the invisible character U+${point} has no place in a file`,
      span: at(match.index, match.index + 1),
      hint: 'delete it',
    });
  }
  for (const error of result.errors) {
    const bad = text.slice(error.offset, error.offset + error.length);
    const span = at(error.offset, error.offset + error.length);
    dropped.push(error.offset);
    diagnostics.push({ code: 'PE0103', severity: 'error', message: `${quote(bad)} is not part of the language`, span });
  }
  const tokens: IToken[] = [];
  for (const token of result.tokens) {
    const span = tokenSpan(token, path);
    const mistake = mistakeOf(token);
    if (mistake !== undefined) {
      const { code, hint } = mistake;
      const message = mistake.message(token.image);
      diagnostics.push({ code, severity: 'error', message, span, ...(hint === undefined ? {} : { hint }) });
      if (mistake.meant === null) dropped.push(span.start);
      else tokens.push({ ...token, ...retyped(mistake.meant) });
      continue;
    }
    if (token.tokenType === Numeral) diagnostics.push(...unreadable(token, span));
    tokens.push(token);
  }
  const comments = (result.groups['comments'] ?? []).map((token) => ({
    text: token.image.trimEnd(),
    span: at(token.startOffset, token.startOffset + token.image.trimEnd().length),
  }));
  return { tokens, comments, diagnostics, dropped: dropped.toSorted((a, b) => a - b) };
}

function retyped(type: IToken['tokenType']): Pick<IToken, 'tokenType' | 'tokenTypeIdx'> {
  return { tokenType: type, tokenTypeIdx: type.tokenTypeIdx ?? -1 };
}

export function retype(token: IToken, type: IToken['tokenType']): IToken {
  return { ...token, ...retyped(type) };
}

function unreadable(token: IToken, span: Span): SyntaxDiagnostic[] {
  const value = Number(token.image);
  const vanished = value === 0 && /[1-9]/.test(token.image.split(/[eE]/)[0] ?? '');
  if (Number.isFinite(value) && !vanished) return [];
  const message = `${quote(token.image)} is too ${vanished ? 'small' : 'large'} for a 64-bit floating-point number`;
  return [{ code: 'PE0106', severity: 'error', message, span }];
}

export function tokenSpan(token: IToken, file: string): Span {
  return { file, start: token.startOffset, end: token.startOffset + token.image.length };
}

/** The text of a name as it is compared: composed accents, so that equal-looking spellings are one name. */
export function nameText(token: IToken): string {
  return token.tokenType === Name ? token.image.normalize('NFC') : token.image;
}
