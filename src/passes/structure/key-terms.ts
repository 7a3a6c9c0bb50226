// softmax over keys of (s[i, j] + a[i] - b[j]) is softmax of (s[i, j] - b[j]): what a row has in common cancels. So the
// term needs no value for each query and key, its row needs no gradient, and b is one vector over keys.
//
// Precision. A score of float32 loses 2^-24 of the largest number that it is added up from. Where a and b are numbers that
// kernels computed (running sums), they were rounded so already, and the difference a[i] - b[j] cannot win that back: the
// vector alone adds one rounding of the same size. Where they are whole numbers (slope * (i - j)), the difference is exact
// and small near the diagonal, where weights are large, but slope * j is not: its error is 2^-24 * slope * j. That is done
// only while the vector stays below `largest` at the end of the context, an error of 1.5e-5 in a score at most, a third of
// what devices are held to, and in proportion beyond. What is too large, or learned, keeps the difference (its center is
// the row's own token), which costs nothing but an integer subtraction: indices have no gradient.

import { interpret } from '../../interpret/interpret.ts';
import { axis, defined, map, program as makeProgram } from '../../ir/build.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../../ir/ir.ts';
import { printScalar } from '../../ir/print.ts';
import { at, call, integer, read } from '../../ir/scalar.ts';
import { axesOf, freshAxes, readsOf, scalarsOf, substitute, tensorsOf, visit } from '../../ir/visit.ts';
import { withDefinitions } from '../pass.ts';
import { uniqueNames } from '../unique.ts';
import type { Rewrite, RewriteContext, Seen } from './rewrites.ts';
import { isTokens, rowOf, termsOf } from './row.ts';
import type { SoftmaxRow } from './row.ts';
import { joinedBy, separate } from './separate.ts';

/** Of a vector of whole numbers times constants, at the end of the context. */
const largest = 256;

export const keyTerms: Rewrite = (program, context) => {
  let current = program;
  const seen: Seen[] = [];
  for (const d of program.definitions) {
    if (d.kind !== 'softmax') continue;
    const found = rowOf(current, d);
    if (found === null) continue;
    const { changed, said } = rewriteRow(current, found, context);
    current = changed;
    seen.push(...said);
  }
  return { program: current, seen };
};

function rewriteRow(program: Program, row: SoftmaxRow, context: RewriteContext) {
  const said: Seen[] = [];
  const say = (applied: boolean, text: string): void => {
    said.push({ rewrite: 'key-terms', applied, tensor: row.name, span: row.span, text });
  };
  const dropped: Scalar[] = [];
  let key: Scalar | null = null;
  let mixed: Scalar | null = null;
  for (const { scalar, sign } of termsOf(row.body, row)) {
    const op = sign === 1 ? 'add' : 'subtract';
    const parts = separate(scalar, row);
    const why = parts.row !== null && parts.exact ? whyNot(program, parts.key, row, context) : null;
    if (why === null) {
      if (parts.row !== null) dropped.push(parts.row);
      key = joinedBy(op, key, parts.key);
      mixed = joinedBy(op, mixed, parts.mixed);
    } else {
      say(false, `${text(scalar)} stays a difference: ${why}`);
      mixed = joinedBy(op, mixed, scalar);
    }
  }
  if (dropped.length === 0 || (key === null && mixed === null)) return { changed: program, said };
  const gone = dropped.map(text).join(', ');
  const lost = withoutGradient(program, rest(program, row, key, mixed).changed, context);
  if (lost !== null) {
    say(false, `softmax forgets ${gone}, but ${lost} would have no gradient at all`);
    return { changed: program, said };
  }
  const { changed, vector } = rest(program, row, key, mixed);
  say(true, `softmax forgets ${gone}${vector === null ? '' : `; ${text(vector)} is a vector over keys`}`);
  return { changed, said };
}

const text = (s: Scalar): string => printScalar(s);

/** The program with the row's body replaced by what is left of it. */
function rest(program: Program, row: SoftmaxRow, key: Scalar | null, mixed: Scalar | null) {
  const hoisted = key === null || isPlain(key) || usesSizes(key) ? null : vectorOf(program, row, key);
  const vector = hoisted?.read ?? key;
  const body = joinedBy('add', mixed, vector)!;
  const definitions = program.definitions.flatMap((d): Definition[] => {
    if (d !== row.home) return [d];
    const changed = Object.freeze({ ...d, body: row.inHome(body) });
    return hoisted === null ? [changed] : [hoisted.definition, changed];
  });
  return { changed: withDefinitions(program, definitions), vector };
}

