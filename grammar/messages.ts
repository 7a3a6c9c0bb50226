// What the parser met and what it expected -> a syntax error in the words of the language, with what to write instead
// where the slip is a known one. The rules are tried in order; the last one always answers.

import type { IRecognitionException, IToken, TokenType } from 'chevrotain';
import type { Comment } from './ast.ts';
import { tokenSpan } from './lex.ts';
import { quote } from './mistakes.ts';
import { nearest } from './nearest.ts';
import type { Span } from './span.ts';
import type { SyntaxCode, SyntaxDiagnostic } from './syntax-error.ts';
import { keywords, Misplaced, Name, Numeral, StatementEnd, StatementStart, T, Text, vocabulary } from './tokens.ts';

export interface Context {
  readonly path: string;
  readonly tokens: readonly IToken[];
  readonly places: ReadonlyMap<IToken, number>; // of the tokens
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
  const end = context.places.get(error.token) ?? tokens.length;
  let at = end - 1;
  while (at >= 0 && tokens[at]!.image === '') at--;
  const previous = tokens[at] ?? null;
  let start = end - 1;
  while (start >= 0 && !begins(tokens[start]!)) start--;
  const inStatement = tokens[start]?.tokenType === StatementStart;
  const first = tokens[inStatement ? start + 1 : start] ?? null;
  const previousEnd = previous === null ? 0 : tokenSpan(previous, path).end;
  const missing = error.token.image === '';
  return {
    found: error.token,
    foundText: missing ? `the end of the ${inStatement ? 'statement' : 'line'}` : quote(error.token.image),
    previous,
    first,
    expected: new Set(error.message.split(' ')),
    rule: error.context.ruleStack.at(-1) ?? '',
    context,
    span: missing ? { file: path, start: previousEnd, end: previousEnd } : tokenSpan(error.token, path),
  };
}

const begins = (token: IToken): boolean => is(token, StatementStart, T.Encoding, T.Import);

const statements = keywords.filter((entry) => entry.statement);
const statementTypes = new Set(statements.map((entry) => entry.type));
const keywordTypes = new Set(keywords.map((entry) => entry.type));
const beginsValue = new Set<TokenType>([Name, Numeral, T.True, T.False, T.OpenParenthesis, T.If, T.Not]);
const endsValue = new Set<TokenType>([Name, Numeral, T.True, T.False, T.CloseParenthesis, T.CloseBracket]);
const closers = ['StatementEnd', 'CloseParenthesis', 'CloseBracket', 'Then', 'Else'];
const connectives = ['where', 'when', 'then', 'else', 'by', 'from', 'interleaved', 'and', 'or'];
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

const keywordAsName: Rule = ({ found, foundText, first, expected }) => {
  const misplaced = is(found, Misplaced) && found.image !== '{' && found.image !== '}';
  if (misplaced && found === first) {
    const message = `${foundText} stands within an encoding`;
    return { code: 'PE0109', message, hint: 'imports stand before the first encoding, encodings beside one another' };
  }
  const wanted = expected.size === 1 && expected.has('Name') && keywordTypes.has(found.tokenType);
  if (!misplaced && !wanted) return null;
  return { code: 'PE0111', message: `${foundText} is a keyword and cannot be a name` };
};

