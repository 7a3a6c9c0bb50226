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
  if (rule !== 'assignment' || first === null || previous === null || !is(first, Name)) return null;
  const span = tokenSpan(first, context.path);
  if (found.image === '') {
    const whole = { ...span, end: tokenSpan(previous, context.path).end };
    const text = quote(textBetween(first, previous, context));
    const hint = 'an expression goes on in the next line only after an operator, before one, or within brackets';
    return { code: 'PE0112', message: `${text} alone is no statement`, hint, span: whole };
  }
  if (first !== previous) return null;
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

const wrongSign: Rule = (clash) => {
  const { found, expected, rule, first } = clash;
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
  if (expected.has('By') && is(found, T.Is, T.Add, T.Scale)) {
    const what = is(first, T.Rotate) ? 'an angle' : 'a matrix';
    return say(`\`${first?.image ?? 'rotate'}\` acts by ${what}: write \`by\`, not \`${found.image}\``);
  }
  if (is(found, T.Is) && namesArgument(clash)) {
    return say('arguments have no names: they stand in their order', 'write the values alone, as in `normal(0, 0.02)`');
  }
  if (closers.some((closer) => expected.has(closer)) && is(found, T.Is) && rule !== 'binders') {
    return say('`=` is no part of an expression: a comparison is `==`');
  }
  return null;
};

/** `f(a, name = ...)`: the sign stands behind a name that begins an argument. */
function namesArgument(clash: Clash): boolean {
  const { context, found, previous } = clash;
  const before = context.tokens[(context.places.get(found) ?? 0) - 2] ?? null;
  const called = openBracket(clash);
  return is(previous, Name) && is(before, T.Comma, T.OpenParenthesis) && is(called, T.OpenParenthesis);
}

