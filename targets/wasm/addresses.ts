// Where elements lie: a place and an index of kernel IR come in, an address and a constant offset go out. An index is taken apart into
// terms, and what changes least often is added first, so that it can be computed outside of loops.

import type { Expression } from '../../codegen/kernel.ts';
import { add, call, i32 } from '../../codegen/kernel-build.ts';
import { get, number, type Value } from './ast.ts';
import { addressLocal, plus, times, type Frame, type Known, type Place } from './frame.ts';

export interface Address {
  readonly address: Value;
  readonly offset: number;
}

interface Term {
  readonly of: Expression;
  readonly factor: number;
}

interface Linear {
  readonly constant: number;
  readonly terms: readonly Term[];
}

export type Evaluate = (expression: Expression, frame: Frame) => Value;

export function addressOf(place: Place, index: Expression, evaluate: Evaluate, frame: Frame): Address {
  const { constant, terms } = linear(index, frame);
  const bytes = Math.imul(constant, 4);
  const scaled = terms.map(({ of, factor }) => ({ of, factor: Math.imul(factor, 4) }));
  const sum = sumOf(place.address, scaled, frame.loops.length, evaluate, frame);
  // An offset is added without wrapping around: the sum before it must be an address by itself.
  const isInside = terms.every(({ of, factor }) => factor > 0 && nonNegative(of, frame));
  if (bytes >= 0 && (isInside || bytes <= nearStart)) return { address: sum, offset: bytes };
  return { address: plus(sum, number(bytes)), offset: 0 };
}

/** What does not change in the innermost `depth` loops is added before them, once for all that is at the same place. */
function sumOf(base: string, terms: readonly Term[], depth: number, evaluate: Evaluate, frame: Frame): Value {
  const isOutside = ({ of }: Term): boolean => depthOf(of, frame) < depth;
  const outside = terms.filter(isOutside);
  const inside = terms.filter((term) => !isOutside(term));
  const add = (sum: Value, { of, factor }: Term): Value => plus(sum, times(evaluate(of, frame), factor));
  if (outside.length === 0 || depth <= itemsDepth) return terms.reduce(add, get(base));
  const { before, addresses } = frame.loops[depth - 1]!;
  const key = [base, ...outside.map(({ of, factor }) => `${factor} ${keyOf(of)}`)].join(' + ');
  let name = addresses.get(key);
  if (name === undefined) {
    const value = sumOf(base, outside, depth - 1, evaluate, frame);
    name = value.kind === 'get' ? value.name : addressLocal(base, frame);
    if (value.kind !== 'get') before.push({ kind: 'set', name, value });
    addresses.set(key, name);
  }
  return inside.reduce(add, get(name));
}

/** Within the loop over items nothing is known that is dear. */
const itemsDepth = 1;

/** Nothing that a kernel names lies before this address (device/memory.ts). */
const nearStart = 1024;

/** The index as a sum, with locals that stand for sums written out. */
function linear(index: Expression, frame: Frame): Linear {
  let constant = 0;
  const terms: Term[] = [];
  const visit = (e: Expression, factor: number): void => {
    const known = e.kind === 'local' ? frame.known.get(e.name) : undefined;
    if (e.kind === 'literal') constant = (constant + Math.imul(e.value, factor)) | 0;
    else if (known?.form) visit(known.form, factor);
    else if (e.kind === 'call' && e.op === 'add') e.args.forEach((each) => visit(each, factor));
    else if (e.kind === 'call' && e.op === 'subtract') {
      visit(e.args[0]!, factor);
      visit(e.args[1]!, -factor);
    } else if (e.kind === 'call' && e.op === 'multiply' && e.args[1]!.kind === 'literal')
      visit(e.args[0]!, Math.imul(factor, e.args[1]!.value));
    else addTerm(terms, e, factor);
  };
  visit(index, 1);
  return { constant, terms: terms.filter(({ factor }) => factor !== 0) };
}

