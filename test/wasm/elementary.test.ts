// Elementary functions as WebAssembly keep the accuracy that codegen/math.ts states, one number at a time.

import { expect, it } from 'vitest';
import type { Expression, KernelBody } from '../../codegen/kernel.ts';
import { i32, local, loop } from '../../codegen/kernel-build.ts';
import { mapExpressions } from '../../codegen/map-expressions.ts';
import { wholeSequence } from '../../targets/device.ts';
import { buffersOf, cases, kernelOf, worst } from '../simulator/elementary.ts';
import { runWasm } from './run-kernel.ts';

it.each(cases.map((test) => [`${test.op}${test.integer ? ' of integers' : ''}`, test] as const))('%s', (_, test) => {
  const buffers = buffersOf(test);
  runWasm(byItems(kernelOf(test)), Math.ceil(test.samples.length / 64), buffers, wholeSequence(1, 1));
  const { share, at } = worst(test, buffers['result']!);
  expect(share, `at ${at.join(', ')}`).toBeLessThanOrEqual(1);
});

/** A loop over the lanes of a workgroup. */
function byItems(body: KernelBody): KernelBody {
  const lane = local('lane_number', 'i32');
  const replaced = (e: Expression): Expression => (e.kind === 'lane' ? lane : e);
  const statements = body.statements.map((statement) => mapExpressions(statement, replaced));
  return { ...body, workgroup: 1, statements: [loop('lane_number', i32(0), i32(body.workgroup), statements)] };
}
