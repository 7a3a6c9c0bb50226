// Kernels of plans -> one text for people to read: every kernel in each variant, in the order of their launches, below what
// the language needs above them.

import { commentText } from '../numbers.ts';
import type { KernelPlan, Plan } from '../plan/plan.ts';
import { printSize } from '../plan/size.ts';
import { headerOf } from './header.ts';
import { kernelComment } from './kernels.ts';
import type { KernelTexts } from './kernels.ts';

export function printKernelFile(
  plans: readonly Plan[],
  source: { readonly file: string; readonly sha256: string },
  texts: KernelTexts,
  prelude: string,
): string {
  const launches = plans.flatMap(({ entries }) => entries.flatMap((entry) => entry.launches));
  const kernels = new Set<KernelPlan>(launches.map(({ kernel }) => kernel));
  const parts = [...kernels].flatMap((kernel) =>
    kernel.variants.map(({ profile, groups, body }) => {
      const launch = `${kernel.name}, ${profile}: ${printSize(groups)} workgroups of ${body.workgroup}`;
      return `// ${commentText(launch)}\n${texts.print(body, kernelComment(kernel, texts))}`;
    }),
  );
  const head = prelude === '' ? '// Each kernel is a module of its own.\n' : `\n${prelude}`;
  return [`${headerOf(source)}\n${head}`, ...parts].join('\n');
}
