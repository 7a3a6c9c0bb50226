// The program from outside on CUDA kernels that run on this CPU: verify, train, resume, bench, and what the user reads when
// there is no driver, no compiler, no memory or a fault. What is trained is held to the float64 interpreter.

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { assemble } from '../../src/trainer/assemble.ts';
import { readCheckpoint } from '../../src/trainer/checkpoint.ts';
import { compileEncoding } from '../../src/trainer/compile-encoding.ts';
import type { Configuration } from '../../src/trainer/configuration.ts';
import { loadCorpus } from '../../src/trainer/corpus.ts';
import { prepareData } from '../../src/trainer/data.ts';
import type { LayerEncoding } from '../../src/trainer/encoding.ts';
import { train } from '../../src/trainer/train.ts';
import { inFolder, pegen } from '../cli/run.ts';
import type { How } from '../cli/run.ts';
import { interpretedDevice, interpretedModule, sideBySide } from '../trainer/interpreted.ts';
import { compiler } from './emulated.ts';

const example = (name: string): string => resolve('examples', `${name}.pe`);
const vectors = (name: string): string => resolve('test/fixtures/vectors', `${name}.json`);

const text = 'The quick brown fox jumps over the lazy dog, and a model learns it by heart. '.repeat(60);
const sizes = '--data text.txt --width 16 --heads 2 --layers 1 --context 8 --batch 2 --evaluate 1 --report 1'.split(
  ' ',
);

const inPlace = (use: (folder: string) => Promise<void>): Promise<void> =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, 'text.txt'), text);
    await use(folder);
  });

/** The losses of the run in a folder, by step. */
const curveOf = async (folder: string): Promise<readonly number[]> =>
  (await readCheckpoint(folder)).state.curve.map(({ loss }) => loss);

/** The same run by the interpreter. */
async function interpretedCurve(folder: string, path: string): Promise<readonly number[]> {
  const { state } = await readCheckpoint(folder);
  const configuration: Configuration = { ...state.configuration, precision: 'f32' };
  const choice = { source: state.source, encoding: null, params: {} };
  const { encoding } = await compileEncoding(choice, configuration);
  const { heads, kv_heads, width } = configuration;
  const interpreted = ({ module, attend }: LayerEncoding): LayerEncoding => {
    const read = attend.inputs.filter(({ origin }) => origin.kind === 'learned' || origin.kind === 'given');
    const gradients = read.map(({ name }) => name).filter((name) => name !== 'position');
    const accumulate = module.learned.map(({ name }) => name);
    const options = { outputs: ['output'], seeds: ['output'], gradients, accumulate };
    const own = interpretedModule(attend, options, { learned: module.learned });
    return { attend, embed: null, input: null, module: sideBySide(own, { heads, kv_heads, head_dim: width / heads }) };
  };
  const same = { name: encoding!.name, layers: encoding!.layers.map(interpreted) };
  const data = await prepareData(await loadCorpus(path), configuration);
  const device = interpretedDevice();
  const compile = async (...args: Parameters<typeof interpretedModule>) => interpretedModule(...args);
  const prepared = await assemble(device, same, configuration, data.tokenizer.size, compile);
  const request = { choice, configuration, data, folder: null, resume: null };
  return (await train(device, prepared, request)).curve.map(({ loss }) => loss);
}

