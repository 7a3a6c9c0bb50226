// Gradients of the vectors, through reverse mode on programs built by hand.

import { describe, expect, it } from 'vitest';
import { reverse } from '../../src/autodiff/reverse.ts';
import { given } from '../../src/ir/build.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import { vectorPrograms } from '../interpret/vector-programs.ts';
import { readCase, relativeError, valuesOf } from '../interpret/vectors.ts';

describe.each(Object.keys(vectorPrograms))('%s', (name) => {
  const c = readCase(name);
  const { heads, head_dim: dim, model_dim: model } = c.sizes;
  const forward = vectorPrograms[name]!({ heads, kvHeads: heads, dim, model, context: c.sizes.T });
  const output = forward.results.get('output')!;
  const seed = given('d_output', output.axes, 'cotangent');
  const wanted = forward.inputs.filter((input) => input.name in c.gradients);
  const program = reverse(forward, new Map([[output, seed]]), wanted);
  const inputs = { ...valuesOf(c), d_output: c.cotangent.data };
  const values = interpret(program, { batch: c.sizes.B, tokens: c.sizes.T }, inputs);

  it.each(Object.keys(c.gradients))('d_%s', (key) => {
    const found = values.get(program.results.get(`d_${key}`)?.name ?? '');
    expect(relativeError(found, c.gradients[key]!.data)).toBeLessThanOrEqual(1e-10);
  });

  it('scatters only where no index can be solved', () => {
    const scattered = program.definitions.filter((d) => d.kind === 'scatter').map((d) => d.cotangentOf?.name);
    expect(scattered).toEqual({ t5: ['table'], shaw: ['rk', 'rv'] }[name] ?? []);
  });
});
