// Writes out an unrolled loop: a `for` with literal bounds comes in, its body once for each value goes out, with the
// variable replaced by that value and what becomes constant folded.

import type { Expression, Statement } from './kernel.ts';
import { inside } from './map-expressions.ts';
import { apply, call, i32, when } from './kernel-build.ts';

type Loop = Extract<Statement, { kind: 'for' }>;

export interface Iteration {
  readonly value: number;
  readonly body: readonly Statement[];
}

export function unroll(loop: Loop): readonly Iteration[] {
  if (loop.from.kind !== 'literal' || loop.to.kind !== 'literal') {
    throw new Error(`the bounds of the unrolled loop over ${loop.variable} must be literal`);
  }
  const iterations: Iteration[] = [];
  for (let value = loop.from.value; value < loop.to.value; value += loop.step) {
    iterations.push({ value, body: replaceIn(loop.body, loop.variable, i32(value)) });
  }
  return iterations;
}

/** The expression with a local replaced. */
export function replace(expression: Expression, name: string, by: Expression): Expression {
  const inner = (each: Expression): Expression => replace(each, name, by);
  switch (expression.kind) {
    case 'local':
      return expression.name === name ? by : expression;
    case 'call':
      return call(expression.op, ...expression.args.map(inner));
    case 'apply':
      return apply(expression.of, ...expression.args.map(inner));
    default:
      return inside(expression, inner);
  }
}

/** Statements with a local replaced. */
export function replaceIn(statements: readonly Statement[], name: string, by: Expression): readonly Statement[] {
  const inner = (each: Expression): Expression => replace(each, name, by);
  return statements.flatMap((statement): readonly Statement[] => {
    switch (statement.kind) {
      case 'let':
      case 'var':
      case 'set':
        return [{ ...statement, value: inner(statement.value) }];
      case 'store':
      case 'store-element': {
        const mask = statement.mask === undefined ? {} : { mask: inner(statement.mask) };
        return [{ ...statement, index: inner(statement.index), value: inner(statement.value), ...mask }];
      }
      case 'store-shared':
        return [{ ...statement, index: inner(statement.index), value: inner(statement.value) }];
      case 'load-elements':
      case 'store-elements':
        return [{ ...statement, index: inner(statement.index) }];
      case 'for':
        return [
          {
            ...statement,
            from: inner(statement.from),
            to: inner(statement.to),
            body: replaceIn(statement.body, name, by),
          },
        ];
      case 'if':
        return when(
          inner(statement.condition),
          replaceIn(statement.then, name, by),
          replaceIn(statement.otherwise, name, by),
        );
      case 'barrier':
      case 'return':
      case 'comment':
        return [statement];
      default:
        return statement satisfies never;
    }
  });
}