/** A read, but for a sign and a constant: it is a vector already. */
function isPlain(s: Scalar): boolean {
  if (s.kind === 'read') return true;
  if (s.kind !== 'call') return false;
  if (s.op === 'negate') return isPlain(s.args[0]!);
  return s.op === 'multiply' && s.args[0]!.kind === 'constant' && isPlain(s.args[1]!);
}

/** It may change with the number of keys: no value of a token may be kept for later calls. */
function usesSizes(s: Scalar): boolean {
  let found = false;
  visit(s, (one) => {
    found ||= one.kind === 'size';
  });
  return found;
}

/** A definition over [b?, h?, j] of what depends on the key alone. */
function vectorOf(program: Program, row: SoftmaxRow, key: Scalar): { definition: Definition; read: Scalar } {
  const used = axesOf(key);
  const others = row.axes.filter((one) => one !== row.over && used.has(one));
  const { axes, by } = freshAxes(others);
  const token = axis('j', 'tokens', 'token'); // of absolute tokens: those of earlier calls are kept
  const body = substitute(key, new Map<Axis, Scalar>([...by, [row.over, at(token)]]));
  const tensor = defined(uniqueNames(program)(`${row.name}_of_key`), [...axes, token]);
  return { definition: map(tensor, body, row.span), read: read(tensor, [...others.map(at), at(row.over)]) };
}

/** Why a difference of whole numbers is better kept; null: it is not. */
function whyNot(program: Program, key: Scalar | null, row: SoftmaxRow, { context }: RewriteContext): string | null {
  if (key === null) return null;
  const size = magnitude(program, key, row, context);
  if (size === null) return 'it is exact near the diagonal, and how large its part of the key gets is not known';
  if (size <= largest) return null;
  return `it is exact near the diagonal, where ${text(key)} reaches ${size.toPrecision(3)} at token ${context - 1}`;
}

const points = 64;

/** The largest number at some tokens of the context; null: it depends on more than indices and positions. */
function magnitude(program: Program, key: Scalar, row: SoftmaxRow, context: number): number | null {
  const wanted = new Set<Tensor>(readsOf(key).map(({ tensor }) => tensor));
  const needed: Definition[] = [];
  for (const d of program.definitions.toReversed()) {
    if (!wanted.has(d.tensor)) continue;
    if (d.tensor.axes.some(isTokens)) return null; // a computed vector
    needed.unshift(d);
    for (const tensor of tensorsOf(d)) wanted.add(tensor);
  }
  const inputs = program.inputs.filter((tensor) => wanted.has(tensor));
  const isPosition = ({ origin, axes }: Tensor): boolean =>
    origin.kind === 'given' && origin.given === 'position' && axes.length === 1 && isTokens(axes[0]!);
  const random = needed.some((d) => scalarsOf(d).some(isRandom)) || isRandom(key);
  if (random || !inputs.every(isPosition) || axesOf(key).has(row.axes[0]!)) return null;
  const sample = axis('sample', points);
  const others = freshAxes(row.axes.filter((one) => one !== row.over && axesOf(key).has(one)));
  const token = call('div', call('multiply', at(sample), integer(context - 1)), integer(points - 1));
  const body = substitute(key, new Map<Axis, Scalar>([...others.by, [row.over, token]]));
  const made = defined('magnitude_of_key', [...others.axes, sample]);
  const definitions = [...needed, map(made, call('real', body))];
  const small = makeProgram({ name: 'magnitude', inputs, definitions, results: { made } });
  const positions = Object.fromEntries(inputs.map(({ name }) => [name, Array.from({ length: context }, (_, n) => n)]));
  const values = interpret(small, { batch: 1, tokens: context }, positions).get(made.name)!;
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

function isRandom(s: Scalar): boolean {
  let found = false;
  visit(s, (one) => {
    found ||= one.kind === 'call' && ['normal', 'trunc_normal', 'uniform'].includes(one.op);
  });
  return found;
}

/** An input that would no longer lead to a result, of those whose gradient is asked for. */
function withoutGradient(before: Program, after: Program, { wanted }: RewriteContext): string | null {
  const [was, is] = [live(before), live(after)];
  return [...wanted].find((tensor) => was.has(tensor) && !is.has(tensor))?.name ?? null;
}

function live(program: Program): ReadonlySet<Tensor> {
  const found = new Set<Tensor>(program.results.values());
  for (const d of program.definitions.toReversed())
    if (found.has(d.tensor)) for (const tensor of tensorsOf(d)) found.add(tensor);
  return found;
}
