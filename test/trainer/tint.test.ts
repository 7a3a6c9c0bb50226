// Every kernel of GPT-2's operations, in each variant, at the demo's sizes and at GPT-2 124M's: compiled by Tint.
import { describe, expect, it } from 'vitest';
import { verifyKernel } from '../../codegen/kernel-verify.ts';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import { configure, presets } from '../../src/trainer/configuration.ts';
import { operationPrograms } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { wgsl } from '../../targets/wgsl/printer.ts';
import { compileCheck } from '../wgsl/compile-check.ts';

describe.each(['small', 'gpt2-124m'])('%s', (preset) => {
  const configuration = configure(presets[preset]!);
  const { width, heads, kv_heads } = configuration;
  const vocabulary = configuration.vocabulary || 98;
  const sizes = { width, heads, kv_heads, head_dim: width / heads, vocabulary };
  const programs = operationPrograms(sizes, layOut(configuration, vocabulary, []), {
    gradientOfX: true,
    precision: 'f32',
  });

  it.each(Object.entries(programs))('%s', async (_, [program, options]) => {
    for (const kernel of buildPlan(program, options).kernels) {
      for (const { body, profile } of kernel.variants) {
        const where = `${kernel.name}, ${profile}`;
        expect(verifyKernel(body), where).toEqual([]);
        const code = wgsl.kernel(body, kernel.comment);
        expect(await compileCheck(code), `${where}\n${code}`).toEqual([]);
      }
    }
  });
});