const choice: Rule = ({ found, foundText, expected, rule, previous }) => {
  if (rule === 'choice' && (expected.has('Then') || expected.has('Else')) && !valueFollows(found)) {
    const part = expected.has('Then') ? 'then' : 'else';
    const message = `this \`if\` has no \`${part}\`: found ${foundText}`;
    return { code: 'PE0113', message, hint: '`if condition then value else value`' };
  }
  if (is(found, T.If) && previous !== null && endsValue.has(previous.tokenType)) {
    const message = 'the condition of a choice stands before its values';
    return { code: 'PE0113', message, hint: 'write `if condition then value else value`' };
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
  const colon = clash.context.tokens[(clash.context.places.get(found) ?? 0) - 2] ?? null;
  if (is(colon, T.Colon) && is(previous, Name, Numeral) && openBracket(clash)?.tokenType === T.OpenBracket) {
    const left = rule === 'binders' || rule === 'binder';
    if (left && is(found, T.Plus, T.Minus, T.Times, T.Over, T.Power)) {
      const end = closing(clash);
      return {
        ...say(
          'behind the colon stands the name of an axis, not its size',
          'half of a head is `pair`; another size is declared, `axis band = head_dim / 4`',
        ),
        span: { ...clash.span, start: tokenSpan(previous!, clash.context.path).start, end },
      };
    }
    if (!left && is(found, T.Plus, T.Minus, T.Times, T.Over, T.Power, T.Colon)) {
      return {
        ...say(
          'there are no slices: behind a colon stands an axis',
          'name the index; one of another axis is read as a feature with `p: dim`, and the other half is `p + head_dim / 2`',
        ),
        span: { ...clash.span, start: itemStart(clash), end: closing(clash) },
      };
    }
  }
  if (is(found, T.Colon, T.Where) && openBracket(clash)?.tokenType === T.OpenParenthesis) {
    return say('a reduction binds its index in square brackets', 'write `sum[s: token where s <= t](f[s])`');
  }
  if (is(found, Text) && expectsValue(clash)) {
    const hint = 'a sum over an axis is written with its index, `sum[m: model](x[t, m] * W[m, h])`';
    return { code: 'PE0101', message: 'a text in quotes is no value: it only names a file to import', hint };
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
  if ((rule === 'binders' || rule === 'binder') && is(found, Name) && is(previous, Name)) {
    return {
      code: 'PE0102',
      message: `a comma is missing between ${quote(previous!.image)} and ${quote(found.image)}`,
    };
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
  const hint =
    previous.image === 'lambda'
      ? 'a function is declared on a line of its own, `fn name(n) = ...`'
      : touching
        ? `a product is \`${previous.image} * ${found.image}\``
        : is(found, T.OpenParenthesis)
          ? `a product is \`${previous.image} * (...)\``
          : 'write an operator or a comma between them, or begin a new line';
  return { code: 'PE0102', message: `an operator is missing ${between}`, hint };
};

/** What a statement cannot do without, where nothing or something else stands. */
const missingPart: Rule = ({ found, foundText, expected, first, previous, context }) => {
  if (expected.has('Tilde') && found.image === '' && first !== null && previous !== null) {
    const message = `\`${first.image}\` says how a tensor begins: \`~\` and an initial value are missing`;
    const text = textBetween(first, previous, context);
    return { code: 'PE0101', message, hint: `write \`${text} ~ 0\` or \`${text} ~ normal(0, 0.02)\`` };
  }
  if (expected.has('By') && expected.size === 1 && first !== null) {
    const what = is(first, T.Rotate) ? 'angle' : 'matrix';
    const hint = `write \`${first.image} query, key [...] by ${what}\``;
    return { code: 'PE0101', message: `\`by\` is missing before the ${what}: found ${foundText}`, hint };
  }
  if (is(found, T.CloseParenthesis, T.CloseBracket) && expected.has(StatementEnd.name)) {
    return { code: 'PE0101', message: `this ${foundText} closes nothing`, hint: 'remove it, or open what it closes' };
  }
  return null;
};

const rules: readonly Rule[] = [
  keywordAsName,
  unknownStatement,
  wrongSign,
  brackets,
  choice,
  missingOperator,
  missingPart,
];

function general(clash: Clash): { code: SyntaxCode; message: string; hint?: string } & Partial<SyntaxDiagnostic> {
  const { found, foundText, context, expected } = clash;
  const opener = expected.has('CloseParenthesis') || expected.has('CloseBracket') ? openBracket(clash) : null;
  const closed = opener !== null && found.image === '' ? closedBy(opener) : null;
  const hint =
    swallowed(clash) ??
    (is(clash.previous, T.Comma) ? 'a list does not end with a comma' : null) ??
    (closed === null ? null : `write \`${closed}\` where what it encloses ends`);
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

const closedBy = (opener: IToken): string => (is(opener, T.OpenBracket) ? ']' : ')');

/** Where the item of a pair of brackets that is being read begins. */
function itemStart({ found, context: { tokens, places, path } }: Clash): number {
  let index = (places.get(found) ?? tokens.length) - 1;
  while (index > 0 && !is(tokens[index - 1]!, T.Comma, T.OpenBracket)) index--;
  return tokenSpan(tokens[index]!, path).start;
}

/** Where an item that goes on behind `found` ends: before the next comma or bracket. */
function closing({ found, context: { tokens, places, path } }: Clash): number {
  let index = places.get(found) ?? 0;
  while (!is(tokens[index + 1] ?? null, T.Comma, T.CloseBracket) && !ends(tokens[index + 1])) index++;
  return tokenSpan(tokens[index]!, path).end;
}

const ends = (token: IToken | undefined): boolean => token === undefined || token.image === '' || begins(token);

/** The text of a statement from one token to another, with one blank where there are any. */
function textBetween(from: IToken, to: IToken, { tokens, places }: Context): string {
  const part = tokens.slice(places.get(from)!, places.get(to)! + 1).filter((token) => token.image !== '');
  return part
    .map((token, n) => {
      const before = part[n - 1];
      const apart = before !== undefined && before.startOffset + before.image.length < token.startOffset;
      return apart ? ` ${token.image}` : token.image;
    })
    .join('');
}
