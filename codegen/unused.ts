// Drops what a kernel binds and never uses: statements come in, the same without such `let`s go out. Values have no
// effects, but for subgroup operations, which every lane must reach: those stay.

import { expressionsOf, partsOf } from './map-expressions.ts';
import type { Expression, Statement } from './kernel.ts';
import { when } from './kernel-build.ts';

export function withoutUnused(statements: readonly Statement[]): readonly Statement[] {
  const used = new Set<string>();
  // From the end: what only unused values use is unused, too. What is assigned or looped over stays.
  const keep = (all: readonly Statement[]): readonly Statement[] => {
    const kept: Statement[] = [];
    for (let at = all.length - 1; at >= 0; at -= 1) {
      const statement = all[at]!;
      switch (statement.kind) {
        case 'let':
          if (!used.has(statement.name) && !hasSubgroup(statement.value)) continue;
          note(statement, used);
          break;
        case 'var':
        case 'set':
        case 'store':
        case 'store-shared':
        case 'store-element':
        case 'load-elements':
        case 'store-elements':
          note(statement, used);
          break;
        case 'for': {
          const body = keep(statement.body);
          note(statement, used);
          kept.push({ ...statement, body });
          continue;
        }
        case 'if': {
          const [then, otherwise] = [keep(statement.then), keep(statement.otherwise)];
          note(statement, used);
          kept.push(...when(statement.condition, then, otherwise));
          continue;
        }
        case 'barrier':
        case 'return':
        case 'comment':
          break;
        default:
          statement satisfies never;
      }
      kept.push(statement);
    }
    return kept.reverse();
  };
  return keep(statements);
}

/** The names in the statement's own expressions. */
function note(statement: Statement, used: Set<string>): void {
  const visit = (expression: Expression): void => {
    if (expression.kind === 'local') used.add(expression.name);
    partsOf(expression).forEach(visit);
  };
  expressionsOf(statement).forEach(visit);
}

const hasSubgroup = (expression: Expression): boolean =>
  expression.kind === 'subgroup' || partsOf(expression).some(hasSubgroup);
