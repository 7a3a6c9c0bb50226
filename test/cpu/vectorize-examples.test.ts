// Every example as a plan for a CPU, forward and backward, in the simulator against the float64 interpreter: with loops in
// vectors, with the same loops one step after the other, and with those steps in reverse.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { targetPlan } from '../../src/options.ts';
import { checkCase } from '../kernels/check-plan.ts';
import { loadFile, root } from '../lower/load.ts';

const names = readdirSync(join(root, 'examples'))
  .filter((file) => file.endsWith('.pe'))
  .map((file) => file.replace('.pe', ''));

const geometry: Geometry = { heads: 2, kv_heads: 1, head_dim: 12, model_dim: 12, context: 9, layers: 1, layer: 0 };

const ways: readonly (readonly [string, Partial<PlanOptions>, boolean, number])[] = [
  ['in vectors', {}, false, 7],
  ['step by step', { vectors: false }, false, 5],
  ['backwards', { vectors: false }, true, 2],
];

describe.each(names)('%s', (name) => {
  const params = name.startsWith('comrope') ? { block: 4 } : {};
  const { lowered } = loadFile(`examples/${name}.pe`, { geometry, params });
  it.each(ways)('%s', (_, options, backwards, tokens) => {
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
        tokens,
        orders: ['random'],
        run: { backwards },
        options: { ...targetPlan('wasm', 'f32'), chunk: 4, outputs: [output], gradients, ...options },
      });
      expect(worst, JSON.stringify(errors)).toBeLessThan(5e-6);
    }
  });
});
