// Gradients of what draws and adds to the loss against central differences of the interpreter; cases that say whether this
// is training.

import { expect, it } from 'vitest';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { readCase, writeCase } from '../../src/verify/case.ts';
import type { Case } from '../../src/verify/case.ts';
import { makeEncodingCase, verifyEncoding } from '../../src/verify/embedding.ts';
import { reference, valuesOf } from '../../src/verify/run.ts';
import { simulatorRunner } from '../kernels/simulator-runner.ts';
import { loadText } from '../lower/load.ts';

const text = `encoding drawing {
  draw u[t: token] ~ uniform(-1, 1)
  draw n           ~ floor(uniform(0, 3))
  learn w[h: head] ~ normal(0, 1)
  learn v[h: head] ~ normal(0, 1)
  query[t, h, d]  *= if training then exp(v[h] * u[t]) else 1
  score[h, i, j]  += w[h] * n * u[j]
  loss            += mean[h: head, t: token]((w[h] * u[t]) ^ 2)
  loss            += sum[h: head](v[h] * detach(v[h]) * n)
}`;
const geometry: Geometry = { heads: 2, kv_heads: 2, head_dim: 4, model_dim: 6, context: 5, layers: 1, layer: 0 };

async function made(training: boolean): Promise<{ lowered: ReturnType<typeof load>['lowered']; vectors: Case }> {
  const { lowered, checked } = load();
  const options = { batch: 3, tokens: 4, seed: 2, training };
  const written = readCase(writeCase(await makeEncodingCase(checked, lowered, options)));
  if (!written.ok) throw new Error(written.problems.join());
  return { lowered, vectors: written.case };
}

function load() {
  const { lowered, checked, diagnostics } = loadText(text, 'examples/test.pe', { geometry });
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  return { lowered: lowered!, checked: checked! };
}

it.each([true, false])(
  'gradients are the slope of sum(output * cotangent) and the mean of loss; training: %s',
  async (training) => {
    const { lowered, vectors } = await made(training);
    const { attend } = lowered;
    const inputs = Object.fromEntries(
      attend.inputs.map((tensor) => [tensor.name, valuesOf(tensor, vectors)!.values.data]),
    );
    const total = (changed: Record<string, ArrayLike<number>>): number => {
      const values = interpret(attend, { batch: 3, tokens: 4 }, { ...inputs, ...changed });
      const output = values.get('output')!.reduce((sum, value, n) => sum + value * vectors.cotangent.data[n]!, 0);
      return output + values.get('loss')!.reduce((a, b) => a + b) / 3;
    };
    for (const name of ['w', 'query']) {
      const gradient = vectors.gradients[name]!.data;
      for (let n = 0; n < Math.min(4, gradient.length); n += 1) {
        const at = (h: number) =>
          total({ [name]: Float64Array.from(inputs[name]!, (value, k) => (k === n ? value + h : value)) });
        const slope = (at(1e-4) - at(-1e-4)) / 2e-4;
        expect(Math.abs(slope - gradient[n]!), `${name} ${n}`).toBeLessThan(1e-6 * Math.max(1, Math.abs(slope)));
      }
    }
    // Half of the slope of v^2: the other factor is detached.
    const at = (h: number) =>
      total({ v: Float64Array.from(inputs['v']!, (value, k) => (k === 0 ? value + h : value)) });
    const drawn = vectors.inputs['n']!.data;
    const behind = (inputs['v']![0]! * (drawn[0]! + drawn[1]! + drawn[2]!)) / 3;
    const slope = (at(1e-4) - at(-1e-4)) / 2e-4 - behind;
    expect(Math.abs(slope - vectors.gradients['v']!.data[0]!)).toBeLessThan(1e-6 * Math.max(1, Math.abs(slope)));
  },
);

it('a case has what was drawn, the loss of each sequence, and whether this is training', async () => {
  const { lowered, vectors } = await made(true);
  expect(vectors.training).toBe(true);
  expect(vectors.inputs['u']!.shape).toEqual([3, 4]);
  expect(vectors.inputs['n']!.shape).toEqual([3]);
  expect(vectors.outputs['loss']!.shape).toEqual([3]);
  const verified = async (changed: Case, runner = reference, tolerance = 1e-12) =>
    verifyEncoding(lowered, changed, runner, tolerance);
  expect((await verified(vectors)).passed).toBe(true);
  expect((await verified(vectors, simulatorRunner({}), 2e-5)).passed).toBe(true);
  const outside = await verified({ ...vectors, training: false });
  expect(outside.rows.filter(({ passed }) => !passed).map(({ tensor }) => tensor)).toContain('output');
  const { u: _, ...rest } = vectors.inputs;
  expect((await verified({ ...vectors, inputs: rest })).problems).toEqual(["the case has no 'u', which drawing reads"]);
});
