// What the parser met and what it expected -> a syntax error in the words of the language, with what to write instead
// where the slip is a known one. The rules are tried in order; the last one always answers.

import type { IRecognitionException, IToken, TokenType } from 'chevrotain';
import type { Comment } from './ast.ts';
import { tokenSpan } from './lex.ts';
import { quote } from './mistakes.ts';
import { nearest } from './nearest.ts';
import type { Span } from './span.ts';
import type { SyntaxCode, SyntaxDiagnostic } from './syntax-error.ts';
import { keywords, Misplaced, Name, Numeral, StatementEnd, T, Text, vocabulary } from './tokens.ts';

export interface Context {
  readonly path: string;
  readonly tokens: readonly IToken[];
  readonly comments: readonly Comment[];
}

interface Clash {
  readonly found: IToken; // without text: something is missing at the end of a statement or of the file
  readonly foundText: string;
  readonly previous: IToken | null; // the last token with text
  readonly first: IToken | null; // of the statement
  readonly expected: ReadonlySet<string>; // names of token types
  readonly rule: string;
  readonly context: Context;
  readonly span: Span;
}

type Answer = Omit<SyntaxDiagnostic, 'severity' | 'span'> & { readonly span?: Span };
type Rule = (clash: Clash) => Answer | null;

export function syntaxDiagnostic(error: IRecognitionException, context: Context): SyntaxDiagnostic {
  const clash = clashOf(error, context);
  for (const rule of rules) {
    const answer = rule(clash);
    if (answer !== null) return { severity: 'error', ...answer, span: answer.span ?? clash.span };
  }
  return { severity: 'error', span: clash.span, ...general(clash) };
}

function clashOf(error: IRecognitionException, context: Context): Clash {
  const { tokens, path } = context;
  const position = tokens.indexOf(error.token);
  const end = position < 0 ? tokens.length : position;
  const hasText = (token: IToken): boolean => token.image !== '';
  const previous = tokens.slice(0, end).findLast(hasText) ?? null;
  const start = tokens.slice(0, end).findLastIndex((token) => token.tokenType.name === 'StatementStart');
  const previousEnd = previous === null ? 0 : tokenSpan(previous, path).end;
  const missing = error.token.image === '';
  return {
    found: error.token,
    foundText: missing ? 'the end of the statement' : quote(error.token.image),
    previous,
    first: tokens.slice(start + 1, end + 1).find(hasText) ?? null,
    expected: new Set(error.message.split(' ')),
    rule: error.context.ruleStack.at(-1) ?? '',
    context,
    span: missing ? { file: path, start: previousEnd, end: previousEnd } : tokenSpan(error.token, path),
  };
}

const statements = keywords.filter((entry) => entry.statement);
const statementTypes = new Set(statements.map((entry) => entry.type));
const keywordTypes = new Set(keywords.map((entry) => entry.type));
const beginsValue = new Set<TokenType>([Name, Numeral, T.True, T.False, T.OpenParenthesis, T.If, T.Not]);
const endsValue = new Set<TokenType>([Name, Numeral, T.True, T.False, T.CloseParenthesis, T.CloseBracket]);
const closers = ['StatementEnd', 'CloseParenthesis', 'CloseBracket', 'Then', 'Else', 'By'];
const labels = new Map(vocabulary.map((type) => [type.name, type.LABEL ?? type.name]));

/** Words that begin a statement elsewhere, and what they are here. */
const foreignStatements: Readonly<Record<string, string>> = {
  def: 'fn',
  function: 'fn',
  func: 'fn',
  const: 'let',
  var: 'let',
  val: 'let',
  input: 'given',
  parameter: 'learn',
  buffer: 'fixed',
  sample: 'draw',
  assert: 'expect',
};

const expectsValue = (clash: Clash): boolean => clash.expected.has('Numeral');
const is = (token: IToken | null, ...types: TokenType[]): boolean => token !== null && types.includes(token.tokenType);

const keywordAsName: Rule = ({ found, foundText, expected, rule }) => {
  const misplaced = is(found, Misplaced);
  const wanted = expected.size === 1 && expected.has('Name') && keywordTypes.has(found.tokenType);
  if (!misplaced && !wanted) return null;
  if (rule === 'binder' && is(found, T.Where)) return null;
  return { code: 'PE0111', message: `${foundText} is a keyword and cannot be a name` };
};

