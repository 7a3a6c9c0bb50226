// What the compiler sees in a program changes no result: the rewritten program and the plain one, interpreted in float64,
// output and all gradients, on random programs; and each rewrite is seen where it should be, and only there.

import { describe, expect, it } from 'vitest';
import { reverse } from '../../src/autodiff/reverse.ts';
import { given } from '../../src/ir/build.ts';
import type { Program } from '../../src/ir/ir.ts';
import { verify } from '../../src/ir/verify.ts';
import { likeAxis } from '../../src/ir/visit.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import { dead } from '../../src/passes/dead.ts';
import { simplify } from '../../src/passes/pipeline.ts';
import { rewriteNames } from '../../src/passes/structure/rewrites.ts';
import type { RewriteContext, RewriteName, Seen } from '../../src/passes/structure/rewrites.ts';
import { seeStructure } from '../../src/passes/structure/see.ts';
import { relativeError } from '../interpret/vectors.ts';
import { inputsOf } from '../kernels/check-plan.ts';
import { loadText } from '../lower/load.ts';
import { matrixProgram, scoreProgram } from './score-programs.ts';

const geometry = { heads: 2, kv_heads: 2, head_dim: 4, model_dim: 5, context: 16, layers: 1, layer: 0 };
const sizes = { batch: 2, tokens: 6 };

/** The program of attention by a text, with its output alone. */
function attend(text: string, more: Partial<typeof geometry> = {}): Program {
  const { lowered, diagnostics } = loadText(text, 'made.pe', { geometry: { ...geometry, ...more } });
  if (lowered === null) throw new Error(`${text}\n${diagnostics.map((d) => d.message).join('\n')}`);
  const output = lowered.attend.results.get('output')!;
  return simplify({ ...lowered.attend, sites: [], results: new Map([['output', output]]) });
}

function see(program: Program, names: readonly RewriteName[] = rewriteNames, more: Partial<RewriteContext> = {}) {
  const wanted = new Set(program.inputs.filter(({ type }) => type === 'real'));
  const vocabulary = { kind: 'unknown' } as const;
  return seeStructure(
    program,
    names,
    { wanted, context: geometry.context, blockwise: false, vocabulary, ...more },
    true,
  );
}

function withGradients(program: Program): Program {
  const output = program.results.get('output')!;
  const seed = given('d_output', output.axes.map(likeAxis), 'cotangent');
  const wanted = program.inputs.filter(({ type }) => type === 'real');
  return reverse(program, new Map([[output, seed]]), wanted);
}

/** The largest error of any result, gradients among them, over the largest magnitude of its tensor (or of a row's noise). */
function difference(before: Program, after: Program): number {
  const [plain, changed] = [withGradients(before), simplify(withGradients(after), true)];
  expect(verify(changed)).toEqual([]);
  expect([...changed.results.keys()].toSorted()).toEqual([...plain.results.keys()].toSorted());
  const inputs = inputsOf(plain, sizes.batch, sizes.tokens) as Record<string, ArrayLike<number>>;
  const [expected, found] = [interpret(plain, sizes, inputs), interpret(changed, sizes, inputs)];
  let worst = 0;
  for (const [name, tensor] of plain.results) {
    const wanted = expected.get(tensor.name)!;
    // A gradient that is 0 in exact arithmetic is noise in one of the two.
    if (wanted.every((value) => Math.abs(value) < 1e-13)) continue;
    worst = Math.max(worst, relativeError(found.get(changed.results.get(name)!.name)!, wanted));
  }
  return worst;
}

describe('random score terms', () => {
  const seen: Seen[] = [];
  const count = 60;
  it.each(Array.from({ length: count / 15 }, (_, n) => n))('batch %i', (batch) => {
    for (let n = 0; n < 15; n += 1) {
      const { text } = scoreProgram(1 + batch * 15 + n);
      const before = attend(text);
      const { program, seen: here } = see(before);
      seen.push(...here);
      expect(difference(before, program), text).toBeLessThan(1e-10);
    }
  });

  it('every rewrite of scores happened often, and was refused', () => {
    const of = (rewrite: RewriteName, applied: boolean): number =>
      seen.filter((one) => one.rewrite === rewrite && one.applied === applied).length;
    expect(of('key-terms', true)).toBeGreaterThan(count / 4);
    expect(of('key-terms', false)).toBeGreaterThan(5);
    expect(of('channels', true)).toBeGreaterThan(10);
  });
});

describe('random maps by exponentials of 2 x 2 matrices', () => {
  it.each(Array.from({ length: 16 }, (_, n) => n + 1))('%i', (seed) => {
    const { text, isSkew } = matrixProgram(seed);
    const before = attend(text);
    const { program, seen } = see(before, ['rotations']);
    expect(seen.length > 0).toBe(isSkew);
    expect(program.definitions.some((d) => d.kind === 'matrix')).toBe(!isSkew);
    expect(difference(before, program), text).toBeLessThan(1e-9);
  });
});

