// Plans -> the function `tables(sizes, given)` of a module: everything that kernels read and the host knows.

import type { BufferPlan, Plan } from '../plan/plan.ts';
import { hostProgram } from './host.ts';
import type { HostContext } from './host.ts';
import { docText, propertyName } from './literals.ts';
import type { Statement } from './structure.ts';

/** Given tensors (position, coordinates) that kernels read: `tables` returns their rows too, as kernels hold them. */
export function givenBuffers(plan: Plan): readonly BufferPlan[] {
  const found = new Map<string, BufferPlan>();
  for (const entry of plan.entries)
    for (const { buffer } of entry.inputs) {
      const origin = buffer.tensor?.origin;
      const host = origin?.kind === 'given' && (origin.given === 'position' || origin.given === 'user');
      if (host && buffer.tensor!.axes.every((axis) => axis.extent !== 'batch')) found.set(buffer.name, buffer);
    }
  return [...found.values()];
}

/** `nameOf` gives the name of a plan's buffer in the module: two plans may have different tables of one name. */
export function printTables(
  plans: readonly Plan[],
  nameOf: (plan: Plan, buffer: BufferPlan) => string,
  context: HostContext,
): Statement {
  const body: string[] = [];
  const returned = new Map<string, { value: string; comment: string }>();
  for (const plan of plans) {
    const program = hostProgram(plan, context);
    for (const table of plan.tables) {
      const { comment } = table.buffer;
      returned.set(nameOf(plan, table.buffer), { value: program.table(table), comment });
    }
    for (const buffer of givenBuffers(plan)) {
      const { comment } = buffer;
      returned.set(nameOf(plan, buffer), { value: program.given(buffer), comment });
    }
    body.push(...program.lines);
  }
  const used = ['batch', 'tokens', 'keys', 'first', 'capacity'].filter((size) =>
    body.some((line) => !line.startsWith('//') && new RegExp(`\\b${size}\\b`).test(line)),
  );
  return {
    kind: 'function',
    name: 'tables',
    exported: true,
    docs:
      returned.size === 0
        ? ['No kernel reads a table.']
        : [
            'What kernels read and the host computes, in float64, stored as kernels read it:',
            ...[...returned.values()].map(({ comment }) => `- ${docText(comment)}`),
            '`given` has a row for every token 0 <= t < keys; positions count from 0 where it has none.',
          ],
    parameters: [
      { name: 'sizes', type: 'Sizes' },
      { name: 'given', type: 'Readonly<Record<string, ArrayLike<number>>>' },
    ],
    result: 'Readonly<Record<string, Float32Array | Int32Array>>',
    body: [
      ...(used.length > 0 ? [`const { ${used.join(', ')} } = sizes;`] : []),
      ...body,
      'return {',
      ...[...returned].map(([name, { value }]) => `  ${propertyName(name)}: ${value},`),
      '};',
    ],
  };
}
