// The index solver. Comes in: equations e_n(domain axes) = x_n, one for each index of a read. Goes out: what each domain
// axis is at the points that satisfy them, conditions that say whether there is such a point, and the axes that stay free
// (to be summed over). null: some equation cannot be solved.

import { addForms, affine, constantForm, formToScalar } from '../ir/affine.ts';
import type { Affine, Term } from '../ir/affine.ts';
import { axis as makeAxis } from '../ir/build.ts';
import type { Axis, Scalar } from '../ir/ir.ts';
import { formInside, normaliser, splitForm } from '../ir/normalise.ts';
import { endScalar, proveAtMost, proveLess, range } from '../ir/ranges.ts';
import type { Context } from '../ir/ranges.ts';
import { at, call, integer } from '../ir/scalar.ts';
import { axesOf, substitute } from '../ir/visit.ts';

export interface Equation {
  readonly left: Scalar;
  readonly right: Scalar; // over known axes only
}

/** Where `axis` := `value` needs 0 <= value < end of the axis, which was not proved. */
export interface Bound {
  readonly axis: Axis;
  readonly condition: Scalar;
}

export interface Solution {
  readonly by: ReadonlyMap<Axis, Scalar>;
  readonly conditions: readonly Scalar[];
  readonly bounds: readonly Bound[];
  readonly free: readonly Axis[];
}

interface State {
  readonly context: Context;
  pending: Equation[];
  unknown: Set<Axis>;
  invented: Set<Axis>;
  by: Map<Axis, Scalar>;
  conditions: Scalar[];
  bounds: Bound[];
}

/** One equation in the form: sum of unknown terms = right. */
interface Form {
  readonly equation: Equation;
  readonly terms: readonly Term[]; // those with unknown axes
  readonly form: Affine; // of the unknown terms alone
  readonly right: Scalar;
}

type Step = () => void;

export function solve(equations: readonly Equation[], domain: readonly Axis[], context: Context): Solution | null {
  const state: State = {
    context,
    pending: [...equations],
    unknown: new Set(domain),
    invented: new Set(),
    by: new Map(),
    conditions: [],
    bounds: [],
  };
  const attempts = [checkKnown, solveAlone, splitRadix, undoDiv, undoMod, solveAmong];
  while (state.pending.length > 0) {
    const forms = state.pending.map((equation) => toForm(equation, state));
    const step = firstStep(attempts, forms, state);
    if (step === null) return null;
    step();
  }
  // An axis of one point is no sum.
  for (const axis of state.unknown) if (axis.extent === 1) assign(axis, integer(0), state);
  const { by, conditions, bounds, unknown } = state;
  return { by, conditions, bounds, free: [...unknown] };
}

/** The cheapest kind of step that some equation allows. */
function firstStep(
  attempts: readonly ((form: Form, state: State) => Step | null)[],
  forms: readonly Form[],
  state: State,
): Step | null {
  for (const attempt of attempts) {
    for (const form of forms) {
      const step = attempt(form, state);
      if (step !== null) return step;
    }
  }
  return null;
}

function toForm(equation: Equation, state: State): Form {
  const { keys } = state.context;
  const normalise = normaliser(state.context);
  const whole = affine(normalise(equation.left), keys);
  let form = constantForm(0);
  let rest = affine(normalise(equation.right), keys);
  rest = { ...rest, constant: rest.constant - whole.constant };
  const terms: Term[] = [];
  for (const [key, term] of whole.terms) {
    const one = { constant: 0, terms: new Map([[key, term]]) };
    if ([...axesOf(term.atom)].some((a) => state.unknown.has(a))) {
      form = addForms(form, one);
      terms.push(term);
    } else {
      rest = addForms(rest, one, -1);
    }
  }
  return { equation, terms, form, right: formToScalar(rest) };
}

function done(form: Form, state: State, ...more: Equation[]): void {
  state.pending = [...state.pending.filter((one) => one !== form.equation), ...more];
}

/** `axis` := value everywhere; what is not proved about its range becomes a bound. */
function assign(target: Axis, value: Scalar, state: State): void {
  const by = new Map([[target, value]]);
  const change = (s: Scalar): Scalar => substitute(s, by);
  state.pending = state.pending.map(({ left, right }) => ({ left: change(left), right }));
  state.by = new Map([...state.by].map(([axis, s]) => [axis, change(s)]));
  state.conditions = state.conditions.map(change);
  state.bounds = state.bounds.map(({ axis, condition }) => ({ axis, condition: change(condition) }));
  if (!state.invented.has(target)) state.by.set(target, value);
  state.unknown.delete(target);
  const zero = integer(0);
  const end = endScalar(target.extent);
  if (!proveAtMost(zero, value, state.context)) {
    state.bounds.push({ axis: target, condition: call('less_equal', zero, value) });
  }
  if (!proveLess(value, end, state.context)) {
    state.bounds.push({ axis: target, condition: call('less', value, end) });
  }
}

/** No unknown is left: the equation is a condition, if it is not always true. */
function checkKnown(form: Form, state: State): Step | null {
  if (form.terms.length > 0) return null;
  return () => {
    const difference = affine(form.right, state.context.keys);
    const always = difference.terms.size === 0 && difference.constant === 0;
    if (!always) state.conditions.push(vanishes(difference));
    done(form, state);
  };
}

