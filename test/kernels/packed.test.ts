// Query, key and value in one buffer, and their gradients: every example in the simulator against the float64 interpreter.
// A plan takes `qkv` and gives `d_qkv`, each written whole; what is turned in place stays right for backward.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { EntryPlan, Plan, PlanOptions, Profile } from '../../codegen/plan/plan.ts';
import { evaluateSize } from '../../codegen/plan/size.ts';
import { verifyPlan } from '../../codegen/plan/verify.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Program } from '../../src/ir/ir.ts';
import { loadFile, loadText, root } from '../lower/load.ts';
import { inputsOf } from './check-plan.ts';
import { runPlan, wholeSizes, worstError, type Values } from './run-plan.ts';

const names = readdirSync(join(root, 'examples'))
  .filter((file) => file.endsWith('.pe'))
  .map((file) => file.replace('.pe', ''));

const geometry: Geometry = {
  heads: 2,
  kv_heads: 2,
  head_dim: 8,
  model_dim: 6,
  context: 9,
  layers: 1,
  layer: 0,
};

const attend = (name: string, change: Partial<Geometry> = {}): Program => {
  const params = name.startsWith('comrope') && !name.endsWith('1d') ? { block: 4 } : {};
  return loadFile(`examples/${name}.pe`, { geometry: { ...geometry, ...change }, params }).lowered!.attend;
};

const wantedOf = (program: Program): string[] =>
  program.inputs
    .filter(({ type, origin }) => type === 'real' && !(origin.kind === 'given' && origin.given === 'user'))
    .map(({ name }) => name);

const ends = ['query', 'key', 'value'] as const;
const rowsOf = ({ heads, kv_heads }: Geometry): readonly number[] => [heads, kv_heads, kv_heads];

/** [points, rows, features] of each end side by side: [points, all rows, features]. */
function together(parts: readonly ArrayLike<number>[], rows: readonly number[], features: number): Float64Array {
  const all = rows.reduce((sum, each) => sum + each, 0) * features;
  const points = parts[0]!.length / (rows[0]! * features);
  const made = new Float64Array(points * all);
  for (let point = 0; point < points; point += 1) {
    let at = point * all;
    parts.forEach((part, n) => {
      const width = rows[n]! * features;
      for (let k = 0; k < width; k += 1) made[at + k] = part[point * width + k]!;
      at += width;
    });
  }
  return made;
}

interface Run {
  readonly plan: Plan;
  readonly errors: Record<string, number>;
}

function check(name: string, change: Partial<Geometry>, options: Partial<PlanOptions>, profile: Profile): Run {
  return checkProgram(attend(name, change), { ...geometry, ...change }, options, profile);
}

function checkProgram(program: Program, shape: Geometry, options: Partial<PlanOptions>, profile: Profile): Run {
  const [batch, tokens] = [2, 5];
  const plan = buildPlan(program, { gradients: wantedOf(program), packed: true, ...options });
  expect(verifyPlan(plan, options.maxBindings ?? 8)).toEqual([]);
  const all = plan.gradients!;
  const inputs = inputsOf(all, batch, tokens);
  const expected = interpret(all, { batch, tokens }, inputs as Record<string, ArrayLike<number>>);
  const join = (parts: readonly ArrayLike<number>[]) => together(parts, rowsOf(shape), shape.head_dim);
  const given: Values = { ...inputs, qkv: join(ends.map((end) => inputs[end]!)) };
  for (const end of ends) delete given[end];
  const actual = runPlan(plan, wholeSizes(batch, tokens), given, { order: 'random', profile });
  const valueOf = (result: string): ArrayLike<number> => expected.get(all.results.get(result)!.name)!;
  const errors: Record<string, number> = {
    output: worstError(actual.get('output')!, valueOf('output')),
    d_qkv: worstError(actual.get('d_qkv')!, join(ends.map((end) => valueOf(`d_${end}`)))),
  };
  for (const result of all.results.keys()) {
    const isEnd = ends.some((end) => result === `d_${end}`);
    if (!isEnd && result.startsWith('d_')) errors[result] = worstError(actual.get(result)!, valueOf(result));
  }
  return { plan, errors };
}

const entryOf = (plan: Plan, name: string): EntryPlan => plan.entries.find((entry) => entry.name === name)!;

