// The kernel of our own that libraries of matrix products are measured against on this CPU: one layer of a GPT-2, compiled
// when no earlier run has measured with this build.

import type { CpuChoice } from '../../targets/wasm/device/index.ts';
import { buildStamp } from './scripts.ts';

type Probe = NonNullable<CpuChoice['probe']>;

/** [192, 384] x [384, 384]: a millisecond or so, so that some of many runs are not disturbed. */
const [tokens, width] = [192, 384];

export function productProbe(): Probe {
  return {
    key: buildStamp(),
    async make() {
      const { program } = await import('../ir/build.ts');
      const { linear } = await import('../trainer/ops/linear.ts');
      const { stream, weight } = await import('../trainer/ops/axes.ts');
      const { programCompiler } = await import('../trainer/compile-encoding.ts');
      const { wholeSequence } = await import('../../targets/device.ts');
      const x = stream('x', width);
      const matrix = weight('weight', [
        ['model', width],
        ['feature', width],
      ]);
      const { out, definitions } = linear('out', x, matrix, null);
      const layer = program({ name: 'layer', inputs: [x, matrix], definitions, results: { out } });
      const compile = programCompiler(undefined, { library: true }, { target: 'wasm', precision: 'f32' });
      const module = await compile(layer, { outputs: ['out'], gradients: [] });
      const kernel = Object.values(module.kernels).find(({ product }) => product !== null)!;
      return { kernel, sizes: wholeSequence(1, tokens) };
    },
  };
}
