// Reductions, which bind new indices (`sum[s: token where s <= t](e)`), and maps, which work along indices that are
// in scope (`softmax[j](e)`, `expm[r, c](e)`).

import type { Expression, Item } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import { functions, maps, usualAxis, type MapName, type Reduction } from './builtins.ts';
import type { CheckedAxis, Index, Node } from './checked.ts';
import * as nodes from './nodes.ts';
import { bindIndex } from './binding.ts';
import { bare, broken, indexNames, indexOf, type Checker, type Scope } from './scope.ts';

type NameExpression = Extract<Expression, { kind: 'name' }>;

export function reductionExpression(e: NameExpression, name: Reduction, scope: Scope, checker: Checker): Node | null {
  if (e.brackets === null || e.brackets.items.length === 0) {
    const index = e.args === null ? null : unboundIn(e.args[0]!, scope, checker);
    const meant = index === null ? 's: token' : `${index}: ${usualAxis(index) ?? 'token'}`;
    return checker.report(scope, codes.reductionBinds(e.span, name, `${name}[${meant}](...)`));
  }
  const { items } = e.brackets;
  if (e.args === null && items.every((item) => item.axis === null) && Object.hasOwn(functions, name)) {
    const call = `${name}(${items.map((item) => checker.text(item.span)).join(', ')})`;
    const hint = `the ${name === 'max' ? 'larger' : 'smaller'} of two numbers is \`${call}\``;
    return checker.report(scope, codes.reductionBinds(e.span, name, `${name}[s: token](...)`, hint));
  }
  const unbound = items.find((item) => item.axis === null);
  if (unbound !== undefined)
    return checker.report(scope, codes.reductionBinds(unbound.span, name, bindAll(name, items)));
  const indices: (Index | null)[] = [];
  const inner = new Map(scope.indices);
  for (const item of e.brackets.items) {
    const index = bindItem(item, name, { ...scope, indices: inner }, checker);
    if (index !== null) inner.set(index.name, index);
    indices.push(index);
  }
  if (e.args === null || e.args.length !== 1)
    return checker.report(scope, codes.missingBody(e.span, name, bindAll(name, e.brackets.items)));
  const failed = e.brackets.items
    .filter((_, place) => indices[place] === null)
    .map((item) => bare(item.value) ?? /[A-Za-z_]\w*/.exec(checker.text(item.value.span))?.[0] ?? '');
  const inside: Scope =
    failed.length === 0
      ? { ...scope, indices: inner }
      : {
          ...scope,
          indices: new Map([...inner].filter(([known]) => !failed.includes(known))),
          parameters: new Map([...scope.parameters, ...broken(failed)]),
        };
  const [where, facts] = whereOf(e, inside, checker);
  const body = checker.expression(e.args[0]!, { ...inside, facts });
  if (where === undefined || body === null || failed.length > 0) return null;
  const over = indices as readonly Index[];
  if (body.type === 'boolean') return checker.report(scope, codes.conditionAsNumber(e.args[0]!.span, countHint(name)));
  warnUnused(e, name, over, where, body, scope, checker);
  return { kind: 'reduce', type: reducedType(name, body), op: name, over, where, body, span: e.span };
}

function reducedType(name: Reduction, body: Node): Node['type'] {
  return name === 'mean' || name === 'logsumexp' ? 'real' : body.type;
}

const countHint = (name: Reduction): string =>
  name === 'sum' ? 'to count, write `if ... then 1 else 0`' : 'write `if ... then ... else ...`';

/** `sum[s: token](...)` from what was written without axes. */
const bindAll = (name: string, items: readonly Item[]): string =>
  `${name}[${items.map((item) => `${bare(item.value) ?? 's'}: ${item.axis?.text ?? usualAxis(bare(item.value) ?? 's') ?? 'token'}`).join(', ')}](...)`;

/** The first name in an expression that nothing binds and that people use for an index. */
export function unboundIn(e: Expression, scope: Scope, checker: Checker): string | null {
  switch (e.kind) {
    case 'number':
    case 'boolean':
      return null;
    case 'group':
      return unboundIn(e.inner, scope, checker);
    case 'negate':
    case 'not':
      return unboundIn(e.operand, scope, checker);
    case 'binary':
      return unboundIn(e.left, scope, checker) ?? unboundIn(e.right, scope, checker);
    case 'compare':
      return firstUnbound(e.operands, scope, checker);
    case 'if':
      return firstUnbound([e.condition, e.then, e.otherwise], scope, checker);
    case 'name': {
      const { text } = e.name;
      if (e.brackets === null && e.args === null) {
        const known = scope.indices.has(text) || scope.parameters.has(text) || checker.values.has(text);
        return known || usualAxis(text) === null ? null : text;
      }
      if (e.brackets?.items.some((item) => item.axis !== null) === true) return null;
      const items = e.brackets?.items.map((item) => item.value) ?? [];
      return firstUnbound([...items, ...(e.args ?? [])], scope, checker);
    }
    default:
      return e satisfies never;
  }
}

