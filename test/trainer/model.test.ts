// GPT-2 as the trainer records it, run by the float64 interpreter, against PyTorch: logits, loss, every gradient, and the
// losses of ten AdamW steps. What the kernels do is tested elsewhere; this is the mathematics of the model.
import { beforeAll, describe, expect, it } from 'vitest';
import { output } from '../../src/trainer/call.ts';
import { bringsGradientOfX, encodingParameters } from '../../src/trainer/encoding.ts';
import type { EncodingModules } from '../../src/trainer/encoding.ts';
import { modelBackward, modelForward, modelNext } from '../../src/trainer/model.ts';
import type { Model } from '../../src/trainer/model.ts';
import { compileOperations } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { openTrainer } from '../../src/trainer/session.ts';
import { openShape, writeBatch } from '../../src/trainer/shape.ts';
import { openStore, wholeBuffer } from '../../src/trainer/store.ts';
import type { Device } from '../../targets/device.ts';
import { fixtureWeights, gradientErrors, logitsAt, lossesOf, readFixture, relativeError } from './fixture.ts';
import type { Fixture } from './fixture.ts';
import { exactly, interpretedDevice, interpretedModule } from './interpreted.ts';
import { learnedAbsolute, rope } from './small-encodings.ts';

export async function fixtureModel(device: Device, fixture: Fixture, name: string, chunk: number): Promise<Model> {
  const { layers, heads, kv_heads, width, context } = fixture.configuration;
  const sizes = { heads, kv_heads, head_dim: width / heads, model_dim: width, width, vocabulary: fixture.vocabulary };
  const layer = name === 'rope' ? rope(sizes) : learnedAbsolute(sizes, context);
  const encoding: EncodingModules = { name, layers: Array.from({ length: layers }, () => layer) };
  const layout = layOut(fixture.configuration, fixture.vocabulary, encodingParameters(encoding));
  const compile = async (...args: Parameters<typeof interpretedModule>) => interpretedModule(...args);
  const choice = { gradientOfX: bringsGradientOfX(encoding), changesX: false, precision: 'f32', chunk } as const;
  const operations = await compileOperations(sizes, layout, choice, compile);
  const store = await openStore(device, layout);
  store.write('weight', fixtureWeights(fixture));
  return { operations, encoding, store, seed: 1 };
}

describe.each([
  ['rope', 'all words at once', 13],
  ['rope', 'a few words at a time', 4],
  ['learned_absolute', 'all words at once', 13],
] as const)('GPT-2 with %s, %s', (name, _, chunk) => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await readFixture(name);
  });

  it('has the losses, logits and gradients of PyTorch', async () => {
    const device = interpretedDevice();
    const model = await fixtureModel(device, fixture, name, chunk);
    const shape = openShape(device, model, fixture.configuration.batch, fixture.configuration.context);
    writeBatch(device, shape, fixture);
    const seed = wholeBuffer(device.allocate(4, 'seed'));
    device.write(seed.storage!, 0, Float32Array.of(1));
    let [losses, loss, next] = [seed, seed, seed];
    const place = wholeBuffer(device.allocate(4, 'place'), 'i32');
    device.write(place.storage!, 0, Int32Array.of(5));
    const recorded = await device.record((tape) => {
      const record = modelForward(tape, model, shape);
      [losses, loss] = [output(record.head, 'losses'), output(record.head, 'output')];
      modelBackward(tape, model, shape, record, seed);
      next = modelNext(tape, model, shape, place);
    }, shape.sizes);
    device.run(recorded);
    expect(relativeError(exactly(losses), lossesOf(fixture))).toBeLessThan(1e-6);
    expect(relativeError(exactly(next), logitsAt(fixture, 5))).toBeLessThan(1e-6);
    expect(relativeError(exactly(loss), fixture.stored.get('loss')!.data)).toBeLessThan(1e-6);
    const { layout } = model.store;
    const names = [...layout.parameters.keys()];
    const gradients = new Map(names.map((key) => [key, exactly(model.store.view('gradient', key))]));
    expect(gradientErrors(fixture, gradients).filter(([, error]) => !(error < 1e-6))).toEqual([]);
    for (const { name: key, shape } of layout.parameters.values()) {
      expect(shape, key).toEqual(fixture.stored.get(`gradient.${key}`)!.shape);
    }
  });

  it.each([1, 2])('has the losses of ten AdamW steps, in %i micro-batches', async (accumulate) => {
    const device = interpretedDevice();
    const model = await fixtureModel(device, fixture, name, chunk);
    const { context } = fixture.configuration;
    const batch = fixture.configuration.batch / accumulate;
    const trainer = await openTrainer(device, model, { ...fixture.configuration, batch, accumulate });
    const windows = Array.from({ length: fixture.configuration.batch }, (_, row) => ({
      tokens: fixture.tokens.slice(row * context, (row + 1) * context),
      targets: fixture.targets.slice(row * context, (row + 1) * context),
    }));
    const micro = Array.from({ length: accumulate }, (_, n) => {
      const own = windows.slice(n * batch, (n + 1) * batch);
      const join = (pick: 'tokens' | 'targets') => Int32Array.from(own.flatMap((window) => [...window[pick]]));
      return { tokens: join('tokens'), targets: join('targets') };
    });
    for (let step = 1; step <= 10; step += 1) {
      trainer.step((n) => micro[n]!, step);
      const { loss, norm } = await trainer.read(1);
      expect(Math.abs(loss - fixture.losses[step - 1]!), `loss of step ${step}`).toBeLessThan(2e-6);
      expect(Math.abs(norm - fixture.norms[step - 1]!), `norm of step ${step}`).toBeLessThan(2e-5);
    }
    trainer.free();
    model.store.free();
    expect(device.allocated()).toBe(0);
  });
});
