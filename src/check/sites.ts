// Sites to checked sites: which tensors a line changes, the indices it binds on each, and its value, checked once a
// target with that target's axes.

import type { Binder, Name, Site } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import { nameIsFree } from './binding.ts';
import { builtinKind, chain, isChain } from './builtins.ts';
import type { CheckedAxis, CheckedSite, ChainTensor, Index, Node } from './checked.ts';
import { condition, numeric } from './expressions.ts';
import { declaredAt, describe } from './names.ts';
import { staticCondition, staticNumber } from './static.ts';
import { broken, emptyScope, type Checker, type Line, type Scope, type Versions } from './scope.ts';

const accepts: Readonly<Record<Exclude<Site['kind'], 'assign'>, readonly ChainTensor[]>> = {
  rotate: ['query', 'key', 'value', 'output'],
  transform: ['query', 'key', 'value', 'output'],
  transport: ['key'],
};

export interface SiteLine {
  readonly line: Line;
  readonly site: Site;
  readonly targets: readonly ChainTensor[];
  readonly live: boolean; // its `when` holds
}

export interface CheckedLine extends SiteLine {
  readonly checked: readonly CheckedSite[];
  readonly scope: Scope;
}

/** The tensors a line changes and whether it does: known before any version is. */
export function siteLine(line: Line, site: Site, checker: Checker): SiteLine {
  const seen = new Set<string>();
  const targets: ChainTensor[] = [];
  for (const name of site.targets.names) {
    if (seen.has(name.text)) checker.report(null, codes.repeatedTarget(name.span, name.text));
    else if (acceptable(name, site, checker)) targets.push(name.text as ChainTensor);
    seen.add(name.text);
  }
  const scope = emptyScope({} as Versions);
  const holds = site.when === null || staticCondition(site.when, '`when`', scope, checker) !== false;
  return { line, site, targets, live: holds };
}

function acceptable(name: Name, site: Site, checker: Checker): boolean {
  const { text, span } = name;
  if (!isChain(text)) {
    checker.report(null, notATarget(name, site, checker));
    return false;
  }
  if (site.kind === 'assign') {
    const { operators } = chain[text];
    if (operators.includes(site.operator)) return true;
    const why =
      text === 'visible'
        ? 'it is a condition that narrows what the model shows'
        : 'every layer adds its part to the loss of the model';
    checker.report(null, codes.siteOperator(span, text, site.operator, operators.join('`, `'), why));
    return false;
  }
  const allowed = accepts[site.kind];
  if (allowed.includes(text)) return true;
  const list = allowed.map((one) => `\`${one}\``);
  const names = list.length === 1 ? list[0]! : `${list.slice(0, -1).join(', ')} or ${list.at(-1)}`;
  checker.report(null, codes.siteKind(span, site.kind, text, names));
  return false;
}

function notATarget({ text, span }: Name, site: Site, checker: Checker) {
  const entry = checker.values.get(text);
  if (text === 'position') return codes.positionReadOnly(span);
  if (entry !== undefined) {
    const hint = `a variant declares it again: \`encoding other extends ${entry.line.encoding.name.text} { let ${text}... }\``;
    return codes.siteTarget(span, text, describe[entry.kind], hint, [declaredAt(entry)]);
  }
  const kind = builtinKind(text);
  if (kind !== null) return codes.siteTarget(span, text, `${kind} that is built in`, undefined, []);
  const advice = checker.foreign(text);
  if (advice !== null) return codes.foreignName(span, advice.message, advice.hint);
  const { binders } = site.targets;
  const defines = binders === null || binders.some((binder) => binder.axis !== null);
  const hint =
    site.kind === 'assign' && site.operator === '=' && defines
      ? `to define it, begin the line with \`let\`: \`let ${checker.text(site.targets.span)} = ...\``
      : undefined;
  return codes.unknownName(span, text, Object.keys(chain), hint);
}

