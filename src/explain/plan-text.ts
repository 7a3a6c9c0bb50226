// A kernel plan as text, for --emit plan: tables, and for each entry its buffers and launches.

import type { BufferPlan, EntryPlan, Plan } from '../../codegen/plan/plan.ts';
import { printSize } from '../../codegen/plan/size.ts';

export function planText(plan: Plan): string {
  const tables = plan.tables.map(({ buffer, slot }) => `table ${buffer.comment} (${slot})`);
  return [`plan ${plan.name}`, ...tables, ...plan.entries.flatMap(entryText)].join('\n');
}

function entryText(entry: EntryPlan): string[] {
  const line = (what: string, { comment, rows, tensor }: BufferPlan, notes: readonly string[]): string =>
    `  ${what} ${[comment, ...(tensor !== null && rows === 'history' ? ['history'] : []), ...notes].join(', ')}`;
  return [
    '',
    `entry ${entry.name}`,
    ...entry.inputs.map(({ buffer, accumulate }) => line('in   ', buffer, accumulate ? ['added to'] : [])),
    ...entry.outputs.map(({ buffer, saved, aliases }) =>
      line('out  ', buffer, [...(saved ? ['saved'] : []), ...(aliases === null ? [] : [`in place of ${aliases}`])]),
    ),
    ...entry.temporaries.map((buffer) => line('temp ', buffer, [])),
    ...entry.launches.flatMap(({ kernel, buffers }) => [
      `  launch ${kernel.name}(${buffers.map(({ name }) => name).join(', ')})`,
      `    ${kernel.comment}`,
      ...kernel.variants.map(({ profile, groups, body }) =>
        body.workgroup === 1
          ? `    ${printSize(groups)} items of work`
          : `    ${profile}: ${printSize(groups)} groups of ${body.workgroup}`,
      ),
      `    bytes ${printSize(kernel.cost.bytes)}; flops ${printSize(kernel.cost.flops)}`,
    ]),
  ];
}
