// Forward values of the vectors, through programs built by hand.

import { describe, expect, it } from 'vitest';
import { interpret } from '../../src/interpret/interpret.ts';
import { vectorPrograms } from './vector-programs.ts';
import { readCase, relativeError, valuesOf } from './vectors.ts';

describe.each(Object.keys(vectorPrograms))('%s', (name) => {
  const c = readCase(name);
  const { heads, head_dim: dim, model_dim: model } = c.sizes;
  const program = vectorPrograms[name]!({ heads, kvHeads: heads, dim, model, context: c.sizes.T });
  const values = interpret(program, { batch: c.sizes.B, tokens: c.sizes.T }, valuesOf(c));

  it.each(Object.keys(c.outputs).filter((key) => key !== 'coordinates'))('%s', (key) => {
    const tensor = program.results.get(key);
    expect(relativeError(values.get(tensor?.name ?? ''), c.outputs[key]!.data)).toBeLessThanOrEqual(1e-12);
  });
});