export function checkSite(known: SiteLine, versions: Versions, checker: Checker): CheckedLine {
  const { site } = known;
  const base = { ...emptyScope(versions), dead: !known.live };
  const checked = known.targets.flatMap((target): readonly CheckedSite[] => {
    const bound = bindTargets(target, site, base, checker);
    const indices = bound.filter((index) => index !== null);
    const written = (site.targets.binders ?? []).map((binder) => binder.name.text);
    const scope: Scope = {
      ...base,
      indices: new Map(indices.map((index) => [index.name, index] as const)),
      parameters: broken(written.filter((_, place) => (bound[place] ?? null) === null)),
    };
    if (indices.length < bound.length) {
      if (written.length > 0) checker.expression(site.kind === 'assign' ? site.value : site.by, scope); // its own mistakes
      return [];
    }
    const one = siteOf(target, site, indices, scope, checker);
    return one === null ? [] : [one];
  });
  return { ...known, checked, scope: base };
}

function siteOf(
  target: ChainTensor,
  site: Site,
  indices: readonly Index[],
  scope: Scope,
  checker: Checker,
): CheckedSite | null {
  const common = { target, version: scope.versions[target], indices, span: site.span };
  switch (site.kind) {
    case 'assign': {
      const value = assigned(target, site, scope, checker);
      return value && { ...common, kind: 'assign', operator: site.operator, value };
    }
    case 'rotate': {
      const by = numeric(site.by, scope, checker);
      const from = rotateFrom(site, indices[2]!, scope, checker);
      if (by === null || from === null) return null;
      return { ...common, kind: 'rotate', by, layout: site.interleaved ? 'interleaved' : 'split', from };
    }
    case 'transform':
    case 'transport': {
      const by = numeric(site.by, scope, checker);
      if (site.kind === 'transform' && !coversHead(site, indices, scope, checker)) return null;
      return by && { ...common, kind: site.kind, by };
    }
    default:
      return site satisfies never;
  }
}

function assigned(
  target: ChainTensor,
  site: Extract<Site, { kind: 'assign' }>,
  scope: Scope,
  checker: Checker,
): Node | null {
  if (target === 'visible') return condition(site.value, '`visible`', scope, checker);
  const text = checker.text(site.value.span);
  const hint =
    target === 'score' || target === 'attention'
      ? `write \`visible${site.targets.binders === null ? '[h, i, j]' : bracketsOf(site.targets.binders)} = ${text}\`, or \`if ... then ... else ...\``
      : undefined;
  return numeric(site.value, scope, checker, hint);
}

const bracketsOf = (binders: readonly Binder[]): string => `[${binders.map((binder) => binder.name.text).join(', ')}]`;

/** The first feature that turns; checks that the pairs fit into a head. */
function rotateFrom(
  site: Extract<Site, { kind: 'rotate' }>,
  pair: Index,
  scope: Scope,
  checker: Checker,
): number | null {
  const from = site.from === null ? 0 : staticNumber(site.from, '`from`', scope, checker);
  if (from === null) return null;
  const at = site.from?.span ?? pair.span;
  if (!Number.isInteger(from) || from < 0) return checker.report(scope, codes.rotateFrom(at, String(from)));
  const { size } = pair.axis;
  const { head_dim } = checker.geometry;
  if (typeof size === 'number' && from + 2 * size <= head_dim) return from;
  return checker.report(scope, codes.rotateTooWide(at, from, Number(size), head_dim));
}

/** The blocks of a transformation are square and cover a head exactly. */
function coversHead(site: Site, indices: readonly Index[], scope: Scope, checker: Checker): boolean {
  const [row, column] = indices.slice(-2) as [Index, Index];
  const size = (index: Index): number => Number(index.axis.size);
  if (size(row) !== size(column)) {
    const shown = (index: Index): string => `\`${index.axis.name}\` (${index.axis.size})`;
    checker.report(scope, codes.notSquare(site.targets.span, '`transform`', shown(row), shown(column)));
    return false;
  }
  const blocks = indices.length === 5 ? size(indices[2]!) : 1;
  if (blocks * size(row) === checker.geometry.head_dim) return true;
  checker.report(scope, codes.transformBlocks(site.targets.span, blocks, size(row), checker.geometry.head_dim));
  return false;
}

/** What may stand at each place between a site's brackets: an axis the tensor has, a usual one, or one to be named. */
type Slot = { readonly kind: 'has' | 'usual'; readonly axis: string } | { readonly kind: 'named' };

