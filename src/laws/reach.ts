// How far away from each other tokens have to be for all that a program says to show: a window of 300 tokens is not seen
// among nine. What comes out are the numbers that it names beside tokens, and ways to try it there.

import type { Axis, Definition, Program, Scalar, Tensor } from '../ir/ir.ts';
import { axesOf, readsOf, scalarsOf, tensorsOf, visit } from '../ir/visit.ts';
import { isTokens, type Renumbering } from './renumber.ts';
import { isPosition } from './sample.ts';

const least = 9; // what is named below shows among as many tokens as claims are tried on
const most = 1e15; // no number of tokens

/** Beside what a number says where tokens begin or end to count. */
const ending = new Set<string>([
  'min',
  'max',
  'less',
  'less_equal',
  'equal',
  'not_equal',
  'add',
  'subtract',
  'mod',
  'div',
  'xor',
]);

const countsTokens = (s: Scalar): boolean =>
  [...axesOf(s)].some(isTokens) ||
  readsOf(s).some(({ tensor }) => isPosition(tensor)) ||
  (s.kind === 'size' && s.size !== 'batch');

/** Numbers that stand beside tokens, the largest first. */
function numbersIn(scalars: readonly Scalar[]): readonly number[] {
  const found = new Set<number>();
  visit(scalars, (s) => {
    if (s.kind !== 'call' || !ending.has(s.op)) return;
    const numbers = s.args.flatMap((arg) => (arg.kind === 'constant' ? [Math.ceil(Math.abs(arg.value))] : []));
    const far = numbers.filter((number) => number >= least && number < most);
    if (far.length > 0 && s.args.some(countsTokens)) far.forEach((number) => found.add(number));
  });
  return [...found].toSorted((a, b) => b - a);
}

export interface Reach {
  /** The largest number of tokens that the program names and that is not tried; 0: all of them are. */
  readonly untried: number;
  /** Sequences in which what it names shows. */
  readonly lengths: readonly number[];
  /** Tokens far from each other and from the first one, in which it shows too. */
  readonly views: readonly Renumbering[];
}

export const plainView: Renumbering = { stretch: 1, offset: 0 };

const longest = 256; // tokens named, of a sequence that is tried
const mostWork = 1e7;
const triedNumbers = 3;

/** How to try what holds of each of some programs at every token: `beside` others that it is compared with. */
export function reachOf(programs: readonly (Program | null)[]): Reach {
  const all = programs.filter((program) => program !== null);
  const definitions = all.flatMap((program) => program.definitions);
  const numbers = numbersIn(definitions.flatMap(scalarsOf));
  // Where tokens are read by more than a fixed step, or counted, a few tokens far apart are no part of a sequence.
  const places = definitions.flatMap(placesOf);
  const isByNumber = places.every(isStep) && !all.some(countsThem);
  const wanted = isByNumber ? numbersIn(places) : numbers;
  const views = isByNumber ? numbers.slice(0, triedNumbers).flatMap(viewsOf) : [];
  const isShort = (number: number): boolean =>
    number <= longest && all.every((program) => workOf(program, { tokens: number + least, batch: 1 }) <= mostWork);
  const far = isByNumber ? [...wanted, ...numbers.slice(triedNumbers)] : wanted;
  return {
    untried: far.find((number) => !isShort(number)) ?? 0,
    lengths: far
      .filter(isShort)
      .slice(0, 1)
      .map((number) => number + least),
    views: [plainView, ...views],
  };
}

/** Neighbours a third of the number apart, and neighbours where the number is reached. */
const viewsOf = (number: number): readonly Renumbering[] => [
  { stretch: Math.ceil(number / 3), offset: 0 },
  { stretch: 1, offset: Math.max(1, number - 2) },
];

/** Indices that say which token is read. */
const placesOf = (d: Definition): readonly Scalar[] =>
  readsOf(scalarsOf(d)).flatMap(({ tensor, index }) => index.filter((_, n) => isTokens(tensor.axes[n]!)));

/** An index, or a number of tokens before or behind it. */
function isStep(s: Scalar): boolean {
  if (s.kind !== 'call') return s.kind === 'axis' || s.kind === 'constant';
  if (s.op !== 'add' && s.op !== 'subtract') return false;
  return s.args.some((arg) => arg.kind === 'constant') && s.args.every((arg) => arg.kind !== 'call' || isStep(arg));
}

/** Whether a program says `length`, or sums over tokens but with the weights of attention. */
function countsThem(program: Program): boolean {
  const weights = program.results.get('attention');
  return program.definitions.some((d) => {
    const isOutput = weights !== undefined && d.kind === 'reduce' && d.op === 'sum' && tensorsOf(d).has(weights);
    return saysLength(d) || (isSum(d) && !isOutput);
  });
}

function saysLength(d: Definition): boolean {
  let found = false;
  visit(scalarsOf(d), (s) => {
    found ||= s.kind === 'size' && s.size !== 'batch';
  });
  return found;
}

const isSum = (d: Definition): boolean =>
  (d.kind === 'reduce' && d.over.some(isTokens)) || d.kind === 'scan' || d.kind === 'triangular';

/** How many terms there are to add up in all. */
export function workOf(
  { definitions }: Program,
  { tokens, batch }: { readonly tokens: number; readonly batch: number },
): number {
  const size = ({ extent }: Axis): number =>
    typeof extent === 'number' ? extent : extent === 'batch' ? batch : tokens;
  return definitions.reduce((all, d) => {
    const axes = [...d.tensor.axes, ...(d.kind === 'reduce' ? d.over : [])];
    return all + axes.reduce((points, axis) => points * size(axis), 1);
  }, 0);
}

/** Whether a tensor is made, by any way, of a sum, product or scan over tokens, or of their number. */
export function growsWithTokens(program: Program, tensor: Tensor): boolean {
  return madeOf(program, tensor).some((d) => isSum(d) || saysLength(d));
}

function madeOf(program: Program, tensor: Tensor): readonly Definition[] {
  const made = new Map(program.definitions.map((d) => [d.tensor, d]));
  const found = new Set<Definition>();
  const from = (one: Tensor): void => {
    const d = made.get(one);
    if (d === undefined || found.has(d)) return;
    found.add(d);
    for (const each of tensorsOf(d)) from(each);
  };
  from(tensor);
  return [...found];
}

const fallen = 3; // e^-3 is little

/** How many tokens it takes for a sum to be what it will be: numbers named, and what falls off from token to token. */
export function settledAfter(program: Program, tensor: Tensor): number {
  const scalars = madeOf(program, tensor).flatMap(scalarsOf);
  let longest = Math.max(0, ...numbersIn(scalars));
  const rate = (perToken: number): void => {
    if (perToken > 0 && perToken < 1) longest = Math.max(longest, Math.ceil(fallen / perToken));
  };
  visit(scalars, (s) => {
    if (s.kind !== 'call') return;
    const [base] = s.args;
    if (s.op === 'power' && base?.kind === 'constant' && base.value < 1) rate(1 - base.value);
    if (s.op === 'exp' && countsTokens(base!))
      visit([base!], (inner) => {
        if (inner.kind === 'constant') rate(Math.abs(inner.value));
      });
  });
  for (const d of madeOf(program, tensor))
    if (d.kind === 'scan' && d.factor.kind === 'constant') rate(1 - Math.abs(d.factor.value));
  return longest;
}
