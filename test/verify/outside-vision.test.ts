// Numbers of encodings over several axes from other people's code (test/fixtures/outside/vision.py), through parser, checker,
// lowering, interpreter and reverse mode: all outputs and gradients within 1e-9 of the largest magnitude of each tensor.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Lowered } from '../../src/lower/lower.ts';
import { readCase, type Case } from '../../src/verify/case.ts';
import { verifyEncoding } from '../../src/verify/embedding.ts';
import { geometryOf, reference } from '../../src/verify/run.ts';
import { loadText, mistaken, root } from '../lower/load.ts';

interface Row {
  readonly vectors: string;
  readonly program: string;
  readonly params?: Readonly<Record<string, number>>;
}

const row = (vectors: string, program: string, params = {}): Row => ({ vectors, program, params });

const rows: readonly Row[] = [
  row('mrope', 'axes/mrope'),
  row('mrope_interleaved', 'axes/mrope_interleaved'),
  row('mrope.omni', 'axes/mrope'),
  row('glm4v', 'outside/glm4v', { time: 1, height: 1 }),
  row('hunyuan_vl', 'outside/hunyuan_vl'),
  row('ernie_vl', 'outside/ernie_vl', { mixed: 4 }),
  row('axial', 'axes/axial'),
  row('axial.sam2', 'axes/axial'),
  row('axial.llama4', 'axes/axial'),
  row('mixed', 'axes/mixed'),
  row('mixed.lightglue', 'axes/mixed'),
  row('video', 'axes/video', { time: 4, side: 4 }),
  row('mrope_interleaved.genlip', 'axes/mrope_interleaved', { mixed: 8, base: 10000 }),
  row('axial_split', 'axes/axial_split'),
  row('pixtral', 'axes/pixtral'),
  row('kimi_vision', 'outside/kimi_vision'),
  row('gemma4_vision', 'outside/gemma4_vision'),
  row('dinov3', 'axes/dinov3'),
  row('dinov3.training', 'axes/dinov3'),
  row('vjepa2', 'outside/vjepa2'),
  row('axial_pixel', 'outside/axial_pixel'),
  row('minimax_m3_vision', 'outside/minimax_m3_vision'),
  row('rope_interleaved.lucid', 'rope_interleaved'),
  row('linear.lucid', 'scaling/linear', { factor: 4 }),
  row('ntk.lucid', 'scaling/ntk', { factor: 4 }),
  row('xpos.lucid', 'rotary/xpos', { unit: 16 }),
  row('rope_learned.lucid', 'rope_learned'),
  row('swin_table', 'bias/swin_table', { window: 3 }),
  row('swin_table.maxvit', 'bias/swin_table', { window: 3 }),
  row('log_cpb', 'bias/log_cpb', { units: 6, window: 3 }),
  row('log_cpb.finetuned', 'bias/log_cpb', { units: 6, window: 5 }),
  row('beit', 'outside/beit', { window: 3 }),
  row('levit', 'outside/levit', { window: 3 }),
  row('decomposed', 'bias/decomposed', { window: 3 }),
  row('decomposed.botnet', 'bias/decomposed', { window: 3 }),
  row('gpsa', 'attention/gpsa'),
  row('sincos_2d', 'position/sincos_2d'),
  row('sincos_2d.moco', 'position/sincos_2d'),
  row('factorised', 'position/factorised', { side: 3 }),
  row('cpe_grid', 'position/cpe_grid', { columns: 4 }),
  row('sam_points', 'outside/sam_points'),
  row('detr', 'outside/detr', { rows: 2, columns: 4 }),
  row('music_flamingo', 'outside/music_flamingo'),
  row('learned_absolute.vit', 'learned_absolute'),
  row('sinusoidal.videomae', 'sinusoidal'),
];

const folder = join(root, 'test/fixtures/outside');

function casesOf(name: string): Case {
  const read = readCase(readFileSync(join(folder, `${name}.json`), 'utf8'));
  if (!read.ok) throw new Error(`${name}: ${read.problems.join('; ')}`);
  return read.case;
}

