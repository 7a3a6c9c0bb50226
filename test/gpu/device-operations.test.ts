// Every operation's expansion on SwiftShader against float64, at the accuracy stated in codegen/math.ts.

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { WebGpuDevice } from '../../targets/wgsl/device/index.ts';
import { buffersOf, cases, kernelOf, worst } from '../simulator/elementary.ts';
import { runBody } from './kernels.ts';
import { openTestDevice } from './swiftshader.ts';

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device?.close());

it.each(cases.map((test) => [test.op + (test.integer ? ' of integers' : ''), test] as const))('%s', async (_, test) => {
  const results = await runBody(device, kernelOf(test), Math.ceil(test.samples.length / 64), buffersOf(test));
  const { share, at } = worst(test, results['result']!);
  expect(share, `at ${at.join(', ')}`).toBeLessThanOrEqual(1);
});