function addTerm(terms: Term[], of: Expression, factor: number): void {
  const at = terms.findIndex((term) => sameLeaf(term.of, of));
  if (at < 0) terms.push({ of, factor });
  else terms[at] = { of, factor: (terms[at]!.factor + factor) | 0 };
}

const sameLeaf = (a: Expression, b: Expression): boolean =>
  a === b ||
  (a.kind === 'local' && b.kind === 'local' && a.name === b.name) ||
  (a.kind === 'size' && b.kind === 'size' && a.size === b.size);

/** How many loops are around the place where it is set. What may trap or changes otherwise stays where it is. */
function depthOf(e: Expression, frame: Frame): number {
  switch (e.kind) {
    case 'literal':
    case 'size':
      return 0;
    case 'workgroup':
      return itemsDepth;
    case 'local':
      return frame.known.get(e.name)?.depth ?? frame.loops.length;
    case 'call':
      return e.op === 'quotient' || e.op === 'remainder'
        ? frame.loops.length
        : Math.max(...e.args.map((each) => depthOf(each, frame)));
    default:
      return frame.loops.length;
  }
}

/** Equal where two expressions of what stays the same are. */
function keyOf(e: Expression): string {
  switch (e.kind) {
    case 'literal':
      return String(e.value);
    case 'size':
      return `${e.size}.size`;
    case 'local':
      return e.name;
    case 'call':
      return `${e.op}(${e.args.map(keyOf).join(', ')})`;
    default:
      return e.kind;
  }
}

/** An i32 that is known not to be negative. */
export function nonNegative(e: Expression, frame: Frame): boolean {
  const all = (args: readonly Expression[]): boolean => args.every((each) => nonNegative(each, frame));
  switch (e.kind) {
    case 'literal':
      return e.value >= 0;
    case 'size':
    case 'workgroup':
      return true;
    case 'local':
      return frame.known.get(e.name)?.nonNegative ?? false;
    case 'call':
      switch (e.op) {
        case 'add':
        case 'multiply':
        case 'quotient':
        case 'min':
          return all(e.args);
        case 'remainder':
        case 'shift_right':
          return nonNegative(e.args[0]!, frame);
        case 'max':
        case 'bit_and':
          return e.args.some((each) => nonNegative(each, frame));
        case 'select':
          return all(e.args.slice(1));
        default:
          return false;
      }
    default:
      return false;
  }
}

/** What is known of a local that is bound to a value. */
export function knownOf(value: Expression, frame: Frame): Known {
  return {
    depth: frame.loops.length,
    nonNegative: value.type === 'i32' && nonNegative(value, frame),
    form: isForm(value, frame) ? value : null,
  };
}

const mostTerms = 3;

/** A sum of few leaves that do not change, which costs nothing where an address is computed from them; a vector of such sums. */
function isForm(value: Expression, frame: Frame): boolean {
  const scalar = value.type === 'i32x4' ? componentOf(value, 0, frame) : value;
  if (scalar?.type !== 'i32') return false;
  const { terms } = linear(scalar, frame);
  return terms.length <= mostTerms && terms.every(({ of }) => isLeaf(of, frame));
}

function isLeaf(e: Expression, frame: Frame): boolean {
  if (e.kind === 'local') return frame.known.has(e.name);
  return e.kind === 'size' || e.kind === 'workgroup' || e.kind === 'literal';
}

/** One component of a vector of indices as a scalar, where that is a sum or product of what is at hand; else null. */
export function componentOf(e: Expression, at: number, frame: Frame): Expression | null {
  switch (e.kind) {
    case 'literal':
      return i32(e.value);
    case 'splat':
      return e.value;
    case 'ramp':
      return add(e.from, i32(at));
    case 'local': {
      const form = frame.known.get(e.name)?.form;
      return form ? componentOf(form, at, frame) : null;
    }
    case 'call': {
      if (e.op !== 'add' && e.op !== 'subtract' && e.op !== 'multiply') return null;
      const [a, b] = e.args.map((each) => componentOf(each, at, frame));
      if (!a || !b) return null;
      return call(e.op, a, b);
    }
    default:
      return null;
  }
}
