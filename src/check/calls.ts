// Calls: elementwise functions and distributions by their table, and `fn`s, whose bodies are written out in place
// and checked there.

import type { Expression } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import type { Label } from '../diagnostics/diagnostic.ts';
import { builtinKind, isChain, type FunctionRow } from './builtins.ts';
import type { Node } from './checked.ts';
import * as nodes from './nodes.ts';
import { bare, type Argument, type Checker, type Entry, type Scope } from './scope.ts';

type NameExpression = Extract<Expression, { kind: 'name' }>;

const DEEPEST = 40; // of `fn`s that call `fn`s

export function callFunction(e: NameExpression, row: FunctionRow, scope: Scope, checker: Checker): Node | null {
  const { text } = e.name;
  if (e.brackets !== null)
    return checker.report(scope, codes.fnWithBrackets(e.brackets.span, text, `write \`${row.call}\``));
  if (e.args === null) return checker.report(scope, codes.functionAsValue(e.span, text, row.call));
  const random = row.op === 'normal' || row.op === 'trunc_normal' || row.op === 'uniform';
  if (random && scope.reads === 'all') return checker.report(scope, codes.randomOutside(e.span, text));
  const args = e.args.map((arg) => argument(arg, text, row, scope, checker));
  const [least, most] = row.arity;
  if (args.length < least || args.length > most) {
    const wanted =
      least === most ? `${least} argument${least === 1 ? '' : 's'}, \`${row.call}\`` : `at least ${least} arguments`;
    return checker.report(scope, codes.wrongArgumentCount(e.span, text, wanted, args.length, []));
  }
  if (args.some((arg) => arg === null)) return null;
  return apply(e, row, args as readonly Node[], scope, checker);
}

function argument(e: Expression, name: string, row: FunctionRow, scope: Scope, checker: Checker): Node | null {
  const node = checker.expression(e, scope);
  if (node?.type === 'boolean') return checker.report(scope, codes.conditionAsNumber(e.span));
  if (node?.type === 'real' && row.whole === true) return checker.report(scope, codes.needsWhole(e.span, name));
  return node;
}

function apply(
  e: NameExpression,
  row: FunctionRow,
  args: readonly Node[],
  scope: Scope,
  checker: Checker,
): Node | null {
  const [a, b, c] = args as [Node, Node, Node];
  switch (row.op) {
    case 'clamp':
      return nodes.clamp(a, b, c, e.span);
    case 'delta':
      return nodes.delta(a, b, e.span);
    case 'min':
    case 'max': {
      const { op } = row;
      return args.slice(1).reduce((all, arg) => nodes.call(op, [all, arg], e.span), a);
    }
    case 'floor':
    case 'ceil':
      return valued(nodes.toWhole(row.op, a, e.span), args, scope, checker);
    case 'round':
      return a.type === 'integer' ? a : nodes.call('round', args, e.span);
    default:
      return valued(nodes.call(row.op, args, e.span), args, scope, checker);
  }
}

/** A constant that came out as no finite number, though made of such, is an error where it is used. */
export function valued(node: Node, args: readonly Node[], scope: Scope, checker: Checker): Node | null {
  if (scope.dead || node.kind !== 'constant' || Number.isFinite(node.value)) return node;
  const finite = args.every((arg) => arg.kind === 'constant' && Number.isFinite(arg.value));
  if (!finite && !Number.isNaN(node.value)) return node;
  if (args.some((arg) => arg.kind === 'constant' && Number.isNaN(arg.value))) return node;
  return checker.report(scope, codes.noValue(node.span, checker.text(node.span), node.value));
}

export function callFn(e: NameExpression, entry: Entry, scope: Scope, checker: Checker): Node | null {
  if (entry.body.kind !== 'fn' || entry.broken) return null;
  const { parameters, value } = entry.body;
  const { text } = e.name;
  const declared: readonly Label[] = [{ span: entry.name.span, text: `\`${text}\` is declared here` }];
  const call = `${text}(${parameters.map((parameter) => parameter.text).join(', ')})`;
  if (e.brackets !== null)
    return checker.report(scope, codes.fnWithBrackets(e.brackets.span, text, `write \`${call}\``));
  if (e.args === null) return checker.report(scope, codes.functionAsValue(e.span, text, call));
  if (scope.inlining.includes(entry)) {
    const circle = scope.inlining.slice(scope.inlining.indexOf(entry)).map((one) => one.name.text);
    return checker.report(scope, codes.circular(e.span, circle, declared));
  }
  const args = e.args.map((arg) => fnArgument(arg, scope, checker));
  if (args.length !== parameters.length) {
    const wanted = `${parameters.length} argument${parameters.length === 1 ? '' : 's'}, \`${call}\``;
    return checker.report(scope, codes.wrongArgumentCount(e.span, text, wanted, args.length, declared));
  }
  if (scope.inlining.length >= DEEPEST || !checker.spend()) return checker.tooLarge(scope, e.span, text);
  const bound = new Map(parameters.map((parameter, place) => [parameter.text, args[place]!] as const));
  return checker.expression(value, {
    ...scope,
    indices: new Map(),
    parameters: bound,
    calls: [...scope.calls, { span: e.span, text: `called here` }],
    inlining: [...scope.inlining, entry],
  });
}

/** A number, an index, or a tensor by its name. */
function fnArgument(e: Expression, scope: Scope, checker: Checker): Argument {
  const name = bare(e);
  if (name !== null && !scope.indices.has(name)) {
    const passed = scope.parameters.get(name);
    if (passed?.kind === 'tensor') return passed;
    if (passed === undefined) {
      const entry = checker.values.get(name);
      if (entry === undefined && (name === 'position' || (isChain(name) && name !== 'loss')))
        return { kind: 'tensor', name };
      if (entry?.body.kind === 'tensor' && entry.body.head.binders !== null) return { kind: 'tensor', name };
      if (entry?.body.kind === 'fn' || (entry === undefined && builtinKind(name) === 'a function')) {
        checker.report(scope, codes.badArgument(e.span, `\`${name}\` is a function and cannot be an argument`, []));
        return { kind: 'node', node: null };
      }
    }
  }
  return { kind: 'node', node: checker.expression(e, scope) };
}
