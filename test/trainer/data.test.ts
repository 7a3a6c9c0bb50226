// Text to batches: tokens, corpora, splits, windows and the learning rate.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evaluationStarts, trainingBatch, windows } from '../../src/trainer/batches.ts';
import { loadCorpus, split, tokenize } from '../../src/trainer/corpus.ts';
import { TrainerError } from '../../src/trainer/error.ts';
import { learningRate } from '../../src/trainer/schedule.ts';
import { bytes, characters, charactersOf } from '../../src/trainer/tokens.ts';

describe('tokens', () => {
  const text = 'Fellow-citizens of the Senate: “naïve” 🦅\n';

  it('characters round-trip, sorted by code point', () => {
    const known = charactersOf(text);
    const tokenizer = characters(known);
    expect(known[0]).toBe('\n');
    expect(known.at(-1)).toBe('🦅');
    expect(tokenizer.encode(text).length).toBe([...text].length);
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it('bytes round-trip', () => {
    expect(bytes().decode(bytes().encode(text))).toBe(text);
    expect(bytes().size).toBe(256);
  });

  it('names the characters it does not know', () => {
    expect(() => characters(['a', 'b']).encode('abzb?')).toThrow(/"z", "\?"/);
  });

  it('refuses a corpus with too many characters', () => {
    const many = String.fromCodePoint(...Array.from({ length: 2000 }, (_, n) => 0x4e00 + n));
    expect(() => charactersOf(many)).toThrow(/2000 different characters/);
  });
});

describe('corpus', () => {
  it('holds the State of the Union addresses', async () => {
    const { documents } = await loadCorpus(null);
    expect(documents.length).toBeGreaterThan(200);
    expect(documents[0]).toMatch(/Fellow.Citizens of the Senate/i);
  });

  it('says why a file cannot be read', async () => {
    await expect(loadCorpus('/nowhere/at-all.txt')).rejects.toThrow(/no such file/);
    const folder = await mkdtemp(join(tmpdir(), 'pegen-corpus-'));
    await writeFile(join(folder, 'latin1.txt'), Uint8Array.from([0x61, 0xe9, 0x62]));
    await expect(loadCorpus(join(folder, 'latin1.txt'))).rejects.toThrow(/not UTF-8/);
  });

  it('splits by documents, or the last tenth of one', () => {
    const documents = Array.from({ length: 20 }, (_, n) => `${n}`);
    expect(split({ name: 'x', documents }).heldOut).toBe('9\n\n19');
    const one = split({ name: 'x', documents: ['0123456789'] });
    expect(one).toEqual({ training: '012345678', heldOut: '9' });
  });

  it('refuses one that is too short, with the numbers', () => {
    const corpus = { name: 'short.txt', documents: ['ab'.repeat(100)] };
    const tokenizer = characters(['a', 'b']);
    expect(tokenize(corpus, tokenizer, 8).heldOut.length).toBe(20);
    const message = /short\.txt is too short: its held-out part has 20 tokens, and a context of 64 needs 129/;
    expect(() => tokenize(corpus, tokenizer, 64)).toThrow(message);
    expect(() => tokenize(corpus, tokenizer, 64)).toThrow(TrainerError);
  });
});

describe('batches', () => {
  const corpus = Uint16Array.from({ length: 1000 }, (_, n) => n);

  it('targets are the tokens one later', () => {
    const { tokens, targets } = windows(corpus, [5, 700], 4);
    expect([...tokens]).toEqual([5, 6, 7, 8, 700, 701, 702, 703]);
    expect([...targets]).toEqual([6, 7, 8, 9, 701, 702, 703, 704]);
  });

  it('depend on seed, step and micro-batch only, and reach both ends', () => {
    const sizes = { batch: 3, context: 10 };
    const at = (seed: number, step: number, micro: number): number[] => [
      ...trainingBatch(corpus, { seed, step, micro }, sizes).tokens,
    ];
    expect(at(1, 2, 0)).toEqual(at(1, 2, 0));
    expect(at(1, 2, 0)).not.toEqual(at(1, 3, 0));
    expect(at(1, 2, 0)).not.toEqual(at(1, 2, 1));
    expect(at(1, 2, 0)).not.toEqual(at(2, 2, 0));
    const tiny = corpus.subarray(0, 12); // windows of 10 may start at 0 and 1 only
    const starts = new Set(
      Array.from({ length: 40 }, (_, step) => trainingBatch(tiny, { seed: 1, step, micro: 0 }, sizes).tokens[0]),
    );
    expect([...starts].sort()).toEqual([0, 1]);
  });

  it('evaluation windows cover the text', () => {
    expect(evaluationStarts(corpus, 4, 10)).toEqual([0, 329, 659, 989]);
    expect(evaluationStarts(corpus.subarray(0, 25), 100, 10)).toEqual([0, 14]);
    expect(evaluationStarts(corpus.subarray(0, 11), 100, 10)).toEqual([0]);
  });
});

describe('learning rate', () => {
  const schedule = { steps: 100, warmup: 10, rate: 1, final: 0.1 };
  it.each([
    [1, 0.1],
    [10, 1],
    [55, 0.55],
    [100, 0.1],
    [150, 0.1],
  ])('at step %i', (step, rate) => {
    expect(learningRate(schedule, step)).toBeCloseTo(rate, 12);
  });
  it('starts at the full rate without a warm-up', () => {
    expect(learningRate({ ...schedule, warmup: 0 }, 1)).toBeGreaterThan(0.999);
  });
});
