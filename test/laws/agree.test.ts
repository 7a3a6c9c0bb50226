// No proof says what a test denies: every law tried on every example, every fixture and on generated encodings, whatever
// they claim. And the tests are not blind: small mistakes in true claims are found.

import fc from 'fast-check';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { proveBounded } from '../../src/laws/bounded.ts';
import { proveCausal } from '../../src/laws/causal.ts';
import { testBounded } from '../../src/laws/growth.ts';
import { checkLaws } from '../../src/laws/laws.ts';
import { proveCommuting, proveOrthogonal } from '../../src/laws/maps.ts';
import { testCausal, testCommuting, testOrthogonal, testRelative, testStartsAs } from '../../src/laws/numeric.ts';
import { proveRelative } from '../../src/laws/relative.ts';
import { proveStartsAs } from '../../src/laws/starts-as.ts';
import type { Effort, Tested } from '../../src/laws/trial.ts';
import type { Lowered } from '../../src/lower/lower.ts';
import { runs, tapes } from '../fuzz/arbitrary.ts';
import { encodingOf, geometry } from '../fuzz/encodings.ts';
import { loadFile, loadText, root, small } from '../lower/load.ts';

const tiny = { ...small, heads: 2, kv_heads: 2, head_dim: 8, model_dim: 6, context: 12 };
const quick: Effort = { lengths: [4], seeds: [1, 2] };
const nope = (sizes: typeof tiny): Lowered =>
  loadText('encoding nope {}', 'examples/test.pe', { geometry: sizes }).lowered!;

interface Law {
  readonly prove: (lowered: Lowered, sizes: typeof tiny) => string | null;
  readonly test: (lowered: Lowered, sizes: typeof tiny) => Tested;
}

const laws: Readonly<Record<string, Law>> = {
  relative: { prove: ({ attend }, sizes) => proveRelative(attend, sizes), test: (l) => testRelative(l, quick) },
  orthogonal: { prove: ({ attend }) => proveOrthogonal(attend), test: (l) => testOrthogonal(l, quick) },
  causal: { prove: proveCausal, test: (l) => testCausal(l, quick) },
  commuting: { prove: ({ attend }) => proveCommuting(attend), test: (l) => testCommuting(l, quick) },
  bounded: { prove: proveBounded, test: (l) => testBounded(l, quick) },
  starts_as: {
    prove: (l, sizes) => proveStartsAs(l, nope(sizes)),
    test: (l, sizes) => testStartsAs(l, nope(sizes), quick),
  },
};

/** How many proofs there were, each of which a test confirms. */
function confirm(lowered: Lowered, sizes: typeof tiny, proved: Map<string, number>): void {
  for (const [name, law] of Object.entries(laws)) {
    if (law.prove(lowered, sizes) === null) continue;
    proved.set(name, (proved.get(name) ?? 0) + 1);
    expect(law.test(lowered, sizes), name).toMatchObject({ holds: true });
  }
}

describe.each(['examples', 'test/fixtures/programs'])('%s', (folder) => {
  const names = readdirSync(join(root, folder)).filter((file) => file.endsWith('.pe'));
  it.each(names)('%s', (name) => {
    const { lowered } = loadFile(`${folder}/${name}`, { geometry: tiny });
    if (lowered !== null) confirm(lowered, tiny, new Map());
  });
});

it('generated encodings', () => {
  const proved = new Map<string, number>();
  fc.assert(
    fc.property(tapes, (tape) => {
      const sizes = { ...geometry };
      const { lowered } = loadText(encodingOf(tape), 'examples/test.pe', { geometry: sizes });
      if (lowered !== null) confirm(lowered, sizes as typeof tiny, proved);
    }),
    { ...runs(2), endOnFailure: true },
  );
  for (const name of ['relative', 'orthogonal', 'causal', 'commuting', 'bounded']) {
    expect(proved.get(name) ?? 0, name).toBeGreaterThan(0);
  }
});

