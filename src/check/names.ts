// What a name in an expression stands for: an index, a parameter, a declared or built-in number or tensor, a call, a
// reduction or a map; and what to say where it stands for none of them.

import type { Expression, Name } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import type { Label } from '../diagnostics/diagnostic.ts';
import {
  builtinAxes,
  builtinKind,
  builtinNames,
  builtinNumbers,
  chain,
  distributions,
  functions,
  isChain,
  isMap,
  isReduction,
  usualAxis,
} from './builtins.ts';
import { callFn, callFunction } from './calls.ts';
import type { Node } from './checked.ts';
import * as nodes from './nodes.ts';
import { mapExpression, reductionExpression, unboundIn } from './reductions.ts';
import { bare, type Checker, type Entry, type Scope } from './scope.ts';
import { readable, subscript } from './subscripts.ts';

export type NameExpression = Extract<Expression, { kind: 'name' }>;

export const describe: Readonly<Record<Entry['kind'], string>> = {
  param: 'a param',
  let: 'a `let`',
  learn: 'a learned tensor',
  fixed: 'a fixed tensor',
  draw: 'a random draw',
  given: 'a given tensor',
  fn: 'a `fn`',
};

export const declaredAt = (entry: Entry): Label => ({
  span: entry.name.span,
  text: `\`${entry.name.text}\` is declared here`,
});

export function nameExpression(e: NameExpression, scope: Scope, checker: Checker): Node | null {
  const { text } = e.name;
  const index = scope.indices.get(text);
  if (index !== undefined) {
    if (!bareOnly(e, 'an index', [], scope, checker)) return null;
    return { kind: 'index', type: 'integer', index, span: e.span };
  }
  const argument = scope.parameters.get(text);
  if (argument?.kind === 'node') {
    if (argument.node === null) return null;
    if (!bareOnly(e, 'a number here', [], scope, checker)) return null;
    return respan(argument.node, e);
  }
  const name: Name = argument === undefined ? e.name : { text: argument.name, span: e.name.span };
  const entry = checker.values.get(name.text);
  if (entry?.kind === 'fn') return callFn(e, entry, scope, checker);
  if (entry !== undefined) return declared(e, name, entry, scope, checker);
  return builtin(e, name, scope, checker);
}

/** An index keeps its identity but takes the place where it is written. */
const respan = (node: Node, e: NameExpression): Node =>
  node.kind === 'index' || node.kind === 'constant' ? { ...node, span: e.span } : node;

function declared(e: NameExpression, name: Name, entry: Entry, scope: Scope, checker: Checker): Node | null {
  if (scope.reads !== 'all' && !mayBeRead(entry, scope, checker))
    return checker.report(scope, initialReads(e, entry, scope));
  const found = checker.resolve(entry, e.name.span);
  scope.notes.layer ??= found.layer;
  if (found.axes === null) return null;
  const wrong = found.declaration === null && found.constant === null; // which was said
  if (wrong && found.axes.length === 0 && e.brackets !== null) return null;
  if (found.axes.length === 0 && !bareOnly(e, describe[entry.kind], [declaredAt(entry)], scope, checker)) return null;
  if (typeof found.constant === 'number') return nodes.number(found.constant, e.span);
  if (typeof found.constant === 'boolean') return nodes.boolean(found.constant, e.span);
  const tensor = readable(name.text, entry, found);
  if (found.axes.length === 0)
    return (
      found.declaration && {
        kind: 'read',
        type: found.declaration.type,
        of: found.declaration,
        items: [],
        span: e.span,
      }
    );
  return subscript(e, tensor, scope, checker);
}

/** An initial value reads numbers and `fixed` tensors, one of all layers only what all of them share; a draw reads numbers. */
function mayBeRead(entry: Entry, scope: Scope, checker: Checker): boolean {
  if (entry.kind === 'param') return true;
  if (entry.kind === 'fixed') return scope.reads === 'initial' || (scope.reads === 'shared initial' && isShared(entry));
  if (entry.kind !== 'let') return false;
  const found = checker.resolve(entry, entry.name.span);
  return (
    found.constant !== null ||
    found.axes === null ||
    (found.declaration === null && found.axes.length === 0) ||
    (scope.reads === 'draw' && found.axes.length === 0)
  );
}

const isShared = ({ body }: Entry): boolean => body.kind === 'tensor' && body.shared;

function initialReads(e: NameExpression, entry: Entry, { reads }: Scope) {
  const { text } = entry.name;
  if (entry.kind === 'fixed') {
    const [what, hint] =
      reads === 'draw'
        ? ['a stored tensor, and a `draw` is made of numbers alone', `read \`${text}\` where the draw is used`]
        : ["each layer's own, and this is shared by all layers", `make it \`fixed shared ${text}\``];
    return codes.initialReads(e.span, text, what, hint, [declaredAt(entry)]);
  }
  const hint =
    entry.kind === 'let'
      ? `make \`${entry.name.text}\` a \`fn\`, or write its formula here`
      : entry.kind === 'learn'
        ? 'two tensors that start alike share a `fixed` one, or a formula in a `fn`'
        : 'combine them in a `let`';
  return codes.initialReads(e.span, entry.name.text, describe[entry.kind], hint, [declaredAt(entry)]);
}

/** A number, index or condition takes neither brackets nor arguments. */
function bareOnly(e: NameExpression, what: string, labels: readonly Label[], scope: Scope, checker: Checker): boolean {
  const { text } = e.name;
  if (e.brackets !== null) {
    checker.report(scope, codes.indicesOnNumber(e.brackets.span, text, what, labels));
    return false;
  }
  if (e.args === null) return true;
  const hint = e.args.length === 1 ? `a product is written with \`*\`: \`${text} * (...)\`` : undefined;
  checker.report(scope, codes.notAFunction(e.span, text, what, hint, labels));
  return false;
}

