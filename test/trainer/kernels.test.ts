// GPT-2's operations as kernels in the simulator, forward and backward, against the interpreter: every profile, matrix
// products and loops, sizes that no tile divides, fewer key heads than heads.
import { describe, expect, it } from 'vitest';
import { configure } from '../../src/trainer/configuration.ts';
import { operationPrograms } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { segmentsOf } from '../../src/trainer/segments.ts';
import { checkCase, randomValues } from '../kernels/check-plan.ts';

const vocabulary = 5;
const configuration = configure({ layers: 1, heads: 2, kv_heads: 1, width: 12 });
const sizes = { width: 12, heads: 2, kv_heads: 1, head_dim: 6, vocabulary };
const tokens = Int32Array.of(3, 0, 4, 3, 3, 1);
const programs = operationPrograms(sizes, layOut(configuration, vocabulary, []), {
  gradientOfX: true,
  precision: 'f32',
});

/** The optimizer is given second moments and corrections that are positive, the embedding sorted tokens. */
function special(name: string): Record<string, ArrayLike<number>> {
  const rows = layOut(configuration, vocabulary, []).size;
  const elements = name === 'updateDecayed' ? rows.decayed : rows.plain;
  if (name.startsWith('update')) {
    const scalars = Float32Array.of(0.01, 0.1, 0.9, 0.95, 0.1, 0.05, 1e-8);
    return { scalars, clip: [0.5], second: randomValues(elements, 5).map((value) => 0.1 + value ** 2) };
  }
  if (name === 'embed') {
    const { order, start } = segmentsOf(tokens, vocabulary);
    return { tokens, tokens_order: order, tokens_start: start };
  }
  return name === 'clip' ? { decayed_squares: [2], plain_squares: [0.5], limit: [1] } : {};
}

describe.each(Object.entries(programs))('%s', (name, [program, options]) => {
  it.each([
    ['software', 'always'],
    ['portable', 'never'],
    ['subgroups', 'always'],
  ] as const)('%s, matrix products: %s', (profile, contract) => {
    const forced = { ...options, contract, chunk: 4 };
    const run = { program, options: forced, batch: 2, tokens: 3, inputs: special(name), profile };
    const { worst, errors } = checkCase({ ...run, orders: ['random'] });
    expect(worst, JSON.stringify(errors)).toBeLessThan(2e-5);
  });
});
