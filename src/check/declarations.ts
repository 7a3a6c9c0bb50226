// Declared names to declarations, each on first use, so that their order in the file does not matter; a circle is
// found on the way. `ordered` is an order in which each declaration reads only earlier ones.

import type { Binder, Expression, Head } from '../../grammar/ast.ts';
import type { Span } from '../../grammar/span.ts';
import { codes } from '../diagnostics/codes.ts';
import { nameIsFree } from './binding.ts';
import { builtinAxes } from './builtins.ts';
import type { CheckedAxis, Declaration, Index, Node } from './checked.ts';
import { numeric } from './expressions.ts';
import { staticNumber } from './static.ts';
import { broken, emptyScope, type Checker, type Entry, type Resolved, type Scope, type Versions } from './scope.ts';

export interface Declarations {
  readonly resolve: (entry: Entry, from: Span) => Resolved;
  readonly ordered: readonly Declaration[];
  readonly position: () => Declaration;
  /** What each line's own expression reads, for the order of the chain. */
  readonly values: ReadonlyMap<Entry, Declaration>;
}

const POISON: Resolved = { axes: null, declaration: null, constant: null, layer: null };

export function createDeclarations(
  checker: () => Checker,
  overrides: Readonly<Record<string, number>>,
  versionsAt: (place: number) => Versions,
  home: Span,
): Declarations {
  const done = new Map<Entry, Resolved>();
  const busy: Entry[] = [];
  const ordered: Declaration[] = [];
  const values = new Map<Entry, Declaration>();
  let position: Declaration | null = null;

  function resolve(entry: Entry, from: Span): Resolved {
    const known = done.get(entry);
    if (known !== undefined) return known;
    if (busy.includes(entry)) {
      const circle = busy.slice(busy.indexOf(entry));
      const labels = circle.map((one) => ({ span: one.name.span, text: `\`${one.name.text}\` is declared here` }));
      checker().report(
        null,
        codes.circular(
          from,
          circle.map((one) => one.name.text),
          labels,
        ),
      );
      for (const one of circle) done.set(one, POISON);
      return POISON;
    }
    busy.push(entry);
    const found = declare(entry);
    busy.pop();
    const circular = done.get(entry);
    if (circular !== undefined) return circular;
    done.set(entry, entry.broken ? POISON : found);
    if (entry.broken) return POISON;
    if (found.declaration !== null) {
      ordered.push(found.declaration);
      values.set(entry, found.declaration);
    }
    return found;
  }

  function declare(entry: Entry): Resolved {
    const { body } = entry;
    const scope = emptyScope(versionsAt(entry.line.place), readsOf(entry));
    switch (body.kind) {
      case 'fn':
        return POISON;
      case 'param':
        return declareParam(entry, body.assignment.value, scope);
      case 'tensor':
        return declareTensor(entry, body, scope);
      default:
        return body satisfies never;
    }
  }

  function declareParam(entry: Entry, value: Expression, scope: Scope): Resolved {
    const { text } = entry.name;
    const overridden = Object.hasOwn(overrides, text) ? overrides[text]! : null;
    if (overridden !== null && Number.isNaN(overridden))
      checker().report(null, codes.badParam(entry.name.span, text, 'not a number'));
    if (overridden !== null) return { axes: [], declaration: null, constant: overridden, layer: null };
    const node = staticNumber(value, `param \`${text}\``, scope, checker(), () =>
      checker().report(scope, codes.paramIsCondition(value.span, text)),
    );
    return { axes: [], declaration: null, constant: node, layer: scope.notes.layer };
  }

  function declareTensor(entry: Entry, body: Extract<Entry['body'], { kind: 'tensor' }>, outer: Scope): Resolved {
    const { indices, axes } = bindHead(body.head, checker());
    const stored = entry.kind === 'learn' || entry.kind === 'fixed';
    if (stored) refuseToken(entry, body.head, axes, checker());
    const inner = indices.filter((index) => index !== null);
    const written = (body.head.binders ?? []).map((binder) => binder.name.text);
    const scope: Scope = {
      ...outer,
      indices: new Map(inner.map((index) => [index.name, index] as const)),
      parameters: broken(written.filter((_, place) => indices[place] === null)),
    };
    // Axes are known before the value is: whoever reads this tensor is checked against them even if the value is wrong.
    const value = body.value && valueOf(entry, body.value, scope);
    const { layer } = scope.notes;
    if (value !== null) checker().ranges.interval(value); // from the bottom up, so that a long chain is no deep one
    const complete = inner.length === indices.length && (value !== null || body.value === null);
    if (!complete || (stored && axes.some((axis) => axis?.size === 'tokens')))
      return { axes, declaration: null, constant: null, layer };
    const declaration = build(entry, body.shared, inner, value);
    const constant = entry.kind === 'let' && axes.length === 0 && value?.kind === 'constant' ? value : null;
    return {
      axes,
      declaration,
      constant: constant && (constant.type === 'boolean' ? constant.value !== 0 : constant.value),
      layer,
    };
  }

  const valueOf = (entry: Entry, value: Expression, scope: Scope): Node | null =>
    entry.kind === 'let' ? checker().expression(value, scope) : numeric(value, scope, checker());

  return {
    resolve,
    ordered,
    values,
    position() {
      if (position === null) {
        const axis = checker().axis({ text: 'token', span: home }, null)!;
        const indices: readonly Index[] = [{ name: 't', axis, span: home }];
        position = { kind: 'position', name: 'position', span: home, indices, type: 'integer' };
        ordered.push(position);
      }
      return position;
    },
  };
}

