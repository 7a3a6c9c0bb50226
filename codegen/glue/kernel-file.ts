// Kernels of plans -> one text for people to read: every kernel in each variant, in the order of their launches.

import type { KernelPlan, Plan } from '../plan/plan.ts';
import { printSize } from '../plan/size.ts';
import { headerOf } from './header.ts';
import type { ModuleInfo } from './module.ts';

export function printKernelFile(plans: readonly Plan[], info: ModuleInfo): string {
  const kernels = new Set<KernelPlan>(
    plans.flatMap(({ entries }) => entries.flatMap(({ launches }) => launches.map(({ kernel }) => kernel))),
  );
  const texts = [...kernels].flatMap((kernel) =>
    kernel.variants.map(({ profile, groups, body }) => {
      const source = kernel.span === null ? info.name : info.lineOf(kernel.span);
      const launch = `${kernel.name}, ${profile}: ${printSize(groups)} workgroups of ${body.workgroup}`;
      return info.kernel(body, `${launch}\n${kernel.comment} (${source})`);
    }),
  );
  return [`${headerOf(info.source)}\n// Each kernel is a module of its own.\n`, ...texts].join('\n');
}