const unknownStatement: Rule = ({ found, foundText, first, previous, expected, rule, context, span }) => {
  if (rule === 'statement' && expected.has('Let')) {
    const hint = 'a statement begins with a keyword or assigns to a tensor of attention';
    return { code: 'PE0112', message: `${foundText} does not begin a statement`, hint };
  }
  if (rule !== 'assignment' || first === null || first !== previous || !is(first, Name) || !is(found, Name))
    return null;
  const meant =
    foreignStatements[first.image] ??
    nearest(
      first.image,
      statements.map((entry) => entry.text),
    );
  return {
    code: 'PE0112',
    message: `${quote(first.image)} does not begin a statement`,
    span: { ...tokenSpan(first, context.path), file: span.file },
    ...(meant === null ? {} : { hint: `did you mean \`${meant}\`?` }),
  };
};

const wrongSign: Rule = ({ found, expected, rule, first }) => {
  const say = (message: string, hint?: string): Answer =>
    hint === undefined ? { code: 'PE0114', message } : { code: 'PE0114', message, hint };
  if (expected.has('Tilde') && is(found, T.Is, T.Equal, T.Add)) {
    return say(`\`${first?.image ?? 'learn'}\` says how a tensor begins: write \`~\`, not \`${found.image}\``);
  }
  if ((expected.has('Is') || expected.has('Assignment')) && is(found, T.Equal)) {
    return say('`==` compares: write `=`');
  }
  if (expected.has('Is') && is(found, T.Tilde)) {
    return say(
      `\`${first?.image ?? 'let'}\` defines: write \`=\`, not \`~\``,
      '`~` goes with `learn`, `fixed` and `draw`',
    );
  }
  if (expected.has('Assignment') && is(found, T.Tilde)) {
    return say('`~` says how a declared tensor begins', 'begin the line with `learn`, `fixed` or `draw`');
  }
  if (is(first, T.Given) && expected.has('StatementEnd') && is(found, T.Is, T.Tilde)) {
    return say('a `given` tensor has no value here: the caller supplies it', 'write `let` or `learn` for one that has');
  }
  if (closers.some((closer) => expected.has(closer)) && is(found, T.Is) && rule !== 'binders') {
    return say('`=` is no part of an expression: a comparison is `==`');
  }
  return null;
};

const choice: Rule = ({ found, foundText, expected, rule }) => {
  if (rule === 'choice' && (expected.has('Then') || expected.has('Else')) && !valueFollows(found)) {
    const part = expected.has('Then') ? 'then' : 'else';
    const message = `this \`if\` has no \`${part}\`: found ${foundText}`;
    return { code: 'PE0113', message, hint: '`if condition then value else value`' };
  }
  if (is(found, T.If)) {
    return {
      code: 'PE0113',
      message: 'an `if` within an operation stands in parentheses: `(if ... then ... else ...)`',
    };
  }
  if (is(found, T.Not) && expected.has('Numeral')) {
    return { code: 'PE0113', message: 'a `not` within an operation stands in parentheses: `(not ...)`' };
  }
  return null;
};

const valueFollows = (found: IToken): boolean => beginsValue.has(found.tokenType) && !is(found, T.If, T.Not);

