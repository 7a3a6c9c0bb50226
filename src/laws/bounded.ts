// Proof that what joins the score (or the embedding) stays bounded, however far tokens are from each other: each value is
// followed as an interval whose ends are known to be there or not, and to lie at 0 or not. Vectors of the model and what is
// learned are finite; positions and numbers of tokens have no end. Scores are looked at where a key is no later than its query.

import type { Axis, Definition, Program, Scalar, Tensor } from '../ir/ir.ts';
import { assume, makeContext, proveAtMost, type Context } from '../ir/ranges.ts';
import { call, integer } from '../ir/scalar.ts';
import type { Lowered } from '../lower/lower.ts';
import { hasFewTerms } from './few-terms.ts';
import { isByPoint, lookedAt } from './looked-at.ts';
import { isTokens } from './renumber.ts';
import { isPosition } from './sample.ts';

/** An end: there is none, there is one somewhere, it is at 0 (nothing below, for the lower one). */
type End = 'none' | 'some' | 'zero';

interface Span {
  readonly low: End;
  readonly high: End;
}

const anything: Span = { low: 'none', high: 'none' };
const finite: Span = { low: 'some', high: 'some' };
const positive: Span = { low: 'zero', high: 'some' }; // bounded, and not below 0
const growing: Span = { low: 'zero', high: 'none' };

const isBounded = ({ low, high }: Span): boolean => low !== 'none' && high !== 'none';

/** The reason, or null where there is no proof. */
export function proveBounded({ attend, embed }: Lowered): string | null {
  if (!resultIsBounded(attend, 'score')) return null;
  if (embed !== null && !resultIsBounded(embed, 'embedding_encoded')) return null;
  return 'of all that joins the score, what grows with the distance goes through what ends';
}

function resultIsBounded(program: Program, name: string): boolean {
  const tensor = program.results.get(name);
  if (tensor === undefined) return false;
  const spans = new Map<Tensor, Span>();
  const where = lookedAt(program, tensor);
  for (const d of program.definitions) {
    const known = isByPoint(d) ? where(d.tensor) : [];
    spans.set(d.tensor, spanOf(d, spans, assume(makeContext(), ...known)));
  }
  return isBounded(spans.get(tensor) ?? finite);
}

type Spans = ReadonlyMap<Tensor, Span>;
type SpanOf = (s: Scalar) => Span;

const zero = integer(0);
const mostConditions = 8; // choices in choices: what more is known is not followed

/** Spans where what the context says holds; in the branch of a choice its condition holds too. */
function spansIn(context: Context, spans: Spans): SpanOf {
  const known = new Map<Scalar, Span>();
  const where = (condition: Scalar): SpanOf =>
    context.conditions.length < mostConditions ? spansIn(assume(context, condition), spans) : of;
  const of: SpanOf = (s) => {
    const before = known.get(s);
    if (before !== undefined) return before;
    const found = signed(spanOfScalar(s, of, where, spans), s, context);
    known.set(s, found);
    return found;
  };
  return of;
}

const farthest = integer(2 ** 40); // an end at a number is nearer than this

/** With what ranges say of a whole number: `i - j` is not below 0 where j <= i. */
function signed({ low, high }: Span, s: Scalar, context: Context): Span {
  if (s.type !== 'integer' || s.kind === 'read') return { low, high };
  const proved = (a: Scalar, b: Scalar): boolean => proveAtMost(a, b, context);
  const end = (side: End, atZero: boolean, ends: () => boolean): End =>
    atZero ? 'zero' : side === 'none' && ends() ? 'some' : side;
  return {
    low: end(low, proved(zero, s), () => proved(call('negate', farthest), s)),
    high: end(high, proved(s, zero), () => proved(s, farthest)),
  };
}

function spanOf(d: Definition, spans: Spans, context: Context): Span {
  const of = spansIn(context, spans);
  switch (d.kind) {
    case 'map':
      return of(d.body);
    case 'reduce':
      if (d.op === 'argmax') return isTokens(d.over[0]!) ? growing : positive;
      if (d.op !== 'sum') return multiplied(of(d.body), d.over);
      return summed(
        of(d.body),
        d.over.filter((axis) => !isTokens(axis) || !hasFewTerms(d.body, axis, farthest, context)),
      );
    case 'softmax':
      return positive;
    case 'rotate':
      return isBounded(spans.get(d.input) ?? finite) ? finite : anything;
    case 'scan': {
      const isSum = d.factor.kind === 'constant' && d.factor.value === 1 && d.initial === 0;
      if (isSum && isTokens(d.along) && hasFewTerms(d.term, d.along, farthest, context)) return of(d.term);
      if (of(d.factor).low !== 'zero') return anything;
      const { low, high } = signOnly(of(d.term));
      return { low, high: d.initial === 0 ? high : 'none' };
    }
    case 'matrix':
      // One matrix for all tokens is a finite one.
      return d.tensor.axes.some(isTokens) ? anything : finite;
    default:
      return anything;
  }
}

/** Of many terms only the sign is known. */
const signOnly = ({ low, high }: Span): Span => ({
  low: low === 'zero' ? 'zero' : 'none',
  high: high === 'zero' ? 'zero' : 'none',
});

