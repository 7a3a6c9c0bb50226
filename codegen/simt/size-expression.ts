// A size of the plan -> the expression of a kernel that computes it.

import type { Expression } from '../kernel.ts';
import { add, i32, multiply, quotient } from '../kernel-build.ts';
import type { Size } from '../plan/plan.ts';

export function sizeExpression(size: Size): Expression {
  switch (size.kind) {
    case 'number':
      return i32(size.value);
    case 'size':
      return { kind: 'size', type: 'i32', size: size.size };
    case 'product':
      return size.factors.map(sizeExpression).reduce(multiply);
    case 'sum':
      return size.terms.map(sizeExpression).reduce(add);
    case 'ceil-divide':
      return quotient(add(sizeExpression(size.value), i32(size.by - 1)), i32(size.by));
    default:
      return size satisfies never;
  }
}
