// Statements that change a variable of a kernel.

import type { Expression, Statement } from '../kernel.ts';
import { add, assign } from '../kernel-build.ts';

export function setTo(variable: Expression, value: Expression): Statement {
  if (variable.kind !== 'local') throw new Error('not a variable');
  return assign(variable.name, value);
}

export const addTo = (variable: Expression, value: Expression): Statement => setTo(variable, add(variable, value));
