// No proof says what a test denies: every law tried on every example, every fixture and on generated encodings, whatever
// they claim. And the tests are not blind: small mistakes in true claims are found.

import fc from 'fast-check';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CheckedLaw } from '../../src/check/checked.ts';
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
import { encodingOf, shapeOf } from '../fuzz/encodings.ts';
import { loadFile, loadText, root, small } from '../lower/load.ts';

const tiny = { ...small, heads: 2, kv_heads: 2, head_dim: 8, model_dim: 6, context: 12 };
type Sizes = typeof tiny;

const many: Effort = { lengths: [1, 3, 6], seeds: [1, 2, 3, 4] };
const quick: Effort = { lengths: [4], seeds: [1, 2] };

interface Law {
  readonly prove: (lowered: Lowered, sizes: Sizes, other: Lowered) => string | null;
  readonly test: (lowered: Lowered, effort: Effort, other: Lowered) => Tested;
}

const laws: Readonly<Record<CheckedLaw['name'], Law>> = {
  relative: { prove: ({ attend }, sizes) => proveRelative(attend, sizes), test: testRelative },
  orthogonal: { prove: ({ attend }) => proveOrthogonal(attend), test: testOrthogonal },
  causal: { prove: proveCausal, test: testCausal },
  commuting: { prove: ({ attend }) => proveCommuting(attend), test: testCommuting },
  bounded: { prove: proveBounded, test: (lowered) => testBounded(lowered, quick) },
  starts_as: {
    prove: (lowered, _, other) => proveStartsAs(lowered, other),
    test: (lowered, effort, other) => testStartsAs(lowered, other, effort),
  },
};

/** What a law is found to be by proof and by test; `starts_as` against an encoding without sites. */
interface Answer {
  readonly proved: boolean;
  readonly tested: Tested;
}

/** Answers of every law; a proof that a test denies fails at once. `untried`: laws that are tested only where proved. */
function answers(
  lowered: Lowered,
  sizes: Sizes,
  effort: Effort,
  untried: readonly string[] = [],
  text = '',
): Map<string, Answer> {
  const nope = loadText('encoding nope {}', 'examples/test.pe', { geometry: sizes }).lowered!;
  const found = new Map<string, Answer>();
  for (const [name, { prove, test }] of Object.entries(laws)) {
    const proved = prove(lowered, sizes, nope) !== null;
    if (!proved && untried.includes(name)) continue;
    const tested = test(lowered, effort, nope);
    if (proved) expect(tested, `${name} of ${text}`).toMatchObject({ holds: true });
    if (!tested.holds) expect(tested.counter, name).toMatch(/\d/);
    found.set(name, { proved, tested });
  }
  return found;
}

/** Networks of a few units, and axes that fit a small head. */
const smaller: Readonly<Record<string, { sizes?: Partial<Sizes>; params?: Readonly<Record<string, number>> }>> = {
  video: { sizes: { head_dim: 16 } },
  log_cpb: { params: { units: 6 } },
  sinespe: { params: { sines: 2, realisations: 3 } },
  f_stripe: { params: { sines: 2, realisations: 3 } },
  deberta: { params: { far: 5 } },
  deberta_v3: { params: { buckets: 4, far: 9 } },
  wavlm: { params: { buckets: 8, max_distance: 12 } },
  knarpe: { params: { nearest: 3, waves: 2 } },
  seqpe: { params: { digits: 2, width: 4, samples: 2, candidates: 2 } },
  seqpe_additive: { params: { digits: 2, width: 4, samples: 2, candidates: 2 } },
  seqpe_rotary: { params: { digits: 2, width: 4, samples: 2, candidates: 2 } },
};

/** A few inputs say it: their tests take long. */
const slow: ReadonlySet<string> = new Set([
  'knarpe.pe',
  'path.pe',
  'path_fox.pe',
  'seqpe.pe',
  'seqpe_additive.pe',
  'seqpe_rotary.pe',
]);

const folders = [
  'examples',
  ...readdirSync(join(root, 'examples/catalogue')).map((family) => `examples/catalogue/${family}`),
  'test/fixtures/programs',
];

describe.each(folders)('%s', (folder) => {
  const isExample = (file: string): boolean => folder !== 'examples' && existsSync(join(root, 'examples', file));
  const names = readdirSync(join(root, folder)).filter((file) => file.endsWith('.pe') && !isExample(file));
  it.each(names)('%s', (name) => {
    const { sizes = {}, params = {} } = smaller[name.replace('.pe', '')] ?? {};
    const geometry = { ...tiny, ...sizes };
    const { checked, lowered } = loadFile(`${folder}/${name}`, { geometry, params });
    if (folder.startsWith('examples')) expect(lowered).not.toBeNull();
    if (lowered === null) return; // a fixture whose params want larger sizes
    const found = answers(lowered, geometry, slow.has(name) || folder === 'test/fixtures/programs' ? quick : many);
    for (const law of checked!.laws) {
      if (law.name !== 'starts_as') expect(found.get(law.name)!.tested, law.name).toMatchObject({ holds: true });
      else expect(checkLaws({ ...checked!, laws: [law] }, lowered, () => {})[0]!.kind).not.toBe('false');
    }
  });
});

it('generated encodings', () => {
  const proofs = new Map<string, number>();
  fc.assert(
    fc.property(tapes, (tape) => {
      const sizes = { ...tiny, ...shapeOf(tape).geometry };
      const text = encodingOf(tape);
      const { lowered } = loadText(text, 'examples/test.pe', { geometry: sizes });
      if (lowered === null) return;
      for (const [name, { proved }] of answers(lowered, sizes, quick, Object.keys(laws), text))
        if (proved) proofs.set(name, (proofs.get(name) ?? 0) + 1);
    }),
    { ...runs(2), endOnFailure: true },
  );
  for (const name of ['relative', 'orthogonal', 'causal', 'commuting', 'bounded']) {
    expect(proofs.get(name) ?? 0, name).toBeGreaterThan(0);
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
