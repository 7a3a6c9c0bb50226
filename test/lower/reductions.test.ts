// Sums, products, means, maxima over tokens and other axes against plain loops, and which of them became scans.

import { describe, expect, it } from 'vitest';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program } from '../../src/ir/ir.ts';
import { verify } from '../../src/ir/verify.ts';
import { withGradients } from '../../src/verify/run.ts';
import { normals, uniformFrom } from '../../src/laws/random.ts';
import { loadText } from './load.ts';

const T = 5;
const N = 3; // size of the axis `n`
const random = uniformFrom(7);
const a = normals(random, T);
const g = normals(random, T * N);
const header = `
  axis n = ${N}
  given a[t: token]
  given g[t: token, k: n]`;

function lowered(statement: string): { program: Program; notes: readonly string[] } {
  const { lowered: made, diagnostics } = loadText(`encoding test {${header}\n  ${statement}\n}`);
  if (made === null) throw new Error(diagnostics.map((d) => d.message).join('; '));
  expect(verify(made.attend)).toEqual([]);
  return { program: made.attend, notes: diagnostics.map((d) => `${d.code} ${d.message}`) };
}

function run(program: Program, name: string): number[] {
  const { heads, head_dim } = { heads: 4, head_dim: 16 };
  const zeros = new Float64Array(T * heads * head_dim);
  const inputs = { a, g, query: zeros, key: zeros, value: zeros, position: Float64Array.from(a.keys()) };
  const tensor = program.results.get(name);
  if (tensor === undefined) throw new Error(`no result ${name}`);
  return [...interpret(program, { batch: 1, tokens: T }, inputs).get(tensor.name)!];
}

/** Each value of a `let r[...]` by a plain loop. */
function each(indices: number, of: (...at: number[]) => number): number[] {
  const tokens = Array.from({ length: T }, (_, t) => t);
  return indices === 1 ? tokens.map((t) => of(t)) : tokens.flatMap((i) => tokens.map((j) => of(i, j)));
}

const tokens = Array.from({ length: T }, (_, s) => s);
const sum = (where: (s: number) => boolean, of: (s: number) => number = (s) => a[s]!): number =>
  tokens.filter(where).reduce((total, s) => total + of(s), 0);

const scans: readonly (readonly [string, number, (...at: number[]) => number])[] = [
  ['let r[t: token] = sum[s: token where s <= t](a[s])', 1, (t) => sum((s) => s <= t!)],
  ['let r[t: token] = sum[s: token where s < t](a[s])', 1, (t) => sum((s) => s < t!)],
  ['let r[t: token] = sum[s: token where t <= s](a[s])', 1, (t) => sum((s) => t! <= s)],
  ['let r[t: token] = sum[s: token where s > t](a[s])', 1, (t) => sum((s) => s > t!)],
  ['let r[t: token] = sum[s: token where s <= t and a[s] > 0](a[s])', 1, (t) => sum((s) => s <= t! && a[s]! > 0)],
  ['let r[t: token] = sum[s: token, k: n where s <= t](g[s, k])', 1, (t) => sum((s) => s <= t!, row)],
  ['let r[i: token, j: token] = sum[s: token where j < s <= i](a[s])', 2, (i, j) => sum((s) => j! < s && s <= i!)],
  ['let r[i: token, j: token] = sum[s: token where j <= s <= i](a[s])', 2, (i, j) => sum((s) => j! <= s && s <= i!)],
  ['let r[i: token, j: token] = sum[s: token where j < s < i](a[s])', 2, (i, j) => sum((s) => j! < s && s < i!)],
  ['let r[i: token, j: token] = sum[s: token where j <= s < i](a[s])', 2, (i, j) => sum((s) => j! <= s && s < i!)],
  [
    'let r[i: token, j: token] = sum[s: token where j < s <= i](a[s] * a[i])',
    2,
    (i, j) =>
      sum(
        (s) => j! < s && s <= i!,
        (s) => a[s]! * a[i!]!,
      ),
  ],
  [
    'let r[t: token] = prod[s: token where s <= t](a[s])',
    1,
    (t) => tokens.filter((s) => s <= t!).reduce((total, s) => total * a[s]!, 1),
  ],
  [
    'let r[t: token] = prod[s: token where s > t](1 + a[s])',
    1,
    (t) => tokens.filter((s) => s > t!).reduce((total, s) => total * (1 + a[s]!), 1),
  ],
  ['let r[t: token] = mean[s: token where s <= t](a[s])', 1, (t) => sum((s) => s <= t!) / (t! + 1)],
];

