// Every kernel that pegen emits for a CPU, as WebAssembly on one thread: the examples' encodings with fewer key heads than heads and
// the trainer's operations, forward and backward, against the float64 interpreter.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import type { Program } from '../../src/ir/ir.ts';
import { targetPlan } from '../../src/options.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { operationPrograms } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { segmentsOf } from '../../src/trainer/segments.ts';
import { decodeError, geometry as smallGeometry } from '../kernels/check-decode.ts';
import { differentiated } from '../kernels/differentiated.ts';
import { checkCase, randomValues } from '../kernels/check-plan.ts';
import type { Values } from '../kernels/run-plan.ts';
import { loadFile, root } from '../lower/load.ts';
import { runWasm } from './run-kernel.ts';

interface Run {
  readonly program: Program;
  readonly options: Partial<PlanOptions>;
  readonly batch: number;
  readonly tokens: number;
  readonly inputs?: Values;
}

function check({ options, ...run }: Run): void {
  const { errors } = checkCase({
    ...run,
    options: { ...targetPlan('wasm', 'f32'), ...options },
    orders: ['forward'],
    run: { execute: runWasm },
  });
  expect(Object.keys(errors).length).toBeGreaterThan(0);
  expect(Object.entries(errors).filter(([, error]) => !(error <= 2e-5))).toEqual([]);
}

const geometry = { heads: 4, kv_heads: 2, head_dim: 8, model_dim: 24, context: 16, layers: 2, layer: 1 };
const examples = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.pe'));

function checkExample(name: string, batch: number, tokens: number): void {
  const { attend, embed } = loadFile(`examples/${name}`, { geometry }).lowered!;
  check({ program: attend, options: differentiated(attend, 'output'), batch, tokens });
  if (embed !== null) check({ program: embed, options: differentiated(embed, 'embedding_encoded'), batch, tokens });
}

describe('examples', () => {
  it.each(examples)('%s', (name) => checkExample(name, 2, 9));
  it.each(['alibi.pe', 'carope.pe', 'rope_interleaved.pe'])('%s, one token', (name) => checkExample(name, 1, 1));
  it.each(['alibi.pe', 'carope.pe', 'comrope_ld.pe'])('%s, more tokens', (name) => checkExample(name, 3, 37));
});

it.each(['rope.pe', 'alibi.pe', 'carope.pe', 'comrope_ld_1d.pe'])('%s, token by token', (name) => {
  const { attend } = loadFile(`examples/${name}`, { geometry: smallGeometry }).lowered!;
  const options = targetPlan('wasm', 'f32');
  expect(decodeError(attend, [5, 1, 2, 1], options, { execute: runWasm })).toBeLessThan(2e-5);
});

const vocabulary = 5;
const sizes = { width: 12, heads: 2, kv_heads: 1, head_dim: 6, vocabulary };
const tokens = Int32Array.of(3, 0, 4, 3, 3, 1);

/** The optimizer is given second moments and corrections that are positive, the embedding sorted tokens. */
function special(name: string, rows: { readonly decayed: number; readonly plain: number }): Values {
  if (name.startsWith('update')) {
    const scalars = Float32Array.of(0.01, 0.1, 0.9, 0.95, 0.1, 0.05, 1e-8);
    const elements = name === 'updateDecayed' ? rows.decayed : rows.plain;
    return { scalars, clip: [0.5], second: randomValues(elements, 5).map((value) => 0.1 + value ** 2) };
  }
  if (name === 'embed') {
    const { order, start } = segmentsOf(tokens, vocabulary);
    return { tokens, tokens_order: order, tokens_start: start };
  }
  return name === 'clip' ? { decayed_squares: [2], plain_squares: [0.5], limit: [1] } : {};
}

describe("the trainer's operations", () => {
  const layout = layOut(configure({ layers: 1, heads: 2, kv_heads: 1, width: 12 }), vocabulary, []);
  const programs = operationPrograms(sizes, layout, { gradientOfX: true, precision: 'f32' });
  it.each(Object.entries(programs))('%s', (name, [program, options]) => {
    check({ program, options, batch: 2, tokens: 3, inputs: special(name, layout.size) });
  });
});
