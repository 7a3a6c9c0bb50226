// Every operation's expansion against float64, at the accuracy that codegen/math.ts states, by the simulator.

import { expect, it } from 'vitest';
import { simulate } from '../../codegen/simulate.ts';
import { wholeSequence } from '../../targets/device.ts';
import { buffersOf, cases, kernelOf, worst } from './elementary.ts';

it.each(cases.map((test) => [`${test.op}${test.integer ? ' of integers' : ''}`, test] as const))('%s', (_, test) => {
  const buffers = buffersOf(test);
  simulate(kernelOf(test), Math.ceil(test.samples.length / 64), buffers, wholeSequence(1, 1));
  const { share, at } = worst(test, buffers['result']!);
  expect(share, `at ${at.join(', ')}`).toBeLessThanOrEqual(1);
});
