// Reading a tensor at its indices: their number, the axis each runs over, whole numbers, casts, query heads that
// share a key head, and whether a computed index stays inside its axis.

import type { Expression, Item } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import type { Label } from '../diagnostics/diagnostic.ts';
import { builtinAxes, isChain } from './builtins.ts';
import type { CheckedAxis, Declaration, Index, Node } from './checked.ts';
import * as nodes from './nodes.ts';
import { bare, indexNames, ungroup, type Checker, type Entry, type Resolved, type Scope } from './scope.ts';

type NameExpression = Extract<Expression, { kind: 'name' }>;

/** A tensor as a subscript sees it. An axis is null where its declaration was wrong. */
export interface Readable {
  readonly name: string;
  readonly axes: readonly (CheckedAxis | null)[];
  readonly declaration: Declaration | null;
  readonly entry: Entry | null; // null: built in
}

export const readable = (name: string, entry: Entry | null, found: Resolved): Readable => ({
  name,
  axes: found.axes ?? [],
  declaration: found.declaration,
  entry,
});

const axisNames = (tensor: Readable): readonly string[] => tensor.axes.map((axis) => axis?.name ?? '?');

/** Where the axis at a place of a tensor was said. */
function saidAt(tensor: Readable, place: number): readonly Label[] {
  if (tensor.entry?.body.kind !== 'tensor') return [];
  const binder = tensor.entry.body.head.binders?.[place];
  if (binder === undefined) return [];
  return [{ span: binder.span, text: `\`${tensor.name}\` is over \`${tensor.axes[place]?.name ?? '?'}\` here` }];
}

const declaredAt = (tensor: Readable): readonly Label[] =>
  tensor.entry === null ? [] : [{ span: tensor.entry.name.span, text: `\`${tensor.name}\` is declared here` }];

export function subscript(e: NameExpression, tensor: Readable, scope: Scope, checker: Checker): Node | null {
  if (e.args !== null) {
    const hint =
      e.brackets === null
        ? `read it at its indices: \`${suggestRead(tensor, scope)}\``
        : 'an operator is missing before `(`';
    return checker.report(scope, codes.notAFunction(e.span, tensor.name, 'a tensor', hint, declaredAt(tensor)));
  }
  if (e.brackets === null)
    return checker.report(
      scope,
      codes.missingIndices(e.span, tensor.name, axisNames(tensor), suggestRead(tensor, scope), declaredAt(tensor)),
    );
  if (e.brackets.where !== null)
    return checker.report(scope, codes.whereInSubscript(e.brackets.where.span, tensor.name));
  const { items } = e.brackets;
  const values = items.map((item) => checker.expression(item.value, scope));
  if (items.length !== tensor.axes.length) {
    const coordinates = tensor.name === 'position' && tensor.entry === null && items.length === 2;
    const hint = coordinates
      ? 'coordinates are given: `axis coordinate = 2`, then `given position[t: token, k: coordinate]`'
      : `write \`${suggestRead(tensor, scope, items)}\``;
    const diagnostic = codes.wrongRank(e.span, tensor.name, axisNames(tensor), items.length, hint, declaredAt(tensor));
    return checker.report(scope, diagnostic);
  }
  const wrong = misplaced(items, values, tensor, checker);
  if (wrong !== null) return checker.report(scope, wrongAxis(items, values, wrong, tensor, scope, checker));
  const placed = items.map((item, place) => placeItem(item, values[place] ?? null, tensor, place, scope, checker));
  if (placed.some((item) => item === null)) return null;
  const read = placed as readonly Node[];
  if (tensor.declaration !== null)
    return { kind: 'read', type: tensor.declaration.type, of: tensor.declaration, items: read, span: e.span };
  if (!isChain(tensor.name)) return null; // declared, but wrong
  const version = scope.versions[tensor.name];
  const type = tensor.name === 'visible' ? 'boolean' : 'real';
  const mask = scope.versions.visible;
  return { kind: 'chain', type, tensor: tensor.name, version, mask, items: read, span: e.span };
}

/** A bare index may stand at an axis: its own, or `kv_head` for a query head, or `head` where both are equal in number. */
function stands(index: Index, axis: CheckedAxis, checker: Checker): boolean {
  const heads = [index.axis.name, axis.name].every((name) => name === 'head' || name === 'kv_head');
  if (index.axis.name === axis.name) return true;
  return heads && (axis.name === 'kv_head' || checker.geometry.heads === checker.geometry.kv_heads);
}

