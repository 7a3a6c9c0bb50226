// Every example as loops of a CPU, in the simulator against the float64 interpreter: forward and backward, decode, shapes that
// are no multiples of four; and sums by id.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Geometry } from '../../src/check/checked.ts';
import type { Program } from '../../src/ir/ir.ts';
import { targetPlan } from '../../src/options.ts';
import { checkCase } from '../kernels/check-plan.ts';
import { decodeError, geometry as decodeGeometry } from '../kernels/check-decode.ts';
import { lookup, skewed, sortedIds, sumsById } from '../kernels/segment-programs.ts';
import { loadFile, root } from '../lower/load.ts';

const names = readdirSync(join(root, 'examples'))
  .filter((file) => file.endsWith('.pe'))
  .map((file) => file.replace('.pe', ''));
const cpu = (options: Partial<PlanOptions>): Partial<PlanOptions> => ({ ...targetPlan('wasm', 'f32'), ...options });

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
  ['short chunks', {}, 2, 9, { chunk: 4 }],
  ['pairs that are no multiple of four', { head_dim: 12 }, 1, 2, { contract: 'never' }],
  ['one token, one head', { heads: 1, kv_heads: 1 }, 3, 1, {}],
  ['shared key heads, long rows of pairs', { heads: 4, kv_heads: 2, head_dim: 36 }, 1, 11, {}],
];

function check(program: Program, output: string, batch: number, tokens: number, options: Partial<PlanOptions>): void {
  const gradients = program.inputs
    .filter(({ type, origin }) => type === 'real' && !(origin.kind === 'given' && origin.given === 'user'))
    .map(({ name }) => name);
  const { errors, worst } = checkCase({
    program,
    batch,
    tokens,
    orders: ['random'],
    options: cpu({ outputs: [output], gradients, ...options }),
  });
  expect(worst, JSON.stringify(errors)).toBeLessThan(5e-6);
}

describe.each(names)('%s', (name) => {
  it.each(shapes)('%s', (_, change, batch, tokens, options) => {
    const params = name.startsWith('comrope') && !name.endsWith('1d') ? { block: 4 } : {};
    const wanted = { ...geometry, ...change };
    // Its blocks have eight features.
    const head_dim = name === 'comrope_ld_1d' ? 8 * Math.ceil(wanted.head_dim / 8) : wanted.head_dim;
    const { lowered } = loadFile(`examples/${name}.pe`, { geometry: { ...wanted, head_dim }, params });
    check(lowered!.attend, 'output', batch, tokens, options);
    if (lowered!.embed !== null) check(lowered!.embed, 'embedding_encoded', batch, tokens, options);
  });
});

describe.each(['rope', 'carope', 'rope_partial', 'rope_learned', 'comrope_ld_1d', 'alibi'])('%s decodes', (name) => {
  it.each([[[1, 1, 1, 1, 1, 1, 1, 1, 1]], [[5, 1, 2, 1]], [[9]]])('%j', (steps) => {
    const { lowered } = loadFile(`examples/${name}.pe`, { geometry: decodeGeometry });
    expect(decodeError(lowered!.attend, steps, cpu({ chunk: 4 }))).toBeLessThan(3e-6);
  });
});

describe('sums by id', () => {
  it.each([
    [1, 1, 5],
    [1, 63, 4],
    [1, 64, 1],
    [3, 150, 21],
  ])('%i x %i places of %i', (batch, tokens, width) => {
    const inputs = sortedIds(skewed(batch * tokens));
    const { worst, errors } = checkCase({ program: sumsById(width), batch, tokens, inputs, options: cpu({}) });
    expect(worst, JSON.stringify(errors)).toBeLessThan(3e-6);
  });

  it('are added to what is there', () => {
    const options = cpu({ gradients: ['table'], accumulate: ['table'] });
    const inputs = sortedIds(skewed(2 * 100));
    const { worst } = checkCase({ program: lookup(6), batch: 2, tokens: 100, inputs, options });
    expect(worst).toBeLessThan(3e-6);
  });
});
