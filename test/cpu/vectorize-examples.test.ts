// Every example as a plan for a CPU, forward and backward, in the simulator against the float64 interpreter: with loops in
// vectors, with the same loops one step after the other, and with those steps in reverse. Kernels are sound, and
// no loop that could be one of vectors is left.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { analyse } from '../../codegen/cpu/vectorize-analysis.ts';
import type { KernelBody } from '../../codegen/kernel.ts';
import { verifyKernel } from '../../codegen/kernel-verify.ts';
import { nestedIn } from '../../codegen/map-expressions.ts';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { Plan, PlanOptions } from '../../codegen/plan/plan.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { targetPlan } from '../../src/options.ts';
import { configure, presets } from '../../src/trainer/configuration.ts';
import { operationPrograms } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { checkCase } from '../kernels/check-plan.ts';
import { loadFile, root } from '../lower/load.ts';

const names = readdirSync(join(root, 'examples'))
  .filter((file) => file.endsWith('.pe'))
  .map((file) => file.replace('.pe', ''));

const geometry: Geometry = { heads: 2, kv_heads: 1, head_dim: 12, model_dim: 12, context: 9, layers: 1, layer: 0 };

const ways: readonly (readonly [string, Partial<PlanOptions>, boolean, number])[] = [
  ['in vectors', {}, false, 6],
  ['step by step', { vectors: false }, false, 3],
  ['backwards', { vectors: false }, true, 2],
];

const bodiesOf = ({ kernels }: Plan): readonly KernelBody[] => kernels.map((each) => each.variants[0]!.body);

/** Vector loops of four steps or more that are not taken in vectors. */
const leftOver = (body: KernelBody): readonly string[] =>
  [...nestedIn(body.statements)].flatMap((each) => {
    if (each.kind !== 'for' || each.mode !== 'vector') return [];
    const { from, to, variable } = each;
    const isShort = from.kind === 'literal' && to.kind === 'literal' && to.value - from.value < 4;
    const isOuter = [...nestedIn(each.body)].some((inner) => inner.kind === 'for' && inner.mode === 'vector');
    return isShort || isOuter || analyse(each.body, [variable]) !== null ? [] : [`${body.name}: ${variable}`];
  });

const configuration = configure(presets.small!);
const { width, heads, kv_heads } = configuration;
const sizes = { width, heads, kv_heads, head_dim: width / heads, vocabulary: 98 };
const operations = operationPrograms(sizes, layOut(configuration, 98, []), { gradientOfX: true, precision: 'f32' });

it.each(Object.entries(operations))(
  'the kernels of %s are sound, and their loops in vectors',
  (_, [program, options]) => {
    for (const vectors of [true, false]) {
      for (const body of bodiesOf(buildPlan(program, { ...options, ...targetPlan('wasm', 'f32'), vectors }))) {
        expect(verifyKernel(body, 'cpu')).toEqual([]);
        expect(leftOver(body)).toEqual([]);
      }
    }
  },
);

describe.each(names)('%s', (name) => {
  const params = name.startsWith('comrope') ? { block: 4 } : {};
  const { lowered } = loadFile(`examples/${name}.pe`, { geometry, params });
  it.each(ways)('%s', (_, options, backwards, few) => {
    // Of two or three tokens the one number d_shift is nearly nothing: 1e-7 of what it is a sum of is much of it.
    const tokens = name.startsWith('path') ? 6 : few;
    for (const [program, output] of [
      [lowered!.attend, 'output'],
      [lowered!.embed, 'embedding_encoded'],
    ] as const) {
      if (program === null) continue;
      const gradients = program.inputs
        .filter(({ type, origin }) => type === 'real' && !(origin.kind === 'given' && origin.given === 'user'))
        .map((input) => input.name);
      const { plan, errors, worst } = checkCase({
        program,
        tokens,
        orders: ['random'],
        run: { backwards },
        options: { ...targetPlan('wasm', 'f32'), chunk: 4, outputs: [output], gradients, ...options },
      });
      expect(worst, JSON.stringify(errors)).toBeLessThan(5e-6);
      for (const body of bodiesOf(plan)) {
        expect(verifyKernel(body, 'cpu')).toEqual([]);
        expect(leftOver(body)).toEqual([]);
      }
    }
  });
});