/** The first item that is a bare index at an axis it does not run over. */
function misplaced(
  items: readonly Item[],
  values: readonly (Node | null)[],
  tensor: Readable,
  checker: Checker,
): number | null {
  for (const [place, item] of items.entries()) {
    const [node, axis] = [values[place], tensor.axes[place]];
    if (node?.kind !== 'index' || axis == null || item.axis !== null) continue;
    const shared = node.index.axis.name === 'kv_head' && axis.name === 'head';
    if (!shared && !stands(node.index, axis, checker)) return place;
  }
  return null;
}

function wrongAxis(
  items: readonly Item[],
  values: readonly (Node | null)[],
  place: number,
  tensor: Readable,
  scope: Scope,
  checker: Checker,
) {
  const node = values[place] as Extract<Node, { kind: 'index' }>;
  const wants = tensor.axes[place]!.name;
  const written = bare(items[place]!.value) ?? node.index.name;
  const reordered = reorder(items, values, tensor);
  const fitting = indexNames(scope).find(([, index]) => fits(index, tensor.axes[place]!))?.[0];
  const hint =
    reordered !== null
      ? `did you mean \`${tensor.name}[${reordered.join(', ')}]\`?`
      : fitting !== undefined
        ? `did you mean \`${fitting}\`?`
        : node.index.axis.size === 'tokens'
          ? `a computed number may stand here: \`clamp(${written}, 0, ${lastOf(tensor.axes[place]!, checker)})\``
          : castHint(node.index, written, tensor, place, checker);
  return codes.wrongAxis(items[place]!.span, written, node.index.axis.name, tensor.name, wants, hint, [
    ...saidAt(tensor, place),
    { span: node.index.span, text: `\`${node.index.name}\` runs over \`${node.index.axis.name}\`` },
  ]);
}

/** A pair index counts half of the features; a tensor of one's own over features is hardly meant to be read by it. */
function castHint(index: Index, written: string, tensor: Readable, place: number, checker: Checker): string {
  const wants = tensor.axes[place]!.name;
  const cast = `\`${written}: ${wants}\` reads it as a place on \`${wants}\``;
  if (index.axis.role !== 'pair' || wants !== 'dim') return cast;
  if (tensor.entry !== null && tensor.entry.kind !== 'given')
    return `there is one ${written} for two features: declare \`${tensor.name}\` over \`pair\``;
  const half = checker.axisEntries.has(index.axis.name) ? '' : `, and the other half is \`${written} + head_dim / 2\``;
  return `${cast}: the first half of them${half}`;
}

const fits = (index: Index, axis: CheckedAxis): boolean =>
  index.axis.name === axis.name || (index.axis.name === 'head' && axis.name === 'kv_head');

/** The same bare indices in the order that the tensor wants, if there is one. */
function reorder(items: readonly Item[], values: readonly (Node | null)[], tensor: Readable): readonly string[] | null {
  const left = items.map((item, place) => {
    const node = values[place];
    const name = bare(item.value);
    return node?.kind === 'index' && name !== null ? { name, index: node.index } : null;
  });
  const ordered: string[] = [];
  for (const axis of tensor.axes) {
    const place = left.findIndex((item) => item != null && axis !== null && fits(item.index, axis));
    if (place < 0) return null;
    ordered.push(left[place]!.name);
    left[place] = null;
  }
  return ordered;
}

function placeItem(
  item: Item,
  node: Node | null,
  tensor: Readable,
  place: number,
  scope: Scope,
  checker: Checker,
): Node | null {
  const axis = tensor.axes[place];
  if (node === null || axis == null) return null;
  if (node.type === 'boolean')
    return checker.report(scope, codes.conditionAsNumber(item.value.span, 'write `if ... then ... else ...`'));
  if (node.type === 'real') {
    const whole = `floor(${checker.text(ungroup(item.value).span)})`;
    return checker.report(scope, codes.indexNotWhole(item.value.span, tensor.name, `write \`${whole}\``));
  }
  if (item.axis !== null) {
    const cast = checker.axis(item.axis, scope);
    if (cast === null) return null;
    if (cast.name !== axis.name)
      return checker.report(
        scope,
        codes.castMismatch(item.axis.span, cast.name, tensor.name, axis.name, saidAt(tensor, place)),
      );
  } else if (node.kind === 'index') {
    if (stands(node.index, axis, checker)) return toKeyHead(node, axis, checker);
    const group = checker.geometry.heads / checker.geometry.kv_heads;
    const kind = isChain(tensor.name) ? 'head' : 'kv_head';
    const written = bare(item.value) ?? node.index.name;
    return checker.report(scope, codes.sharedKey(item.span, group, written, kind, tensor.name, saidAt(tensor, place)));
  }
  if (!scope.dead) warnOutside(item, node, tensor, axis, scope, checker);
  return node;
}