function summed(term: Span, over: readonly Axis[]): Span {
  return over.some((axis) => isTokens(axis) || axis.role === 'batch') ? signOnly(term) : term;
}

function multiplied(factor: Span, over: readonly Axis[]): Span {
  const few = !over.some(isTokens) && isBounded(factor);
  if (factor.low === 'zero') return { low: 'zero', high: few ? 'some' : 'none' };
  return few ? finite : anything;
}

function spanOfScalar(s: Scalar, of: SpanOf, where: (condition: Scalar) => SpanOf, spans: Spans): Span {
  switch (s.kind) {
    case 'constant':
      return constantSpan(s.value);
    case 'size':
      return growing;
    case 'axis':
      return isTokens(s.axis) ? growing : positive;
    case 'read': {
      if (isPosition(s.tensor)) return anything;
      const inside = spans.get(s.tensor) ?? finite;
      return s.outside === null ? inside : joined(inside, constantSpan(s.outside));
    }
    case 'call': {
      if (s.op !== 'select') return spanOfCall(s, s.args.map(of));
      const [condition, then, otherwise] = s.args as [Scalar, Scalar, Scalar];
      return joined(where(condition)(then), where(call('not', condition))(otherwise));
    }
    default:
      return s satisfies never;
  }
}

const constantSpan = (value: number): Span => ({
  low: value >= 0 ? 'zero' : 'some',
  high: value <= 0 ? 'zero' : 'some',
});

/** Whatever of two. */
function joined(a: Span, b: Span): Span {
  const end = (x: End, y: End): End => (x === 'none' || y === 'none' ? 'none' : x === y ? x : 'some');
  return { low: end(a.low, b.low), high: end(a.high, b.high) };
}

const negated = ({ low, high }: Span): Span => ({ low: high, high: low });

function spanOfCall(s: Extract<Scalar, { kind: 'call' }>, args: readonly Span[]): Span {
  const [a = anything, b = anything] = args;
  if (s.type === 'boolean') return positive;
  switch (s.op) {
    case 'add':
      return joined(a, b);
    case 'subtract':
      return joined(a, negated(b));
    case 'negate':
      return negated(a);
    case 'multiply':
      return s.args[0] === s.args[1] ? { low: 'zero', high: isBounded(a) ? 'some' : 'none' } : times(a, b);
    case 'divide':
      return s.args[1]!.kind === 'constant' && s.args[1]!.value !== 0
        ? times(a, constantSpan(s.args[1]!.value))
        : anything;
    case 'real':
    case 'detach':
    case 'floor':
    case 'ceil':
    case 'round':
      return a;
    case 'min':
      return { low: joined(a, b).low, high: nearer(a.high, b.high) };
    case 'max':
      return { low: nearer(a.low, b.low), high: joined(a, b).high };
    case 'abs':
      return { low: 'zero', high: isBounded(a) ? 'some' : 'none' };
    case 'sin':
    case 'cos':
    case 'tanh':
    case 'erf':
    case 'sign':
    case 'atan2':
      return finite;
    case 'sigmoid':
    case 'popcount':
      return positive;
    case 'mod':
      return s.args[1]!.kind === 'constant' && s.args[1]!.value > 0 ? positive : anything;
    case 'exp':
    case 'softplus':
    case 'relu':
      return { low: 'zero', high: a.high === 'none' ? 'none' : 'some' };
    case 'expm1':
    case 'silu':
    case 'gelu':
      return { low: 'some', high: a.high === 'none' ? 'none' : 'some' };
    case 'log_sigmoid':
      return { low: a.low === 'none' ? 'none' : 'some', high: 'zero' };
    case 'log1p':
    case 'sqrt':
      return a.low === 'zero' ? { low: 'zero', high: a.high === 'none' ? 'none' : 'some' } : anything;
    case 'power':
      return power(s.args[0]!, s.args[1]!, a, b);
    default:
      return anything;
  }
}

/** The better of two ends that both hold. */
const nearer = (a: End, b: End): End =>
  a === 'zero' || b === 'zero' ? 'zero' : a === 'some' || b === 'some' ? 'some' : 'none';

function times(a: Span, b: Span): Span {
  const end: End = isBounded(a) && isBounded(b) ? 'some' : 'none';
  if (a.low === 'zero' && b.low === 'zero') return { low: 'zero', high: end };
  if (a.high === 'zero' && b.high === 'zero') return { low: 'zero', high: end };
  if ((a.low === 'zero' && b.high === 'zero') || (a.high === 'zero' && b.low === 'zero'))
    return { low: end, high: 'zero' };
  return { low: end, high: end };
}

function power(base: Scalar, exponent: Scalar, a: Span, b: Span): Span {
  if (base.kind === 'constant' && base.value > 0) {
    const end = base.value >= 1 ? b.high : b.low;
    return { low: 'zero', high: end === 'none' ? 'none' : 'some' };
  }
  if (exponent.kind === 'constant' && Number.isInteger(exponent.value) && exponent.value > 0) {
    const high: End = isBounded(a) ? 'some' : 'none';
    if (exponent.value % 2 === 0 || a.low === 'zero') return { low: 'zero', high };
    return isBounded(a) ? finite : anything;
  }
  return anything;
}
