// Every example, forward and backward, in the simulator against the float64 interpreter.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Geometry } from '../../src/check/checked.ts';
import type { Program } from '../../src/ir/ir.ts';
import { loadFile, root } from '../lower/load.ts';
import { checkCase } from './check-plan.ts';

const names = readdirSync(join(root, 'examples'))
  .filter((file) => file.endsWith('.pe'))
  .map((file) => file.replace('.pe', ''));

const geometry: Geometry = {
  heads: 3,
  kv_heads: 3,
  head_dim: 8,
  model_dim: 12,
  context: 9,
  layers: 1,
  layer: 0,
};

const shapes: readonly (readonly [string, Partial<Geometry>, number, number, Partial<PlanOptions>])[] = [
  ['matrix products and short chunks', {}, 2, 9, { contract: 'always', chunk: 4 }],
  ['loops', {}, 1, 2, { contract: 'never', chunk: 64 }],
  ['one token, one head', { heads: 1, kv_heads: 1 }, 3, 1, { contract: 'always', chunk: 4 }],
  ['shared key heads', { heads: 4, kv_heads: 2 }, 1, 31, {}],
];

function check(program: Program, output: string, batch: number, tokens: number, options: Partial<PlanOptions>): void {
  const gradients = program.inputs
    .filter(({ type, origin }) => type === 'real' && !(origin.kind === 'given' && origin.given === 'user'))
    .map(({ name }) => name);
  const outputs = [output, ...(program.results.has('score') ? ['score', 'query_encoded', 'key_encoded'] : [])];
  const { errors, worst } = checkCase({
    program,
    batch,
    tokens,
    orders: tokens > 9 ? ['forward'] : ['reverse', 'random'],
    options: { outputs, gradients, ...options },
  });
  expect(worst, JSON.stringify(errors)).toBeLessThan(5e-6);
}

describe.each(names)('%s', (name) => {
  it.each(shapes)('%s', (_, change, batch, tokens, options) => {
    const params = name.startsWith('comrope') && !name.endsWith('1d') ? { block: 4 } : {};
    const { lowered } = loadFile(`examples/${name}.pe`, { geometry: { ...geometry, ...change }, params });
    check(lowered!.attend, 'output', batch, tokens, options);
    if (lowered!.embed !== null) check(lowered!.embed, 'embedding_encoded', batch, tokens, options);
  });
});
