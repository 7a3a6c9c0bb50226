// Statements with every expression in them rewritten from the leaves up. Shared expressions stay shared.

import type { Expression, KernelOp, Statement } from './kernel.ts';

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

const nothing: readonly Expression[] = Object.freeze([]);

/** The expressions that one is made of. */
export function partsOf(e: Expression): readonly Expression[] {
  switch (e.kind) {
    case 'literal':
    case 'local':
    case 'size':
    case 'workgroup':
    case 'lane':
    case 'subgroup_size':
    case 'subgroup_lane':
      return nothing;
    case 'load':
    case 'element':
      return e.mask ? [e.index, e.mask] : [e.index];
    case 'shared':
      return [e.index];
    case 'call':
    case 'apply':
      return e.args;
    case 'subgroup':
    case 'splat':
    case 'extract':
    case 'across':
      return [e.value];
    case 'ramp':
      return [e.from];
    case 'shuffle':
      return [e.a, e.b];
    default:
      return e satisfies never;
  }
}

/** The same expression with each of its parts visited: itself, where no part changes. */
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
    case 'element': {
      const index = visit(e.index);
      const mask = e.mask && visit(e.mask);
      return index === e.index && mask === e.mask ? e : { ...e, index, ...(mask ? { mask } : {}) };
    }
    case 'shared': {
      const index = visit(e.index);
      return index === e.index ? e : { ...e, index };
    }
    case 'call':
    case 'apply': {
      const args = e.args.map(visit);
      return args.every((arg, n) => arg === e.args[n]) ? e : { ...e, args };
    }
    case 'subgroup':
    case 'splat':
    case 'extract':
    case 'across': {
      const value = visit(e.value);
      return value === e.value ? e : { ...e, value };
    }
    case 'ramp': {
      const from = visit(e.from);
      return from === e.from ? e : { ...e, from };
    }
    case 'shuffle': {
      const [a, b] = [visit(e.a), visit(e.b)];
      return a === e.a && b === e.b ? e : { ...e, a, b };
    }
    default:
      return e satisfies never;
  }
}

/** The expressions that stand in a statement itself, not in statements nested in it, in the order of execution. */
export function expressionsOf(statement: Statement): readonly Expression[] {
  switch (statement.kind) {
    case 'let':
    case 'var':
    case 'set':
      return [statement.value];
    case 'store':
    case 'store-element':
      return [statement.index, statement.value, ...(statement.mask ? [statement.mask] : [])];
    case 'store-shared':
      return [statement.index, statement.value];
    case 'load-elements':
    case 'store-elements':
      return [statement.index];
    case 'for':
      return [statement.from, statement.to];
    case 'if':
      return [statement.condition];
    case 'barrier':
    case 'return':
    case 'comment':
      return [];
    default:
      return statement satisfies never;
  }
}

/** Statements with all that is nested in them, outermost first. */
export function* nestedIn(statements: readonly Statement[]): Generator<Statement, void> {
  for (const statement of statements) {
    yield statement;
    if (statement.kind === 'for') yield* nestedIn(statement.body);
    if (statement.kind === 'if') {
      yield* nestedIn(statement.then);
      yield* nestedIn(statement.otherwise);
    }
  }
}

const associative: ReadonlySet<string> = new Set(['add', 'multiply', 'max', 'min'] satisfies KernelOp[]);

/** `set x = op(x, value)` or op(value, x) of a number: what `vector` loops may do with a variable of outside. */
export interface Accumulation {
  readonly op: 'add' | 'multiply' | 'max' | 'min';
  readonly value: Expression;
}

export function accumulationOf({ name, value }: Extract<Statement, { kind: 'set' }>): Accumulation | null {
  if (value.kind !== 'call' || !associative.has(value.op)) return null;
  const isOwn = (e: Expression): boolean => e.kind === 'local' && e.name === name;
  const [a, b] = value.args as [Expression, Expression];
  const op = value.op as Accumulation['op'];
  if (isOwn(a) && !namesLocal(b, name)) return { op, value: b };
  return isOwn(b) && !namesLocal(a, name) ? { op, value: a } : null;
}

/** Whether a local stands in the expression. */
export const namesLocal = (e: Expression, name: string): boolean =>
  (e.kind === 'local' && e.name === name) || partsOf(e).some((part) => namesLocal(part, name));
