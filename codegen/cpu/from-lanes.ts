// A kernel of lanes -> one of items: each workgroup becomes an item of work, and a loop takes its lanes one after the other.
// For kernels without barriers alone.

import type { Expression, KernelBody, Statement } from '../kernel.ts';
import { i32, local, loop, not, when } from '../kernel-build.ts';
import { mapExpressions } from '../map-expressions.ts';

export function fromLanes(body: KernelBody, fresh: (wanted: string) => string): KernelBody {
  if (body.workgroup === 1) return body;
  const variable = fresh('lane');
  const lane = local(variable, 'i32');
  const replaced = (e: Expression): Expression => (e.kind === 'lane' ? lane : e);
  const statements = withoutReturn(body.statements).map((statement) => mapExpressions(statement, replaced));
  return { ...body, workgroup: 1, statements: [loop(variable, i32(0), i32(body.workgroup), statements)] };
}

/** `if (c) return; rest` becomes `if (not c) rest`. */
function withoutReturn(statements: readonly Statement[]): readonly Statement[] {
  const at = statements.findIndex((s) => s.kind === 'if' && s.then.some(({ kind }) => kind === 'return'));
  if (at < 0) return statements;
  const leaving = statements[at] as Extract<Statement, { kind: 'if' }>;
  return [...statements.slice(0, at), ...when(not(leaving.condition), withoutReturn(statements.slice(at + 1)))];
}
