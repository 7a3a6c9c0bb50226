// Every kernel that is printed for CUDA: those of each example and of GPT-2's operations, in both precisions, as the
// compiler and the trainer make them. Kernels with the same text are listed once.

import { readdirSync, readFileSync } from 'node:fs';
import { bodyNamed, kernelComment, variantsFor } from '../../codegen/glue/kernels.ts';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { KernelBody } from '../../codegen/kernel.ts';
import type { Plan } from '../../codegen/plan/plan.ts';
import { planSource, plansOf } from '../../src/compile.ts';
import { defaultGeometry, targetPlan, type CompileOptions } from '../../src/options.ts';
import { configure, presets } from '../../src/trainer/configuration.ts';
import { operationPrograms } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { cuda } from '../../targets/cuda/printer.ts';

export interface Printed {
  readonly key: string; // 'bf16 rope query_encoded'
  readonly name: string;
  readonly body: KernelBody;
  readonly code: string;
}

const folder = new URL('../../examples/', import.meta.url);
const examples = readdirSync(folder)
  .filter((name) => name.endsWith('.pe'))
  .sort();
const texts = Object.fromEntries(examples.map((path) => [path, readFileSync(new URL(path, folder), 'utf8')]));

/** GPT-2's, with a third of the heads for keys. */
const geometry = {
  ...defaultGeometry,
  heads: 12,
  kv_heads: 4,
  head_dim: 64,
  model_dim: 768,
  context: 1024,
  layers: 12,
};

export async function planExample(
  path: string,
  precision: CompileOptions['precision'],
  plan: CompileOptions['plan'] = {},
): Promise<readonly Plan[]> {
  const source = { path, text: texts[path]!, imports: texts };
  const compiled = planSource(source, { geometry, laws: false, target: 'cuda', precision, plan });
  if (compiled.plan === null) throw new Error(compiled.diagnostics.map(({ message }) => message).join('\n'));
  return plansOf(compiled.plan);
}

function planOperations(preset: string, precision: CompileOptions['precision']): readonly (readonly [string, Plan])[] {
  const configuration = configure({ ...presets[preset]!, precision });
  const { width, heads, kv_heads } = configuration;
  const vocabulary = configuration.vocabulary || 98;
  const sizes = { width, heads, kv_heads, head_dim: width / heads, vocabulary };
  const choice = { gradientOfX: true, precision };
  const programs = operationPrograms(sizes, layOut(configuration, vocabulary, []), choice);
  return Object.entries(programs).map(([name, [program, options]]) => [
    `gpt2 ${name}`,
    buildPlan(program, { ...targetPlan('cuda', precision), ...options }),
  ]);
}

export async function everyKernel(): Promise<readonly Printed[]> {
  const found = new Map<string, Printed>(); // by text
  const add = (where: string, plan: Plan): void => {
    for (const kernel of plan.kernels) {
      for (const variant of variantsFor(kernel, 'cuda')) {
        const body = bodyNamed(variant.body, kernel.name);
        const source = { language: 'cuda', print: cuda.kernel, source: () => where } as const;
        const code = cuda.kernel(body, kernelComment(kernel, source));
        const text = code.replace(/^\/\/.*$/gm, '');
        if (!found.has(text)) found.set(text, { key: `${where} ${kernel.name}`, name: kernel.name, body, code });
      }
    }
  };
  for (const precision of ['f32', 'bf16'] as const) {
    for (const path of examples) {
      const where = `${precision} ${path.replace('.pe', '')}`;
      for (const plan of await planExample(path, precision)) add(where, plan);
      if (path === 'rope.pe' || path === 'carope.pe') {
        for (const plan of await planExample(path, precision, { packed: true })) add(`${where} packed`, plan);
      }
    }
    for (const [name, plan] of planOperations('gpt2-124m', precision)) add(`${precision} ${name}`, plan);
  }
  return [...found.values()];
}