const brackets: Rule = ({ found, previous, expected, rule, context }) => {
  const say = (message: string, hint: string): Answer => ({ code: 'PE0115', message, hint });
  if (is(found, T.OpenBracket) && is(previous, T.CloseBracket)) {
    return say('a tensor has all its indices in one pair of brackets', 'write `a[t, h]`, not `a[t][h]`');
  }
  if (is(found, T.OpenBracket) && expectsValue({ expected } as Clash)) {
    return say(
      'a list of numbers is not a value',
      'a tensor is a formula of its indices; a table is `given` or `fixed`',
    );
  }
  if (is(found, T.OpenBracket) && is(previous, T.CloseParenthesis, Numeral)) {
    return say('only a tensor has indices', 'give the expression a name with `let`, then index that');
  }
  if (is(found, T.Colon) && is(previous, T.Comma, T.OpenBracket, T.OpenParenthesis)) {
    return say('there are no slices: an index stands for all of its axis', 'name the index, `a[t, m]`');
  }
  if (is(found, T.Colon, T.Where) && openBracket(context.tokens, found)?.tokenType === T.OpenParenthesis) {
    return say('a reduction binds its index in square brackets', 'write `sum[s: token where s <= t](f[s])`');
  }
  if (rule === 'args' && is(found, T.CloseParenthesis) && is(previous, T.OpenParenthesis)) {
    return say('there is nothing between the parentheses', 'a number without arguments is `let name = ...`');
  }
  if ((rule === 'binders' || rule === 'binder') && !is(found, T.CloseParenthesis) && found.image !== '') {
    if (expected.has('Name') || expected.has('CloseBracket')) {
      return say('the brackets on the left of a statement name indices, nothing else', 'write `score[h, i, j] += ...`');
    }
  }
  return null;
};

const missingOperator: Rule = ({ found, foundText, previous, expected, first }) => {
  if (!closers.some((closer) => expected.has(closer))) return null;
  if (statementTypes.has(found.tokenType)) {
    return { code: 'PE0102', message: `${foundText} begins a statement: it stands on a line of its own` };
  }
  if (previous === null || !beginsValue.has(found.tokenType) || !endsValue.has(previous.tokenType)) return null;
  if (previous === first && !is(previous, Numeral)) return null;
  const hint = is(previous, Numeral)
    ? `a product is \`${previous.image} * ${found.image}\``
    : 'write an operator or a comma between them, or begin a new line';
  return { code: 'PE0102', message: `an operator is missing between ${quote(previous.image)} and ${foundText}`, hint };
};

const rules: readonly Rule[] = [keywordAsName, unknownStatement, wrongSign, brackets, missingOperator, choice];

function general(clash: Clash): { code: SyntaxCode; message: string; hint?: string } & Partial<SyntaxDiagnostic> {
  const { found, foundText, context, expected } = clash;
  const opener =
    expected.has('CloseParenthesis') || expected.has('CloseBracket') ? openBracket(context.tokens, found) : null;
  const hint = swallowed(clash);
  return {
    code: 'PE0101',
    message: `expected ${wanted(clash)}, found ${foundText}`,
    ...(opener === null ? {} : { labels: [{ span: tokenSpan(opener, context.path), text: 'opened here' }] }),
    ...(hint === null ? {} : { hint }),
  };
}

function wanted({ expected, rule, previous }: Clash): string {
  if (expected.has('Numeral')) return 'a value';
  if (expected.has(Text.name)) return 'a file name in quotes, `import "rope.pe"`';
  if (rule === 'heading' && expected.has('Name')) return 'the name of an encoding';
  const names = [...expected].map((name) => labels.get(name) ?? name);
  const after = previous !== null && endsValue.has(previous.tokenType);
  if (expected.has(StatementEnd.name)) return after ? 'an operator or the end of the statement' : names.join(' or ');
  return names.join(' or ');
}

/** `a // b` meant as a quotient: the rest of the line was read as a comment. */
function swallowed({ previous, found, context, expected }: Clash): string | null {
  if (previous === null || (!expected.has('CloseParenthesis') && !expected.has('CloseBracket'))) return null;
  const end = tokenSpan(previous, context.path).end;
  const comment = context.comments.find(({ span }) => span.start >= end && span.start <= end + 1);
  if (comment === undefined || (found.image !== '' && found.startOffset < comment.span.end)) return null;
  return '`//` begins a comment: a whole quotient is `floor(a / b)`';
}

/** The innermost bracket that is open before a token of the same statement. */
function openBracket(tokens: readonly IToken[], found: IToken): IToken | null {
  const position = tokens.indexOf(found);
  let closed = 0;
  for (let index = (position < 0 ? tokens.length : position) - 1; index >= 0; index--) {
    const token = tokens[index]!;
    if (token.tokenType.name === 'StatementStart') return null;
    if (is(token, T.CloseBracket, T.CloseParenthesis)) closed++;
    if (is(token, T.OpenBracket, T.OpenParenthesis) && closed-- === 0) return token;
  }
  return null;
}
