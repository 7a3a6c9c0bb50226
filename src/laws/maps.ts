// What the sites on query and key do to a vector: the chain of rotations and matrices from the raw tensor to the last
// version, and what can be proved of them: that they keep norms (orthogonal), that those of two tokens commute.

import type { Axis, Definition, Program, Scalar, Tensor } from '../ir/ir.ts';
import { makeKeys } from '../ir/key.ts';
import { at, call } from '../ir/scalar.ts';
import { axesOf, children, operandsOf, readsOf, scalarsOf, substitute, type Read } from '../ir/visit.ts';
import { isTokens } from './renumber.ts';

type Rotate = Extract<Definition, { kind: 'rotate' }>;
type Expm = Extract<Definition, { kind: 'matrix' }>;
type Step =
  { readonly kind: 'rotate'; readonly definition: Rotate } | { readonly kind: 'expm'; readonly definition: Expm };

/** The steps from the raw tensor on, or null where something else is done to it. */
function stepsOf(program: Program, name: 'query' | 'key'): readonly Step[] | null {
  const made = new Map(program.definitions.map((d) => [d.tensor, d]));
  const steps: Step[] = [];
  let tensor = program.results.get(`${name}_encoded`);
  while (tensor !== undefined) {
    const definition = made.get(tensor);
    if (definition === undefined) return tensor.name === name ? steps.toReversed() : null;
    const step = stepOf(definition, made);
    if (step === null) return null;
    steps.push(step.step);
    tensor = step.input;
  }
  return null;
}

export type Made = ReadonlyMap<Tensor, Definition>;

function stepOf(d: Definition, made: Made): { step: Step; input: Tensor } | null {
  if (d.kind === 'rotate') return { step: { kind: 'rotate', definition: d }, input: d.input };
  const product = exponentialProduct(d, made);
  return product === null ? null : { step: { kind: 'expm', definition: product.expm }, input: product.input };
}

export interface ExponentialProduct {
  readonly expm: Expm;
  readonly input: Tensor;
  readonly matrix: Read;
  readonly feature: Axis;
  readonly column: Axis;
}

/** new[block, r] = sum over c of exp[block, r, c] old[block, c], or with exp transposed; null: something else. */
export function exponentialProduct(d: Definition, made: Made): ExponentialProduct | null {
  if (d.kind !== 'reduce' || d.op !== 'sum' || d.body.kind !== 'call' || d.body.op !== 'multiply') return null;
  const [matrix, old] = d.body.args;
  if (matrix?.kind !== 'read' || old?.kind !== 'read') return null;
  const expm = made.get(matrix.tensor);
  const [feature, column] = [d.tensor.axes.at(-1), d.over[0]];
  if (expm?.kind !== 'matrix' || expm.function !== 'expm') return null;
  if (feature === undefined || column === undefined || d.over.length !== 1) return null;
  const [row, other] = matrix.index.slice(-2) as [Scalar, Scalar];
  const isColumn = (s: Scalar): boolean => s.kind === 'axis' && s.axis === column;
  const isRow = (s: Scalar): boolean => isFeature(s, feature) || isOp(s, 'mod', feature);
  const square = (isRow(row) && isColumn(other)) || (isColumn(row) && isRow(other));
  // Which matrix it is must be the same for all rows of a block.
  const fixed = matrix.index.slice(0, -2).every((s) => {
    const used = axesOf(s);
    return !used.has(column) && (!used.has(feature) || isOp(s, 'div', feature));
  });
  return square && fixed ? { expm, input: old.tensor, matrix, feature, column } : null;
}

const isFeature = (s: Scalar, feature: Axis): boolean => s.kind === 'axis' && s.axis === feature;

const isOp = (s: Scalar, op: 'div' | 'mod', feature: Axis): boolean =>
  s.kind === 'call' && s.op === op && isFeature(s.args[0]!, feature) && s.args[1]!.kind === 'constant';

/** Rotations keep norms, and so do exponentials of skew matrices. */
export function proveOrthogonal(program: Program): string | null {
  if (program.results.has('key_transported')) return null;
  const made = new Map(program.definitions.map((d) => [d.tensor, d]));
  const steps = [stepsOf(program, 'query'), stepsOf(program, 'key')];
  const kinds = new Set<string>();
  for (const chain of steps) {
    if (chain === null) return null;
    for (const step of chain) {
      kinds.add(step.kind);
      if (step.kind === 'expm' && !isSkew(step.definition, made)) return null;
    }
  }
  if (kinds.size === 0) return 'query and key are not changed';
  if (!kinds.has('expm')) return 'query and key are only rotated';
  return kinds.has('rotate')
    ? 'query and key are rotated, and multiplied by exponentials of skew matrices'
    : 'query and key are multiplied by exponentials of skew matrices';
}

export function isSkew(d: Expm, made: Made): boolean {
  const generator = made.get(d.input);
  if (generator?.kind !== 'map') return false;
  const [row, column] = generator.tensor.axes.slice(-2) as [Axis, Axis];
  return symmetry(generator.body, row, column, made) === -1;
}

