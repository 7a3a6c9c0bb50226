// The loop on the interpreter's device: it learns, stops, resumes to the same bits, and refuses what it must.
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultRewrites } from '../../src/passes/structure/rewrites.ts';
import { readCheckpoint, refuseOther } from '../../src/trainer/checkpoint.ts';
import { configure } from '../../src/trainer/configuration.ts';
import type { Configuration } from '../../src/trainer/configuration.ts';
import { evaluate } from '../../src/trainer/evaluate.ts';
import { assemble } from '../../src/trainer/assemble.ts';
import { prepareModelOn } from '../../src/trainer/prepare.ts';
import { prepareData } from '../../src/trainer/data.ts';
import { openReader } from '../../src/trainer/session.ts';
import { sample } from '../../src/trainer/sample.ts';
import { train } from '../../src/trainer/train.ts';
import type { Progress, TrainRequest } from '../../src/trainer/train.ts';
import { interpretedDevice, interpretedModule } from './interpreted.ts';
import { learnedAbsolute } from './small-encodings.ts';

const corpus = { name: 'abc.txt', documents: ['abc'.repeat(300)] };
const choice = { source: { path: 'test.pe', text: 'encoding test {}' }, encoding: null, params: {} };

const tiny = (more: Partial<Configuration> = {}): Configuration =>
  configure({
    layers: 1,
    heads: 1,
    width: 4,
    context: 4,
    batch: 2,
    steps: 6,
    rate: 0.05,
    warmup: 2,
    report: 2,
    evaluate: 4,
    ...more,
  });

async function run(configuration: Configuration, more: Partial<TrainRequest> = {}) {
  const device = interpretedDevice({ single: true });
  const data = await prepareData(corpus, configuration);
  const { heads, kv_heads, width, context, layers } = configuration;
  const sizes = { heads, kv_heads, head_dim: width / heads, model_dim: width };
  const layer = learnedAbsolute(sizes, context);
  const encoding = { name: 'test', layers: Array.from({ length: layers }, () => layer) };
  const compile = async (...args: Parameters<typeof interpretedModule>) => interpretedModule(...args);
  const prepared = await assemble(device, encoding, configuration, data.tokenizer.size, compile);
  const trained = await train(device, prepared, { choice, configuration, data, folder: null, resume: null, ...more });
  return { device, data, prepared, trained };
}

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'pegen-run-'));

