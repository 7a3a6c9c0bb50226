// Drops names that stand for names: statements come in, the same without `let x = y` go out, where y does not change.

import type { Expression, Statement } from '../kernel.ts';
import { inside, mapExpressions, nestedIn } from '../map-expressions.ts';

export function withoutAliases(statements: readonly Statement[]): readonly Statement[] {
  const changing = new Set([...nestedIn(statements)].flatMap((each) => (each.kind === 'var' ? [each.name] : [])));
  const meant = new Map<string, Expression>();
  const isFixed = (e: Expression): boolean =>
    e.kind === 'literal' || e.kind === 'size' || (e.kind === 'local' && !changing.has(e.name));
  const resolve = (e: Expression): Expression => (e.kind === 'local' ? (meant.get(e.name) ?? e) : e);
  const within = (block: readonly Statement[]): readonly Statement[] =>
    block.flatMap((statement): readonly Statement[] => {
      if (statement.kind === 'let' && isFixed(statement.value)) {
        meant.set(statement.name, resolve(statement.value));
        return [];
      }
      return [alone(statement, resolve, within)];
    });
  return within(statements);
}

/** The statement's own expressions resolved, and the blocks in it rewritten. */
function alone(
  statement: Statement,
  resolve: (e: Expression) => Expression,
  within: (block: readonly Statement[]) => readonly Statement[],
): Statement {
  const visit = (e: Expression): Expression => resolve(inside(e, visit));
  switch (statement.kind) {
    case 'for':
      return { ...statement, from: visit(statement.from), to: visit(statement.to), body: within(statement.body) };
    case 'if': {
      const [then, otherwise] = [within(statement.then), within(statement.otherwise)];
      // oxlint-disable-next-line unicorn/no-thenable -- a branch, not a promise
      return { ...statement, condition: visit(statement.condition), then, otherwise };
    }
    default:
      return mapExpressions(statement, resolve);
  }
}
