// Values that must be known when compiling: params, axis sizes, `when`, `from`. Says what it is that is not known.

import type { Expression } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import type { Node } from './checked.ts';
import { walk } from './nodes.ts';
import type { Checker, Scope } from './scope.ts';

/** A number; null after an error. */
export function staticNumber(
  e: Expression,
  what: string,
  scope: Scope,
  checker: Checker,
  ifCondition?: () => null,
): number | null {
  const node = checker.expression(e, scope);
  if (node === null) return null;
  if (node.type === 'boolean')
    return ifCondition === undefined ? checker.report(scope, codes.conditionAsNumber(e.span)) : ifCondition();
  return known(node, e, what, scope, checker);
}

/** A condition, as true or false; null after an error. */
export function staticCondition(e: Expression, what: string, scope: Scope, checker: Checker): boolean | null {
  const node = checker.expression(e, scope);
  if (node === null) return null;
  if (node.type !== 'boolean') return checker.report(scope, codes.numberAsCondition(e.span, what));
  const value = known(node, e, what, scope, checker);
  return value === null ? null : value !== 0;
}

function known(node: Node, e: Expression, what: string, scope: Scope, checker: Checker): number | null {
  if (node.kind === 'constant') return node.value;
  const { because, hint, at } = reason(node);
  const labels =
    at.span.start === e.span.start && at.span.end === e.span.end ? [] : [{ span: at.span, text: 'known only later' }];
  return checker.report(scope, codes.notCompileTime(e.span, what, because, hint, labels));
}

/** The first thing in a node that is not known when compiling. */
function reason(node: Node): { because: string; hint: string; at: Node } {
  let found: { because: string; hint: string; at: Node } | null = null;
  const numbers = 'numbers known when compiling are params, sizes, `layer` and numbers made of them';
  walk(node, (at) => {
    if (found !== null) return false;
    if (at.kind === 'runtime') {
      const hint =
        at.name === 'length' ? 'the length trained for is `context`' : 'write `if training` where the value is used';
      found = { because: `\`${at.name}\` is known only at run time`, hint, at };
    } else if (at.kind === 'read') found = { because: `\`${at.of.name}\` is a tensor`, hint: numbers, at };
    else if (at.kind === 'chain')
      found = { because: `\`${at.tensor}\` is known only when the model runs`, hint: numbers, at };
    else if (at.kind === 'index') found = { because: `\`${at.index.name}\` is an index`, hint: numbers, at };
    return true;
  });
  return found ?? { because: 'it is a sum that is not worked out when compiling', hint: numbers, at: node };
}
