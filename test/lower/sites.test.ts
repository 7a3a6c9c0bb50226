// Sites against attention written as plain loops: visible, score, attention, output, value; shared key heads; a call
// in the middle of a sequence.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { interpret } from '../../src/interpret/interpret.ts';
import { sampleInputs } from '../../src/laws/sample.ts';
import { loadFile, loadText, root, small } from './load.ts';

const geometry = { ...small, heads: 4, kv_heads: 2, head_dim: 4, model_dim: 6, context: 8 };
const { heads, kv_heads, head_dim } = geometry;
const T = 5;

type Pair = (h: number, i: number, j: number) => number;

interface Wanted {
  readonly seen?: (h: number, i: number, j: number) => boolean;
  readonly score?: (s: number, h: number, i: number, j: number) => number;
  /** The weights of a row, 0 where hidden; softmax where it is left out. */
  readonly weigh?: (row: readonly number[], h: number, i: number) => readonly number[];
  readonly output?: (o: number, i: number, h: number, d: number) => number;
}

/** Attention by loops over one sequence, row-major [i, h, d]. */
function attention(query: Float64Array, key: Float64Array, value: Float64Array, wanted: Wanted): number[] {
  const out: number[] = [];
  const q = (t: number, h: number, d: number): number => query[(t * heads + h) * head_dim + d]!;
  const shared = (of: Float64Array, t: number, h: number, d: number): number =>
    of[(t * kv_heads + Math.floor((h * kv_heads) / heads)) * head_dim + d]!;
  const seen: Pair = (h, i, j) => (j <= i && (wanted.seen?.(h, i, j) ?? true) ? 1 : 0);
  const scoreAt: Pair = (h, i, j) => {
    let dot = 0;
    for (let d = 0; d < head_dim; d++) dot += q(i, h, d) * shared(key, j, h, d);
    const scaled = dot / Math.sqrt(head_dim);
    return seen(h, i, j) ? (wanted.score?.(scaled, h, i, j) ?? scaled) : -Infinity;
  };
  for (let i = 0; i < T; i++) {
    for (let h = 0; h < heads; h++) {
      const row = Array.from({ length: T }, (_, j) => scoreAt(h, i, j));
      const weights = (wanted.weigh ?? softmax)(row, h, i);
      for (let d = 0; d < head_dim; d++) {
        const sum = weights.reduce((total, w, j) => total + w * shared(value, j, h, d), 0);
        out.push(wanted.output?.(sum, i, h, d) ?? sum);
      }
    }
  }
  return out;
}

function softmax(row: readonly number[]): readonly number[] {
  const exps = row.map((s) => Math.exp(s));
  const total = exps.reduce((a, b) => a + b, 0);
  return exps.map((e) => (total === 0 ? 0 : e / total));
}

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

const cases: readonly (readonly [string, string, Wanted])[] = [
  ['nothing', '', {}],
  ['visible', 'visible[h, i, j] = i - j < 2', { seen: (_, i, j) => i - j < 2 }],
  [
    'visible twice, and by head',
    'visible[h, i, j] = i - j < 3\n visible[h, i, j] = h > 0 or j > 0',
    { seen: (h, i, j) => i - j < 3 && (h > 0 || j > 0) },
  ],
  ['a row that sees nothing', 'visible[h, i, j] = j > 1', { seen: (_, __, j) => j > 1 }],
  ['score +=', 'score[h, i, j] += -(h + 1) * (i - j)', { score: (s, h, i, j) => s - (h + 1) * (i - j) }],
  [
    'score, one line after another',
    'score[h, i, j] *= 2\n score[h, i, j] += score[h, i, j] * 0.5 + j',
    { score: (s, _, __, j) => 3 * s + j },
  ],
  ['score =', 'score[h, i, j] = i * 0.1 - j * h', { score: (_, h, i, j) => i * 0.1 - j * h }],
  ['attention *=', 'attention[h, i, j] *= i - j', { weigh: (row, _, i) => softmax(row).map((w, j) => w * (i - j)) }],
  [
    'attention = without softmax',
    'attention[h, i, j] = sigmoid(score[h, i, j])',
    { weigh: (row) => row.map((s) => (s === -Infinity ? 0 : sigmoid(s))) },
  ],
  [
    'attention += where it is seen',
    'attention[h, i, j] += 0.5',
    { weigh: (row) => softmax(row).map((w, j) => (row[j] === -Infinity ? 0 : w + 0.5)) },
  ],
  [
    'a sink: hidden scores read as minus infinity',
    'visible[h, i, j] = i - j < 3\n attention[h, i, j] *= sigmoid(logsumexp[k: token](score[h, i, k]) - 0.3)',
    {
      seen: (_, i, j) => i - j < 3,
      weigh: (row) => {
        const total = Math.log(row.reduce((sum, s) => sum + Math.exp(s), 0));
        return softmax(row).map((w) => w * sigmoid(total - 0.3));
      },
    },
  ],
  [
    'the two largest scores of a row: hidden ones rank below all others',
    'visible[h, i, j] = i - j < 4\n attention[h, i, j] *= if rank[j](-score[h, i, j]) < 2 then 1 else 0',
    {
      seen: (_, i, j) => i - j < 4,
      weigh: (row) => softmax(row).map((w, j) => (row.filter((s) => s > row[j]!).length < 2 ? w : 0)),
    },
  ],
  [
    'a sum along a row of scores',
    'attention[h, i, j] = exp(log_sigmoid(score[h, i, j]) + sum[k: token where j < k < i](log_sigmoid(-score[h, i, k])))',
    {
      weigh: (row, _, i) =>
        row.map((s, j) => {
          if (s === -Infinity) return 0;
          let log = Math.log(sigmoid(s));
          for (let k = j + 1; k < i; k++) log += Math.log(sigmoid(-row[k]!));
          return Math.exp(log);
        }),
    },
  ],
  ['output *=', 'output[i, h, d] *= h + d', { output: (o, _, h, d) => o * (h + d) }],
  [
    'a rotation of values undone on the output changes what is not at the own token',
    'rotate value [t, h, p] by 0\n rotate output [t, h, p] by 0',
    {},
  ],
];

