// The rewrite `generators`, with the interpreter, on random programs: for a canonical matrix results and gradients stay; for
// any other one a change of basis of query and key, found by a spectral step, makes them the same. And where it must not be.

import { describe, expect, it } from 'vitest';
import { reverse } from '../../src/autodiff/reverse.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import { given } from '../../src/ir/build.ts';
import type { Program, Tensor } from '../../src/ir/ir.ts';
import { likeAxis } from '../../src/ir/visit.ts';
import { simplify } from '../../src/passes/pipeline.ts';
import { defaultRewrites } from '../../src/passes/structure/rewrites.ts';
import type { RewriteName } from '../../src/passes/structure/rewrites.ts';
import { seeStructure } from '../../src/passes/structure/see.ts';
import { relativeError } from '../interpret/vectors.ts';
import { checkCase } from '../kernels/check-plan.ts';
import { inputsOf } from '../kernels/check-plan.ts';
import { loadText } from '../lower/load.ts';
import { generator } from './score-programs.ts';
import { spectral } from './spectral.ts';

const sizes = { batch: 2, tokens: 5 };

interface Shape {
  readonly kv_heads: number;
  readonly head_dim: number;
  readonly block: number;
}
const heads = 4;
const usual: Shape = { kv_heads: 2, head_dim: 8, block: 4 };

function attend(text: string, { kv_heads, head_dim }: Shape, names: readonly string[] = ['output', 'score']): Program {
  const geometry = { heads, kv_heads, head_dim, model_dim: 5, context: 16, layers: 1, layer: 0 };
  const { lowered, diagnostics } = loadText(text, 'made.pe', { geometry });
  if (lowered === null) throw new Error(`${text}\n${diagnostics.map((d) => d.message).join('\n')}`);
  const results = new Map(names.map((name) => [name, lowered.attend.results.get(name)!]));
  return simplify({ ...lowered.attend, sites: [], results });
}

const see = (program: Program, names: readonly RewriteName[] = ['generators']) =>
  seeStructure(
    program,
    names,
    { wanted: new Set(), context: 16, blockwise: false, vocabulary: { kind: 'unknown' } },
    true,
  );

function withGradients(program: Program): Program {
  const output = program.results.get('output')!;
  const seed = given('d_output', output.axes.map(likeAxis), 'cotangent');
  return simplify(
    reverse(
      program,
      new Map([[output, seed]]),
      program.inputs.filter(({ type }) => type === 'real'),
    ),
    true,
  );
}

type Values = Readonly<Record<string, ArrayLike<number>>>;

function evaluate(program: Program, inputs: Values): (name: string) => Float64Array {
  const values = interpret(program, sizes, inputs);
  return (name) => values.get(program.results.get(name)!.name)!;
}

/** A program with one matrix for each of some heads and blocks, times a number of each token. */
function makeProgram(seed: number): { text: string; shape: Shape; byHead: boolean; byBlock: boolean } {
  const below = generator(seed);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
  const [head_dim, block] = pick([
    [8, 4],
    [8, 8],
    [12, 6],
    [12, 4],
    [4, 4],
  ] as const);
  const shape = { kv_heads: pick([1, 2, 4]), head_dim, block };
  const [byHead, byBlock] = [pick([true, false]), pick([true, false])];
  const own = [...(byHead ? ['h: kv_head'] : []), ...(byBlock ? ['b: place'] : [])];
  const at = (r: string, c: string): string => [...(byHead ? ['h'] : []), ...(byBlock ? ['b'] : []), r, c].join(', ');
  const difference = (r: string, c: string): string => `(P[${at(r, c)}] - P[${at(c, r)}])`;
  const number = pick([
    'position[t]',
    'position[t] / context * theta[h, b]',
    '-0.3 * position[t] * theta[h, b]',
    'gate[t, h]',
    '(1 + position[t]) / (2 + theta[h, b] ^ 2)',
  ]);
  const matrix = pick([
    `A[${at('r', 'c')}]`,
    `A[${at('c', 'r')}]`,
    difference('r', 'c'),
    `0.5 * A[${at('r', 'c')}]`,
    `B[h, b, r, c]`,
  ]);
  const head = [...own, 'r: side', 'c: side'].join(', ');
  const text = `encoding made {
  axis place = head_dim / ${block}, side = ${block}
  learn ${pick(['', 'shared '])}P[${head}] ~ normal(0, 0.4)
  learn theta[h: kv_head, b: place] ~ 1 + normal(0, 0.3)
  learn w[m: model, h: kv_head] ~ normal(0, 0.5)
  learn u[h: head] ~ normal(0, 0.5)
  let A[${head}] = ${difference('r', 'c')}
  let B[h: kv_head, b: place, r: side, c: side] = theta[h, b] * A[${at('r', 'c')}]
  let gate[t: token, h: kv_head] = sum[s: token where s <= t](sigmoid(sum[m: model](x[s, m] * w[m, h])))
  transform query, key [t, h, b: place, r: side, c: side] by expm[r, c](${number} * ${matrix})
  transform value [t, h, b: place, r: side, c: side] by ${pick(['delta(r, c)', 'theta[h, b] * delta(r, c) + 0.1'])}
  score[h, i, j] += ${pick(['u[h] * (i - j)', '-0.1 * u[h] * abs(i - j)', '0'])}
}`;
  return { text, shape, byHead, byBlock };
}