const has = (axis: string): Slot => ({ kind: 'has', axis });
const usual = (axis: string): Slot => ({ kind: 'usual', axis });
const named: Slot = { kind: 'named' };

/** The forms of a site on a tensor, as slots and as they are written. */
function formsOf(target: ChainTensor, kind: Site['kind']): readonly { slots: readonly Slot[]; text: string }[] {
  const { axes, letters } = chain[target];
  const [t, h] = letters;
  const start = axes.slice(0, 2).map(has);
  switch (kind) {
    case 'assign':
      return [{ slots: axes.map(has), text: axes.length === 0 ? target : `${target}[${letters.join(', ')}]` }];
    case 'rotate':
      return [{ slots: [...start, usual('pair')], text: `${target} [${t}, ${h}, p]` }];
    case 'transform':
      return [
        { slots: [...start, usual('dim'), usual('dim')], text: `${target} [${t}, ${h}, r, c]` },
        { slots: [...start, named, named, named], text: `${target} [${t}, ${h}, b: place, r: side, c: side]` },
      ];
    case 'transport':
      return [{ slots: [...start, has('dim'), has('dim')], text: `${target} [${t}, ${h}, r, c]` }];
    default:
      return kind satisfies never;
  }
}

/** The letters that everybody uses for the axes of a tensor, none with its axis, in another order than the axes have. */
function inAnotherOrder(binders: readonly Binder[], target: ChainTensor): boolean {
  const { letters } = chain[target];
  const written = binders.map((binder) => binder.name.text);
  if (binders.some((binder) => binder.axis !== null) || written.join() === letters.join()) return false;
  return written.toSorted().join() === letters.toSorted().join();
}

/** Fresh indices for one target of a site; null for each that is wrong. */
function bindTargets(target: ChainTensor, site: Site, scope: Scope, checker: Checker): readonly (Index | null)[] {
  const binders = site.targets.binders ?? [];
  const forms = formsOf(target, site.kind);
  const form = forms.find(({ slots }) => slots.length === binders.length);
  if (form === undefined) {
    const text = forms.map((one) => `\`${one.text}\``).join(' or ');
    const batched = binders.length === forms[0]!.slots.length + 1 && site.kind === 'assign';
    const hint = batched ? 'batches are never seen: an encoding says what happens in one sequence' : undefined;
    checker.report(scope, codes.siteIndices(site.targets.span, target, binders.length, text, hint));
    return [null, ...binders.slice(1).map(() => null)];
  }
  if (site.kind === 'assign' && inAnotherOrder(binders, target)) {
    const at = { ...site.span, start: binders[0]!.span.start - 1, end: binders.at(-1)!.span.end + 1 };
    checker.report(scope, codes.siteOrder(at, target, chain[target].letters, chain[target].axes));
    return binders.map(() => null);
  }
  return binders.map((binder, place) => {
    const axis = slotAxis(form.slots[place]!, binder, target, site, form.text, scope, checker);
    const twice = binders.slice(0, place).some((other) => other.name.text === binder.name.text);
    if (twice) return checker.report(scope, codes.boundTwice(binder.name.span, binder.name.text));
    const free = nameIsFree(binder.name, scope, checker);
    return axis && free ? { name: binder.name.text, axis, span: binder.name.span } : null;
  });
}

function slotAxis(
  slot: Slot,
  binder: Binder,
  target: ChainTensor,
  site: Site,
  form: string,
  scope: Scope,
  checker: Checker,
): CheckedAxis | null {
  const { text } = binder.name;
  if (binder.axis === null) {
    if (slot.kind !== 'named') return checker.axis({ text: slot.axis, span: binder.span }, scope);
    return checker.report(scope, codes.siteAxisUnknown(site.targets.span, text, site.kind, form));
  }
  const axis = checker.axis(binder.axis, scope);
  if (axis === null) return null;
  if (slot.kind === 'has' && axis.name !== slot.axis)
    return checker.report(scope, codes.siteAxis(binder.axis.span, target, text, axis.name, slot.axis));
  if (site.kind === 'rotate' && slot.kind === 'usual' && axis.role !== 'pair' && axis.role !== 'user')
    return checker.report(scope, codes.rotateAxis(binder.span, text, axis.name));
  return axis;
}
