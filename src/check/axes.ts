// Names of axes to axes: the built-in ones by the model's sizes, declared ones by a size known when compiling.

import type { Expression, Name } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import { builtinAxes, builtinNumbers } from './builtins.ts';
import type { CheckedAxis } from './checked.ts';
import { foreignAxis } from './foreign.ts';
import { staticNumber } from './static.ts';
import { emptyScope, ungroup, type AxisEntry, type Checker, type Scope, type Versions } from './scope.ts';

const LARGEST = 2 ** 31 - 1;

export function createAxes(checker: () => Checker): Checker['axis'] {
  const known = new Map<string, CheckedAxis | null>();
  const busy: AxisEntry[] = [];

  return (name: Name, scope: Scope | null): CheckedAxis | null => {
    const { text, span } = name;
    const found = known.get(text);
    if (found !== undefined) return found;
    const entry = checker().axisEntries.get(text);
    if (entry === undefined && !Object.hasOwn(builtinAxes, text)) return unknownAxis(name, scope, checker());
    if (entry !== undefined && busy.includes(entry)) {
      const circle = busy.slice(busy.indexOf(entry)).map((one) => one.name.text);
      return checker().report(
        scope,
        codes.circular(span, circle, [{ span: entry.name.span, text: `axis \`${text}\` is declared here` }]),
      );
    }
    if (entry !== undefined) busy.push(entry);
    const axis = entry === undefined ? builtin(name, scope, checker()) : declared(entry, checker());
    if (entry !== undefined) busy.pop();
    known.set(text, axis);
    return axis;
  };
}

function builtin({ text, span }: Name, scope: Scope | null, checker: Checker): CheckedAxis | null {
  const row = builtinAxes[text]!;
  const size = row.size(checker.geometry);
  if (size === 'tokens' || Number.isInteger(size)) return { name: text, size, role: row.role };
  const hint = `a head has ${checker.geometry.head_dim} features: pairs want an even number`;
  return checker.report(scope, codes.axisSize(span, text, readable(size), hint));
}

function declared(entry: AxisEntry, checker: Checker): CheckedAxis | null {
  const { text } = entry.name;
  const scope = emptyScope({} as Versions);
  const size = staticNumber(entry.size, `the size of axis \`${text}\``, scope, checker);
  if (size === null) return null;
  if (Number.isInteger(size) && size >= 1 && size <= LARGEST) return { name: text, size, role: 'user' };
  const whole = Number.isInteger(size) || !Number.isFinite(size);
  const values = paramsIn(entry.size, checker).join(', ');
  const floor = `\`floor(${checker.text(entry.size.span)})\` would leave the rest out`;
  const hint = whole ? undefined : values === '' ? floor : `${values} here; ${floor}`;
  return checker.report(scope, codes.axisSize(entry.size.span, text, readable(size), hint));
}

/** `rotary_dim` is 7: the names in a size that others may set, with their values. */
function paramsIn(size: Expression, checker: Checker): readonly string[] {
  const inner = ungroup(size);
  if (inner.kind === 'binary') return [...paramsIn(inner.left, checker), ...paramsIn(inner.right, checker)];
  if (inner.kind !== 'name' || inner.brackets !== null || inner.args !== null) return [];
  const { text, span } = inner.name;
  const entry = checker.values.get(text);
  const value =
    entry?.kind === 'param' ? checker.resolve(entry, span).constant : builtinNumbers[text]?.(checker.geometry);
  return typeof value === 'number' ? [`\`${text}\` is ${readable(value)}`] : [];
}

/** 21.33, not 21.333333333333332. */
const readable = (size: number): string => String(Math.round(size * 100) / 100);

function unknownAxis({ text, span }: Name, scope: Scope | null, checker: Checker): null {
  const meant = foreignAxis(text);
  const hint = meant === null ? undefined : `did you mean \`${meant}\`?`;
  const candidates = [...checker.axisEntries.keys(), ...Object.keys(builtinAxes)];
  const isValue = checker.values.has(text) && meant === null;
  const asAxis = isValue
    ? `\`${text}\` is a number: declare an axis of that size, \`axis place = ${text}\``
    : undefined;
  return checker.report(scope, codes.unknownAxis(span, text, candidates, hint ?? asAxis));
}
