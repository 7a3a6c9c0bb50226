// Kernels of plans -> constants of a module: each variant's text, and the table `kernels` that a device prepares.

import type { KernelBody } from '../kernel.ts';
import type { KernelPlan, KernelVariant } from '../plan/plan.ts';
import { docText, propertyName, stringLiteral, templateLiteral } from './literals.ts';
import { sizeFunction } from './sizes.ts';
import type { Statement } from './structure.ts';

export interface KernelTexts {
  /** A kernel in the target's language, `comment` above it. */
  readonly print: (body: KernelBody, comment: string) => string;
  /** 'rope.pe:9', or the program's name. */
  readonly source: (kernel: KernelPlan) => string;
}

/** What stands above a kernel's text: what it computes and the line that it comes from. */
export function kernelComment(kernel: KernelPlan, texts: KernelTexts): string {
  return `${kernel.comment} (${texts.source(kernel)})`;
}

/** `names` gives each kernel its key in `kernels`; `local` names constants. */
export function printKernels(
  names: ReadonlyMap<KernelPlan, string>,
  texts: KernelTexts,
  local: (wanted: string) => string,
): Statement[] {
  const constants: Statement[] = [];
  const items = [...names].flatMap(([kernel, name]) => {
    const variants = kernel.variants.map((variant) => {
      const constant = local(`${name}_${variant.profile}`);
      const text = texts.print(variant.body, kernelComment(kernel, texts));
      constants.push({ kind: 'text', name: constant, literal: templateLiteral(text) });
      return variantText(variant, constant);
    });
    return [
      `/** ${docText(kernel.comment)} */`,
      `${propertyName(name)}: {`,
      `  name: ${stringLiteral(name)},`,
      `  source: ${stringLiteral(texts.source(kernel))},`,
      '  bindings: [',
      ...kernel.bindings.map(
        ({ name: binding, type, access }) =>
          `    { name: ${stringLiteral(binding)}, type: '${type}', access: '${access}' },`,
      ),
      '  ],',
      `  variants: [${variants.join(', ')}],`,
      '},',
    ];
  });
  return [
    ...constants,
    {
      kind: 'constant',
      name: 'kernels',
      exported: true,
      docs: ['Every kernel of this module; binding 0 is the uniform block of sizes.'],
      value: ['{', ...items.map((line) => `  ${line}`), '} satisfies Readonly<Record<string, Kernel>>'].join('\n'),
    },
  ];
}

function variantText(variant: KernelVariant, constant: string): string {
  const { profile, body, groups } = variant;
  return `{ profile: '${profile}', workgroup: ${body.workgroup}, code: ${constant}, groups: ${sizeFunction(groups)} }`;
}
