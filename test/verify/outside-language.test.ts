// Encodings of language models against numbers of other people's code (fixtures/outside/language.py): outputs and gradients
// within 1e-9 of float64 by the interpreter, relative to the largest magnitude of each tensor.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Geometry } from '../../src/check/checked.ts';
import { readCase, type Case } from '../../src/verify/case.ts';
import { verifyEncoding } from '../../src/verify/embedding.ts';
import { geometryOf, reference } from '../../src/verify/run.ts';
import { loadText, mistaken, root } from '../lower/load.ts';

type Where = Partial<Pick<Geometry, 'layer'>>;
type Row = readonly [name: string, program: string, params?: Readonly<Record<string, number>>, where?: Where];

const rows: readonly Row[] = [
  ['rope', 'rope'],
  ['rope_interleaved', 'rope_interleaved'],
  ['rope_interleaved.cohere', 'rope_interleaved'],
  ['rope_learned', 'rope_learned'],
  ['rope_partial', 'rope_partial', { rotary_dim: 4 }],
  ['partial', 'catalogue/rotary/partial', { rotary_dim: 4 }],
  ['partial.glm', 'catalogue/rotary/partial', { rotary_dim: 4 }],
  ['p_rope', 'catalogue/rotary/p_rope'],
  ['xpos', 'catalogue/rotary/xpos', { unit: 16 }],
  ['irope.turning', 'catalogue/rotary/irope', { floor_scale: 3, chunk: 5 }],
  ['irope.plain', 'catalogue/rotary/irope', { floor_scale: 3, chunk: 5 }, { layer: 3 }],
  ['rnope.turning', 'catalogue/rotary/rnope'],
  ['rnope.plain', 'catalogue/rotary/rnope', {}, { layer: 3 }],
  ['linear', 'catalogue/scaling/linear'],
  ['rope_ntk', 'rope_ntk'],
  ['ntk_dynamic', 'catalogue/scaling/ntk_dynamic'],
  ['ntk_dynamic.short', 'catalogue/scaling/ntk_dynamic'],
  ['yarn', 'catalogue/scaling/yarn'],
  ['yarn.attention_factor', 'catalogue/scaling/yarn', { factor: 8, fast: 16, slow: 2, attention_factor: 1 }],
  ['yarn.gpt_oss', 'catalogue/scaling/yarn', { factor: 32, base: 150000, whole: 0 }],
  ['yarn.deepseek', 'catalogue/scaling/yarn', { factor: 40 }],
  ['longrope', 'catalogue/scaling/longrope'],
  ['longrope_tables.short', 'catalogue/scaling/longrope_tables'],
  ['longrope_tables.long', 'catalogue/scaling/longrope_tables'],
  ['llama3', 'catalogue/scaling/llama3', { original: 512 }],
  ['proportional.local', 'catalogue/scaling/proportional'],
  ['proportional.global', 'catalogue/scaling/proportional', {}, { layer: 5 }],
  ['sliding.local', 'catalogue/attention/sliding', { window: 4 }],
  ['sliding.global', 'catalogue/attention/sliding', { window: 4 }, { layer: 5 }],
  ['sliding_nope.turning', 'catalogue/attention/sliding_nope', { window: 3 }],
  ['sliding_nope.plain', 'catalogue/attention/sliding_nope', { window: 3 }, { layer: 3 }],
  ['sliding_encoder.local', 'catalogue/attention/sliding_encoder', { window: 2 }, { layer: 1 }],
  ['sliding_encoder.global', 'catalogue/attention/sliding_encoder', { window: 2 }],
  ['sink', 'catalogue/attention/sink'],
  ['retention', 'catalogue/attention/retention'],
  ['alibi', 'alibi'],
  ['alibi_heads', 'catalogue/bias/alibi_heads'],
  ['alibi_heads.mpt', 'catalogue/bias/alibi_heads'],
  ['t5', 't5', { buckets: 8, max_distance: 12 }],
  ['t5_encoder', 'catalogue/bias/t5_encoder', { buckets: 8, max_distance: 12 }],
  ['wavlm', 'catalogue/bias/wavlm', { buckets: 8, max_distance: 12 }],
  ['shaw', 'shaw', { far: 4 }],
  ['deberta', 'catalogue/relative/deberta', { far: 4 }],
  ['deberta_v3', 'catalogue/relative/deberta_v3', { buckets: 4, far: 12 }],
  ['transformer_xl', 'catalogue/relative/transformer_xl'],
  ['conformer_relative', 'catalogue/relative/conformer_relative'],
  ['shaw_keys', 'catalogue/relative/shaw_keys', { left: 4, right: 2 }],
  ['conformer', 'catalogue/rotary/conformer'],
  ['learned_absolute', 'learned_absolute'],
  ['learned_absolute.opt', 'learned_absolute'],
  ['sinusoidal', 'sinusoidal'],
  ['sinusoidal_split', 'catalogue/position/sinusoidal_split'],
  ['sinusoidal_t2t', 'catalogue/position/sinusoidal_t2t'],
  ['sinusoidal_t2t.fairseq', 'catalogue/position/sinusoidal_t2t', { first: 2 }],
  ['fox', 'fox'],
  ['path', 'path', { width: 4 }],
  ['path_fox', 'path_fox', { width: 4 }],
];

