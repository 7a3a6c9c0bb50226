// Affine forms of integer scalars: constant + sum of coefficient * atom, where an atom is an axis, a size, or anything
// that is not affine itself. Terms are keyed by structure, so equal atoms meet.

import type { Scalar } from './ir.ts';
import type { Keys } from './key.ts';
import { call, integer } from './scalar.ts';

export interface Term {
  readonly atom: Scalar;
  readonly coefficient: number;
}

export interface Affine {
  readonly constant: number;
  readonly terms: ReadonlyMap<number, Term>; // by key of the atom; no coefficient is 0
}

export const constantForm = (constant: number): Affine => ({ constant, terms: new Map() });

/** a + scale * b */
export function addForms(a: Affine, b: Affine, scale = 1): Affine {
  const terms = new Map(a.terms);
  for (const [key, { atom, coefficient }] of b.terms) {
    const sum = (terms.get(key)?.coefficient ?? 0) + scale * coefficient;
    if (sum === 0) terms.delete(key);
    else terms.set(key, { atom, coefficient: sum });
  }
  return { constant: a.constant + scale * b.constant, terms };
}

/** The affine form of an integer scalar. */
export function affine(s: Scalar, keys: Keys): Affine {
  if (s.kind === 'constant') return constantForm(s.value);
  if (s.kind === 'call' && s.type === 'integer') {
    const [a, b] = s.args;
    if (s.op === 'add') return addForms(affine(a!, keys), affine(b!, keys));
    if (s.op === 'subtract') return addForms(affine(a!, keys), affine(b!, keys), -1);
    if (s.op === 'negate') return addForms(constantForm(0), affine(a!, keys), -1);
    if (s.op === 'multiply') {
      const [left, right] = [affine(a!, keys), affine(b!, keys)];
      if (left.terms.size === 0) return addForms(constantForm(0), right, left.constant);
      if (right.terms.size === 0) return addForms(constantForm(0), left, right.constant);
    }
  }
  return { constant: 0, terms: new Map([[keys.scalar(s), { atom: s, coefficient: 1 }]]) };
}

/** The scalar of an affine form: positive terms first, then what is subtracted. */
export function formToScalar(form: Affine): Scalar {
  const scaled = (atom: Scalar, by: number): Scalar => call('multiply', integer(by), atom);
  const list = [...form.terms.values()];
  let sum: Scalar | null = null;
  for (const { atom, coefficient } of list) {
    if (coefficient > 0) sum = sum === null ? scaled(atom, coefficient) : call('add', sum, scaled(atom, coefficient));
  }
  if (form.constant > 0 || (sum === null && form.constant !== 0)) {
    sum = sum === null ? integer(form.constant) : call('add', sum, integer(form.constant));
  }
  for (const { atom, coefficient } of list) {
    if (coefficient < 0) sum = call('subtract', sum ?? integer(0), scaled(atom, -coefficient));
  }
  if (form.constant < 0 && sum !== null && list.some(({ coefficient }) => coefficient > 0)) {
    sum = call('subtract', sum, integer(-form.constant));
  }
  return sum ?? integer(0);
}