/** Of P[.., n, n] each matrix by itself; `change` in place. */
function eachMatrix(values: ArrayLike<number>, n: number, change: (matrix: number[][]) => void): Float64Array {
  const all = Float64Array.from(values);
  for (let from = 0; from < all.length; from += n * n) {
    const matrix = Array.from({ length: n }, (_, r) => [...all.subarray(from + r * n, from + (r + 1) * n)]);
    change(matrix);
    matrix.forEach((row, r) => all.set(row, from + r * n));
  }
  return all;
}

const isOfPair = (r: number, c: number): boolean => r !== c && Math.floor(r / 2) === Math.floor(c / 2);

const seeds = Array.from({ length: 24 }, (_, n) => n + 1);

describe('random programs', () => {
  it.each(seeds)('%i: a canonical matrix gives equal results and gradients', (seed) => {
    const { text, shape } = makeProgram(seed);
    const before = attend(text, shape);
    const { program, seen } = see(before);
    expect(
      seen.map(({ applied }) => applied),
      text,
    ).toEqual([true, true]);
    expect(program.definitions.some((d) => d.kind === 'matrix')).toBe(false);
    const [plain, changed] = [withGradients(before), withGradients(program)];
    const drawn = inputsOf(plain, sizes.batch, sizes.tokens) as Values;
    const P = eachMatrix(drawn['P']!, shape.block, (m) =>
      m.forEach((row, r) => row.forEach((_, c) => (row[c] = isOfPair(r, c) ? row[c]! : 0))),
    );
    const [expected, found] = [evaluate(plain, { ...drawn, P }), evaluate(changed, { ...drawn, P })];
    expect([...changed.results.keys()].toSorted()).toEqual([...plain.results.keys()].toSorted());
    for (const name of plain.results.keys()) {
      if (name === 'd_P') continue;
      expect(relativeError(found(name), expected(name)), `${name}\n${text}`).toBeLessThan(1e-10);
    }
    // Other elements of P are read no more.
    const wanted = eachMatrix(expected('d_P'), shape.block, (m) =>
      m.forEach((row, r) => row.forEach((_, c) => (row[c] = isOfPair(r, c) ? row[c]! : 0))),
    );
    expect(relativeError(found('d_P'), wanted), text).toBeLessThan(1e-10);
  });

  it.each(seeds)('%i: any matrix is a canonical one in another basis of query and key', (seed) => {
    const { text, shape, byHead, byBlock } = makeProgram(seed);
    const { block: n, head_dim, kv_heads } = shape;
    const before = attend(text, shape);
    const [plain, changed] = [withGradients(before), withGradients(see(before).program)];
    const inputs = inputsOf(plain, sizes.batch, sizes.tokens) as Values;
    const bases: (readonly (readonly number[])[])[] = [];
    const P = eachMatrix(inputs['P']!, n, (m) => {
      const skew = m.map((row, r) => row.map((x, c) => x - m[c]![r]!));
      const { columns, angles } = spectral(skew);
      bases.push(columns);
      m.forEach((row, r) => row.forEach((_, c) => (row[c] = 0)) ?? r);
      angles.forEach((angle, k) => (m[2 * k + 1]![2 * k] = angle));
    });
    const blocks = head_dim / n;
    /** U^T of each block of each head. */
    const inBasis = (values: ArrayLike<number>, count: number): Float64Array => {
      const all = Float64Array.from(values);
      for (let from = 0; from < all.length; from += n) {
        const b = (from / n) % blocks;
        const h = Math.floor((Math.floor(from / head_dim) % count) / (count / kv_heads));
        const basis = bases[(byHead ? h : 0) * (byBlock ? blocks : 1) + (byBlock ? b : 0)]!;
        const old = Float64Array.from(values).subarray(from, from + n);
        basis.forEach((column, k) => (all[from + k] = column.reduce((sum, x, d) => sum + x * old[d]!, 0)));
      }
      return all;
    };
    const turned = { query: inBasis(inputs['query']!, heads), key: inBasis(inputs['key']!, kv_heads) };
    const [expected, found] = [evaluate(plain, inputs), evaluate(changed, { ...inputs, P, ...turned })];
    for (const name of plain.results.keys()) {
      if (name === 'd_P') continue;
      const wanted =
        name === 'd_query'
          ? inBasis(expected(name), heads)
          : name === 'd_key'
            ? inBasis(expected(name), kv_heads)
            : expected(name);
      expect(relativeError(found(name), wanted), `${name}\n${text}`).toBeLessThan(1e-9);
    }
  });
});