const score = (term: string, declared = ''): string => `encoding made {\n${declared}\n score[h, i, j] += ${term}\n}\n`;
const slope = 'let slope[h: head] = 2 ^ (-8 * (h + 1) / heads)';
const alibi = score('-slope[h] * (i - j)', slope);

describe('key-terms', () => {
  const pairwise = (program: Program): string[] =>
    program.definitions
      .filter((d) => d.kind === 'map' && d.tensor.axes.length === 4 && d.tensor.axes.at(-1)!.extent === 'keys')
      .map((d) => d.tensor.name);

  it('alibi: a table over keys, which the host computes', () => {
    const { program, seen } = see(attend(alibi));
    expect(seen.map(({ applied, text }) => [applied, text])).toEqual([
      [true, 'softmax forgets slope[h] * i; score_1_of_key[h, j] is a vector over keys'],
    ]);
    const vector = program.definitions.find(({ tensor }) => tensor.name === 'score_1_of_key')!;
    expect(vector.tensor.axes.map(({ extent }) => extent)).toEqual([2, 'tokens']);
    expect(pairwise(program)).toEqual(['score_1']);
  });

  it('alibi over a long context stays a difference, and says how large the vector would be', () => {
    const { program, seen } = see(attend(alibi), rewriteNames, { context: 131072 });
    expect(seen.map(({ applied }) => applied)).toEqual([false]);
    expect(seen[0]!.text).toContain('reaches 8.19e+3 at token 131071');
    expect(difference(attend(alibi), program)).toBeLessThan(1e-10);
  });

  it('a learned slope keeps the difference: nobody knows how large it gets', () => {
    const { seen } = see(attend(score('-slope[h] * (i - j)', 'learn slope[h: head] ~ 0.1')));
    expect(seen.map(({ applied }) => applied)).toEqual([false]);
    expect(seen[0]!.text).toContain('is not known');
  });

  it('a term that softmax cannot see stays where a gradient would be lost', () => {
    const { program, seen } = see(attend(score('b[h]', 'learn b[h: head] ~ 0')));
    expect(seen.map(({ applied }) => applied)).toEqual([false]);
    expect(seen[0]!.text).toContain('b would have no gradient');
    expect(program.inputs.some(({ name }) => name === 'b')).toBe(true);
    expect(withGradients(program).results.has('d_b')).toBe(true);
  });

  it('a result that callers ask for keeps its plain form', () => {
    const { lowered } = loadText(alibi, 'made.pe', { geometry });
    const wanted = new Map(['output', 'score'].map((name) => [name, lowered!.attend.results.get(name)!]));
    const before = simplify({ ...lowered!.attend, sites: [], results: wanted });
    const { program, seen } = see(before);
    expect(seen).toEqual([]);
    expect(program.definitions).toEqual(dead(before).definitions);
  });

  it('nothing where a site reads the score of a whole row', () => {
    const text = `encoding made {\n score[h, i, j] += i - j\n score[h, i, j] *= 0.5\n attention[h, i, j] = score[h, i, j]\n}\n`;
    expect(see(attend(text)).seen).toEqual([]);
  });

  it('can be left out', () => {
    const before = attend(alibi);
    expect(see(before, []).program.definitions).toEqual(before.definitions);
    expect(see(before, ['channels', 'rotations']).seen).toEqual([]);
  });
});

describe('channels', () => {
  const declared = `axis channel = 12
    learn A[m: model, h: head, r: channel] ~ normal(0, 1)
    learn B[m: model, h: kv_head, r: channel] ~ normal(0, 1)
    let a[t: token, h: head, r: channel] = sum[m: model](x[t, m] * A[m, h, r])
    let b[t: token, h: kv_head, r: channel] = sum[m: model](x[t, m] * B[m, h, r])`;
  const content = score(
    'sum[r: channel](a[i, h, r] * b[j, h, r]) / 3',
    declared.replace('kv_head', 'head').replace('kv_head', 'head'),
  );

  it('a sum of products of content becomes one longer product', () => {
    const { program, seen } = see(attend(content));
    expect(seen.map(({ applied, text }) => [applied, text])).toEqual([
      [true, 'score_sum becomes 12 channels more of query and key'],
    ]);
    const sums = program.definitions.filter(
      (d) => d.kind === 'reduce' && d.tensor.axes.length === 4 && d.tensor.axes.at(-1)!.extent === 'keys',
    );
    expect(sums.map((d) => (d.kind === 'reduce' ? d.over.map(({ extent }) => extent) : []))).toEqual([[16]]);
  });

  it('not in strips, and not where all sequences have the same', () => {
    expect(see(attend(content), rewriteNames, { blockwise: true }).seen.map(({ applied }) => applied)).toEqual([false]);
    const still = `axis channel = 12, place = context
      learn A[p: place, r: channel] ~ normal(0, 1)`;
    const text = score('sum[r: channel](A[min(i, context - 1), r] * A[min(j, context - 1), r])', still);
    expect(see(attend(text)).seen.filter(({ rewrite }) => rewrite === 'channels')).toEqual([]);
  });
});