/** form == 0, with what is subtracted on the other side. */
function vanishes(form: Affine): Scalar {
  const part = (sign: 1 | -1): Scalar => {
    const terms = new Map([...form.terms].filter(([, { coefficient }]) => coefficient * sign > 0));
    const own = { constant: Math.max(0, form.constant * sign) * sign, terms };
    return formToScalar(sign === 1 ? own : addForms(constantForm(0), own, -1));
  };
  return call('equal', part(1), part(-1));
}

const plainAxis = ({ atom, coefficient }: Term): Axis | null =>
  atom.kind === 'axis' && Math.abs(coefficient) === 1 ? atom.axis : null;

const signed = (coefficient: number, s: Scalar): Scalar => (coefficient < 0 ? call('negate', s) : s);

/** +-axis = right */
function solveAlone(form: Form, state: State): Step | null {
  const [term, ...others] = form.terms;
  if (term === undefined || others.length > 0) return null;
  const target = plainAxis(term);
  if (target === null) return null;
  return () => {
    done(form, state);
    assign(target, signed(term.coefficient, form.right), state);
  };
}

/** g A + B = right with 0 <= B < g: A = right div g and B = right mod g. */
function splitRadix(form: Form, state: State): Step | null {
  const radices = [...new Set(form.terms.map(({ coefficient }) => Math.abs(coefficient)))].sort((a, b) => b - a);
  for (const g of radices) {
    if (g === 1) continue;
    const { quotient, rest } = splitForm(form.form, g);
    if (quotient.terms.size === 0 || !formInside(rest, g, state.context)) continue;
    return () => {
      done(
        form,
        state,
        { left: formToScalar(quotient), right: call('div', form.right, integer(g)) },
        { left: formToScalar(rest), right: call('mod', form.right, integer(g)) },
      );
    };
  }
  return null;
}

/** +-(E op g) alone, as E, g and the sign. */
function alone(form: Form, op: 'div' | 'mod'): { inner: Scalar; by: number; right: Scalar } | null {
  const [term, ...others] = form.terms;
  if (term === undefined || others.length > 0 || Math.abs(term.coefficient) !== 1) return null;
  const { atom, coefficient } = term;
  if (atom.kind !== 'call' || atom.op !== op) return null;
  const by = atom.args[1]!;
  if (by.kind !== 'constant' || by.value <= 0) return null;
  return { inner: atom.args[0]!, by: by.value, right: signed(coefficient, form.right) };
}

function invent(name: string, extent: number, state: State): Axis {
  const made = makeAxis(name, extent);
  state.unknown.add(made);
  state.invented.add(made);
  return made;
}

/** E div g = right: E = g right + r with a new r < g. */
function undoDiv(form: Form, state: State): Step | null {
  const found = alone(form, 'div');
  if (found === null) return null;
  const { inner, by, right } = found;
  return () => {
    const r = invent('within', by, state);
    const scaled = call('multiply', integer(by), right);
    done(form, state, { left: call('subtract', inner, at(r)), right: scaled });
  };
}

/** E mod g = right: E = right + g q with a new q, where the range of E is known. */
function undoMod(form: Form, state: State): Step | null {
  const found = alone(form, 'mod');
  if (found === null) return null;
  const { inner, by, right } = found;
  const { lower, upper } = range(inner, state.context);
  const fixed = (x: typeof lower): number | null =>
    x !== null && x.batch === 0 && x.tokens === 0 && x.first === 0 ? x.constant : null;
  const [low, high] = [fixed(lower), fixed(upper)];
  if (low === null || high === null || low < 0 || high < low) return null;
  return () => {
    const rounds = Math.floor(high / by) + 1;
    const q = rounds > 1 ? at(invent('round', rounds, state)) : integer(0);
    const { context } = state;
    if (!(proveAtMost(integer(0), right, context) && proveLess(right, integer(by), context))) {
      state.conditions.push(call('less_equal', integer(0), right), call('less', right, integer(by)));
    }
    done(form, state, { left: call('subtract', inner, call('multiply', integer(by), q)), right });
  };
}

/** +-axis + other unknowns = right, the axis in no other term: the others stay free. Axes of the domain go first. */
function solveAmong(form: Form, state: State): Step | null {
  const inTerms = (axis: Axis): number => form.terms.filter(({ atom }) => axesOf(atom).has(axis)).length;
  const candidates = form.terms.flatMap((term) => {
    const target = plainAxis(term);
    return target !== null && inTerms(target) === 1 ? [{ term, target }] : [];
  });
  const best = candidates.find(({ target }) => !state.invented.has(target)) ?? candidates[0];
  if (best === undefined) return null;
  return () => {
    const others = formToScalar(
      form.terms
        .filter((term) => term !== best.term)
        .reduce<Affine>(
          (sum, { atom, coefficient }) => addForms(sum, affine(atom, state.context.keys), coefficient),
          constantForm(0),
        ),
    );
    done(form, state);
    assign(best.target, signed(best.term.coefficient, call('subtract', form.right, others)), state);
  };
}
