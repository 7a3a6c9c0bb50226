// The report: self-contained, safe against hostile text, pictures that are real images; ticks, samples, refusals.
import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { refuseLookingAhead } from '../../src/trainer/causal.ts';
import { configure, defaults, presets, vocabularyRows } from '../../src/trainer/configuration.ts';
import { estimate, inWords, refuseTooLarge } from '../../src/trainer/memory.ts';
import { layOut, parameterCounts } from '../../src/trainer/parameters.ts';
import { ticks } from '../../src/trainer/report/chart.ts';
import { pictures } from '../../src/trainer/report/pictures.ts';
import { pngUri } from '../../src/trainer/report/png.ts';
import { reportPage, summaryTable } from '../../src/trainer/report/report.ts';
import type { RunSummary } from '../../src/trainer/report/report.ts';
import { choose } from '../../src/trainer/sample.ts';
import { stream } from '../../src/trainer/random.ts';
import { at, axis, call, defined, given, integer, program, read, reduce } from '../../src/ir/build.ts';
import { learnedAbsolute, rope } from './small-encodings.ts';

const sizes = { heads: 2, kv_heads: 2, head_dim: 8, model_dim: 16 };

const run = (name: string, sample = 'text'): RunSummary => ({
  name,
  source: 'encoding x {}',
  curve: [
    { step: 1, loss: 4.5, norm: 1 },
    { step: 10, loss: 2.25, norm: 0.5 },
  ],
  finalLoss: 2.25,
  evaluations: [
    { kind: 'measured', tokens: 64, windows: 32, loss: 2, perplexity: Math.exp(2) },
    { kind: 'measured', tokens: 128, windows: 16, loss: 2.5, perplexity: Math.exp(2.5) },
  ],
  tokensPerSecond: 12345.6,
  parameters: { model: 100000, encoding: 256 },
  sample,
  pictures: [],
});