/** What exchanging two indices does to a scalar: 1 leaves it, -1 changes its sign, 0 is not known. */
function symmetry(s: Scalar, row: Axis, column: Axis, made: Made): 1 | -1 | 0 {
  const swapped = (one: Scalar): Scalar =>
    substitute(
      one,
      new Map([
        [row, at(column)],
        [column, at(row)],
      ]),
    );
  const used = axesOf(s);
  if (!used.has(row) && !used.has(column)) return 1;
  if (s.kind === 'read') {
    const inside = inlined(s, made);
    return inside === null ? 0 : symmetry(inside, row, column, made);
  }
  if (s.kind !== 'call') return 0;
  const [a, b] = s.args as [Scalar, Scalar];
  const signs = s.args.map((arg) => symmetry(arg, row, column, made));
  const alike = signs[0] === signs[1] ? signs[0]! : 0;
  switch (s.op) {
    case 'negate':
    case 'real':
      return signs[0]!;
    case 'multiply':
    case 'divide':
      return (signs[0]! * signs[1]!) as 1 | -1 | 0;
    case 'subtract':
      return same(b, swapped(a)) ? -1 : alike;
    case 'add':
      return same(b, swapped(a)) ? 1 : alike;
    default:
      return 0;
  }
}

/** The body of a map, or under a sum, that a read stands for. */
function inlined(read: Read, made: Made): Scalar | null {
  const d = made.get(read.tensor);
  if (d === undefined || (d.kind !== 'map' && !(d.kind === 'reduce' && d.op === 'sum'))) return null;
  return substitute(d.body, new Map(d.tensor.axes.map((axis, k) => [axis, read.index[k]!])));
}

/** Equal up to the order of factors and summands. */
function same(a: Scalar, b: Scalar): boolean {
  const keys = makeKeys();
  const order = (s: Scalar): Scalar => {
    if (s.kind !== 'call') return s;
    const args = children(s).map(order);
    if (s.op === 'add' || s.op === 'multiply') args.sort((x, y) => keys.scalar(x) - keys.scalar(y));
    return call(s.op, ...args);
  };
  return keys.scalar(order(a)) === keys.scalar(order(b));
}

/** Rotations of the same pairs commute, and so do exponentials of multiples of one matrix. */
export function proveCommuting(program: Program): string | null {
  if (program.results.has('key_transported')) return null;
  const made = new Map(program.definitions.map((d) => [d.tensor, d]));
  const reasons = new Set<string>();
  for (const chain of [stepsOf(program, 'query'), stepsOf(program, 'key')]) {
    const reason = chain === null ? null : commuting(chain, made);
    if (reason === null) return null;
    reasons.add(reason);
  }
  return [...reasons].join('; ');
}

function commuting(chain: readonly Step[], made: Made): string | null {
  const [first, ...rest] = chain;
  if (first === undefined) return 'query and key are not changed';
  if (first.kind === 'expm') {
    return rest.length === 0 && multipleOf(first.definition, made) !== null
      ? 'the maps are exponentials of multiples of one matrix'
      : null;
  }
  const pairs = ({ layout, from, pair }: Rotate): string => `${layout} ${from} ${pair.extent}`;
  const alike = rest.every((step) => step.kind === 'rotate' && pairs(step.definition) === pairs(first.definition));
  return alike ? 'the maps are rotations of the same pairs' : null;
}

/** generator = number of a token * matrix that is the same for all tokens; null: it is not of this form. */
export function multipleOf(d: Expm, made: Made): { readonly number: Scalar; readonly matrix: Scalar } | null {
  const generator = made.get(d.input);
  if (generator?.kind !== 'map' || generator.body.kind !== 'call' || generator.body.op !== 'multiply') return null;
  const [row, column] = generator.tensor.axes.slice(-2) as [Axis, Axis];
  const [a, b] = generator.body.args as [Scalar, Scalar];
  const isNumber = (s: Scalar): boolean => !axesOf(s).has(row) && !axesOf(s).has(column);
  const isFixed = (s: Scalar): boolean =>
    [...axesOf(s)].every((axis) => !isTokens(axis) && axis.role !== 'batch') &&
    readsOf(s).every((r) => still(r.tensor, made));
  if (isNumber(a) && isFixed(b)) return { number: a, matrix: b };
  return isNumber(b) && isFixed(a) ? { number: b, matrix: a } : null;
}

/** Depends on no token and no sequence, whatever it is made of. */
function still(tensor: Tensor, made: Made): boolean {
  if (tensor.axes.some((axis) => isTokens(axis) || axis.role === 'batch')) return false;
  const d = made.get(tensor);
  if (d === undefined) return true;
  const reads = readsOf(scalarsOf(d)).map((read) => read.tensor);
  return [...reads, ...operandsOf(d)].every((one) => still(one, made));
}