const unknownStatement: Rule = ({ found, foundText, first, previous, expected, rule, context }) => {
  if (rule === 'statement' && expected.has('Let')) {
    const hint = 'a statement begins with a keyword or assigns to a tensor of attention';
    return { code: 'PE0112', message: `${foundText} does not begin a statement`, hint };
  }
  if (rule !== 'assignment' || first === null || first !== previous || !is(first, Name)) return null;
  const span = tokenSpan(first, context.path);
  if (found.image === '') {
    const hint = 'an expression goes on in the next line only after an operator or within brackets';
    return { code: 'PE0112', message: `${quote(first.image)} alone is no statement`, hint, span };
  }
  if (!is(found, Name)) return null;
  const meant =
    foreignStatements[first.image] ??
    nearest(
      first.image,
      statements.map((entry) => entry.text),
    );
  return {
    code: 'PE0112',
    message: `${quote(first.image)} does not begin a statement`,
    span,
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

const brackets: Rule = (clash) => {
  const { found, previous, expected, rule } = clash;
  const say = (message: string, hint: string): Answer => ({ code: 'PE0115', message, hint });
  if (is(found, T.OpenBracket) && is(previous, T.CloseBracket)) {
    return say('a tensor has all its indices in one pair of brackets', 'write `a[t, h]`, not `a[t][h]`');
  }
  if (is(found, T.OpenBracket) && expectsValue(clash)) {
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
  if (is(found, T.Colon, T.Where) && openBracket(clash)?.tokenType === T.OpenParenthesis) {
    return say('a reduction binds its index in square brackets', 'write `sum[s: token where s <= t](f[s])`');
  }
  if (is(found, Name) && found.image === 'in' && expected.has('CloseBracket')) {
    return say('an index gets its axis with a colon', 'write `sum[s: token](...)`');
  }
  if (rule === 'routine' && is(found, T.CloseParenthesis) && is(previous, T.OpenParenthesis)) {
    return say('a function has at least one parameter', 'a number without arguments is `let name = ...`');
  }
  if (rule === 'definition' && is(found, T.OpenParenthesis)) {
    return say('a `let` has indices in square brackets', 'a function is `fn name(a, b) = ...`');
  }
  if (expectsValue(clash) && is(found, T.CloseParenthesis) && is(previous, T.OpenParenthesis)) {
    return say('there is nothing between the parentheses', 'a number without arguments is `let name = ...`');
  }
  if ((rule === 'binders' || rule === 'binder') && !is(found, T.CloseParenthesis) && found.image !== '') {
    if (expected.has('Name') || expected.has('CloseBracket')) {
      return say('the brackets on the left of a statement name indices, nothing else', 'write `score[h, i, j] += ...`');
    }
  }
  return null;
};

const missingOperator: Rule = ({ found, foundText, previous, expected, first, rule }) => {
  if (!closers.some((closer) => expected.has(closer))) return null;
  if (statementTypes.has(found.tokenType)) {
    return { code: 'PE0102', message: `${foundText} begins a statement: it stands on a line of its own` };
  }
  if (previous === null || !beginsValue.has(found.tokenType) || !endsValue.has(previous.tokenType)) return null;
  const meant = is(found, Name) ? nearest(found.image, connectives) : null;
  const touching =
    is(previous, Numeral) && is(found, Name) && previous.startOffset + previous.image.length === found.startOffset;
  const list = is(first, T.Expect, T.Encoding) || rule === 'binders';
  const between = `between ${quote(previous.image)} and ${foundText}`;
  if (meant !== null)
    return { code: 'PE0102', message: `an operator is missing ${between}`, hint: `did you mean \`${meant}\`?` };
  if (list) return { code: 'PE0102', message: `a comma is missing ${between}` };
  const hint = touching
    ? `a product is \`${previous.image} * ${found.image}\``
    : 'write an operator or a comma between them, or begin a new line';
  return { code: 'PE0102', message: `an operator is missing ${between}`, hint };
};

const rules: readonly Rule[] = [keywordAsName, unknownStatement, wrongSign, brackets, missingOperator, choice];

function general(clash: Clash): { code: SyntaxCode; message: string; hint?: string } & Partial<SyntaxDiagnostic> {
  const { foundText, context, expected } = clash;
  const opener = expected.has('CloseParenthesis') || expected.has('CloseBracket') ? openBracket(clash) : null;
  const hint = swallowed(clash) ?? (is(clash.previous, T.Comma) ? 'a list does not end with a comma' : null);
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
  if (rule === 'claims' || rule === 'law') return 'the name of a law';
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
function openBracket({ found, context: { tokens, places } }: Clash): IToken | null {
  let closed = 0;
  for (let index = (places.get(found) ?? tokens.length) - 1; index >= 0; index--) {
    const token = tokens[index]!;
    if (begins(token)) return null;
    if (is(token, T.CloseBracket, T.CloseParenthesis)) closed++;
    if (is(token, T.OpenBracket, T.OpenParenthesis) && closed-- === 0) return token;
  }
  return null;
}