function firstUnbound(all: readonly Expression[], scope: Scope, checker: Checker): string | null {
  for (const one of all) {
    const found = unboundIn(one, scope, checker);
    if (found !== null) return found;
  }
  return null;
}

function bindItem(item: Item, name: string, scope: Scope, checker: Checker): Index | null {
  const value = item.value;
  const axis = checker.axis(item.axis!, scope);
  if (value.kind !== 'name' || value.brackets !== null || value.args !== null)
    return checker.report(scope, codes.reductionIndexName(value.span, name));
  return bindIndex(value.name, axis, scope, checker);
}

/** The condition after `where` and the facts it adds; undefined after an error; null where it always holds. */
function whereOf(
  e: NameExpression,
  scope: Scope,
  checker: Checker,
): readonly [where: Node | null | undefined, facts: Scope['facts']] {
  const written = e.brackets?.where ?? null;
  if (written === null) return [null, scope.facts];
  const where = checker.expression(written, scope);
  if (where === null) return [undefined, scope.facts];
  if (where.type !== 'boolean') {
    checker.report(scope, codes.numberAsCondition(written.span, '`where`'));
    return [undefined, scope.facts];
  }
  const facts = [...scope.facts, ...checker.ranges.facts(where, true)];
  return [where.kind === 'constant' && where.value !== 0 ? null : where, facts];
}

function warnUnused(
  e: NameExpression,
  name: Reduction,
  over: readonly Index[],
  where: Node | null,
  body: Node,
  scope: Scope,
  checker: Checker,
): void {
  if (scope.dead || where !== null || body.kind === 'constant') return; // a constant body counts
  const unused = new Set<Index>(over);
  nodes.walk(body, (node) => {
    if (node.kind === 'index') unused.delete(node.index);
    if (node.kind === 'map') for (const index of node.along) unused.delete(index);
    return unused.size > 0;
  });
  for (const [place, index] of over.entries()) {
    if (!unused.has(index)) continue;
    const size = index.axis.size === 'tokens' ? '`length`' : String(index.axis.size);
    checker.report(scope, codes.indexNotUsed(e.brackets!.items[place]!.span, index.name, name, size));
  }
}

export function mapExpression(e: NameExpression, name: MapName, scope: Scope, checker: Checker): Node | null {
  const wanted = maps[name];
  if (e.brackets === null) return checker.report(scope, codes.mapIndexCount(e.span, name, wanted));
  const { items } = e.brackets;
  const bound = items.find((item) => item.axis !== null);
  if (bound !== undefined) {
    const hint = `leave the axis out, \`${name}[${items.map((item) => bare(item.value) ?? 'j').join(', ')}](...)\`, with the index bound on the left side`;
    return checker.report(scope, codes.mapAlong(bound.span, name, hint));
  }
  if (items.length !== wanted) return checker.report(scope, codes.mapIndexCount(e.brackets.span, name, wanted));
  const along = items.map((item) => alongIndex(item, name, scope, checker));
  if (e.args === null || e.args.length !== 1)
    return checker.report(
      scope,
      codes.missingBody(e.span, name, `${checker.text(e.name.span)}${checker.text(e.brackets.span)}(...)`),
    );
  if (along.some((index) => index === null)) return null;
  const indices = along as readonly Index[];
  if (wanted === 2 && !square(e, name, indices, scope, checker)) return null;
  if (wanted === 2 && e.brackets.where !== null)
    return checker.report(scope, codes.whereInSubscript(e.brackets.where.span, name));
  const [where, facts] = whereOf(e, scope, checker);
  const body = checker.expression(e.args[0]!, { ...scope, facts });
  if (where === undefined || body === null) return null;
  if (body.type === 'boolean') return checker.report(scope, codes.conditionAsNumber(e.args[0]!.span));
  return {
    kind: 'map',
    type: name === 'rank' ? 'integer' : 'real',
    op: name,
    along: indices,
    where,
    body,
    span: e.span,
  };
}

function alongIndex(item: Item, name: MapName, scope: Scope, checker: Checker): Index | null {
  const written = bare(item.value);
  const index = written === null ? null : indexOf(written, scope);
  if (index !== null) return index;
  const inScope = indexNames(scope).map(([known]) => `\`${known}\``);
  const hint = inScope.length === 0 ? 'bind one on the left side' : `in scope here: ${inScope.join(', ')}`;
  return checker.report(scope, codes.mapAlong(item.span, name, hint));
}

function square(e: NameExpression, name: MapName, along: readonly Index[], scope: Scope, checker: Checker): boolean {
  const size = (axis: CheckedAxis): string => `\`${axis.name}\` (${axis.size})`;
  const [row, column] = along as readonly [Index, Index];
  if (row !== column && row.axis.size === column.axis.size && row.axis.size !== 'tokens') return true;
  checker.report(
    scope,
    row === column
      ? codes.mapIndexCount(e.brackets!.span, name, 2)
      : codes.notSquare(e.brackets!.span, `\`${name}\``, size(row.axis), size(column.axis)),
  );
  return false;
}
