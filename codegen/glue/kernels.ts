// Kernels of plans -> constants of a module: each variant's text (or bytes in base64), and the table `kernels` that a device
// prepares.

import type { KernelBody, KernelSize } from '../kernel.ts';
import { createNames } from '../names.ts';
import { libraryFunctions } from '../reserved.ts';
import type { KernelPlan, KernelVariant, OperandPlan, Plan, ProductPlan, Size } from '../plan/plan.ts';
import { ceilDivide, numberSize, product, sum } from '../plan/size.ts';
import { docText, numberLiteral, propertyName, stringLiteral, templateLiteral } from './literals.ts';
import { sizeFunction, sizeText } from './sizes.ts';
import type { Statement } from './structure.ts';

export interface KernelTexts {
  readonly language: 'wgsl' | 'cuda' | 'wasm';
  /** A kernel as the device takes it; where that is text, `comment` above it. */
  readonly print: (body: KernelBody, comment: string) => string;
  /** A kernel as text for people, where that is something else. */
  readonly read?: ((body: KernelBody, comment: string) => string) | undefined;
  /** 'rope.pe:9', or the program's name. */
  readonly source: (kernel: KernelPlan) => string;
}

/** What stands above a kernel's text: what it computes and the line that it comes from. */
export function kernelComment(kernel: KernelPlan, texts: KernelTexts): string {
  return `${kernel.comment} (${texts.source(kernel)})`;
}

/** Keys in `kernels`, in the order of launches: a kernel's function has this name. */
export function nameKernels(plans: readonly Plan[]): Map<KernelPlan, string> {
  const keys = createNames(libraryFunctions);
  const launches = plans.flatMap(({ entries }) => entries.flatMap((entry) => entry.launches));
  const kernels = new Set(launches.map(({ kernel }) => kernel));
  return new Map([...kernels].map((kernel) => [kernel, keys.allocate(kernel.name)]));
}

/** All for WebGPU, whose devices differ; CUDA's are alike: the best, which has warps if any has. */
export function variantsFor({ variants }: KernelPlan, language: KernelTexts['language']): readonly KernelVariant[] {
  if (language === 'wgsl') return variants;
  const order = ['subgroups', 'portable', 'software'];
  return variants.toSorted((a, b) => order.indexOf(a.profile) - order.indexOf(b.profile)).slice(0, 1);
}

/** A body under the kernel's name in the module. */
export const bodyNamed = (body: KernelBody, name: string): KernelBody =>
  body.name === name ? body : { ...body, name };

/** `names` gives each kernel its key in `kernels`; `local` names constants. */
export function printKernels(
  names: ReadonlyMap<KernelPlan, string>,
  texts: KernelTexts,
  local: (wanted: string) => string,
): Statement[] {
  const constants: Statement[] = [];
  const items = [...names].flatMap(([kernel, name]) => {
    const variants = variantsFor(kernel, texts.language).map((variant) => {
      const constant = local(`${name}_${texts.language === 'wasm' ? 'module' : variant.profile}`);
      const comment = kernelComment(kernel, texts);
      const text = texts.print(bodyNamed(variant.body, name), comment);
      constants.push(
        texts.language === 'wasm'
          ? { kind: 'text', name: constant, literal: stringLiteral(text), comment }
          : { kind: 'text', name: constant, literal: templateLiteral(text) },
      );
      return variantText(variant, constant, texts.language);
    });
    return [
      `/** ${docText(kernel.comment)} */`,
      `${propertyName(name)}: {`,
      `  name: ${stringLiteral(name)},`,
      `  language: '${texts.language}',`,
      `  source: ${stringLiteral(texts.source(kernel))},`,
      '  bindings: [',
      ...kernel.bindings.map(
        ({ name: binding, type, access }) =>
          `    { name: ${stringLiteral(binding)}, type: '${type}', access: '${access}' },`,
      ),
      '  ],',
      `  variants: [${variants.join(', ')}],`,
      `  product: ${kernel.product === null ? 'null' : productFunction(kernel.product)},`,
      '},',
    ];
  });
  return [
    ...constants,
    {
      kind: 'constant',
      name: 'kernels',
      exported: true,
      docs: ['Every kernel of this module.'],
      value: ['{', ...items.map((line) => `  ${line}`), '} satisfies Readonly<Record<string, Kernel>>'].join('\n'),
    },
  ];
}

/** `({ batch, tokens }) => ({ scale: 1, ... })` */
function productFunction(product: ProductPlan): string {
  const uses = new Set<KernelSize>();
  const text = (size: Size): string => {
    const printed = sizeText(size);
    printed.uses.forEach((name) => uses.add(name));
    return printed.text;
  };
  const list = (sizes: readonly Size[]): string => `[${sizes.map(text).join(', ')}]`;
  const operand = ({ binding, offset, rows, columns, batches }: OperandPlan): string =>
    `{ binding: ${binding}, offset: ${text(offset)}, rows: ${text(rows)}, columns: ${text(columns)}, batches: ${list(batches)} }`;
  const { scale, accumulate, m, n, k, batches, left, right, out } = product;
  const fields = [
    `scale: ${numberLiteral(scale)}, accumulate: ${accumulate}`,
    `m: ${text(m)}, n: ${text(n)}, k: ${text(k)}, batches: ${list(batches)}`,
    `left: ${operand(left)}`,
    `right: ${operand(right)}`,
    `out: ${operand(out)}`,
  ].join(', ');
  const parameter = uses.size === 0 ? '()' : `({ ${[...uses].join(', ')} })`;
  return `${parameter} => ({ ${fields} })`;
}

function variantText(variant: KernelVariant, constant: string, language: KernelTexts['language']): string {
  const { profile, body, groups } = variant;
  const fields = [
    `profile: '${profile}', workgroup: ${body.workgroup}, code: ${constant}, groups: ${sizeFunction(groups)}`,
    ...(language === 'wasm' ? [`scratch: ${sizeFunction(scratchBytes(body))}`] : []),
  ];
  return `{ ${fields.join(', ')} }`;
}

/** Private arrays and scratch memory, each from a multiple of 16 bytes on. */
export function scratchBytes({ arrays, scratch = [] }: KernelBody): Size {
  const held = arrays.map(({ size }) => numberSize(size));
  const words = [...held, ...scratch.map(({ size }) => size)];
  return sum(words.map((each) => product([ceilDivide(each, 4), numberSize(16)])));
}
