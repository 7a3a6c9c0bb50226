// Kernels of plans -> one text for people to read: every kernel in each variant of the language, in the order of their launches, below what
// the language needs above them.

import { commentText } from '../numbers.ts';
import type { Plan } from '../plan/plan.ts';
import { printSize } from '../plan/size.ts';
import { headerOf, type CommentStart } from './header.ts';
import { bodyNamed, kernelComment, nameKernels, variantsFor } from './kernels.ts';
import type { KernelTexts } from './kernels.ts';

export function printKernelFile(
  plans: readonly Plan[],
  source: { readonly file: string; readonly sha256: string },
  texts: KernelTexts,
  { prelude, comment }: { readonly prelude: string; readonly comment: CommentStart },
): string {
  const { print, read = print } = texts;
  const parts = [...nameKernels(plans)].flatMap(([kernel, name]) =>
    variantsFor(kernel, texts.language).map(({ profile, groups, body }) => {
      const launch =
        texts.language === 'wasm'
          ? `${name}: ${printSize(groups)} items of work`
          : `${name}, ${profile}: ${printSize(groups)} workgroups of ${body.workgroup}`;
      return `${comment} ${commentText(launch)}\n${read(bodyNamed(body, name), kernelComment(kernel, texts))}`;
    }),
  );
  const head = prelude === '' ? `${comment} Each kernel is a module of its own.\n` : `\n${prelude}`;
  return [`${headerOf(source, comment)}\n${head}`, ...parts].join('\n');
}
