// Elementary functions as WebAssembly keep the accuracy that codegen/math.ts states, one number at a time.

import { expect, it } from 'vitest';
import { fromLanes } from '../../codegen/cpu/from-lanes.ts';
import { wholeSequence } from '../../targets/device.ts';
import { buffersOf, cases, kernelOf, worst } from '../simulator/elementary.ts';
import { runWasm } from './run-kernel.ts';

it.each(cases.map((test) => [`${test.op}${test.integer ? ' of integers' : ''}`, test] as const))('%s', (_, test) => {
  const buffers = buffersOf(test);
  const body = fromLanes(kernelOf(test), (wanted) => wanted);
  runWasm(body, Math.ceil(test.samples.length / 64), buffers, wholeSequence(1, 1));
  const { share, at } = worst(test, buffers['result']!);
  expect(share, `at ${at.join(', ')}`).toBeLessThanOrEqual(1);
});
