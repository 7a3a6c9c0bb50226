// Plans with strips of queries: no entry has a tensor of queries and keys, in any way of scoring that blocks can serve; what
// they cannot serve has a buffer; GPUs keep theirs.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { BufferPlan, Plan, PlanOptions } from '../../codegen/plan/plan.ts';
import { evaluateSize } from '../../codegen/plan/size.ts';
import { verifyPlan } from '../../codegen/plan/verify.ts';
import { targetPlan } from '../../src/options.ts';
import { wholeSizes } from '../kernels/run-plan.ts';
import { loadFile, root, small } from '../lower/load.ts';

const namesIn = (folder: string): readonly string[] =>
  readdirSync(join(root, folder))
    .filter((file) => file.endsWith('.pe'))
    .map((file) => `${folder}/${file}`);

function planOf(file: string, options: Partial<PlanOptions> = {}, kv_heads = 4): Plan | null {
  const { lowered } = loadFile(file, { geometry: { ...small, kv_heads } });
  if (lowered === null) return null;
  const gradients = lowered.attend.inputs
    .filter(({ type, origin }) => type === 'real' && !(origin.kind === 'given' && origin.given === 'user'))
    .map(({ name }) => name);
  return buildPlan(lowered.attend, { gradients, ...targetPlan('wasm', 'f32'), ...options });
}

const buffersOf = (plan: Plan): readonly BufferPlan[] =>
  plan.entries.flatMap(({ inputs, outputs, temporaries }) => [
    ...[...inputs, ...outputs].map(({ buffer }) => buffer),
    ...temporaries,
  ]);

/** Buffers that have four times the elements at twice the tokens. */
function quadratic(plan: Plan): readonly string[] {
  const elements = ({ shape }: BufferPlan, tokens: number): number =>
    shape.reduce((all, size) => all * evaluateSize(size, wholeSizes(2, tokens)), 1);
  const grows = (buffer: BufferPlan): boolean => elements(buffer, 4096) > 2.5 * elements(buffer, 2048);
  return [
    ...new Set(
      buffersOf(plan)
        .filter(grows)
        .map(({ name }) => name),
    ),
  ];
}

it.each([
  // Systems over the tokens are solved whole.
  ['examples', 4, ['path.pe', 'path_fox.pe']],
  // Scores that add up what earlier queries gave to a key; a loss of pairs of positions.
  ['test/fixtures/programs', 2, ['path.pe', 'path_fox.pe', 'selective_attention.pe', 'seqpe.pe']],
] as const)('no tensor of queries and keys is whole: %s, %i key heads', (folder, kv_heads, exceptions) => {
  const whole = namesIn(folder).filter((file) => {
    const plan = planOf(file, {}, kv_heads);
    if (plan === null) return false;
    expect(verifyPlan(plan, 64), file).toEqual([]);
    return quadratic(plan).length > 0;
  });
  expect(whole).toEqual(exceptions.map((name) => `${folder}/${name}`));
});

const kernelsOf = (plan: Plan, name: string) => plan.entries.find((entry) => entry.name === name)!.launches;

describe('an entry', () => {
  it('is one kernel, which says what it does', () => {
    const plan = planOf('examples/alibi.pe')!;
    expect(kernelsOf(plan, 'forward').map(({ kernel }) => kernel.comment)).toEqual([
      'output [batch, tokens, 4, 16]: strips of 16 queries, no tokens x keys tensor',
    ]);
    expect(kernelsOf(plan, 'backward')).toHaveLength(1);
  });

  it('has an item for each block where nothing is summed over queries, and one for all blocks where there is', () => {
    const plan = planOf('examples/alibi.pe', {}, 2)!;
    const items = (name: string): number =>
      evaluateSize(kernelsOf(plan, name).at(-1)!.kernel.variants[0]!.groups, wholeSizes(3, 50));
    expect(items('forward')).toBe(3 * 2 * 4);
    expect(items('backward')).toBe(3 * 2);
  });

  it('saves what backward makes strips of', () => {
    const saved = (plan: Plan): readonly string[] =>
      plan.entries
        .find(({ name }) => name === 'forward')!
        .outputs.filter((output) => output.saved)
        .map(({ buffer }) => buffer.name);
    expect(saved(planOf('examples/alibi.pe')!)).toEqual([]);
    expect(saved(planOf('examples/carope.pe')!)).not.toContain('attention');
    expect(saved(planOf('examples/carope.pe')!)).toContain('query_encoded');
  });

  it('keeps a result of queries and keys that the caller wants, and nothing else', () => {
    const plan = planOf('examples/alibi.pe', { outputs: ['output', 'attention'] })!;
    expect(quadratic(plan)).toEqual(['attention']);
  });

  it('has the memory of its strips: four, in two places', () => {
    const plan = planOf('examples/alibi.pe')!;
    const { body } = kernelsOf(plan, 'backward')[0]!.kernel.variants[0]!;
    const long = body.scratch!.filter(({ size }) => evaluateSize(size, wholeSizes(1, 4096)) > 4096);
    expect(long.map(({ size }) => evaluateSize(size, wholeSizes(1, 4096)))).toEqual([16 * 4096, 16 * 4096]);
  });
});

it('is not what a GPU does', () => {
  for (const target of ['wgsl', 'cuda'] as const) {
    const plan = planOf('examples/alibi.pe', { machine: 'gpu', blockwise: false, ...targetPlan(target, 'f32') })!;
    expect(quadratic(plan), target).toContain('attention');
  }
});
