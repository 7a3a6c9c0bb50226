// The head in chunks of the vocabulary: which chunks, its programs as kernels against the interpreter, and the whole of it
// against the head that takes all words at once, with targets in every chunk and one outside the table.
import { describe, expect, it } from 'vitest';
import { headBackward, headForward } from '../../src/trainer/head.ts';
import type { Head } from '../../src/trainer/head.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { chunkPrograms, compileOperations, nextProgram } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { chunksOf, longestChunk } from '../../src/trainer/vocabulary.ts';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import { targetPlan } from '../../src/options.ts';
import { wholeSequence } from '../../targets/device.ts';
import type { Buffer } from '../../targets/device.ts';
import { wholeBuffer } from '../../src/trainer/store.ts';
import { checkCase, randomValues } from '../kernels/check-plan.ts';
import { exactly, interpretedDevice, interpretedModule } from './interpreted.ts';

const words = (vocabulary: number, longest: number) => chunksOf(vocabulary, longest).map((chunk) => chunk.words);

describe('chunks of a vocabulary', () => {
  it('are one where it fits', () => {
    expect(chunksOf(98, 8384)).toEqual([{ first: 0, words: 98 }]);
    expect(words(8384, 8384)).toEqual([8384]);
  });

  it('divide it evenly where some number of them does', () => {
    expect(words(50304, 8384)).toEqual(Array.from({ length: 6 }, () => 8384));
    expect(words(32000, 8384)).toEqual(Array.from({ length: 4 }, () => 8000));
    expect(words(65536, 8384)).toEqual(Array.from({ length: 8 }, () => 8192));
  });

  it.each([8385, 50257, 100277, 151936, 262144])(
    'cover %i words, the last nearly as long as the others',
    (vocabulary) => {
      const chunks = chunksOf(vocabulary, 8384);
      const [{ words: width }] = chunks as [(typeof chunks)[number]];
      expect(width).toBeLessThanOrEqual(8384);
      let next = 0;
      for (const chunk of chunks) {
        expect([chunk.first, chunk.first % 64]).toEqual([next, 0]);
        next += chunk.words;
      }
      expect(next).toBe(vocabulary);
      expect(chunks.at(-1)!.words).toBeGreaterThan(width - 64 * chunks.length);
      expect(new Set(chunks.map((chunk) => chunk.words)).size).toBeLessThanOrEqual(2);
    },
  );

  it('are as long as a binding holds, and on a CPU their logits are a small part of its memory', () => {
    const of = (language: 'wgsl' | 'wasm', maxBufferBytes: number, more = {}) =>
      longestChunk({ language, maxBufferBytes }, configure({ batch: 8, context: 1024, ...more }));
    expect(of('wgsl', 128 * 2 ** 20)).toBe(4096);
    expect(of('wgsl', 2 ** 31)).toBe(65536);
    expect(of('wasm', 2 ** 31)).toBe(8192);
    expect(of('wasm', 2 ** 31, { batch: 2, context: 256 })).toBe(65536);
    expect(of('wasm', 128 * 2 ** 20)).toBe(4096);
    expect(of('wgsl', 128 * 2 ** 20, { precision: 'bf16' })).toBe(8192);
    expect(of('wgsl', 128 * 2 ** 20, { batch: 1 })).toBe(8192); // windows of four times the context are evaluated
    expect(of('wgsl', 1000)).toBe(64);
  });
});

const sizes = { width: 8, heads: 2, kv_heads: 2, head_dim: 4, vocabulary: 23 };

