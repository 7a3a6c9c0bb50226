// The file format of a case: what is wrong with one is said, all of it; what is written reads back the same; a case
// made by the interpreter passes, and fails when one of its numbers is changed.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCase, writeCase, type Case } from '../../src/verify/case.ts';
import { makeCase } from '../../src/verify/make.ts';
import { geometryOf, reference, verify, type Runner } from '../../src/verify/run.ts';
import { loadFile, root } from '../lower/load.ts';

const text = readFileSync(join(root, 'test/fixtures/vectors/carope.json'), 'utf8');

function read(source: string): Case {
  const made = readCase(source);
  if (!made.ok) throw new Error(made.problems.join('; '));
  return made.case;
}

interface Json {
  [name: string]: Json & { shape: number[]; data: unknown[] };
}

function problems(change: (json: Json) => void): readonly string[] {
  const json = JSON.parse(text) as Json;
  change(json);
  const made = readCase(JSON.stringify(json));
  return made.ok ? [] : made.problems;
}

describe('reading', () => {
  it('takes a case of the oracle and fills in what is left out', () => {
    expect(read(text).sizes).toEqual({
      B: 2,
      T: 9,
      heads: 3,
      kv_heads: 3,
      head_dim: 8,
      model_dim: 12,
      context: 9,
      layers: 1,
    });
  });

  it.each<[string, (json: Json) => void, RegExp]>([
    ['no sizes', (json) => delete json['sizes'], /^sizes is missing$/],
    ['a size of 0', (json) => Object.assign(json['sizes']!, { T: 0 }), /sizes.T is not a whole number above 0/],
    ['a missing size', (json) => delete json['sizes']!['heads'], /sizes.heads/],
    ['heads that do not divide', (json) => Object.assign(json['sizes']!, { kv_heads: 2 }), /3 is no multiple of .* 2/],
    [
      'a number for a flag',
      (json) => Object.assign(json, { bidirectional: 1 }),
      /^bidirectional is neither true nor false$/,
    ],
    ['no query', (json) => delete json['inputs']!['query'], /inputs.query is missing/],
    ['no output', (json) => delete json['outputs']!['output'], /outputs.output is missing/],
    ['too few numbers', (json) => json['inputs']!['x']!.data.pop(), /inputs.x.data has 215 numbers, .* 216/],
    ['text for a number', (json) => (json['cotangent']!.data[0] = '1'), /cotangent.data is not a flat list/],
    ['a shape that is none', (json) => (json['learned']!['W']!.shape = [12, -3]), /learned.W.shape/],
    [
      'another shape',
      (json) => (json['outputs']!['score']!.shape = [2, 27, 3, 3]),
      /outputs.score is \[2, 27, 3, 3\], not \[2, 3, 9, 9\]/,
    ],
    [
      'a list for an object',
      (json) => (json['gradients'] = [] as unknown as Json[string]),
      /gradients is not an object/,
    ],
  ])('%s', (_, change, wanted) => {
    const found = problems(change);
    expect(found.length).toBeGreaterThan(0);
    expect(
      found.some((problem) => wanted.test(problem)),
      found.join('; '),
    ).toBe(true);
  });

  it('says all that is wrong at once', () => {
    const found = problems((json) => {
      json['inputs']!['x']!.data.pop();
      json['cotangent']!.data[0] = null;
    });
    expect(found).toHaveLength(2);
  });

  it('not JSON', () => {
    const made = readCase('{');
    expect(made.ok ? '' : made.problems[0]).toMatch(/^not JSON: /);
    expect(readCase('[]').ok).toBe(false);
    expect(readCase('null').ok).toBe(false);
  });

  it('written and read back is the same', () => {
    const made = read(text);
    expect(read(writeCase(made))).toEqual(made);
    const both = { ...made, bidirectional: true };
    expect(read(writeCase(both))).toEqual(both);
  });
});