function builtin(e: NameExpression, name: Name, scope: Scope, checker: Checker): Node | null {
  const { text } = name;
  if (Object.hasOwn(builtinNumbers, text)) {
    if (!bareOnly(e, 'a number', [], scope, checker)) return null;
    if (text === 'layer') scope.notes.layer ??= e.span;
    return nodes.number(builtinNumbers[text]!(checker.geometry), e.span);
  }
  if (text === 'length' || text === 'training') {
    if (!bareOnly(e, text === 'length' ? 'a number' : 'a condition', [], scope, checker)) return null;
    if (scope.reads === 'initial' || scope.reads === 'shared initial') {
      const what = text === 'length' ? 'the length of one sequence' : 'known only at run time';
      const hint = text === 'length' ? 'the length trained for is `context`' : 'ask for it where the tensor is read';
      return checker.report(scope, codes.initialReads(e.span, text, what, hint, []));
    }
    return { kind: 'runtime', type: text === 'length' ? 'integer' : 'boolean', name: text, span: e.span };
  }
  if (text === 'position' || isChain(text)) {
    if (text === 'loss') return checker.report(scope, codes.lossIsOnlyAdded(e.span));
    if (scope.reads !== 'all') {
      const what = text === 'position' ? 'known only for a sequence' : 'known only when the model runs';
      return checker.report(scope, codes.initialReads(e.span, text, what, 'use the indices of the element', []));
    }
    const found = text === 'position' ? checker.position() : null;
    return subscript(e, readableBuiltin(text, found, checker), scope, checker);
  }
  if (isReduction(text) && (e.brackets !== null || !Object.hasOwn(functions, text) || reducesOver(e, scope, checker)))
    return reductionExpression(e, text, scope, checker);
  if (isMap(text)) return mapExpression(e, text, scope, checker);
  const row = functions[text] ?? distributions[text];
  if (row !== undefined && (Object.hasOwn(functions, text) || Object.hasOwn(distributions, text)))
    return callFunction(e, row, scope, checker);
  return unknown(e, name, scope, checker);
}

function readableBuiltin(text: string, position: ReturnType<Checker['position']> | null, checker: Checker) {
  if (position !== null)
    return readable('position', null, {
      axes: position.indices.map((index) => index.axis),
      declaration: position,
      constant: null,
      layer: null,
    });
  const axes = isChain(text) ? chain[text].axes : [];
  const found = axes.map((axis) => checker.axis({ text: axis, span: { file: '', start: 0, end: 0 } }, null));
  return readable(text, null, { axes: found, declaration: null, constant: null, layer: null });
}

function unknown(e: NameExpression, name: Name, scope: Scope, checker: Checker): null {
  const { text } = name;
  const axis = checker.axisEntries.get(text);
  if (axis !== undefined || Object.hasOwn(builtinAxes, text)) {
    const instead = axis === undefined ? builtinAxes[text]!.number : checker.text(axis.size.span);
    const labels = axis === undefined ? [] : [{ span: axis.name.span, text: `axis \`${text}\` is declared here` }];
    return checker.report(scope, codes.axisAsNumber(e.name.span, text, instead, labels));
  }
  if (checker.assigned.has(text)) return null; // said where it is assigned
  const advice = checker.foreign(text);
  if (advice !== null) return checker.report(scope, codes.foreignName(e.name.span, advice.message, advice.hint));
  evaluateInside(e, scope, checker);
  const hint =
    checker.boundNames.has(text) || usualAxis(text) !== null
      ? `an index lives in one statement: bind it on the left side, \`[${text}: ${usualAxis(text) ?? '<axis>'}]\`, or in a reduction, \`sum[${text}: ${usualAxis(text) ?? '<axis>'}](...)\``
      : undefined;
  const fits = (candidate: string): boolean => mayStand(candidate, e, checker);
  return checker.report(scope, codes.unknownName(e.name.span, text, candidates(scope, checker), hint, fits));
}

function* candidates(scope: Scope, checker: Checker): Iterable<string> {
  yield* scope.indices.keys();
  yield* scope.parameters.keys();
  yield* checker.values.keys();
  yield* builtinNames;
}

/** Whether a name is of a kind that is written so: with arguments, with brackets, or alone. */
function mayStand(name: string, e: NameExpression, { values }: Checker): boolean {
  const body = values.get(name)?.body;
  const kind = builtinKind(name);
  const isCalled = body?.kind === 'fn' || kind === 'a function' || kind === 'a distribution';
  if (e.brackets === null) return e.args === null ? !isCalled && kind !== 'a reduction' && kind !== 'a map' : isCalled;
  const binds = e.brackets.items.some((item) => item.axis !== null);
  if (binds) return isReduction(name) || isMap(name);
  return kind === 'a tensor' || (body?.kind === 'tensor' && body.head.binders !== null);
}

/** `max(score[h, i, j])` where nothing binds j: not the larger of two numbers, but the largest along j. */
const reducesOver = (e: NameExpression, scope: Scope, checker: Checker): boolean =>
  e.args?.length === 1 && unboundIn(e.args[0]!, scope, checker) !== null;

/** Mistakes inside the arguments of something unknown are independent ones. */
function evaluateInside(e: NameExpression, scope: Scope, checker: Checker): void {
  if (e.brackets !== null && e.brackets.items.some((item) => item.axis !== null)) return; // it meant to bind
  for (const item of e.brackets?.items ?? []) checker.expression(item.value, scope);
  if (e.brackets === null) for (const arg of e.args ?? []) if (bare(arg) === null) checker.expression(arg, scope); // `f(x)` of whole tensors
}
