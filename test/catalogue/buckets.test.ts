// Buckets that begin at a whole number: kernels, whose logarithms are float32's, choose the row that float64 chooses.

import { expect, it } from 'vitest';
import { targetPlan } from '../../src/options.ts';
import { checkCase } from '../kernels/check-plan.ts';
import { differentiated } from '../kernels/differentiated.ts';
import { runWasm } from '../wasm/run-kernel.ts';
import { entry } from './interpreted.ts';

it.each([
  ['deberta_v3', { buckets: 4, far: 12 }, 13], // offset 11 is far - 1
  ['t5_encoder', {}, 34], // 16 and 32 begin a bucket
] as const)('%s %o', (name, params, tokens) => {
  const { attend } = entry(name, { params, context: tokens, bidirectional: true });
  const results = { outputs: ['output'], seeds: ['output'] };
  const options = { ...targetPlan('wasm', 'f32'), ...differentiated(attend, 'output'), ...results };
  const { errors } = checkCase({
    program: attend,
    options,
    batch: 1,
    tokens,
    orders: ['forward'],
    run: { execute: runWasm },
  });
  expect(Object.keys(errors)).toContain('output');
  expect(Object.entries(errors).filter(([, error]) => !(error <= 2e-5))).toEqual([]);
});