describe('comparing', () => {
  const vectors = read(text);
  const { attend } = loadFile('examples/carope.pe', { geometry: geometryOf(vectors.sizes) }).lowered!;
  const changed = (change: (data: Float64Array) => void, part: 'outputs' | 'gradients', name: string): Case => {
    const data = Float64Array.from(vectors[part][name]!.data);
    change(data);
    return { ...vectors, [part]: { ...vectors[part], [name]: { ...vectors[part][name]!, data } } };
  };

  it('says where the largest error is, and the two numbers', async () => {
    const wrong = changed((data) => (data[9 * 3 * 8 + 3 * 8 + 8 + 2]! += 1), 'outputs', 'output');
    const { rows, passed } = await verify(attend, wrong, reference, 1e-9);
    const row = rows.find(({ tensor }) => tensor === 'output')!;
    expect(passed).toBe(false);
    expect(row.passed).toBe(false);
    expect(row.where).toMatch(/^\[1, 1, 1, 2\]: \S+ for \S+$/);
  });

  it('a NaN is an infinite error', async () => {
    const wrong = changed((data) => (data[5] = Number.NaN), 'gradients', 'W');
    const { rows, passed } = await verify(attend, wrong, reference, 1e-9);
    expect(passed).toBe(false);
    expect(rows.find(({ tensor }) => tensor === 'W')!.error).toBe(Infinity);
  });

  it('an output that nothing is called is listed and does not fail', async () => {
    const more = { ...vectors, outputs: { ...vectors.outputs, other: vectors.outputs['phase']! } };
    const { rows, passed } = await verify(attend, more, reference, 1e-9);
    expect(rows.find(({ tensor }) => tensor === 'other')).toMatchObject({
      error: null,
      note: "no `let` of carope is called 'other'",
    });
    expect(passed).toBe(true);
  });

  it('a `let` of another shape is not compared', async () => {
    const turned = { shape: [2, 3, 9, 4], data: vectors.outputs['phase']!.data };
    const { rows } = await verify(
      attend,
      { ...vectors, outputs: { ...vectors.outputs, phase: turned } },
      reference,
      1e-9,
    );
    expect(rows.find(({ tensor }) => tensor === 'phase')).toMatchObject({
      error: null,
      note: '[2, 3, 9, 4] in the case, [2, 9, 3, 4] in the program',
    });
  });

  it('fails where output or a gradient was not compared', async () => {
    const without: Runner = async (task) => {
      const ran = await reference(task);
      return { ...ran, outputs: new Map([...ran.outputs].filter(([name]) => name !== 'output')) };
    };
    expect((await verify(attend, vectors, without, 1e-9)).passed).toBe(false);
    const unknown = { ...vectors, gradients: { ...vectors.gradients, other: vectors.gradients['W']! } };
    const { rows, passed } = await verify(attend, unknown, reference, 1e-9);
    expect(rows.find(({ tensor }) => tensor === 'other')!.error).toBeNull();
    expect(passed).toBe(false);
  });

  it('names learned tensors that do not match, both ways', async () => {
    const { W, ...rest } = vectors.learned;
    const renamed = { ...vectors, learned: { ...rest, V: W! } };
    const { problems: found, passed } = await verify(attend, renamed, reference, 1e-9);
    expect(found).toEqual([
      "the case has no 'W', which carope reads",
      "carope has no learned tensor 'V', which is in the case",
    ]);
    expect(passed).toBe(false);
  });

  it('names a shape that does not match', async () => {
    const W = { shape: [3, 12], data: vectors.learned['W']!.data };
    const { problems: found } = await verify(attend, { ...vectors, learned: { W } }, reference, 1e-9);
    expect(found).toEqual(["'W' is [3, 12] in the case, not [12, 3]"]);
  });
});

describe('writing', () => {
  const geometry = { heads: 2, kv_heads: 1, head_dim: 4, model_dim: 6, context: 8, layers: 3, layer: 0 };
  it.each(['rope', 'carope', 'comrope_ap', 'alibi', 'rope_learned'])('%s passes on its own case', async (name) => {
    const params = name.startsWith('comrope') ? { block: 2 } : {};
    const { checked, lowered } = loadFile(`examples/${name}.pe`, { geometry, params });
    const made = await makeCase(checked!, lowered!.attend, { batch: 2, tokens: 5, seed: 3 });
    const again = read(writeCase(made));
    expect(again.sizes).toEqual({ B: 2, T: 5, ...geometry, layer: undefined });
    const { rows, passed } = await verify(lowered!.attend, again, reference, 1e-12);
    expect(passed).toBe(true);
    expect(rows.map((row) => row.tensor)).toContain('query');
    expect('coordinates' in again.inputs).toBe(name.startsWith('comrope'));
  });

  it('the same seed gives the same case', async () => {
    const { checked, lowered } = loadFile('examples/carope.pe', { geometry });
    const make = (seed: number) => makeCase(checked!, lowered!.attend, { batch: 1, tokens: 3, seed });
    expect(writeCase(await make(4))).toBe(writeCase(await make(4)));
    expect(writeCase(await make(4))).not.toBe(writeCase(await make(5)));
  });
});
