// Statements with every expression in them rewritten from the leaves up. Shared expressions stay shared.

import type { Expression, Statement } from './kernel.ts';

export type Rewrite = (expression: Expression) => Expression;

/** `rewrite` sees an expression after its parts. */
export function mapExpressions(statement: Statement, rewrite: Rewrite): Statement {
  const memo = new Map<Expression, Expression>();
  const visit = (e: Expression): Expression => {
    const known = memo.get(e);
    if (known !== undefined) return known;
    const made = rewrite(inside(e, visit));
    memo.set(e, made);
    return made;
  };
  const within = (s: Statement): Statement => {
    switch (s.kind) {
      case 'let':
      case 'var':
      case 'set':
        return { ...s, value: visit(s.value) };
      case 'store':
      case 'store-element':
        return { ...s, index: visit(s.index), value: visit(s.value), ...(s.mask ? { mask: visit(s.mask) } : {}) };
      case 'store-shared':
        return { ...s, index: visit(s.index), value: visit(s.value) };
      case 'load-elements':
      case 'store-elements':
        return { ...s, index: visit(s.index) };
      case 'for':
        return { ...s, from: visit(s.from), to: visit(s.to), body: s.body.map(within) };
      case 'if':
        // oxlint-disable-next-line unicorn/no-thenable -- a branch, not a promise
        return { ...s, condition: visit(s.condition), then: s.then.map(within), otherwise: s.otherwise.map(within) };
      case 'barrier':
      case 'return':
      case 'comment':
        return s;
      default:
        return s satisfies never;
    }
  };
  return within(statement);
}

/** The expressions that one is made of. */
export function partsOf(e: Expression): readonly Expression[] {
  const parts: Expression[] = [];
  inside(e, (part) => {
    parts.push(part);
    return part;
  });
  return parts;
}

/** The same expression with each of its parts visited. */
export function inside(e: Expression, visit: Rewrite): Expression {
  switch (e.kind) {
    case 'literal':
    case 'local':
    case 'size':
    case 'workgroup':
    case 'lane':
    case 'subgroup_size':
    case 'subgroup_lane':
      return e;
    case 'load':
    case 'element':
      return { ...e, index: visit(e.index), ...(e.mask ? { mask: visit(e.mask) } : {}) };
    case 'shared':
      return { ...e, index: visit(e.index) };
    case 'call':
    case 'apply':
      return { ...e, args: e.args.map(visit) };
    case 'subgroup':
    case 'splat':
    case 'extract':
    case 'across':
      return { ...e, value: visit(e.value) };
    case 'ramp':
      return { ...e, from: visit(e.from) };
    case 'shuffle':
      return { ...e, a: visit(e.a), b: visit(e.b) };
    default:
      return e satisfies never;
  }
}
