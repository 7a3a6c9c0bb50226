// Tables over the vocabulary: the rewritten program, given ids and the table, and the plain one, given the rows, interpreted in
// float64; output and all gradients, on random programs. What goes back to the table is what goes back to the rows, by id.

import { describe, expect, it } from 'vitest';
import { reverse } from '../../src/autodiff/reverse.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import { given } from '../../src/ir/build.ts';
import type { Program } from '../../src/ir/ir.ts';
import { verify } from '../../src/ir/verify.ts';
import { likeAxis } from '../../src/ir/visit.ts';
import { normals, uniformFrom } from '../../src/laws/random.ts';
import { simplify } from '../../src/passes/pipeline.ts';
import type { Seen, Vocabulary } from '../../src/passes/structure/rewrites.ts';
import { seeStructure } from '../../src/passes/structure/see.ts';
import { relativeError } from '../interpret/vectors.ts';
import { inputsOf } from '../kernels/check-plan.ts';
import { loadFile, loadText } from '../lower/load.ts';
import { vocabularyProgram } from './vocabulary-programs.ts';

const geometry = { heads: 2, kv_heads: 2, head_dim: 4, model_dim: 5, context: 16, layers: 1, layer: 0 };
const sizes = { batch: 2, tokens: 6 };
const words = 4;
const known: Vocabulary = { kind: 'known', words, tokens: 12 };

function attend(text: string): Program {
  const { lowered, diagnostics } = loadText(text, 'made.pe', { geometry });
  if (lowered === null) throw new Error(`${text}\n${diagnostics.map((d) => d.message).join('\n')}`);
  const output = lowered.attend.results.get('output')!;
  return simplify({ ...lowered.attend, sites: [], results: new Map([['output', output]]) });
}

const see = (program: Program, vocabulary: Vocabulary = known) => {
  const wanted = new Set(program.inputs.filter(({ type }) => type === 'real'));
  return seeStructure(program, ['vocabulary'], { wanted, context: 16, blockwise: false, vocabulary }, true);
};

function withGradients(program: Program): Program {
  const output = program.results.get('output')!;
  const seed = given('d_output', output.axes.map(likeAxis), 'cotangent');
  const wanted = program.inputs.filter(({ type }) => type === 'real');
  return simplify(reverse(program, new Map([[output, seed]]), wanted), true);
}

/** The largest error of the output and of any gradient; what goes to the rows counts with the table's. */
function difference(before: Program, after: Program): number {
  const [plain, changed] = [withGradients(before), withGradients(after)];
  expect(verify(changed)).toEqual([]);
  const width = geometry.model_dim;
  const table = normals(uniformFrom(3), words * width);
  const tokens = Float64Array.from({ length: sizes.batch * sizes.tokens }, (_, n) => (n * n + 1) % words);
  const rows = Float64Array.from(
    { length: tokens.length * width },
    (_, n) => table[tokens[Math.floor(n / width)]! * width + (n % width)]!,
  );
  const inputs = {
    ...inputsOf(plain, sizes.batch, sizes.tokens),
    embedding: rows,
    vocabulary: table,
    tokens,
  };
  const [expected, found] = [interpret(plain, sizes, inputs), interpret(changed, sizes, inputs)];
  const results = (program: Program, values: ReadonlyMap<string, Float64Array>): Map<string, Float64Array> => {
    const all = new Map([...program.results].map(([name, tensor]) => [name, values.get(tensor.name)!]));
    const sum = all.get('d_vocabulary')?.slice() ?? new Float64Array(table.length);
    all.get('d_embedding')?.forEach((value, n) => {
      sum[tokens[Math.floor(n / width)]! * width + (n % width)]! += value;
    });
    all.delete('d_embedding');
    return all.set('d_vocabulary', sum);
  };
  const [wanted, made] = [results(plain, expected), results(changed, found)];
  expect([...made.keys()].toSorted()).toEqual([...wanted.keys()].toSorted());
  return Math.max(...[...wanted].map(([name, values]) => relativeError(made.get(name)!, values)));
}

describe('random functions of a token', () => {
  const seen: Seen[] = [];
  const count = 48;
  it.each(Array.from({ length: 4 }, (_, n) => n))('batch %i', (batch) => {
    for (let n = 0; n < count / 4; n += 1) {
      const { text, ofWord, others } = vocabularyProgram(1 + (batch * count) / 4 + n);
      const before = attend(text);
      const { program, seen: here } = see(before);
      seen.push(...here);
      // By its own name or that of the sum in it: nothing else is a table.
      const isOf = (names: readonly string[]): number =>
        here.filter(({ tensor }) => names.some((name) => tensor === name || tensor.startsWith(`${name}_`))).length;
      expect(isOf(ofWord), text).toBeGreaterThanOrEqual(ofWord.length);
      if (others.length === 0) expect(program.inputs.map(({ name }) => name)).not.toContain('embedding');
      expect(difference(before, program), text).toBeLessThan(1e-10);
    }
  });

  it('it happened often', () => {
    expect(seen.filter(({ applied }) => applied).length).toBeGreaterThan(count);
    expect(seen.filter(({ applied }) => !applied)).toEqual([]);
  });
});

describe('where', () => {
  const { lowered } = loadFile('examples/catalogue/rotary/carope_embedding.pe', { geometry });
  const output = lowered!.attend.results.get('output')!;
  const carope = simplify({ ...lowered!.attend, sites: [], results: new Map([['output', output]]) });

  it('CARoPE: frequencies of the words, [v, h], and not their powers', () => {
    const { program, seen } = see(carope);
    expect(seen.map(({ text }) => text)).toEqual([
      "f depends on the token's id alone: it is a table over the vocabulary, read by id",
    ]);
    const table = program.definitions.find(({ tensor }) => tensor.name === 'f_of_word')!.tensor;
    expect(table.axes.map(({ extent }) => extent)).toEqual([words, 2]);
    expect(program.inputs.map(({ name }) => name)).toEqual(['query', 'key', 'value', 'W', 'tokens', 'vocabulary']);
  });

  it.each([
    [{ kind: 'unknown' }, 'is not known'],
    [{ kind: 'changed' }, 'a line changes the embedding'],
    [{ kind: 'known', words: 12, tokens: 12 }, 'there are 12 words, and 12 tokens at once'],
  ] as const)('not applied: %j', (vocabulary, why) => {
    const { program, seen } = see(carope, vocabulary);
    expect(seen.map(({ applied }) => applied)).toEqual([false]);
    expect(seen[0]!.text).toContain(why);
    expect(program.definitions).toEqual(carope.definitions);
  });

  it('not where a tensor of the encoding has the name of what the caller gives', () => {
    const named = 'learn vocabulary[m: model, h: head] ~ normal(0, 1)';
    const body = 'score[h, i, j] += sum[m: model](vocabulary[m, h] * embedding[j, m])';
    const { seen } = see(attend(`encoding made {\n${named}\n${body}\n}`));
    expect(seen.map(({ applied, text }) => [applied, text.endsWith('another tensor is called vocabulary')])).toEqual([
      [false, true],
    ]);
  });

  it('not without a sum: a row is as quickly read as a table', () => {
    const { seen } = see(attend('encoding made {\n score[h, i, j] += tanh(embedding[j, 0])\n}'));
    expect(seen).toEqual([]);
  });
});