function numbers(name: string): Case {
  const read = readCase(readFileSync(join(root, `test/fixtures/outside/${name}.json`), 'utf8'));
  if (!read.ok) throw new Error(read.problems.join('; '));
  return read.case;
}

async function held([name, program, params = {}, where = {}]: Row, change: (text: string) => string = (text) => text) {
  const made = numbers(name);
  const path = `examples/${program}.pe`;
  const text = change(readFileSync(join(root, path), 'utf8'));
  const geometry = { ...geometryOf(made.sizes), bidirectional: made.bidirectional, ...where };
  const { lowered, diagnostics } = loadText(text, path, { geometry, params });
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  return { made, ...(await verifyEncoding(lowered!, made, reference, 1e-9)) };
}

describe('numbers of public code', () => {
  it.each(rows.map((row) => [row[0], row] as const))('%s', async (_, row) => {
    const { made, rows: compared, problems, passed, embedding } = await held(row);
    expect(problems).toEqual([]);
    expect(compared.filter((each) => !each.passed)).toEqual([]);
    expect(passed).toBe(true);
    expect(embedding).toBe(made.embedding === null ? null : 'case');
  });
});

describe('a wrong program fails', () => {
  const wrong: readonly (readonly [name: string, right: string, mistake: string])[] = [
    ['rope_partial', 'by position[t]', 'by -position[t]'],
    ['partial.glm', 'interleaved', ''],
    ['p_rope', 'floor(share', 'ceil(share'],
    ['xpos', '-power[t]', 'power[t]'],
    ['irope.turning', 'floor(i / chunk) ==', 'floor(i / chunk) >='],
    ['irope.plain', 'floor((position[t] + 1)', 'floor((position[t] + 2)'],
    ['rnope.plain', 'layer + 1', 'layer'],
    ['linear', 'position[t] / factor', 'position[t] * factor'],
    ['rope_ntk', 'head_dim - 2', 'head_dim'],
    ['ntk_dynamic', ' - (factor - 1)', ''],
    ['yarn', 'floor(at(fast))', 'ceil(at(fast))'],
    ['yarn.attention_factor', 'ceil(at(slow))', 'floor(at(slow))'],
    ['yarn.deepseek', '0.1 * log(factor) + 1', '1'],
    ['yarn.gpt_oss', 'else at(fast)', 'else floor(at(fast))'],
    ['longrope', 'sqrt(1 + log(factor) / log(context))', 'sqrt(sqrt(1 + log(factor) / log(context)))'],
    ['longrope_tables.short', 'length > context', 'length >= context'],
    ['longrope_tables.long', 'long[p] else short[p]', 'short[p] else long[p]'],
    ['llama3', '(high - low)', '(high + low)'],
    ['proportional.global', 'else moving(p)', 'else frequency(p, head_dim)'],
    ['sliding.local', 'i - j < window', 'i - j <= window'],
    ['sliding_encoder.local', '<= window', '< window'],
    ['sliding_encoder.global', 'mod(layer, every)', 'mod(layer + 1, every)'],
    ['sliding_nope.turning', 'interleaved', ''],
    ['retention', '-5 - h', '-4 - h'],
    ['sink', 'total[h, i] - empty[h]', 'total[h, i] + empty[h]'],
    ['alibi', '(h + 1)', 'h'],
    ['alibi_heads.mpt', '2 * (h - n) + 1', '2 * (h - n) + 2'],
    ['t5', '(buckets - half)', '(buckets - half - 1)'],
    ['wavlm', 'c[h] - 1', 'c[h] - 2'],
    ['shaw', 'output[i, h, d] +=', 'output[i, h, d] += 2 *'],
    ['deberta', 'rq[at(i - j)', 'rq[at(j - i)'],
    ['deberta_v3', 'ceil(log', 'floor(log'],
    ['transformer_xl', 'm / half)', 'm / (half - 1))'],
    ['conformer_relative', 'n - context + 1', 'n - context'],
    ['shaw_keys', 'j - i', 'i - j'],
    ['learned_absolute.opt', 'E[min(position[t]', 'E[min(position[t] + 1'],
    ['sinusoidal', 'floor(m / 2)', 'm / 2'],
    ['sinusoidal_t2t', '(half - 1)', 'half'],
    ['fox', 'j < s <= i](', 'j <= s <= i]('],
    ['path', '2 * sigmoid', 'sigmoid'],
    ['path_fox', '+= scale * sum', '+= sum'],
  ];
  it.each(wrong)('%s with %s as %s', async (name, right, mistake) => {
    const row = rows.find(([each]) => each === name)!;
    const { problems, passed } = await held(row, (text) => mistaken(text, right, mistake));
    expect(problems).toEqual([]);
    expect(passed).toBe(false);
  });
});
