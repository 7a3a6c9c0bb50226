// Expressions to typed nodes. One function a kind; what a name stands for is in names.ts. A null is a mistake that
// has been reported: whoever gets it stays silent, so one mistake gives one message.

import type { Expression } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import type { Node } from './checked.ts';
import { valued } from './calls.ts';
import { nameExpression } from './names.ts';
import * as nodes from './nodes.ts';
import { ungroup, type Checker, type Scope } from './scope.ts';

type Of<Kind extends Expression['kind']> = Extract<Expression, { kind: Kind }>;

export function expression(e: Expression, scope: Scope, checker: Checker): Node | null {
  const node = checker.descend() ? kindOf(e, scope, checker) : checker.tooDeep(scope, e.span);
  checker.ascend();
  return node;
}

function kindOf(e: Expression, scope: Scope, checker: Checker): Node | null {
  switch (e.kind) {
    case 'number':
      return nodes.number(e.value, e.span);
    case 'boolean':
      return nodes.boolean(e.value, e.span);
    case 'group':
      return expression(e.inner, scope, checker);
    case 'not': {
      const operand = condition(e.operand, '`not`', scope, checker);
      return operand && nodes.not(operand, e.span);
    }
    case 'negate': {
      const operand = numeric(e.operand, scope, checker);
      return operand && nodes.call('negate', [operand], e.span);
    }
    case 'binary':
      return e.operator === 'and' || e.operator === 'or'
        ? joined(e, e.operator, scope, checker)
        : arithmetic(e, scope, checker);
    case 'compare':
      return comparison(e, scope, checker);
    case 'if':
      return conditional(e, scope, checker);
    case 'name':
      return nameExpression(e, scope, checker);
    default:
      return e satisfies never;
  }
}

/** A number; a condition is an error. */
export function numeric(e: Expression, scope: Scope, checker: Checker, hint?: string): Node | null {
  const node = expression(e, scope, checker);
  if (node?.type !== 'boolean') return node;
  return checker.report(scope, codes.conditionAsNumber(e.span, hint));
}

/** A condition; a number is an error. */
export function condition(e: Expression, where: string, scope: Scope, checker: Checker): Node | null {
  const node = expression(e, scope, checker);
  if (node === null || node.type === 'boolean') return node;
  return checker.report(scope, codes.numberAsCondition(e.span, where, conditionIn(e, checker)));
}

/** `if c then 1 else 0` is c itself. */
function conditionIn(e: Expression, checker: Checker): string | undefined {
  const inner = ungroup(e);
  if (inner.kind !== 'if') return undefined;
  const [then, otherwise] = [ungroup(inner.then), ungroup(inner.otherwise)];
  if (then.kind !== 'number' || otherwise.kind !== 'number') return undefined;
  const text = checker.text(inner.condition.span);
  if (then.value === 1 && otherwise.value === 0) return `write the condition alone: \`${text}\``;
  return then.value === 0 && otherwise.value === 1 ? `write its opposite alone: \`not (${text})\`` : undefined;
}

const operators = { '+': 'add', '-': 'subtract', '*': 'multiply', '/': 'divide', '^': 'power' } as const;

function arithmetic(e: Of<'binary'>, scope: Scope, checker: Checker): Node | null {
  if (e.operator === 'and' || e.operator === 'or') return null;
  const left = numeric(e.left, scope, checker);
  const right = numeric(e.right, scope, checker);
  if (left === null || right === null) return null;
  return valued(nodes.call(operators[e.operator], [left, right], e.span), [left, right], scope, checker);
}

function joined(e: Of<'binary'>, op: 'and' | 'or', scope: Scope, checker: Checker): Node | null {
  const left = condition(e.left, `\`${op}\``, scope, checker);
  const known = left === null ? [] : checker.ranges.facts(left, op === 'and');
  const decided = left?.kind === 'constant' && left.value === (op === 'and' ? 0 : 1);
  const right = condition(
    e.right,
    `\`${op}\``,
    { ...scope, facts: [...scope.facts, ...known], dead: scope.dead || decided },
    checker,
  );
  if (decided && right === null) return left;
  return left && right && nodes.join(op, left, right, e.span);
}

function comparison(e: Of<'compare'>, scope: Scope, checker: Checker): Node | null {
  const operands = e.operands.map((operand, place) => {
    const node = expression(operand, scope, checker);
    if (node?.type !== 'boolean') return node;
    const relation = e.relations[Math.min(place, e.relations.length - 1)]!;
    return checker.report(scope, codes.compareConditions(operand.span, relation));
  });
  let all: Node | null = null;
  for (const [place, relation] of e.relations.entries()) {
    const [left, right] = [operands[place], operands[place + 1]];
    if (!left || !right) return null;
    const one = nodes.compare(relation, left, right, e.span);
    all = all === null ? one : nodes.join('and', all, one, e.span);
  }
  return all;
}

function conditional(e: Of<'if'>, scope: Scope, checker: Checker): Node | null {
  const test = condition(e.condition, '`if`', scope, checker);
  const taken = test?.kind === 'constant' ? test.value !== 0 : null;
  const branch = (body: Expression, holds: boolean): Node | null =>
    expression(
      body,
      {
        ...scope,
        facts: test === null ? scope.facts : [...scope.facts, ...checker.ranges.facts(test, holds)],
        dead: scope.dead || (taken !== null && taken !== holds),
      },
      checker,
    );
  const then = branch(e.then, true);
  const otherwise = branch(e.otherwise, false);
  if (taken !== null && (taken ? otherwise : then) === null) return taken ? then : otherwise;
  if (test === null || then === null || otherwise === null) return null;
  if ((then.type === 'boolean') !== (otherwise.type === 'boolean')) {
    const kind = (node: Node): string => (node.type === 'boolean' ? 'a condition' : 'a number');
    const labels = [
      { span: e.then.span, text: kind(then) },
      { span: e.otherwise.span, text: kind(otherwise) },
    ];
    return checker.report(scope, codes.branchesDiffer(e.span, kind(then), kind(otherwise), labels));
  }
  return nodes.choose(test, then, otherwise, e.span);
}