describe('sites', () => {
  it('a condition on the index of a softmax says nothing of the other elements of its row', () => {
    const outputOf = (body: string): Float64Array => {
      const { attend } = loadText(`encoding test {\n ${body}\n}`, 'examples/test.pe', { geometry }).lowered!;
      const { sizes, inputs } = sampleInputs(attend, { seed: 5, tokens: T, learned: 'around', positions: 'range' });
      return interpret(attend, sizes, inputs).get('output')!;
    };
    const softmax = 'softmax[j](sum[d: dim](exp(key[j, h, d])))';
    const before = outputOf(
      `let p[h: head, j: token] = ${softmax}\n attention[h, i, j] *= if i == j then p[h, j] else 1`,
    );
    expect(outputOf(`attention[h, i, j] *= if i == j then ${softmax} else 1`)).toEqual(before);
  });

  it('a score is hidden by the `visible` lines above the one that reads it', () => {
    const total = 'let total[h: head, i: token] = logsumexp[k: token](score[h, i, k])';
    const narrow = 'visible[h, i, j] = i - j < 2';
    const totalOf = (body: string): Float64Array => {
      const { attend } = loadText(`encoding test {\n ${body}\n}`, 'examples/test.pe', { geometry }).lowered!;
      const { sizes, inputs } = sampleInputs(attend, { seed: 5, tokens: T, learned: 'around', positions: 'range' });
      return interpret(attend, sizes, inputs).get('total')!;
    };
    expect(totalOf(`${total}\n ${narrow}`)).toEqual(totalOf(total));
    expect(totalOf(`${narrow}\n ${total}`)).not.toEqual(totalOf(total));
  });

  it.each(cases)('%s', (_, body, wanted) => {
    const { lowered, diagnostics } = loadText(`encoding test {\n ${body}\n}`, 'examples/test.pe', { geometry });
    expect(diagnostics.filter((d) => d.severity === 'error')).toEqual([]);
    const program = lowered!.attend;
    const { sizes, inputs } = sampleInputs(program, { seed: 5, tokens: T, learned: 'around', positions: 'range' });
    const given = {
      query: new Float64Array(T * heads * head_dim),
      key: new Float64Array(T * kv_heads * head_dim),
      ...inputs,
    };
    const got = interpret(program, sizes, inputs).get('output')!;
    const output = attention(given.query, given.key, inputs['value']!, wanted);
    expect(got.length).toBe(output.length);
    output.forEach((value, n) => expect(got[n]!).toBeCloseTo(value, 10));
  });

  it('a name means the version above its line, in a `let` too', () => {
    const body = (before: string, after: string) =>
      `encoding test {\n ${before}\n query[t, h, d] *= 3\n ${after}\n score[h, i, j] = q[i, h] - j\n}`;
    const q = 'let q[t: token, h: head] = query[t, h, 0]';
    const scoreOf = (text: string): Float64Array => {
      const program = loadText(text, 'examples/test.pe', { geometry }).lowered!.attend;
      const { sizes, inputs } = sampleInputs(program, { seed: 5, tokens: 1, learned: 'around', positions: 'range' });
      return interpret(program, sizes, inputs).get('score')!;
    };
    const [raw, changed] = [scoreOf(body(q, '')), scoreOf(body('', q))];
    raw.forEach((value, n) => expect(changed[n]!).toBeCloseTo(3 * value, 12));
  });
});

describe('a call in the middle of a sequence gives the same rows', () => {
  const folder = 'test/fixtures/programs';
  /** These read the query of earlier tokens, which a device keeps and this call does not give. */
  const before: Readonly<Record<string, RegExp>> = {
    selective_attention: /is a scan and needs the rows before 4/,
    selective_rope: /'w' is read at 3/,
  };
  const names = readdirSync(join(root, folder)).map((file) => file.replace('.pe', ''));
  it.each(names)('%s', (name) => {
    const { lowered } = loadFile(`${folder}/${name}.pe`, { geometry: { ...geometry, kv_heads: 4, head_dim: 8 } });
    if (lowered === null) return;
    const program = lowered.attend;
    const { inputs } = sampleInputs(program, { seed: 2, tokens: 6, learned: 'around', positions: 'range' });
    const row = 4 * 8;
    const whole = interpret(program, { batch: 1, tokens: 6 }, inputs).get('output')!;
    const late = { ...inputs, query: (inputs['query'] ?? new Float64Array(6 * row)).slice(4 * row) };
    const run = () => interpret(program, { batch: 1, tokens: 2, first: 4 }, late).get('output')!;
    if (name in before) {
      expect(run).toThrow(before[name]!);
      return;
    }
    const part = run();
    const rows = whole.slice(whole.length - part.length);
    part
      .slice(part.length - 2 * row)
      .forEach((value, n) => expect(value).toBeCloseTo(rows.slice(rows.length - 2 * row)[n]!, 10));
  });
});