describe('training', () => {
  it('learns, evaluates at twice its context, and writes what it learned', async () => {
    const events: Progress[] = [];
    const configuration = tiny({ width: 8, steps: 80, rate: 0.02, decay: 0, seed: 2 });
    const { device, data, prepared, trained } = await run(configuration, { progress: (event) => events.push(event) });
    expect(trained.curve[0]!.loss).toBeCloseTo(Math.log(3), 1);
    expect(trained.curve.at(-1)!.loss).toBeLessThan(0.2);
    expect(trained.curve.map(({ step }) => step)).toEqual([1, ...Array.from({ length: 40 }, (_, n) => 2 * n + 2)]);
    expect(events.filter(({ kind }) => kind === 'step').length).toBe(41);
    for (const tokens of [4, 8]) {
      const held = await evaluate(device, prepared.model, configuration, data.tokens.heldOut, tokens);
      expect(held.windows).toBe(16 / tokens);
      expect(held.perplexity).toBeLessThan(1.6);
    }
    const reader = openReader(device, prepared.model, 1, 4);
    const text = await sample(reader, data.tokenizer, { prompt: 'ab', tokens: 7, temperature: 0, top: 0, seed: 1 });
    expect(text).toBe('abcabcabc');
    reader.free();
    prepared.model.store.free();
    expect(device.allocated()).toBe(0);
  });

  it('goes on from a checkpoint to the same bits', async () => {
    const [whole, parts] = [await folder(), await folder()];
    const configuration = tiny({ checkpoint: 3 });
    await run(configuration, { folder: whole });
    const stop = new AbortController();
    const progress = (event: Progress): void => void (event.kind === 'checkpoint' && stop.abort());
    const first = await run(configuration, { folder: parts, signal: stop.signal, progress });
    expect([first.trained.stopped, first.trained.step]).toEqual([true, 3]);
    const second = await run(configuration, { folder: parts, resume: await readCheckpoint(parts) });
    expect([second.trained.stopped, second.trained.step]).toEqual([false, 6]);
    const name = 'step-00000006.safetensors';
    expect((await readFile(join(parts, name))).equals(await readFile(join(whole, name)))).toBe(true);
  });

  it('goes on from a checkpoint that names no precision', async () => {
    const place = await folder();
    await run(tiny(), { folder: place });
    const { path } = await readCheckpoint(place);
    const named = String.raw`\"precision\":\"f32\",`;
    const text = (await readFile(path)).toString('latin1');
    expect(text).toContain(named);
    await writeFile(path, Buffer.from(text.replace(named, ' '.repeat(named.length)), 'latin1'));
    const resume = await readCheckpoint(place);
    expect(resume.state.configuration.precision).toBe('f32');
    expect((await run(tiny(), { resume })).trained.step).toBe(6);
    const other = { ...resume.state, configuration: tiny({ precision: 'bf16' }) };
    expect(() => refuseOther(resume, other)).toThrow(/precision was f32 and is bf16 now/);
  });

  it('refuses bf16 where the device has none', async () => {
    const asked = prepareModelOn(interpretedDevice(), choice, tiny({ precision: 'bf16' }), 3);
    await expect(asked).rejects.toThrow(/the float64 interpreter has no bf16 storage/);
  });

  it('keeps two checkpoints and names weights as Hugging Face does', async () => {
    const place = await folder();
    await writeFile(join(place, 'notes.txt'), 'mine');
    await run(tiny({ checkpoint: 2 }), { folder: place });
    const names = (await readdir(place)).sort();
    expect(names).toEqual(['notes.txt', 'step-00000004.safetensors', 'step-00000006.safetensors']);
    const { file, state } = await readCheckpoint(place);
    expect(state.step).toBe(6);
    expect(file.tensors.get('transformer.h.0.attn.c_attn.weight')!.shape).toEqual([4, 12]);
    expect(file.tensors.get('second.transformer.wte.weight')!.shape).toEqual([3, 4]);
    expect(file.tensors.get('transformer.encoding.E')!.shape).toEqual([4, 4]);
  });

  it('is a function of its seed', async () => {
    const losses = async (seed: number) => (await run(tiny({ seed, steps: 3 }))).trained.curve.map(({ loss }) => loss);
    expect(await losses(5)).toEqual(await losses(5));
    expect(await losses(5)).not.toEqual(await losses(6));
  });

  it('refuses to go on with another file, corpus or size', async () => {
    const place = await folder();
    await run(tiny(), { folder: place });
    const resume = await readCheckpoint(place);
    const changed = { ...choice, source: { path: 'test.pe', text: 'encoding other {}' } };
    await expect(run(tiny(), { resume, choice: changed })).rejects.toThrow(/the \.pe file has changed/);
    await expect(run(tiny({ rate: 0.01 }), { resume })).rejects.toThrow(/rate was 0.05 and is 0.01 now/);
    const data = await prepareData({ name: 'x', documents: ['abc'.repeat(301)] }, tiny());
    await expect(run(tiny(), { resume, data })).rejects.toThrow(/another corpus \(abc\.txt\)/);
  });

  it('goes on with the rewrites that it began with, and with no others', async () => {
    const place = await folder();
    const rewrites = ['rotations', 'channels'] as const;
    await run(tiny(), { folder: place, choice: { ...choice, rewrites } });
    const resume = await readCheckpoint(place);
    expect(resume.state.rewrites).toEqual(rewrites);
    const again = { ...choice, rewrites: rewrites.toReversed() };
    expect((await run(tiny(), { resume, choice: again })).trained.step).toBe(6);
    await expect(run(tiny(), { resume })).rejects.toThrow(
      /--rewrites channels,rotations, and is given channels,key-terms,rotations,vocabulary/,
    );
    await expect(run(tiny(), { resume, choice: { ...choice, rewrites: [] } })).rejects.toThrow(/is given none/);
    const text = (await readFile(resume.path)).toString('latin1');
    const named = String.raw`\"rewrites\":[\"rotations\",\"channels\"],`;
    expect(text).toContain(named);
    await writeFile(resume.path, Buffer.from(text.replace(named, ' '.repeat(named.length)), 'latin1'));
    expect((await readCheckpoint(place)).state.rewrites).toEqual(defaultRewrites); // of before they were kept
  });

  it('stops when the loss is no number, and says where the last good checkpoint is', async () => {
    const place = await folder();
    await run(tiny({ steps: 2, rate: 0.05, checkpoint: 1 }), { folder: place });
    const resume = await readCheckpoint(place);
    const bad = run(tiny({ rate: 1e30, warmup: 0, clip: 0, decay: 1e9, steps: 20 }), { folder: place });
    await expect(bad).rejects.toThrow(/training diverged: by step \d+ the loss is/);
    expect((await readCheckpoint(place)).state.step).toBe(resume.state.step);
  });

  it('says what is wrong with a checkpoint', async () => {
    await expect(readCheckpoint(join(await folder(), 'nothing'))).rejects.toThrow(/there is no such folder/);
    const place = await folder();
    await expect(readCheckpoint(place)).rejects.toThrow(/has no checkpoint/);
    await writeFile(join(place, 'step-00000001.safetensors'), 'short');
    await expect(readCheckpoint(place)).rejects.toThrow(/step-00000001\.safetensors: not a safetensors file/);
  });
});
