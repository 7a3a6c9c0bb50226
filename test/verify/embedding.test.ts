// What an encoding does to the embedding, beside attention: against sums written out here, against the interpreter where a
// case has no numbers for it, and with mistakes that must be seen.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Lowered } from '../../src/lower/lower.ts';
import { readCase, writeCase, type Case, type Values } from '../../src/verify/case.ts';
import { makeEncodingCase, verifyEncoding } from '../../src/verify/embedding.ts';
import { geometryOf, reference, type Runner } from '../../src/verify/run.ts';
import { loadFile, loadText, mistaken, root, small } from '../lower/load.ts';

const geometry = { ...small, heads: 2, kv_heads: 2, head_dim: 4, model_dim: 6, context: 4 };
const sizes = { batch: 2, tokens: 5, seed: 3 };
const learned = 'examples/learned_absolute.pe';

const load = (path: string, change: (text: string) => string = (text) => text): Lowered => {
  const { lowered } = loadText(change(readFileSync(join(root, path), 'utf8')), path, { geometry });
  return lowered!;
};

async function made(path: string): Promise<Case> {
  const { checked, lowered } = loadFile(path, { geometry });
  return makeEncodingCase(checked!, lowered!, sizes);
}

const values = (shape: readonly number[], at: (n: number) => number): Values => ({
  shape,
  data: Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, n) => at(n)),
});

/** Learned absolute positions by hand: token t takes row t of E, all past the end the last one. */
async function byHand(): Promise<Case> {
  const [B, T, M, rows] = [sizes.batch, sizes.tokens, geometry.model_dim, geometry.context];
  const embedding = values([B, T, M], (n) => Math.sin(3 * n));
  const cotangent = values([B, T, M], (n) => Math.cos(2 * n));
  const E = values([rows, M], (n) => Math.sin(n + 1));
  const d_E = new Float64Array(rows * M);
  const encoded = Float64Array.from(embedding.data);
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let m = 0; m < M; m++) {
        const [at, row] = [(b * T + t) * M + m, Math.min(t, rows - 1) * M + m];
        encoded[at]! += E.data[row]!;
        d_E[row]! += cotangent.data[at]!;
      }
  return {
    ...(await made(learned)),
    learned: { E },
    embedding: {
      inputs: { embedding },
      outputs: { embedding_encoded: { shape: [B, T, M], data: encoded } },
      cotangent,
      gradients: { embedding: cotangent, E: { shape: [rows, M], data: d_E } },
    },
  };
}

const failures = (rows: Awaited<ReturnType<typeof verifyEncoding>>['rows']): string[] =>
  rows.filter(({ passed }) => !passed).map(({ part, kind, tensor }) => `${part}: ${kind} ${tensor}`);

describe('learned absolute positions', () => {
  it('by hand', async () => {
    const { rows, problems, passed, embedding } = await verifyEncoding(load(learned), await byHand(), reference, 1e-14);
    expect([problems, passed, embedding]).toEqual([[], true, 'case']);
    expect(rows.filter(({ part }) => part === 'embedding').map(({ kind, tensor }) => `${kind} ${tensor}`)).toEqual([
      'output embedding_encoded',
      'gradient embedding',
      'gradient E',
    ]);
    expect(rows.filter(({ part }) => part === 'attention').map(({ tensor }) => tensor)).toContain('output');
  });

  it.each([
    [
      'another row',
      'min(position[t], context - 1)',
      'min(position[t] + 1, context - 1)',
      ['output embedding_encoded', 'gradient E'],
    ],
    ['taken away', '+=', '+= -', ['output embedding_encoded', 'gradient E']],
    ['in place of it', '+=', '=', ['output embedding_encoded', 'gradient embedding']],
    ['times', '+=', '*=', ['output embedding_encoded', 'gradient embedding', 'gradient E']],
  ])('a mistake is seen: %s', async (_, right, wrong, seen) => {
    const program = load(learned, (text) => mistaken(text, right, wrong));
    const { rows, passed } = await verifyEncoding(program, await byHand(), reference, 1e-6);
    expect(passed).toBe(false);
    expect(failures(rows)).toEqual(seen.map((each) => `embedding: ${each}`));
  });

  it('a learned tensor that nothing reads, or that is missing, is said', async () => {
    const whole = await byHand();
    const { E } = whole.learned;
    const other = await verifyEncoding(load(learned), { ...whole, learned: { E: E!, F: E! } }, reference, 1e-6);
    expect(other.problems).toEqual(["learned_absolute has no learned tensor 'F', which is in the case"]);
    const none = await verifyEncoding(load(learned), { ...whole, learned: {} }, reference, 1e-6);
    expect(none.problems).toEqual(["the case has no 'E', which learned_absolute reads"]);
    expect([other.passed, none.passed]).toEqual([false, false]);
  });
});