function row(s: number): number {
  return g[s * N]! + g[s * N + 1]! + g[s * N + 2]!;
}

describe('scans', () => {
  it.each(scans)('%s', (statement, indices, of) => {
    const { program, notes } = lowered(statement);
    expect(notes).toEqual([]);
    expect(program.definitions.some((d) => d.kind === 'scan')).toBe(true);
    close(run(program, 'r'), each(indices, of));
  });

  it('a let that is a scan is one definition, over the axes of the let', () => {
    const { program } = lowered('let r[k: n, t: token] = sum[s: token where s <= t](g[s, k])');
    const made = program.definitions.find((d) => d.tensor.name === 'r');
    expect(made?.kind).toBe('scan');
    expect(made?.tensor.axes.map((axis) => axis.name)).toEqual(['k', 't']);
    const wanted = [0, 1, 2].flatMap((k) =>
      tokens.map((t) =>
        sum(
          (s) => s <= t,
          (s) => g[s * N + k]!,
        ),
      ),
    );
    close(run(program, 'r'), wanted);
  });

  it('the walk of a row goes over the keys, a value of tokens over the tokens of the call', () => {
    const rows = lowered('let r[i: token, j: token] = sum[s: token where j < s <= i](a[s] * a[i])').program;
    const scan = rows.definitions.find((d) => d.kind === 'scan');
    expect(scan).toMatchObject({ reverse: true, exclusive: true, along: { extent: 'keys' } });
    const walk = lowered('let r[t: token] = sum[s: token where s < t](a[s])').program;
    const along = walk.definitions.find((d) => d.kind === 'scan');
    expect(along).toMatchObject({ reverse: false, exclusive: true, along: { extent: 'tokens' } });
  });
});

const plain: readonly (readonly [string, number, (...at: number[]) => number, string | null])[] = [
  ['let r[t: token] = sum[s: token where s <= t](a[s] * a[t])', 1, (t) => sum((s) => s <= t!) * a[t!]!, "reads 't'"],
  [
    'let r[t: token] = sum[s: token where s <= t and t - s < 2](a[s])',
    1,
    (t) => sum((s) => s <= t! && t! - s < 2),
    "reads 't'",
  ],
  ['let r[t: token] = sum[s: token where a[s] > 0](a[s])', 1, () => sum((s) => a[s]! > 0), 'by order'],
  [
    'let r[i: token, j: token] = prod[s: token where j < s <= i](a[s])',
    2,
    (i, j) => tokens.filter((s) => j! < s && s <= i!).reduce((total, s) => total * a[s]!, 1),
    'quotient',
  ],
  ['let r[t: token] = max[s: token where s <= t](a[s])', 1, (t) => Math.max(...a.slice(0, t! + 1)), 'maximum'],
  ['let r[t: token] = sum[k: n](g[t, k])', 1, (t) => row(t!), null],
  ['let r[t: token] = sum[s: token](a[s])', 1, () => sum(() => true), null],
  ['let r[t: token] = mean[k: n](g[t, k])', 1, (t) => row(t!) / N, null],
  ['let r[t: token] = mean[s: token](a[s])', 1, () => sum(() => true) / T, null],
  ['let r[t: token] = max[k: n](g[t, k])', 1, (t) => Math.max(...of(t!)), null],
  ['let r[t: token] = min[k: n](g[t, k])', 1, (t) => Math.min(...of(t!)), null],
  ['let r[t: token] = min[k: n where k > 0](g[t, k])', 1, (t) => Math.min(...of(t!).slice(1)), null],
  [
    'let r[t: token] = max[k: n, l: n](g[t, k] - 2 * g[t, l])',
    1,
    (t) => Math.max(...of(t!)) - 2 * Math.min(...of(t!)),
    null,
  ],
  ['let r[t: token] = logsumexp[k: n](g[t, k] * 500)', 1, (t) => logsumexp(of(t!).map((v) => v * 500)), null],
  ['let r[t: token] = logsumexp[k: n, l: n](g[t, k] + g[t, l])', 1, (t) => 2 * logsumexp(of(t!)), null],
  ['let r[t: token] = max[k: n](k * (k - 1))', 1, () => 2, null],
  ['let r[t: token] = prod[k: n](g[t, k])', 1, (t) => of(t!).reduce((x, y) => x * y), null],
];