describe('mistakes in what is claimed are found', () => {
  const rope = 'let w[p: pair] = 100 ^ (-2 * p / head_dim)';
  const skew = 'learn A[r: dim, c: dim] ~ normal(0, 0.3)';
  const turn = (target: string, matrix: string): string => `transform ${target} [t, h, r, c] by expm[r, c](${matrix})`;
  const wrong: readonly (readonly [string, string, string])[] = [
    [
      'relative',
      'a flipped sign',
      `${rope}\n rotate query [t, h, p] by position[t] * w[p]\n rotate key [t, h, p] by -position[t] * w[p]`,
    ],
    ['relative', 'a position in place of a difference', 'score[h, i, j] += sin(position[i] - 1.01 * position[j])'],
    [
      'relative',
      'one layout for queries, another for keys',
      `${rope}\n rotate query [t, h, p] by position[t] * w[p]\n rotate key [t, h, p] by position[t] * w[p] interleaved`,
    ],
    ['relative', 'a bias by parity of the query', 'score[h, i, j] += mod(i, 2) * (i - j)'],
    [
      'orthogonal',
      'a matrix that is symmetric',
      `${skew}\n ${turn('query, key', 'position[t] / 9 * (A[r, c] + A[c, r])')}`,
    ],
    [
      'orthogonal',
      'half of a skew matrix',
      `${skew}\n ${turn('query, key', 'position[t] / 9 * (A[r, c] - A[c, r] / 2)')}`,
    ],
    [
      'orthogonal',
      'a scale left in',
      `${rope}\n rotate query, key [t, h, p] by position[t] * w[p]\n key[t, h, d] *= 1.0001`,
    ],
    [
      'causal',
      'one token too far',
      'let a[t: token] = sum[s: token where s <= t + 1](x[s, 0])\n score[h, i, j] += a[j] * (i - j + 1)',
    ],
    [
      'causal',
      'a sum without a condition',
      'let a[t: token] = sum[s: token](x[s, 0])\n score[h, i, j] += a[j] * (i - j)',
    ],
    ['causal', 'a mean over the whole sequence', 'query[t, h, d] *= mean[s: token](x[s, 0])'],
    [
      'commuting',
      'two generators',
      `${skew}\n learn B[r: dim, c: dim] ~ normal(0, 0.3)\n ${turn('query', 'position[t] / 9 * (A[r, c] - A[c, r]) + sin(position[t]) * (B[r, c] - B[c, r])')}`,
    ],
    ['bounded', 'a logarithm', 'score[h, i, j] += -0.1 * log(1 + i - j)'],
    ['bounded', 'a clamp of the other end', 'score[h, i, j] += max(j - i, -16) + min(i - j, i - j)'],
    ['starts_as(nope)', 'a factor that starts at 1 and is added', 'learn a ~ 1\n score[h, i, j] += a * (i - j)'],
    ['starts_as(nope)', 'a scale that starts a little off', 'learn a ~ 1.001\n score[h, i, j] *= a'],
  ];
  it.each(wrong)('%s: %s', (law, _, body) => {
    const text = `encoding nope {}\nencoding test {\n ${body}\n expect ${law}\n}`;
    const { checked, lowered, diagnostics } = loadText(text, 'examples/test.pe', { geometry: tiny });
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(checkLaws(checked!, lowered!, () => {})[0]!.kind).toBe('false');
  });
});

describe('what is proved of bounds and beginnings', () => {
  const right: readonly (readonly [string, string])[] = [
    ['bounded', 'learn B[n: pair, h: head] ~ normal(0, 1)\n score[h, i, j] += B[clamp(i - j, 0, 3), h]'],
    ['bounded', 'score[h, i, j] += -0.1 * min(abs(i - j), 16)'],
    ['bounded', 'learn b[h: head] ~ 0\n score[h, i, j] += b[h] * cos(position[i] - position[j])'],
    ['bounded', 'score[h, i, j] += exp(-abs(i - j))'],
    ['bounded', 'score[h, i, j] += exp(j - i)'],
    ['bounded', 'score[h, i, j] += 0.5 ^ (i - j)'],
    ['bounded', 'score[h, i, j] += if i - j < 9 then exp(i - j) else 0'],
    ['bounded', 'let fall[i: token, j: token] = exp(-0.1 * (i - j))\n score[h, i, j] += fall[i, j]'],
    [
      'bounded',
      'let fall[i: token, j: token] = exp(-0.1 * i + 0.1 * j)\n score[h, i, j] += sigmoid(fall[i, max(j - 1, 0)])',
    ],
    ['bounded', 'embedding[t, m] += sin(position[t] * m)'],
    ['bounded', 'rotate query, key [t, h, p] by position[t] * (p + 1)'],
    ['starts_as(nope)', 'learn a[h: head] ~ 0\n score[h, i, j] += a[h] * (i - j)'],
    ['starts_as(nope)', 'learn a ~ 1\n score[h, i, j] *= a'],
    ['starts_as(nope)', 'learn a[h: head] ~ 0\n score[h, i, j] *= exp(a[h])'],
    ['starts_as(nope)', 'learn E[m: model] ~ 0\n embedding[t, m] += E[m] * position[t]'],
  ];
  it.each(right)('%s: %s', (law, body) => {
    const text = `encoding nope {}\nencoding test {\n ${body}\n expect ${law}\n}`;
    const { checked, lowered } = loadText(text, 'examples/test.pe', { geometry: tiny });
    const [result] = checkLaws(checked!, lowered!, () => {});
    expect(result!.kind).toBe('proved');
  });
});
