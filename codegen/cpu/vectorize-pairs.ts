// Elements 2 v and 2 v + 1 that every step of a loop over v reads or writes: the body of the loop comes in, the pairs go out.
// Four pairs are eight neighbours, two accesses.

import type { Expression, Statement } from '../kernel.ts';
import { expressionsOf, partsOf } from '../map-expressions.ts';
import { linear, type Bindings, type Bound } from '../simt/linear.ts';

export type StoreTo = Extract<Statement, { kind: 'store' | 'store-element' }>;
export type Access = Extract<Expression, { kind: 'load' | 'element' }>;
export type Half = 'first' | 'second';

/** By where they lie but for the constant, and the constant. */
export type Pairs = ReadonlyMap<string, ReadonlyMap<number, Half>>;

/** The buffer or array. */
export const homeOf = (e: Access | StoreTo): string =>
  e.kind === 'load' || e.kind === 'store' ? `buffer ${e.buffer}` : `array ${e.array}`;

/** Where an access lies but for its constant, and that constant. */
export function slotOf(
  access: Access | StoreTo,
  bindings: Bindings,
): { readonly key: string; readonly constant: number } {
  const { constant, terms } = linear(access.index, bindings);
  const parts = [...terms].map(([key, { coefficient }]) => `${coefficient}*${key}`).toSorted();
  return { key: `${homeOf(access)}[${parts.join('+')}]`, constant };
}

/** Loads of both elements of pairs, in every step. */
export function pairsIn(body: readonly Statement[], variable: string, around: ReadonlyMap<string, Bound>): Pairs {
  const bindings = new Map(around);
  const found = new Map<string, Set<number>>();
  const visit = (e: Expression): void => {
    if (e.kind === 'load' || e.kind === 'element') {
      const { key, constant } = slotOf(e, bindings);
      if (new RegExp(`[[+]2\\*${variable}[+\\]]`).test(key)) {
        found.set(key, (found.get(key) ?? new Set()).add(constant));
      }
    }
    partsOf(e).forEach(visit);
  };
  const walk = (statements: readonly Statement[]): void => {
    for (const each of statements) {
      expressionsOf(each).forEach(visit);
      if (each.kind === 'let') bindings.set(each.name, { kind: 'let', value: each.value });
      if (each.kind === 'for') {
        bindings.set(each.variable, { kind: 'loop', from: each.from, step: each.step });
        walk(each.body);
      }
    }
  };
  walk(body);
  return new Map([...found].map(([key, constants]) => [key, halves([...constants].toSorted((a, b) => a - b))]));
}

function halves(constants: readonly number[]): ReadonlyMap<number, Half> {
  const made = new Map<number, Half>();
  constants.forEach((constant) => {
    if (made.has(constant) || !constants.includes(constant + 1)) return;
    made.set(constant, 'first');
    made.set(constant + 1, 'second');
  });
  return made;
}
