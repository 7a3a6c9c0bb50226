// Every kernel of every example, in each variant: sound by the kernel verifier and compiled by Tint.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { verifyKernel } from '../../codegen/kernel-verify.ts';
import { planSource, plansOf } from '../../src/compile.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { defaultGeometry } from '../../src/options.ts';
import { wgsl } from '../../targets/wgsl/printer.ts';
import { compileCheck } from './compile-check.ts';

const folder = new URL('../../examples/', import.meta.url);
const examples = readdirSync(folder).filter((name) => name.endsWith('.pe'));
const texts = Object.fromEntries(examples.map((path) => [path, readFileSync(new URL(path, folder), 'utf8')]));

const geometries: readonly Geometry[] = [
  { ...defaultGeometry, heads: 3, kv_heads: 3, head_dim: 8, model_dim: 24, context: 9 },
  { ...defaultGeometry, heads: 12, kv_heads: 4, head_dim: 64, model_dim: 768, context: 1024 },
];

describe.each(geometries)('$heads heads of $head_dim', (geometry) => {
  it.each(examples)('%s', async (path) => {
    const { plan, diagnostics } = planSource({ path, text: texts[path]!, imports: texts }, { geometry, laws: false });
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    const kernels = new Set(plansOf(plan!).flatMap((each) => each.kernels));
    expect(kernels.size).toBeGreaterThan(0);
    for (const kernel of kernels) {
      for (const { body, profile } of kernel.variants) {
        const where = `${kernel.name}, ${profile}`;
        expect(verifyKernel(body), where).toEqual([]);
        const code = wgsl.kernel(body, kernel.comment);
        expect(await compileCheck(code), `${where}\n${code}`).toEqual([]);
      }
    }
  });
});