describe.each(names)('%s', (name) => {
  it.each([
    ['matrix products', {}, { contract: 'always', chunk: 4 }, 'portable'],
    ['loops and fewer key heads', { heads: 4 }, { contract: 'never', chunk: 2 }, 'software'],
    [
      'a library beside, and fewer key heads',
      { heads: 4 },
      { contract: 'always', library: true, maxBindings: 64 },
      'software',
    ],
    [
      'strips of queries on a CPU',
      { heads: 4 },
      { machine: 'cpu', blockwise: true, maxBindings: 64, contract: 'always' },
      'software',
    ],
    ['a library beside', {}, { contract: 'always', library: true, maxBindings: 64, access: 16 }, 'software'],
  ] as const)('%s', (_, change, options, profile) => {
    const { errors } = check(name, change, options, profile);
    expect(Math.max(...Object.values(errors)), JSON.stringify(errors)).toBeLessThan(5e-6);
  });
});

const odd = { heads: 3, kv_heads: 1, head_dim: 6 };
const wide = { access: 16, lanes: 256 } as const;

describe('rows that no access of 16 bytes divides', () => {
  it.each(['rope', 'rope_interleaved', 'carope', 'alibi'])('%s', (name) => {
    const { errors } = check(name, odd, wide, 'software');
    expect(Math.max(...Object.values(errors)), JSON.stringify(errors)).toBeLessThan(5e-6);
  });
});

describe.each([
  ['bf16', 0.03],
  ['f32', 0.012],
] as const)('stored as bf16, %s inside', (inside, tolerance) => {
  it.each(['rope', 'carope', 'comrope_ld', 'alibi'])('%s', (name) => {
    const options = { ...wide, precision: 'bf16', inside, library: true, maxBindings: 64 } as const;
    const { errors } = check(name, { heads: 4 }, options, 'software');
    expect(Math.max(...Object.values(errors)), JSON.stringify(errors)).toBeLessThan(tolerance);
  });
});

describe('plans with one buffer', () => {
  const planOf = (name: string, options: Partial<PlanOptions> = {}): Plan => {
    const program = attend(name);
    return buildPlan(program, { packed: true, gradients: wantedOf(program), ...options });
  };
  const inputs = (plan: Plan, entry: string) => entryOf(plan, entry).inputs.map(({ buffer }) => buffer.name);
  const outputs = (plan: Plan, entry: string) =>
    entryOf(plan, entry).outputs.map(({ buffer, aliases }) => [buffer.name, aliases]);

  it('turn query and key where they lie, and give no tensor of their own', () => {
    const plan = planOf('rope');
    expect(inputs(plan, 'forward')).toEqual(['angle_cos', 'angle_sin', 'qkv']);
    expect(outputs(plan, 'forward')).toEqual([
      ['output', null],
      ['qkv', 'qkv'],
      ['attention', null],
    ]);
    expect(inputs(plan, 'backward')).toContain('qkv');
    expect(outputs(plan, 'backward')).toEqual([['d_qkv', null]]);
    expect(entryOf(plan, 'decode')).toBeUndefined();
  });

  it('count the bytes of the rows that a kernel moves', () => {
    const bytes = (packed: boolean) =>
      planOf('rope', { packed }).entries[0]!.launches.map(({ kernel }) =>
        evaluateSize(kernel.cost.bytes, wholeSizes(2, 7)),
      );
    expect(bytes(true)).toEqual(bytes(false));
  });

  it('leave the buffer alone where nothing is turned in place', () => {
    expect(outputs(planOf('comrope_ld'), 'forward').map(([name]) => name)).toContain('query_encoded');
    for (const name of ['nope', 'alibi', 'comrope_ld'])
      expect(
        outputs(planOf(name), 'forward').map(([made]) => made),
        name,
      ).not.toContain('qkv');
  });

  it('keep gradients apart where not all three are asked for', () => {
    const plan = planOf('rope', { gradients: ['query', 'value'] });
    expect(outputs(plan, 'backward').map(([name]) => name)).toEqual(['d_query', 'd_value']);
  });

  it('have names of their own', () => {
    const text = readFileSync(join(root, 'examples/carope.pe'), 'utf8');
    const renamed = text.replaceAll(/\bphase\b/g, 'qkv');
    const { lowered } = loadText(renamed, 'examples/renamed.pe', { geometry });
    const { errors } = checkProgram(lowered!.attend, geometry, {}, 'software');
    expect(Math.max(...Object.values(errors)), JSON.stringify(errors)).toBeLessThan(5e-6);
  });

  it('store one type', () => {
    const types = planOf('carope', { precision: 'bf16' }).entries.flatMap(({ inputs: taken, outputs: made }) =>
      [...taken, ...made].filter(({ buffer }) => buffer.name.endsWith('qkv')).map(({ buffer }) => buffer.type),
    );
    expect(new Set(types)).toEqual(new Set(['bf16']));
  });
});