function of(t: number): number[] {
  return Array.from(g.subarray(t * N, t * N + N));
}

function logsumexp(values: number[]): number {
  const top = Math.max(...values);
  return top + Math.log(values.reduce((total, v) => total + Math.exp(v - top), 0));
}

function close(got: readonly number[], wanted: readonly number[]): void {
  expect(got.length).toBe(wanted.length);
  got.forEach((value, n) => expect(value).toBeCloseTo(wanted[n]!, 10));
}

/** How many of the others come first. */
const place = (own: number, others: readonly number[], of: (s: number) => number): number =>
  others.filter((s) => of(s) < of(own) || (of(s) === of(own) && s < own)).length;

const step = (s: number): number => Math.floor(2 * a[s]!); // with ties
const ranks: readonly (readonly [string, number, (...at: number[]) => number])[] = [
  ['let r[t: token] = rank[t](a[t])', 1, (t) => place(t!, tokens, (s) => a[s]!)],
  ['let r[t: token] = rank[t](-a[t])', 1, (t) => place(t!, tokens, (s) => -a[s]!)],
  ['let r[t: token] = rank[t](floor(2 * a[t]))', 1, (t) => place(t!, tokens, step)],
  ['let r[t: token] = rank[t](0)', 1, (t) => t!],
  [
    'let r[t: token] = rank[t where a[t] > 0](a[t])',
    1,
    (t) =>
      place(
        t!,
        tokens.filter((s) => a[s]! > 0),
        (s) => a[s]!,
      ),
  ],
  [
    'let r[i: token, j: token] = rank[j where j <= i](a[i] * a[j])',
    2,
    (i, j) => place(j!, tokens.slice(0, i! + 1), (s) => a[i!]! * a[s]!),
  ],
  [
    'let r[t: token] = sum[k: n](k * (if rank[k](g[t, k]) == 2 then 1 else 0))',
    1,
    (t) => of(t!).indexOf(Math.max(...of(t!))),
  ],
  ['let r[t: token] = sum[k: n](rank[k where k != 1](sum[s: token where s <= t](g[s, k]) * 0))', 1, () => 2],
];

describe('what is no scan', () => {
  it.each(plain)('%s', (statement, indices, of, reason) => {
    const { program, notes } = lowered(statement);
    expect(program.definitions.some((d) => d.kind === 'scan')).toBe(false);
    if (reason === null) expect(notes).toEqual([]);
    else {
      expect(notes).toHaveLength(1);
      expect(notes[0]).toMatch(/^PE0520/);
      expect(notes[0]).toContain(reason);
    }
    close(run(program, 'r'), each(indices, of));
  });

  it.each(ranks)('%s', (statement, indices, of) => {
    const { program, notes } = lowered(statement);
    expect(notes).toEqual([]);
    close(run(program, 'r'), each(indices, of));
  });

  it('softmax along an index in scope, with a condition', () => {
    const { program } = lowered('let r[t: token, k: n] = softmax[k where k > 0](g[t, k])');
    expect(program.definitions.find((d) => d.tensor.name === 'r')?.kind).toBe('softmax');
    const wanted = tokens.flatMap((t) => {
      const [, b, c] = of(t).map(Math.exp);
      return [0, b! / (b! + c!), c! / (b! + c!)];
    });
    close(run(program, 'r'), wanted);
  });
});

it('a sum in a branch that is not taken gives neither value nor gradient', () => {
  const text = `encoding test {
  axis n = 2
  learn w[k: n] ~ 0
  let r[t: token] = if w[0] > 0 then sum[k: n](log(w[k])) else max[k: n](w[k] / w[1]) * 0
  let z[t: token] = if w[0] == 0 then w[1] else sum[k: n](1 / w[0])
  score[h, i, j] += (r[j] + z[j]) * j
}`;
  const program = loadText(text).lowered!.attend;
  const differentiated = withGradients(program, ['w']).program;
  const zeros = new Float64Array(2 * 4 * 16).fill(0.3);
  const inputs = { w: [0, 2], query: zeros, key: zeros, value: Float64Array.from(zeros.keys()), d_output: zeros };
  const values = interpret(differentiated, { batch: 1, tokens: 2 }, inputs);
  const gradient = values.get(differentiated.results.get('d_w')!.name)!;
  expect([...gradient].every(Number.isFinite)).toBe(true);
  expect(gradient[1]).not.toBe(0);
});