const declared = `
  axis place = head_dim / 4, side = 4
  learn P[h: kv_head, b: place, r: side, c: side] ~ normal(0, 0.4)
  learn Q[h: kv_head, b: place, r: side, c: side] ~ normal(0, 0.4)
  let A[h: kv_head, b: place, r: side, c: side] = P[h, b, r, c] - P[h, b, c, r]
  let B[h: kv_head, b: place, r: side, c: side] = Q[h, b, r, c] - Q[h, b, c, r]
`;
const transform = (targets: string, by: string): string =>
  `transform ${targets} [t, h, b: place, r: side, c: side] by expm[r, c](${by})\n`;
const plainly = transform('query, key', 'position[t] * A[h, b, r, c]');
const made = (body: string): string => `encoding made {\n${declared}\n${body}\n}`;

describe('is not done', () => {
  it.each([
    [
      'two axes with different generators',
      transform('query, key', 'position[t] * A[h, b, r, c] + sin(t) * B[h, b, r, c]'),
      'no number times',
    ],
    [
      'a matrix of more than its difference',
      transform('query, key', 'position[t] * (A[h, b, r, c] * 2 + B[h, b, r, c])'),
      'no number times',
    ],
    [
      'a matrix that the number reads too',
      transform('query, key', 'position[t] * P[h, b, 0, 1] * A[h, b, r, c]'),
      'no number times',
    ],
    [
      'a number made of the matrix',
      `let n[h: kv_head, b: place] = sum[r: side, c: side](P[h, b, r, c] ^ 2)\n${transform('query, key', 'position[t] * n[h, b] * A[h, b, r, c]')}`,
      'reads P too',
    ],
    [
      'a norm of the key before',
      `key[t, h, d] = key[t, h, d] / sqrt(sum[e: dim](key[t, h, e] ^ 2) + 1)\n${plainly}`,
      'changed before',
    ],
    [
      'a norm of the key behind',
      `${plainly} key[t, h, d] = key[t, h, d] / sqrt(sum[e: dim](key[t, h, e] ^ 2) + 1)`,
      'no product of query and key',
    ],
    ['a rotation before', `rotate query, key [t, h, p] by position[t] * 0.1\n${plainly}`, 'changed before'],
    [
      'a score term of the raw query',
      `let q[t: token, h: head, d: dim] = query[t, h, d]\n${plainly} score[h, i, j] += q[i, h, 0]`,
      'query is read besides',
    ],
    [
      'a score term of the turned query',
      `${plainly} score[h, i, j] += query[i, h, 1] * 0.5`,
      'no product of query and key',
    ],
    [
      'a score term of some features',
      `${plainly} score[h, i, j] += query[i, h, 1] * key[j, h, 1]`,
      'no product of query and key',
    ],
    [
      'values turned alike',
      `${plainly} ${transform('value', 'position[t] * A[h, b, r, c]')}`,
      'is neither query nor key',
    ],
    [
      'values by the matrix itself',
      `${plainly} transform value [t, h, b: place, r: side, c: side] by A[h, b, r, c]`,
      'reads A too',
    ],
    ['the query alone', transform('query', 'position[t] * A[h, b, r, c]'), 'no product of query and key'],
    [
      'query and key by two matrices',
      transform('query', 'position[t] * A[h, b, r, c]') + transform('key', 'position[t] * B[h, b, r, c]'),
      'no product of query and key',
    ],
    [
      'a fixed matrix',
      plainly.replaceAll('A[', 'F['),
      'no number times',
      'fixed S[h: kv_head, b: place, r: side, c: side] ~ normal(0, 1)\nlet F[h: kv_head, b: place, r: side, c: side] = S[h, b, r, c] - S[h, b, c, r]',
    ],
    [
      'the key by the matrix of another block',
      transform('query', 'position[t] * A[h, b, r, c]') + transform('key', 'position[t] * A[h, 1 - b, r, c]'),
      'no product of query and key',
    ],
  ])('%s', (_, body, reason, more = '') => {
    const before = attend(made(`${more}\n${body}`), { ...usual, kv_heads: heads });
    const { program, seen } = see(before);
    expect(seen.filter(({ applied }) => applied)).toEqual([]);
    expect(program.definitions).toEqual(before.definitions);
    expect(seen.map(({ text }) => text).join('\n')).toContain(reason);
    expect(see(before, defaultRewrites).seen.filter(({ rewrite }) => rewrite === 'generators')).toEqual([]);
  });

  it('blocks of an odd number of features', () => {
    const text = made(plainly).replaceAll('/ 4', '/ 3').replaceAll('side = 4', 'side = 3');
    const { seen } = see(attend(text, { kv_heads: 2, head_dim: 12, block: 3 }));
    expect(seen.map(({ applied, text: said }) => [applied, said])).toEqual([
      [false, 'P is no rotation of pairs: of 3 features one has no partner'],
    ]);
  });

  it('where a caller asks for what is turned, or for the matrix', () => {
    for (const name of ['query_encoded', 'A']) {
      const { seen } = see(attend(made(plainly), usual, ['output', name]));
      expect(seen.map(({ applied, text }) => [applied, text])).toEqual([
        [false, `P is no rotation of pairs: ${name} is asked for`],
      ]);
    }
  });

  it('where it is not named: it is said', () => {
    const before = attend(made(plainly), usual);
    expect(defaultRewrites).not.toContain('generators');
    const { program, seen } = see(before, defaultRewrites);
    expect(program.definitions.some((d) => d.kind === 'matrix')).toBe(true);
    expect(seen.map(({ rewrite, applied }) => [rewrite, applied])).toEqual([
      ['generators', false],
      ['generators', false],
    ]);
    expect(seen[0]!.text).toContain('done only where named');
    expect(seen[0]!.text).toContain('QK-norm or biases');
    expect(see(before, []).seen).toEqual([]);
  });
});

it('values may be turned by another matrix', () => {
  const before = attend(made(`${plainly} ${transform('value', 'position[t] * B[h, b, r, c]')}`), usual);
  expect(see(before).seen.filter(({ applied }) => applied).length).toBe(2);
});

it('kernels have the results and gradients of the rewritten program', () => {
  const { program } = see(attend(made(plainly), usual, ['output']));
  const learned = (one: Tensor): boolean => one.origin.kind === 'learned' || ['query', 'key'].includes(one.name);
  const gradients = program.inputs.filter(learned).map(({ name }) => name);
  const { errors } = checkCase({
    program,
    options: { outputs: ['output'], gradients, accumulate: ['P'], decode: false, inPlace: [], rewrites: [] },
    orders: ['forward'],
  });
  expect(Object.keys(errors)).toContain('d_P');
  expect(Object.entries(errors).filter(([, error]) => !(error < 2e-5))).toEqual([]);
});