/** The key head that a query head shares: h -> floor(h / group). */
function toKeyHead(node: Extract<Node, { kind: 'index' }>, axis: CheckedAxis, checker: Checker): Node {
  const { heads, kv_heads } = checker.geometry;
  if (axis.name !== 'kv_head' || node.index.axis.name === 'kv_head' || heads === kv_heads) return node;
  return nodes.call('div', [node, nodes.number(heads / kv_heads, node.span)], node.span);
}

function warnOutside(
  item: Item,
  node: Node,
  tensor: Readable,
  axis: CheckedAxis,
  scope: Scope,
  checker: Checker,
): void {
  if (axis.size === 'tokens') return;
  const last = axis.size - 1;
  const { ranges } = checker;
  if (ranges.atLeast(node, 0, scope.facts) && ranges.atMost(node, last, scope.facts)) return;
  const { low, high } = ranges.interval(node);
  const runs = Number.isFinite(low)
    ? Number.isFinite(high)
      ? low === high
        ? `this is ${low}`
        : `runs from ${low} to ${high}`
      : `runs from ${low} upwards`
    : Number.isFinite(high)
      ? `runs up to ${high}`
      : 'without bounds';
  const always = high < 0 || low > last;
  const hint = insideHint(item.value, node, axis, last, { low, high }, checker);
  checker.report(scope, codes.mayBeOutside(item.span, tensor.name, axis.name, runs, axis.size, always, hint));
}

/** How to stay inside an axis: a place counted from its end, a shift where all places fit, more rows, or a clamp. */
function insideHint(
  e: Expression,
  node: Node,
  axis: CheckedAxis,
  last: number,
  { low, high }: { readonly low: number; readonly high: number },
  checker: Checker,
): string {
  const text = checker.text(ungroup(e).span);
  const end = lastOf(axis, checker);
  if (low === high && low === -1) return `places count from 0: the last one is \`${end}\``;
  const fits = low < 0 && high - low <= last && ungroup(e).kind === 'name';
  if (fits) return `places count from 0: write \`${text} + ${-low}\``;
  const [value, from] = clamped(e) ?? [];
  const inner = value === undefined || from === undefined ? text : checker.text(value.span);
  const clamp = `clamp(${inner}, 0, ${end})`;
  const declared = checker.axisEntries.has(axis.name);
  if (declared && low === 0 && Number.isFinite(high))
    return `write \`${clamp}\`, or give \`${axis.name}\` a size of ${high + 1}`;
  const { context } = checker.geometry;
  if (declared && readsPosition(node) && last + 1 < context)
    return `positions of ${context} tokens reach ${context - 1}: \`axis ${axis.name} = context\` has a place for each, and \`min(${inner}, context - 1)\` keeps those beyond inside`;
  return `write \`${clamp}\``;
}

/** The value of a `clamp(value, low, high)`, and its low. */
function clamped(e: Expression): readonly Expression[] | null {
  const inner = ungroup(e);
  return inner.kind === 'name' && inner.name.text === 'clamp' && inner.args?.length === 3 ? inner.args : null;
}

const readsPosition = (node: Node): boolean => node.kind === 'read' && node.of.kind === 'position';

/** How to write the last place of an axis. */
function lastOf(axis: CheckedAxis, checker: Checker): string {
  const entry = checker.axisEntries.get(axis.name);
  const size = entry === undefined ? builtinAxes[axis.name]?.number : checker.text(entry.size.span);
  const last = typeof axis.size === 'number' ? axis.size - 1 : 0;
  return size === undefined || !/^[A-Za-z_][\w ]*(\/ 2)?$/.test(size) ? String(last) : `${size} - 1`;
}

/** `angle[t, p]`: a tensor with indices that are in scope here, those that were written before others, or with the letters that people use. */
function suggestRead(tensor: Readable, scope: Scope, written: readonly Item[] = []): string {
  const names = written.map((item) => bare(item.value));
  const free = indexNames(scope).toSorted(([a], [b]) => Number(names.includes(b)) - Number(names.includes(a)));
  const indices = tensor.axes.map((axis, place) => {
    const found = axis === null ? -1 : free.findIndex(([, index]) => fits(index, axis));
    if (found >= 0) return free.splice(found, 1)[0]![0];
    const binder = tensor.entry?.body.kind === 'tensor' ? tensor.entry.body.head.binders?.[place] : undefined;
    return binder?.name.text ?? builtinAxes[axis?.name ?? '']?.letter ?? 'n';
  });
  return `${tensor.name}[${indices.join(', ')}]`;
}
