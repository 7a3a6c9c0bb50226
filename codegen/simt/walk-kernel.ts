// Walks over kernel IR: the expressions that stand in a statement and everything nested in it, and rebuilding.

import type { Expression, Statement } from '../kernel.ts';
import { partsOf } from '../map-expressions.ts';

/** An expression of a statement: how many loops around it (inside the statement), and whether it may not be reached. */
export interface Root {
  readonly expression: Expression;
  readonly loops: number;
  readonly conditional: boolean;
}

export const childrenOf = partsOf;

const isName = (e: Expression): boolean => childrenOf(e).length === 0;

/** Nothing to share: names alone, or a step of a sum of products of names. Tiles of matrix products have many. */
export function isPlain(statement: Statement): boolean {
  if (statement.kind === 'store-element') return isName(statement.index) && isName(statement.value);
  if (statement.kind !== 'set' && statement.kind !== 'var') return false;
  const { value } = statement;
  if (value.kind !== 'call' || value.op !== 'add') return isName(value);
  const [sum, term] = value.args;
  return isName(sum!) && term!.kind === 'call' && term!.op === 'multiply' && term!.args.every(isName);
}

/** Calls `see` for each, in the order of execution; of plain statements for none. */
export function eachRoot(statement: Statement, see: (root: Root) => void, loops = 0, conditional = false): void {
  const here = (expression: Expression): void => see({ expression, loops, conditional });
  if (isPlain(statement)) return;
  switch (statement.kind) {
    case 'let':
    case 'var':
    case 'set':
      return here(statement.value);
    case 'store':
    case 'store-element':
      here(statement.index);
      here(statement.value);
      if (statement.mask) here(statement.mask);
      return;
    case 'store-shared':
      here(statement.index);
      return here(statement.value);
    case 'load-elements':
    case 'store-elements':
      return here(statement.index);
    case 'for':
      here(statement.from);
      here(statement.to);
      // What does not change in a loop is valid outside it: loops run over axes, which have a point at least.
      for (const each of statement.body) eachRoot(each, see, loops + 1, conditional);
      return;
    case 'if':
      here(statement.condition);
      for (const each of statement.then) eachRoot(each, see, loops, true);
      for (const each of statement.otherwise) eachRoot(each, see, loops, true);
      return;
    case 'barrier':
    case 'return':
    case 'comment':
      return;
    default:
      statement satisfies never;
  }
}

/** The same statement over changed expressions; `inner` rebuilds a nested block, given the variable of its loop. */
export function rewriteStatement(
  statement: Statement,
  change: (e: Expression) => Expression,
  inner: (block: readonly Statement[], loopVariable: string | null) => Statement[],
): Statement {
  switch (statement.kind) {
    case 'let':
    case 'var':
    case 'set':
      return { ...statement, value: change(statement.value) };
    case 'store':
    case 'store-element': {
      const mask = statement.mask ? { mask: change(statement.mask) } : {};
      return { ...statement, index: change(statement.index), value: change(statement.value), ...mask };
    }
    case 'store-shared':
      return { ...statement, index: change(statement.index), value: change(statement.value) };
    case 'load-elements':
    case 'store-elements':
      return { ...statement, index: change(statement.index) };
    case 'for':
      return {
        ...statement,
        from: change(statement.from),
        to: change(statement.to),
        body: inner(statement.body, statement.variable),
      };
    case 'if':
      return {
        ...statement,
        condition: change(statement.condition),
        // oxlint-disable-next-line unicorn/no-thenable -- a branch, as in kernel.ts
        then: inner(statement.then, null),
        otherwise: inner(statement.otherwise, null),
      };
    case 'barrier':
    case 'return':
    case 'comment':
      return statement;
    default:
      return statement satisfies never;
  }
}
