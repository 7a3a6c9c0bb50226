// Normal form of integer scalars: affine sums in one order, and `div` and `mod` by a constant resolved where the ranges
// allow it: (g n + r) div g = n and (g n + r) mod g = r for 0 <= r < g.

import { addForms, affine, constantForm, formToScalar } from './affine.ts';
import type { Affine } from './affine.ts';
import type { Scalar } from './ir.ts';
import { proveAtMost, proveLess } from './ranges.ts';
import type { Context } from './ranges.ts';
import { call, integer } from './scalar.ts';
import { scalarMapper } from './visit.ts';

/** form = by * quotient + rest, with every coefficient of rest not divisible by `by`, 0 <= constant of rest < by. */
export function splitForm(form: Affine, by: number): { quotient: Affine; rest: Affine } {
  let quotient = constantForm(Math.floor(form.constant / by));
  let rest = constantForm(form.constant - by * Math.floor(form.constant / by));
  for (const [key, { atom, coefficient }] of form.terms) {
    const divides = coefficient % by === 0;
    const term = {
      constant: 0,
      terms: new Map([[key, { atom, coefficient: divides ? coefficient / by : coefficient }]]),
    };
    if (divides) quotient = addForms(quotient, term);
    else rest = addForms(rest, term);
  }
  return { quotient, rest };
}

/** 0 <= form < end is proved. */
export function formInside(form: Affine, end: number, context: Context): boolean {
  const s = formToScalar(form);
  return proveAtMost(integer(0), s, context) && proveLess(s, integer(end), context);
}

function normaliseNode(s: Scalar, context: Context): Scalar | null {
  if (s.kind !== 'call' || s.type !== 'integer') return null;
  const [a, b] = s.args;
  switch (s.op) {
    case 'add':
    case 'subtract':
    case 'negate':
    case 'multiply':
      return formToScalar(affine(s, context.keys));
    case 'div':
    case 'mod': {
      if (b!.kind !== 'constant' || b!.value <= 0) return null;
      const { quotient, rest } = splitForm(affine(a!, context.keys), b!.value);
      const exact = formInside(rest, b!.value, context);
      if (s.op === 'mod') return exact ? formToScalar(rest) : call('mod', formToScalar(rest), b!);
      const more = exact ? integer(0) : call('div', formToScalar(rest), b!);
      return formToScalar(addForms(quotient, affine(more, context.keys)));
    }
    case 'min':
      return proveAtMost(a!, b!, context) ? a! : proveAtMost(b!, a!, context) ? b! : null;
    case 'max':
      return proveAtMost(b!, a!, context) ? a! : proveAtMost(a!, b!, context) ? b! : null;
    default:
      return null;
  }
}

/** A function that brings scalars into normal form and shares its work between them. */
export const normaliser = (context: Context): ((s: Scalar) => Scalar) => scalarMapper((s) => normaliseNode(s, context));
