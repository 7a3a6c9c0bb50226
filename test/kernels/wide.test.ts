// Examples with accesses of 16 bytes and workgroups of 256 lanes, as a CUDA device runs them, forward and backward, in
// the simulator against the float64 interpreter: head sizes that divide by 8, 4, 2 and 1, shared key heads, one token.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { targetPlan } from '../../src/options.ts';
import { loadFile, root } from '../lower/load.ts';
import { checkCase } from './check-plan.ts';

const names = readdirSync(join(root, 'examples'))
  .filter((file) => file.endsWith('.pe'))
  .map((file) => file.replace('.pe', ''))
  .filter((name) => !['path_fox', 'rope_ntk', 'carope_rope_init', 'comrope_ld_1d'].includes(name)); // kernels of others

const geometry: Geometry = {
  heads: 2,
  kv_heads: 2,
  head_dim: 16,
  model_dim: 16,
  context: 9,
  layers: 1,
  layer: 0,
};

const shapes: readonly (readonly [string, Partial<Geometry>, number, number, Partial<PlanOptions>])[] = [
  ['heads of 16', {}, 2, 9, {}],
  ['heads of 6, one token, one head', { heads: 1, kv_heads: 1, head_dim: 6, model_dim: 6 }, 2, 1, {}],
  ['heads of 12, key heads shared, short chunks', { heads: 4, head_dim: 12, model_dim: 12 }, 1, 31, { chunk: 4 }],
];

const blockOf = (name: string, headDim: number): Record<string, number> => {
  if (!name.startsWith('comrope')) return {};
  return { block: headDim % 4 === 0 ? 4 : 2 };
};

describe.each(names)('%s', (name) => {
  it.each(shapes)('%s', (_, change, batch, most, given) => {
    const tokens = name.startsWith('path') ? Math.min(most, 5) : most; // its work grows with their third power
    const own = { ...geometry, ...change };
    if (name === 'rope_partial' && own.head_dim % 4 !== 0) return; // half of the pairs
    const { lowered } = loadFile(`examples/${name}.pe`, { geometry: own, params: blockOf(name, own.head_dim) });
    for (const [program, output] of [
      [lowered!.attend, 'output'],
      [lowered!.embed, 'embedding_encoded'],
    ] as const) {
      if (program === null) continue;
      const gradients = program.inputs
        .filter(({ type, origin }) => type === 'real' && !(origin.kind === 'given' && origin.given === 'user'))
        .map((input) => input.name);
      const { errors, worst } = checkCase({
        program,
        batch,
        tokens,
        orders: ['random'],
        profile: 'subgroups',
        run: { subgroup: 32 },
        options: { ...targetPlan('cuda', 'f32'), outputs: [output], gradients, ...given },
      });
      expect(worst, JSON.stringify(errors)).toBeLessThan(5e-6);
    }
  });
});
