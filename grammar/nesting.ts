// Tokens of one statement -> the first token at which its expression would be nested too deeply, or null. Bounds the
// depth of the syntax tree from above, so no later phase can run out of stack on an accepted file.

import type { IToken, TokenType } from 'chevrotain';
import { Additive, Multiplicative, Relation, T } from './tokens.ts';

/** Operations over one another, and brackets within brackets; the parser needs some forty stack frames for a bracket. */
export const deepest = { operations: 200, brackets: 50 } as const;

const operators = new Set<TokenType>([T.Or, T.And, T.Not, T.Power, T.If]);
const categories = new Set<TokenType>([Additive, Multiplicative, Relation]);
const opens = new Set<TokenType>([T.OpenParenthesis, T.OpenBracket]);
const closes = new Set<TokenType>([T.CloseParenthesis, T.CloseBracket]);

/** One pair of brackets: of the member since the last comma, its operators and the deepest brackets in it. */
interface Frame {
  operators: number;
  within: number;
  earlier: number; // depth of the deepest member before
}

export function tooDeep(tokens: readonly IToken[], from: number): IToken | null {
  const frames: Frame[] = [{ operators: 0, within: 0, earlier: 0 }];
  for (let index = from; index < tokens.length; index++) {
    const token = tokens[index]!;
    const type = token.tokenType;
    const frame = frames.at(-1)!;
    if (opens.has(type)) frames.push({ operators: 0, within: 0, earlier: 0 });
    else if (closes.has(type) && frames.length > 1) {
      frames.pop();
      const outer = frames.at(-1)!;
      outer.within = Math.max(outer.within, depth(frame) + 1);
    } else if (type === T.Comma) {
      frame.earlier = depth(frame);
      frame.operators = 0;
      frame.within = 0;
    } else if (operators.has(type) || type.CATEGORIES?.some((category) => categories.has(category)) === true) {
      frame.operators++;
    }
    if (frames.length > deepest.brackets || depth(frames.at(-1)!) > deepest.operations) return token;
  }
  return null;
}

const depth = (frame: Frame): number => Math.max(frame.earlier, frame.operators + frame.within);
