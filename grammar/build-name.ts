// Tokens and concrete nodes -> names and spans.

import type { CstNode, IToken } from 'chevrotain';
import type { Name } from './ast.ts';
import { nameText, tokenSpan } from './lex.ts';
import type { Span } from './span.ts';

export function buildName(token: IToken, path: string): Name {
  return { text: nameText(token), span: tokenSpan(token, path) };
}

export function nodeSpan(node: CstNode, path: string): Span {
  return { file: path, start: node.location?.startOffset ?? 0, end: (node.location?.endOffset ?? -1) + 1 };
}
