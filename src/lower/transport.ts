// `transport key [t, h, r, c] by matrix`: the matrix of a token is recognised as the identity minus a strength times an outer
// product of two directions (one and the same, in a reflection); any other form is refused.

import type { CheckedSite } from '../check/checked.ts';
import { compileCodes } from '../diagnostics/codes/compile.ts';
import type { Transport } from '../attention/transport.ts';
import { at, call, defined, map, read, real } from '../ir/build.ts';
import type { Axis, Scalar } from '../ir/ir.ts';
import { makeKeys } from '../ir/key.ts';
import { axesOf, substitute } from '../ir/visit.ts';
import type { Lowering } from './context.ts';
import { pairExtents } from './declare.ts';
import { bind, openFrame } from './frame.ts';

/** The map that each token applies to all earlier keys; null: there is no such site, its matrix is the identity, or it was refused. */
export function lowerTransport(lowering: Lowering): Transport | null {
  const sites = lowering.encoding.sites.flatMap((site) => (site.kind === 'transport' ? [site] : []));
  const [site, second] = sites;
  if (site === undefined) return null;
  if (lowering.encoding.geometry.bidirectional === true) {
    lowering.report(compileCodes.transportBothWays(site.span));
    return null;
  }
  if (second !== undefined) {
    lowering.report(
      compileCodes.transportForm(second.span, 'it is the second one, and two maps of a token are not one'),
    );
    return null;
  }
  return fromSite(lowering, site);
}

function fromSite(
  lowering: Lowering,
  site: Extract<CheckedSite, { kind: 'transform' | 'transport' }>,
): Transport | null {
  pairExtents(lowering, site.indices);
  const frame = openFrame('transport');
  const [token, head, row, column] = site.indices.map((index) => bind(lowering, frame, index));
  if (token === undefined || head === undefined || row === undefined || column === undefined) {
    throw new Error('transport has four indices');
  }
  const form = asOuterProduct(lowering.scalar(site.by, frame), row, column);
  if (form === 'identity') return null;
  if (typeof form === 'string') {
    lowering.report(compileCodes.transportForm(site.by.span, form));
    return null;
  }
  const outer = [frame.batch, token, head];
  const named = (wanted: string, scalar: Scalar, axes: readonly Axis[]): Scalar => {
    const used = axesOf(scalar);
    if (used.size === 0 || isPlainRead(scalar)) return scalar;
    const own = axes.filter((one) => used.has(one));
    const definition = map(defined(lowering.name(wanted), own), scalar, site.span);
    lowering.definitions.push(definition);
    return read(definition.tensor, own.map(at));
  };
  const removed = named('transport_direction', form.removed, [...outer, row]);
  const keys = makeKeys();
  const same = keys.scalar(form.removed) === keys.scalar(form.measured);
  return {
    span: site.span,
    batch: frame.batch,
    token,
    head,
    feature: row,
    strength: named('transport_strength', form.strength, outer),
    removed,
    measured: same ? removed : named('transport_measure', form.measured, [...outer, row]),
  };
}

const isPlainRead = (s: Scalar): boolean =>
  s.kind === 'read' && s.outside === null && s.index.every((index) => index.kind === 'axis');

/** strength * removed[r] measured[c], both over the row. */
interface OuterProduct {
  readonly strength: Scalar;
  readonly removed: Scalar;
  readonly measured: Scalar;
}

/** Or why it is not of the form. */
function asOuterProduct(matrix: Scalar, row: Axis, column: Axis): OuterProduct | string {
  const terms = termsOf(matrix);
  const isUnit = (scalar: Scalar): boolean => isDelta(scalar, row, column);
  const units = terms.filter(({ scalar }) => isUnit(scalar));
  const rest = terms.filter(({ scalar }) => !isUnit(scalar));
  if (units.length !== 1 || units[0]!.sign !== 1) return 'there is no `delta(r, c)` in it, once and alone';
  if (rest.length === 0) return 'identity';
  if (rest.length > 1) return 'besides `delta(r, c)` it has more than one term';
  const [{ scalar, sign }] = rest as [Term];
  const factors = factorsOf(scalar);
  const groups: Record<'strength' | 'removed' | 'measured', Factor[]> = { strength: [], removed: [], measured: [] };
  for (const factor of factors) {
    const used = axesOf(factor.scalar);
    if (used.has(row) && used.has(column))
      return 'its second term is no product of a part with the row and a part with the column';
    groups[used.has(row) ? 'removed' : used.has(column) ? 'measured' : 'strength'].push(factor);
  }
  if (groups.removed.length === 0 || groups.measured.length === 0)
    return 'its second term is the same for all rows or columns';
  const sorted = makeKeys();
  const product = (list: readonly Factor[]): Scalar =>
    list
      .map(({ scalar: one, below }) => ({ scalar: substitute(one, new Map([[column, at(row)]])), below }))
      .toSorted((a, b) => sorted.scalar(a.scalar) - sorted.scalar(b.scalar))
      .reduce<Scalar>((all, one) => call(one.below ? 'divide' : 'multiply', all, one.scalar), real(1));
  const strength = product(groups.strength);
  return {
    strength: sign === 1 ? call('negate', strength) : strength,
    removed: product(groups.removed),
    measured: product(groups.measured),
  };
}

interface Term {
  readonly scalar: Scalar;
  readonly sign: 1 | -1;
}

function termsOf(s: Scalar, sign: 1 | -1 = 1): readonly Term[] {
  const flipped = sign === 1 ? -1 : 1;
  if (s.kind === 'constant' && s.value === 0) return [];
  if (s.kind !== 'call') return [{ scalar: s, sign }];
  const [a, b] = s.args as [Scalar, Scalar];
  if (s.op === 'add') return [...termsOf(a, sign), ...termsOf(b, sign)];
  if (s.op === 'subtract') return [...termsOf(a, sign), ...termsOf(b, flipped)];
  if (s.op === 'negate') return termsOf(a, flipped);
  return s.op === 'real' ? termsOf(a, sign) : [{ scalar: s, sign }];
}

/** A factor, or what is divided by. */
interface Factor {
  readonly scalar: Scalar;
  readonly below: boolean;
}

function factorsOf(s: Scalar, below = false): readonly Factor[] {
  if (s.kind !== 'call') return [{ scalar: s, below }];
  const [a, b] = s.args as [Scalar, Scalar];
  if (s.op === 'multiply') return [...factorsOf(a, below), ...factorsOf(b, below)];
  if (s.op === 'divide') return [...factorsOf(a, below), ...factorsOf(b, !below)];
  if (s.op === 'negate') return [{ scalar: real(-1), below: false }, ...factorsOf(a, below)];
  return s.op === 'real' ? factorsOf(a, below) : [{ scalar: s, below }];
}

function isDelta(s: Scalar, row: Axis, column: Axis): boolean {
  if (s.kind !== 'call' || s.op !== 'select') return false;
  const [condition, then, otherwise] = s.args as [Scalar, Scalar, Scalar];
  const isNumber = (one: Scalar, value: number): boolean => one.kind === 'constant' && one.value === value;
  if (condition.kind !== 'call' || condition.op !== 'equal') return false;
  const axes = condition.args.map((one) => (one.kind === 'axis' ? one.axis : null));
  return isNumber(then, 1) && isNumber(otherwise, 0) && axes.includes(row) && axes.includes(column);
}