function load({ program, params = {} }: Row, made: Case, change = (text: string) => text): Lowered {
  const path = pathOf(program);
  const geometry = { ...geometryOf(made.sizes), bidirectional: made.bidirectional };
  const { lowered, diagnostics } = loadText(change(readFileSync(join(root, path), 'utf8')), path, { geometry, params });
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  return lowered!;
}

function pathOf(program: string): string {
  if (program.startsWith('outside/')) return `test/fixtures/${program}.pe`;
  return program.includes('/') ? `examples/catalogue/${program}.pe` : `examples/${program}.pe`;
}

const named = (prefix: string, { outputs, gradients }: Pick<Case, 'outputs' | 'gradients'>): readonly string[] => [
  ...Object.keys(outputs).map((name) => `${prefix}: output ${name}`),
  ...Object.keys(gradients).map((name) => `${prefix}: gradient ${name}`),
];

describe('numbers of other packages', () => {
  it.each(rows.map((row) => [row.vectors, row] as const))('%s', async (name, row) => {
    const made = casesOf(name);
    const { rows: compared, problems, passed } = await verifyEncoding(load(row, made), made, reference, 1e-9);
    expect(problems).toEqual([]);
    const wanted = [
      ...named('attention', made),
      ...(made.embedding === null ? [] : named('embedding', made.embedding)),
    ];
    const seen = compared
      .filter(({ part }) => part !== 'x')
      .map(({ part, kind, tensor }) => `${part}: ${kind} ${tensor}`);
    expect(seen.toSorted()).toEqual(wanted.toSorted());
    for (const { tensor, error, where } of compared) expect(error, `${tensor} ${where}`).toBeLessThan(1e-9);
    expect(passed).toBe(true);
  });
});

describe('a wrong program fails', () => {
  const wrong: readonly (readonly [vectors: string, right: string, mistake: string, tensor: string])[] = [
    ['mrope', 'time = head_dim / 8', 'time = head_dim / 8 + 1', 'key_encoded'],
    ['mrope_interleaved', 'mod(p, 3)', '2 - mod(p, 3)', 'query_encoded'],
    ['axial.llama4', 'position[t, 1]', '(position[t, 1] + 1e-6)', 'query_encoded'],
    ['mixed', 'sum[k: coordinate](position[t, k]', 'sum[k: coordinate](position[t, 1 - k]', 'speed'],
    ['video', 'interleaved from time + side', 'from time + side', 'key_encoded'],
    ['pixtral', '2 * mod(p, head_dim / 4) + half(p)', '2 * mod(p, head_dim / 4)', 'key_encoded'],
    ['dinov3.training', '+ s[k]) * e[k]', '* e[k] + s[k])', 'query_encoded'],
    ['vjepa2', 'mod(d, share / 2)', 'floor(mod(d, share) / 2)', 'query_encoded'],
    ['hunyuan_vl', 'floor(d / share)', 'floor(mod(d, half) / (share / 2))', 'key_encoded'],
    ['xpos.lucid', '0.4', '0.4001', 'query'],
    ['swin_table.maxvit', 'position[i, k] - position[j, k]', 'position[j, k] - position[i, k]', 'B'],
    ['log_cpb.finetuned', 'log2(1 +', 'log(1 +', 'w1'],
    ['decomposed', 'query[i, h, d] * (', 'scale * query[i, h, d] * (', 'Ry'],
    ['gpsa', 'position[j, k] - position[i, k]', 'position[i, k] - position[j, k]', 'v'],
    ['sincos_2d', '1 - floor(m / (2 * quarter))', 'floor(m / (2 * quarter))', 'embedding_encoded'],
    ['cpe_grid', '0 <= mod(t, columns) + v - n < columns', 'true', 'c'],
    ['learned_absolute.vit', 'min(position[t],', 'min(position[t] + 1,', 'E'],
  ];
  it.each(wrong)('%s with %s as %s', async (name, right, mistake, tensor) => {
    const made = casesOf(name);
    const found = rows.find(({ vectors }) => vectors === name)!;
    const program = load(found, made, (text) => mistaken(text, right, mistake));
    const { rows: compared, passed } = await verifyEncoding(program, made, reference, 1e-9);
    expect(passed).toBe(false);
    expect(compared.find((each) => each.tensor === tensor)?.passed).toBe(false);
  });
});