describe('a case', () => {
  it.each([learned, 'examples/sinusoidal.pe', 'test/fixtures/programs/bipe.pe'])(
    'of %s passes, written and read',
    async (path) => {
      const whole = await made(path);
      const read = readCase(writeCase(whole));
      expect(read).toEqual({ ok: true, case: whole });
      const { passed, problems, embedding, rows } = await verifyEncoding(load(path), whole, reference, 1e-14);
      expect([problems, passed, embedding]).toEqual([[], true, 'case']);
      expect(rows.every(({ error }) => error !== null)).toBe(true);
    },
  );

  it('takes what both parts read from one place', async () => {
    const text = `encoding both {
  given place[t: token]
  learn W[m: model] ~ normal(0, 0.02)
  learn b[h: head] ~ normal(0, 0.02)
  embedding[t, m] += W[m] * b[0] * place[t]
  score[h, i, j] += b[h] * place[j]
}`;
    const { checked, lowered } = loadText(text, 'both.pe', { geometry });
    const whole = await makeEncodingCase(checked!, lowered!, sizes);
    expect(Object.keys(whole.learned).toSorted()).toEqual(['W', 'b']);
    expect(Object.keys(whole.embedding!.inputs)).toEqual(['embedding']);
    const { rows, passed } = await verifyEncoding(lowered!, whole, reference, 1e-14);
    expect(passed).toBe(true);
    expect(rows.filter(({ tensor }) => tensor === 'b').map(({ part }) => part)).toEqual(['attention', 'embedding']);
    const without = await verifyEncoding(lowered!, { ...whole, embedding: null }, reference, 1e-14);
    expect([without.passed, without.embedding]).toEqual([true, 'interpreter']);
  });

  it('without numbers of it is compared with the interpreter', async () => {
    const whole = { ...(await made(learned)), embedding: null };
    const wrong: Runner = async (task) => {
      const ran = await reference(task);
      const isEmbedding = task.program.inputs.some(({ name }) => name === 'embedding');
      if (!isEmbedding) return ran;
      return {
        ...ran,
        gradients: new Map([...ran.gradients].map(([name, data]) => [name, Float64Array.from(data, (x) => 1.001 * x)])),
      };
    };
    const { rows, passed, embedding } = await verifyEncoding(load(learned), whole, wrong, 1e-6);
    expect([passed, embedding]).toEqual([false, 'interpreter']);
    expect(failures(rows)).toEqual(['embedding: gradient embedding', 'embedding: gradient E']);
  });

  it('says what is wrong in its embedding', async () => {
    const json = JSON.parse(writeCase(await byHand())) as { embedding: Record<string, unknown> };
    json.embedding['cotangent'] = { shape: [1], data: [0] };
    delete json.embedding['inputs'];
    const read = readCase(JSON.stringify(json));
    expect(read).toEqual({ ok: false, problems: ['embedding.inputs is missing'] });
    json.embedding['inputs'] = {};
    expect(readCase(JSON.stringify(json))).toEqual({
      ok: false,
      problems: ['embedding.inputs.embedding is missing', 'embedding.cotangent is [1], not [2, 5, 6]'],
    });
  });

  it('of other encodings has none', async () => {
    const rope = await made('examples/rope.pe');
    expect(rope.embedding).toBeNull();
    expect(writeCase(rope)).not.toContain('"embedding"');
    expect(geometryOf(rope.sizes).model_dim).toBe(geometry.model_dim);
  });
});

it('compares what is done to x with the interpreter, and sees a mistake in it', async () => {
  const path = 'test/fixtures/programs/canon.pe';
  const vectors = await made(path);
  const right = await verifyEncoding(load(path), vectors, reference, 1e-12);
  expect(failures(right.rows)).toEqual([]);
  expect(right.passed).toBe(true);
  const ofX = right.rows.filter(({ part }) => part === 'x').map(({ kind, tensor }) => `${kind} ${tensor}`);
  expect(ofX).toEqual(['output x_encoded', 'gradient x', 'gradient a']);
  const wrong: Runner = async (task) => {
    const ran = await reference(task);
    const output = ran.outputs.get('output');
    const isChange = task.program.inputs.some(({ name }) => name === 'a');
    if (!isChange || output === undefined) return ran;
    return { ...ran, outputs: new Map([...ran.outputs, ['output', Array.from(output, (value) => value + 1)]]) };
  };
  expect(failures((await verifyEncoding(load(path), vectors, wrong, 1e-12)).rows)).toEqual(['x: output x_encoded']);
});