describe('the page', () => {
  const hostile = '</script><script>alert(1)</script><img src=x onerror=alert(1)>\u2028"\'&';
  const page = reportPage({
    configuration: configure({}),
    corpus: hostile,
    device: hostile,
    runs: [run(hostile, hostile), run('rope')],
  });

  it('lets no text end what it stands in', () => {
    expect(page).not.toContain('<script>alert');
    expect(page).not.toContain('<img src=x');
    expect(page.match(/<script/g)).toEqual(['<script']);
    expect(page.match(/<\/script/g)).toEqual(['</script']);
  });

  it('holds its data as JSON', () => {
    const json = /<script type="application\/json" id="data">(.*)<\/script>/s.exec(page)![1]!;
    const data = JSON.parse(json) as { runs: RunSummary[] };
    expect(data.runs[0]!.sample).toBe(hostile);
    expect(data.runs[1]!.curve.length).toBe(2);
  });

  it('needs nothing from elsewhere', () => {
    expect(page).not.toMatch(/https?:|src="(?!data:)|@import|url\(/);
  });

  it('has a table, which says where an encoding has no positions', () => {
    expect(summaryTable([run('rope')])).toEqual([
      ['encoding', 'training loss', 'perplexity at 64', 'at 128', 'tokens/s', 'parameters added'],
      ['rope', '2.2500', '7.389', '12.182', '12,346', '256'],
    ]);
    const bounded = run('table');
    const evaluations = [bounded.evaluations[0]!, { kind: 'out of reach', tokens: 128, rows: 64 } as const];
    expect(summaryTable([{ ...bounded, evaluations }])[1]).toEqual([
      'table',
      '2.2500',
      '7.389',
      'table has 64 rows',
      '12,346',
      '256',
    ]);
  });
});

it('ticks are round and inside', () => {
  expect(ticks(1.9, 4.6, 6)).toEqual([2, 2.5, 3, 3.5, 4, 4.5]);
  expect(ticks(0, 400, 8)).toEqual([0, 50, 100, 150, 200, 250, 300, 350, 400]);
});

describe('pictures', () => {
  const ofText = { x: new Float64Array(6 * 16), embedding: new Float64Array(6 * 16) };

  it('are PNG images', () => {
    const pixels = Uint8Array.from({ length: 2 * 3 * 4 }, (_, n) => n);
    const file = Buffer.from(pngUri(2, 3, pixels).replace('data:image/png;base64,', ''), 'base64');
    expect(file.subarray(1, 4).toString()).toBe('PNG');
    const start = file.indexOf('IDAT');
    const rows = inflateSync(file.subarray(start + 4, start + 4 + file.readUInt32BE(start - 4)));
    expect([...rows.subarray(0, 9)]).toEqual([0, 0, 1, 2, 3, 4, 5, 6, 7]);
    expect(rows.length).toBe(3 * 9);
  });

  it('of rope: phases from 0 on, and scores that fall with distance only', () => {
    const inputs = { tokens: 6, ...ofText, learned: {} };
    const drawn = pictures(rope(sizes), inputs);
    expect(drawn.map(({ title }) => title)).toEqual(['Phases', 'Scores']);
    expect(drawn[0]!.high).toBe(1);
    expect([drawn[1]!.rows, drawn[1]!.columns]).toEqual([6, 6]);
    expect(drawn[1]!.high).toBeCloseTo(8 / Math.sqrt(8), 12); // a token with itself
  });

  it('of learned positions: what the embedding gets', () => {
    const E = Float64Array.from({ length: 4 * 16 }, (_, n) => n);
    const drawn = pictures(learnedAbsolute(sizes, 4), {
      tokens: 4,
      ...ofText,
      embedding: new Float64Array(4 * 16),
      learned: { E },
    });
    const [last] = drawn.slice(-1);
    expect([last!.title, last!.low, last!.high]).toEqual(['Added to the embedding', 0, 63]);
  });
});

describe('sampling', () => {
  const logits = [1, 3, 2, 3, -1];
  it('takes the likeliest at temperature 0, and never outside the top', () => {
    expect(choose(logits, { temperature: 0, top: 0 }, 0.99)).toBe(1);
    const { uniform } = stream(1, 'x');
    const seen = new Set(Array.from({ length: 200 }, (_, n) => choose(logits, { temperature: 1, top: 3 }, uniform(n))));
    expect([...seen].sort()).toEqual([1, 2, 3]);
  });
  it('draws by the softmax', () => {
    const { uniform } = stream(2, 'x');
    const counts = [0, 0];
    for (let n = 0; n < 4000; n += 1) {
      const id = choose([0, Math.log(3)], { temperature: 1, top: 0 }, uniform(n));
      counts[id] = counts[id]! + 1;
    }
    expect(counts[1]! / 4000).toBeCloseTo(0.75, 1);
  });
});

describe('what is refused', () => {
  it('GPT-2 124M where a binding holds 128 MiB, with every number and flag', () => {
    const configuration = configure(presets['gpt2-124m']!);
    const layout = layOut(configuration, 50257, []);
    const device = { description: 'a small adapter', maxBufferBytes: 128 * 2 ** 20, language: 'wgsl' } as const;
    const refused = (): void => refuseTooLarge(configuration, 50257, layout, device);
    expect(refused).toThrow(/at most 128 MiB/);
    expect(refused).toThrow(/the embedding table \[50257, 768\]: 154\.4 MB \(lower --width or --vocabulary\)/);
    expect(refused).toThrow(/attention scores of a micro-batch \[4, 12, 1024, 1024\]: 201\.3 MB/);
    expect(parameterCounts(layout).model).toBe(124439808 - 1024 * 768); // GPT-2's, less its position embedding
    expect(inWords(estimate(configuration, 50257, layout, device).parameters)).toBe('1.98 GB');
    expect(() => refuseTooLarge(configure({}), 98, layOut(defaults, 98, []), device)).not.toThrow();
  });

  it('half of it for activations in bf16, and a copy of the matrices more', () => {
    const large = { language: 'cuda', maxBufferBytes: 2 ** 36 } as const;
    const bytes = (precision: 'f32' | 'bf16') => {
      const configuration = configure({ ...presets['gpt2-124m'], batch: 32, precision });
      return estimate(configuration, 50304, layOut(configuration, 50304, []), large);
    };
    const [wide, narrow] = [bytes('f32'), bytes('bf16')];
    const scores = 2 * 4 * 32 * 12 * 1024 * 1024; // in float32 either way
    expect(narrow.activations - scores).toBe((wide.activations - scores) / 2);
    expect(narrow.parameters - wide.parameters).toBe(2 * 123_568_128); // all matrices: [50304, 768] and 12 blocks
  });

  it('not the logits, which are made in chunks, nor scores where attention is blockwise', () => {
    const configuration = configure({ ...presets['gpt2-124m'], batch: 16 });
    const layout = layOut(configuration, 50304, []);
    const room = { description: 'a machine', maxBufferBytes: 9e8 }; // the logits would take 3.3 GB
    const on = (language: 'wgsl' | 'wasm') => () =>
      refuseTooLarge(configuration, 50304, layout, { ...room, maxBufferBytes: 8e8, language });
    expect(on('wgsl')).toThrow(/attention scores of a micro-batch \[16, 12, 1024, 1024\]: 805\.3 MB/);
    expect(on('wasm')).not.toThrow();
    expect(() => refuseTooLarge(configuration, 50304, layout, { ...room, language: 'wgsl' })).not.toThrow();
    const activations = (language: 'wgsl' | 'wasm', maxBufferBytes: number) =>
      estimate(configuration, 50304, layout, { language, maxBufferBytes }).activations;
    const logits = (words: number) => 2 * 4 * 16 * 1024 * words; // and their gradient; 3904 words at once are 256 MB
    const scores = 4 * (12 + 2) * 16 * 12 * 1024 * 1024; // of twelve blocks, and one with its gradient
    expect(activations('wgsl', 4e9) - activations('wasm', 4e9)).toBe(logits(50304) - logits(3904) + scores);
  });

  it.each([
    [{ heads: 3 }, /width 64 is no multiple of 3 heads/],
    [{ width: 12, heads: 4 }, /a head has 3 features/],
    [{ heads: 4, kv_heads: 3 }, /4 heads cannot share 3 key heads/],
    [{ steps: 0, rate: -1 }, /steps is 0; it must be a whole number from 1\nrate is -1; it must be above 0/],
    [{ momentum: 1 }, /momentum is 1; it must be from 0 to below 1/],
  ])('%o', (given, message) => {
    expect(() => configure(given)).toThrow(message);
  });

  it('a table smaller than the vocabulary', () => {
    expect(() => vocabularyRows(configure({ vocabulary: 50 }), 98)).toThrow(/98 different tokens, .* 50 rows/);
    expect(vocabularyRows(configure({}), 98)).toBe(98);
  });

  it('an encoding that sees later tokens, with its line', () => {
    const [token, other] = [axis('t', 'tokens', 'token'), axis('s', 'tokens', 'token')];
    const x = given('x', [token], 'x');
    const make = (ahead: boolean) => {
      const out = defined('total', [token]);
      const here = call('less_equal', at(other), call('add', at(token), integer(ahead ? 1 : 0)));
      const body = call('select', here, read(x, [at(other)]), call('real', integer(0)));
      const span = { file: 'a.pe', start: 14, end: 20 };
      const definition = reduce('sum', out, [other], body, span as never);
      return program({ name: 'a', inputs: [x], definitions: [definition], results: { output: out } });
    };
    const source = { path: 'a.pe', text: 'encoding a {\n let total' };
    expect(() => refuseLookingAhead(make(true), 'output', source)).toThrow(/a\.pe:2: 'total' reads later tokens/);
    expect(() => refuseLookingAhead(make(false), 'output', source)).not.toThrow();
  });
});