function readsOf({ kind, body }: Entry): Scope['reads'] {
  if (kind !== 'learn' && kind !== 'fixed') return kind === 'draw' ? 'draw' : 'all';
  return body.kind === 'tensor' && body.shared ? 'shared initial' : 'initial';
}

function build(entry: Entry, shared: boolean, indices: readonly Index[], value: Node | null): Declaration {
  const common = { name: entry.name.text, span: entry.name.span, indices };
  switch (entry.kind) {
    case 'learn':
    case 'fixed':
      return { ...common, kind: entry.kind, type: 'real', shared, initial: value! };
    case 'draw':
      return { ...common, kind: 'draw', type: value!.type, initial: value! };
    case 'given':
      return { ...common, kind: 'given', type: 'real' };
    default:
      return { ...common, kind: 'let', type: value!.type, value: value! };
  }
}

/** The indices that a left side binds; a null where its axis or name is wrong. */
function bindHead(
  head: Head,
  checker: Checker,
): { readonly indices: readonly (Index | null)[]; readonly axes: readonly (CheckedAxis | null)[] } {
  const indices: (Index | null)[] = [];
  const axes: (CheckedAxis | null)[] = [];
  const seen = new Map<string, Index>();
  const scope = emptyScope({} as Versions);
  for (const binder of head.binders ?? []) {
    const axis = binderAxis(head, binder, checker);
    axes.push(axis);
    const { text, span } = binder.name;
    const twice = seen.has(text);
    if (twice) checker.report(null, codes.boundTwice(span, text));
    const free = !twice && nameIsFree(binder.name, scope, checker);
    const index = free && axis !== null ? { name: text, axis, span } : null;
    if (index !== null) seen.set(text, index);
    indices.push(index);
  }
  return { indices, axes };
}

function binderAxis(head: Head, binder: Binder, checker: Checker): CheckedAxis | null {
  if (binder.axis !== null) return checker.axis(binder.axis, null);
  const { text } = binder.name;
  const usual = Object.entries(builtinAxes).find(([axis, row]) => row.letter === text || axis === text);
  const known = checker.axisEntries.has(text) ? text : usual?.[0];
  const hint = known === undefined ? undefined : `write \`${text === known ? builtinLetter(known) : text}: ${known}\``;
  return checker.report(null, codes.headWithoutAxis(binder.span, head.name.text, text, hint));
}

const builtinLetter = (axis: string): string => builtinAxes[axis]?.letter ?? axis[0]!;

function refuseToken(entry: Entry, head: Head, axes: readonly (CheckedAxis | null)[], checker: Checker): void {
  for (const [place, axis] of axes.entries()) {
    if (axis?.size !== 'tokens') continue;
    const binders = head.binders ?? [];
    const items = binders.map((binder, other) =>
      other === place ? `position[${binder.name.text}]` : binder.name.text,
    );
    const suggestion = `${entry.name.text}[${items.join(', ')}]`;
    checker.report(null, codes.learnOverToken(binders[place]!.span, entry.kind, entry.name.text, suggestion));
    return;
  }
}
