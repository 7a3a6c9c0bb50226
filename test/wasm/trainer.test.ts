// GPT-2 on the CPU through the compiler: logits, loss, gradients and steps are PyTorch's, with any number of threads the
// same bits.

import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { createLoader } from '../../src/load-module.ts';
import { assemble } from '../../src/trainer/assemble.ts';
import { output } from '../../src/trainer/call.ts';
import { compileEncoding, programCompiler } from '../../src/trainer/compile-encoding.ts';
import { modelBackward, modelForward } from '../../src/trainer/model.ts';
import type { Model } from '../../src/trainer/model.ts';
import { openTrainer, readAll } from '../../src/trainer/session.ts';
import { openShape, writeBatch } from '../../src/trainer/shape.ts';
import { wholeBuffer } from '../../src/trainer/store.ts';
import type { Device } from '../../targets/device.ts';
import { fixtureWeights, gradientErrors, readFixture, relativeError } from '../trainer/fixture.ts';
import type { Fixture } from '../trainer/fixture.ts';
import { openTestCpu } from './open.ts';

let device: Device;
beforeAll(async () => {
  device = await openTestCpu();
});
afterAll(() => device?.close());

type Contract = PlanOptions['contract'];

async function fixtureModel(on: Device, fixture: Fixture, name: string, contract: Contract): Promise<Model> {
  const load = createLoader();
  const text = await readFile(new URL(`../../examples/${name}.pe`, import.meta.url), 'utf8');
  const choice = { source: { path: `${name}.pe`, text }, encoding: null, params: {} };
  const { encoding, diagnostics } = await compileEncoding(choice, fixture.configuration, load, { contract }, 'wasm');
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  const compile = programCompiler(load, { contract }, { target: 'wasm', precision: 'f32' });
  const { model } = await assemble(on, encoding!, fixture.configuration, fixture.vocabulary, compile);
  model.store.write('weight', fixtureWeights(fixture));
  return model;
}

describe.each([
  ['rope', 'always'],
  ['rope', 'never'],
  ['learned_absolute', 'auto'],
] as const)('GPT-2 with %s on the CPU, matrix products: %s', (name, contract) => {
  it('has the logits, loss and gradients of PyTorch', async () => {
    const fixture = await readFixture(name);
    const model = await fixtureModel(device, fixture, name, contract);
    const { batch, context } = fixture.configuration;
    const shape = openShape(device, model, batch, context);
    writeBatch(device, shape, fixture);
    const buffer = (label: string, elements: number) => wholeBuffer(device.allocate(elements * 4, label));
    const [seed, loss] = [buffer('seed', 1), buffer('loss', 1)];
    const logits = buffer('logits', batch * context * fixture.vocabulary);
    device.write(seed.storage!, 0, Float32Array.of(1));
    const recorded = await device.record((tape) => {
      for (const pool of ['decayed', 'plain'] as const) tape.clear(model.store.pool('gradient', pool));
      const record = modelForward(tape, model, shape);
      tape.copy(output(record.head, 'logits'), logits);
      tape.copy(output(record.head, 'output'), loss);
      modelBackward(tape, model, shape, record, seed);
    }, shape.sizes);
    device.run(recorded);
    expect(relativeError(await readAll(device, logits), fixture.stored.get('logits')!.data)).toBeLessThan(1e-4);
    expect(relativeError(await readAll(device, loss), fixture.stored.get('loss')!.data)).toBeLessThan(1e-4);
    const errors = gradientErrors(fixture, await model.store.read('gradient'));
    expect(errors.filter(([, error]) => !(error < 1e-4))).toEqual([]);
  });
});

describe('AdamW steps', () => {
  /** The losses, and every weight at the end. */
  async function steps(on: Device, count: number) {
    const fixture = await readFixture('rope');
    const model = await fixtureModel(on, fixture, 'rope', 'auto');
    const trainer = await openTrainer(on, model, fixture.configuration);
    const losses: number[] = [];
    for (let step = 1; step <= count; step += 1) {
      trainer.step(() => fixture, step);
      losses.push((await trainer.read(1)).loss);
    }
    return { losses, expected: fixture.losses, weights: await model.store.read('weight') };
  }

  it('have the losses of PyTorch', async () => {
    const { losses, expected } = await steps(device, 10);
    const errors = losses.map((loss, n) => Math.abs(loss - expected[n]!));
    expect(Math.max(...errors)).toBeLessThan(1e-3);
  });

  it('end in the same bits with any number of threads', async () => {
    const first = await steps(device, 3);
    for (const threads of [1, 3]) {
      const other = await openTestCpu({ threads });
      try {
        const { losses, weights } = await steps(other, 3);
        expect(losses).toEqual(first.losses);
        expect(weights).toEqual(first.weights);
      } finally {
        await other.close();
      }
    }
  });
});
