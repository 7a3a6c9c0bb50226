// Rows longer than a workgroup has lanes, where one workgroup works on each: layer norm forward and backward, and the
// cross-entropy, each in a single pass through memory, in the simulator against the interpreter.
import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import { targetPlan } from '../../src/options.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { operationPrograms } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { checkCase } from '../kernels/check-plan.ts';

const sizes = { width: 516, heads: 2, kv_heads: 1, head_dim: 258, vocabulary: 515 };
const layout = layOut(configure({ layers: 1, width: 516, heads: 2, kv_heads: 1 }), sizes.vocabulary, []);
const programs = operationPrograms(sizes, layout, { gradientOfX: true, precision: 'f32' });
const [head, options] = programs.head;

describe('rows by workgroups of many lanes', () => {
  it('take one kernel for a layer norm, and one for the losses', () => {
    const plan = buildPlan(head, { ...options, ...targetPlan('cuda', 'f32') });
    const forward = plan.entries[0]!.launches.map(({ kernel }) => kernel.definitions.map((d) => d.tensor.name));
    expect(forward[0]).toContain('x');
    expect(forward[0]).toContain('x_total');
    expect(forward[2]).toEqual(expect.arrayContaining(['largest', 'total', 'losses']));
  });

  it('have the right sums', () => {
    const { worst, errors } = checkCase({
      program: head,
      options: { ...options, ...targetPlan('cuda', 'f32') },
      batch: 1,
      tokens: 2,
      profile: 'subgroups',
      run: { subgroup: 32 },
      orders: ['random'],
    });
    expect(worst, JSON.stringify(errors)).toBeLessThan(2e-5);
  });
});