describe.skipIf(compiler === null).concurrent('with --emulate (skipped without g++)', () => {
  test.each([
    ['rope', ['rope_split'], 'f32', 0.00002],
    ['carope', ['carope'], 'bf16', 0.0078125],
  ] as const)('verify %s against %j in %s', async (name, cases, precision, tolerance) => {
    const given = cases.flatMap((each) => ['--vectors', vectors(each)]);
    const { code, out, err } = await pegen([
      'verify',
      example(name),
      ...given,
      '--emulate',
      '--precision',
      precision,
      '--json',
    ]);
    expect([code, err]).toEqual([0, expect.stringMatching(/^device: emulated CUDA on this CPU \(g\+\+/)]);
    type Told = { tolerance: number; rows: { plan: string; tensor: string; error: number | null }[] };
    const told = JSON.parse(out) as Told;
    expect(told.tolerance).toBe(tolerance);
    const errorsOf = (plan: string): number[] =>
      told.rows.flatMap((row) => (row.error === null || row.plan !== plan ? [] : [row.error]));
    const plans = precision === 'bf16' ? ['bf16', 'bf16-borders'] : ['f32'];
    expect([...new Set(told.rows.map(({ plan }) => plan))]).toEqual(plans);
    for (const plan of plans) {
      expect(errorsOf(plan).length).toBeGreaterThanOrEqual(6);
      expect(Math.max(...errorsOf(plan))).toBeGreaterThan(precision === 'bf16' ? 1e-4 : 0); // it was stored so
    }
    const score = (plan: string) => told.rows.find((row) => row.plan === plan && row.tensor === 'score')!.error!;
    if (precision === 'bf16') expect(score('bf16-borders')).toBeLessThan(score('bf16') / 10); // nothing inside is
  });

  test('verify fails past the tolerance, and takes several cases', async () => {
    const given = ['--vectors', vectors('rope_split'), '--vectors', vectors('rope_split')];
    const wrong = await pegen([
      'verify',
      example('rope'),
      ...given,
      '--device',
      'cuda',
      '--emulate',
      '--tolerance',
      '0',
    ]);
    expect([wrong.code, wrong.out.match(/not within 0/g)?.length]).toEqual([1, 2]);
  });

  test('train learns as the interpreter does, goes on to the same bits, and samples', () =>
    inPlace(async (folder) => {
      const run = (...more: string[]) =>
        pegen(['train', example('carope'), ...sizes, '--emulate', ...more], { cwd: folder });
      const whole = await run('--steps', '3', '--out', 'whole');
      expect([whole.code, whole.err]).toEqual([0, expect.stringContaining('device: emulated CUDA')]);
      const losses = await curveOf(join(folder, 'whole'));
      const expected = await interpretedCurve(join(folder, 'whole'), join(folder, 'text.txt'));
      expect(losses.length).toBe(3);
      losses.forEach((loss, n) => expect(Math.abs(loss - expected[n]!), `step ${n + 1}`).toBeLessThan(1e-4));

      await pegen(['train', example('carope'), ...sizes, '--emulate', '--steps', '3', '--out', 'parts'], {
        cwd: folder,
        when: { says: /step 1\/3/, act: (kill) => kill('SIGINT') },
      });
      if ((await curveOf(join(folder, 'parts'))).length < 3)
        expect((await run('--resume', '--out', 'parts')).code).toBe(0);
      const last = (name: string): Buffer => readFileSync(join(folder, name, 'step-00000003.safetensors'));
      expect(tensorsOf(last('parts')).equals(tensorsOf(last('whole')))).toBe(true);

      const sample = await pegen(['sample', 'whole', '--prompt', 'The ', '--length', '2', '--emulate'], {
        cwd: folder,
      });
      expect([sample.code, sample.out]).toEqual([0, expect.stringMatching(/^The /)]);
    }));

  test('train in bf16 stays near float32, and the checkpoint knows', () =>
    inPlace(async (folder) => {
      const run = (...more: string[]) => pegen(['train', example('rope'), ...sizes, ...more], { cwd: folder });
      const narrow = await run('--emulate', '--precision', 'bf16', '--steps', '2', '--out', 'bf16');
      expect([narrow.code, narrow.err]).toEqual([0, expect.stringContaining('device: emulated CUDA')]);
      const losses = await curveOf(join(folder, 'bf16'));
      const expected = await interpretedCurve(join(folder, 'bf16'), join(folder, 'text.txt'));
      losses.forEach((loss, n) => expect(Math.abs(loss - expected[n]!), `step ${n + 1}`).toBeLessThan(0.02));
      expect(losses).not.toEqual(expected);
      expect((await readCheckpoint(join(folder, 'bf16'))).state.configuration.precision).toBe('bf16');
    }));

  test('bench measures the encoding alone', async () => {
    const bench = ['bench', example('rope_learned'), '--bytes', '16K', '--precision', 'bf16', '--emulate', '--json'];
    const { code, out } = await pegen([...bench, '--heads', '4', '--kv-heads', '2', '--head-dim', '8']);
    expect(code).toBe(0);
    const { rows } = JSON.parse(out) as { rows: { part: string; batch: number; tokens: number; floorBytes: number }[] };
    const once = 2 * 6 * 8 * 2; // a token's query and key, read and written
    expect(rows.map(({ part, batch, tokens, floorBytes }) => [part, batch * tokens, floorBytes / once])).toEqual([
      ['forward', 85, 85],
      ['backward', 85, 85 * 1.5],
      ['whole', 85, 85 * 2.5],
    ]);
  });
});

/** A checkpoint without its header, which has the run's folder and times in it. */
function tensorsOf(file: Buffer): Buffer {
  return file.subarray(8 + Number(file.readBigUInt64LE(0)));
}

describe.skipIf(compiler === null).concurrent('what goes wrong, with --emulate (skipped without g++)', () => {
  const train = ['train', example('rope'), ...sizes, '--steps', '1'];
  const cases: readonly (readonly [string, readonly string[], How['env'], number, RegExp])[] = [
    [
      'an old driver',
      [],
      { PEGEN_MOCK_DRIVER_VERSION: '10020' },
      1,
      /driver offers CUDA 10\.2; CUDA 11\.4 or later is needed/,
    ],
    ['no GPU', [], { PEGEN_MOCK_NO_DEVICE: '1' }, 1, /driver finds no GPU[^]*CUDA_VISIBLE_DEVICES/],
    ['a card without bf16', ['--precision', 'bf16'], { PEGEN_MOCK_CAPABILITY: '75' }, 1, /bf16[^]*--precision f32/],
    ['no memory', [], { PEGEN_MOCK_MEMORY: '40000' }, 1, /no room for \w+ of \d+ bytes[^]*are free[^]*--batch/],
    [
      'a kernel outside its buffers',
      [],
      { PEGEN_MOCK_FAIL: 'cuLaunchKernel:700:query_encoded_key_encoded' },
      70,
      /a kernel used an address outside its buffers in query_encoded_key_encoded \(rope\.pe:\d+\)/,
    ],
    ['no g++', [], { CXX: 'no-such-compiler' }, 1, /install the package g\+\+/],
  ];
  test.each(cases)('%s', (_, more, env, exit, says) =>
    inPlace(async (folder) => {
      const { code, err } = await pegen([...train, '--emulate', ...more], { cwd: folder, env: env ?? {} });
      expect(err).toMatch(says);
      expect(err).not.toMatch(/^ +at /m); // no stack
      expect(code).toBe(exit);
    }),
  );
});

describe.concurrent('devices', () => {
  const nothing = { PEGEN_CUDA_DRIVER: resolve('no/libcuda.so.1') };

  test('CUDA that is not there is refused in words, and bf16 elsewhere', () =>
    inPlace(async (folder) => {
      const train = ['train', example('rope'), ...sizes, '--steps', '1'];
      const run = (...more: string[]) => pegen([...train, ...more], { cwd: folder, env: nothing });
      const cuda = await run('--device', 'cuda');
      expect([cuda.code, cuda.err]).toEqual([1, expect.stringMatching(/no NVIDIA driver library[^]*--emulate/)]);
      const narrow = await run('--precision', 'bf16');
      expect([narrow.code, narrow.err]).toEqual([
        1,
        expect.stringMatching(/bf16 needs a CUDA device; cuda: no NVIDIA/),
      ]);
      const webgpu = await run('--precision', 'bf16', '--device', 'webgpu');
      expect([webgpu.code, webgpu.err]).toEqual([2, expect.stringMatching(/cannot store bf16/)]);
      const emulated = await run('--device', 'webgpu', '--emulate');
      expect([emulated.code, emulated.err]).toEqual([2, expect.stringMatching(/--emulate runs CUDA kernels/)]);
    }));

  test('auto passes over what is not there, and says why', async () => {
    const given = ['verify', example('rope'), '--vectors', vectors('rope_split'), '--device', 'auto'];
    const { err } = await pegen(given, { env: nothing });
    expect(err).toMatch(/(adapter|no GPU)[^\n]*; cuda: no NVIDIA driver library/);
  });

  test('are listed with what is missing', async () => {
    const { code, out } = await pegen(['devices', '--json'], { env: nothing });
    expect(code).toBe(0);
    const rows = JSON.parse(out) as { device: string; available: boolean; why?: string }[];
    expect(rows.find(({ device }) => device === 'cuda')).toMatchObject({
      available: false,
      why: expect.stringMatching(/no NVIDIA driver library/),
    });
    expect(rows.find(({ device }) => device === 'reference')).toMatchObject({ available: true });
  });
});