describe('as kernels', () => {
  const programs = { ...chunkPrograms(sizes, 10), next: nextProgram(sizes) };
  const targets = Int32Array.of(3, 10, 19, 20, 22, 12); // three in the chunk from 10 on
  const inputs = { targets, first: [10], place: [1] };
  describe.each(Object.entries(programs))('%s', (name, [program, options]) => {
    it.each([
      ['software', 'always', {}],
      ['portable', 'never', {}],
      ['software', 'auto', targetPlan('wasm', 'f32')],
    ] as const)('%s, matrix products: %s', (profile, contract, more) => {
      const run = { program, options: { ...more, ...options, contract }, batch: 2, tokens: 3, inputs, profile };
      const { errors } = checkCase({ ...run, orders: ['random'] });
      const { logits: _, ...kept } = errors; // the gradient of the logits takes their place
      expect(Math.max(...Object.values(name === 'share' ? kept : errors)), JSON.stringify(errors)).toBeLessThan(2e-5);
    });
  });

  it('the first chunk does not read what was before it', () => {
    const [program, options] = programs.scores;
    const given = { ...inputs, first: [0], normaliser: Array.from({ length: 6 }, () => 3e38) };
    const { plan, worst } = checkCase({ program, options, batch: 2, tokens: 3, inputs: given, orders: ['forward'] });
    expect(plan.entries[0]!.outputs.map(({ aliases }) => aliases)).toEqual(['normaliser', 'aim']);
    expect(worst).toBeLessThan(2e-5);
  });

  it('in bf16 logits and their gradient are, what is added up over chunks by token is not', () => {
    const narrowOf = (name: 'scores' | 'share') => {
      const [program, options] = programs[name];
      const plan = buildPlan(program, { ...targetPlan('cuda', 'bf16'), ...options, inPlace: [] });
      return [...plan.narrow].map((tensor) => tensor.name).sort();
    };
    expect(narrowOf('scores')).toEqual(['logits', 'table', 'x']);
    expect(narrowOf('share')).toEqual(['d_logits', 'd_x', 'logits', 'table', 'x']);
  });

  it('backward puts the gradient of logits in their place', () => {
    const [program, options] = programs.share;
    const { plan } = checkCase({ program, options, batch: 2, tokens: 3, inputs });
    const backward = plan.entries.find(({ name }) => name === 'backward')!;
    const large = [...backward.temporaries, ...backward.outputs.map(({ buffer }) => buffer)];
    expect(large.map(({ name }) => name)).not.toContain('d_logits');
  });
});

describe('against all words at once', () => {
  const configuration = configure({ width: 8, heads: 2, layers: 1 });
  const [batch, tokens] = [2, 3];
  const targets = Int32Array.of(0, 9, 10, 19, 22, 23); // the last is no word
  const compile = async (...args: Parameters<typeof interpretedModule>) => interpretedModule(...args);

  async function run(chunk: number) {
    const device = interpretedDevice();
    const choice = { gradientOfX: false, changesX: false, precision: 'f32', chunk } as const;
    const { head } = await compileOperations(sizes, layOut(configuration, 23, []), choice, compile);
    const buffer = (name: string, values: ArrayLike<number>): Buffer => {
      const made = device.allocate(values.length * 4, name);
      device.write(made, 0, Float32Array.from(values));
      return wholeBuffer(made);
    };
    const shapes = { norm_weight: 8, norm_bias: 8, table: 23 * 8, hidden: batch * tokens * 8 };
    const weights = Object.fromEntries(
      Object.entries(shapes).map(([name, count], n) => [name, buffer(name, randomValues(count, n + 1))]),
    );
    const gradients = Object.fromEntries(
      Object.entries(shapes).map(([name, count]) => [`d_${name}`, buffer(`d_${name}`, randomValues(count, 9))]),
    );
    const ids = wholeBuffer(device.allocate(targets.byteLength, 'targets'), 'i32');
    device.write(ids.storage!, 0, targets);
    const firsts = (head as Extract<Head, { kind: 'chunks' }>).chunks?.map(({ first }) => buffer('first', [first]));
    const seed = buffer('seed', [0.5]);
    let [record, d_hidden]: [Record<string, Buffer>, Buffer] = [{}, seed];
    const list = await device.record(
      (tape) => {
        record = headForward(tape, head, { ...weights, ...gradients, targets: ids }, firsts ?? []);
        d_hidden = headBackward(tape, head, record, seed, firsts ?? []);
      },
      wholeSequence(batch, tokens),
    );
    device.run(list);
    const names = ['losses', 'output', 'd_norm_weight', 'd_norm_bias', 'd_table'];
    const results = names.map((name) => [name, exactly(record[name]!)] as const);
    return { kind: head.kind, results: new Map([...results, ['d_hidden', exactly(d_hidden)]]) };
  }

  it.each([10, 12, 6, 1])('chunks of %i words give the same losses and gradients', async (chunk) => {
    const [whole, parts] = [await run(23), await run(chunk)];
    expect([whole.kind, parts.kind]).toEqual(['whole', 'chunks']);
    for (const [name, expected] of whole.results) {
      const made = parts.results.get(name)!;
      expect(made.length, name).toBe(expected.length);
      made.forEach((value, n) => expect(Math.abs(value - expected[n]!), `${name} ${n}`).toBeLessThan(1e-12));
    }
  });
});
