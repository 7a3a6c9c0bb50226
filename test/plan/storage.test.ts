// Which tensors are bf16: tables to be read by a person, each part of the rule by a program made for it, and what must hold
// of every plan.

import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { BufferPlan, Plan, PlanOptions } from '../../codegen/plan/plan.ts';
import { evaluateSize } from '../../codegen/plan/size.ts';
import type { Geometry } from '../../src/check/checked.ts';
import { at, axis, call, defined, expm, given, map, program, read, reduce, scan } from '../../src/ir/build.ts';
import type { Program, Role } from '../../src/ir/ir.ts';
import { tensorsOf } from '../../src/ir/visit.ts';
import { targetPlan } from '../../src/options.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { operationPrograms } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { loadFile } from '../lower/load.ts';

const geometry: Geometry = {
  heads: 12,
  kv_heads: 12,
  head_dim: 64,
  model_dim: 768,
  context: 1024,
  layers: 12,
  layer: 0,
};

const planOf = (made: Program, options: Partial<PlanOptions>): Plan =>
  buildPlan(made, { ...targetPlan('cuda', 'bf16'), ...options });

function attendOf(
  path: string,
  precision: 'f32' | 'bf16' = 'bf16',
  inside: PlanOptions['inside'] = 'bf16',
  more: Partial<PlanOptions> = {},
): Plan {
  const { attend } = loadFile(path, { geometry }).lowered!;
  const inputs = attend.inputs.filter(
    ({ type, origin }) => type === 'real' && !(origin.kind === 'given' && ['user', 'position'].includes(origin.given)),
  );
  const learned = inputs.filter(({ origin }) => origin.kind === 'learned');
  return planOf(attend, {
    ...more,
    precision,
    inside,
    gradients: inputs.map(({ name }) => name),
    accumulate: learned.map(({ name }) => name),
  });
}

/** Every buffer of every entry: what launches bind and what callers give. */
const buffersOf = ({ entries }: Plan): BufferPlan[] =>
  entries.flatMap(({ inputs, outputs, temporaries, launches }) => [
    ...[...inputs, ...outputs].map(({ buffer }) => buffer),
    ...temporaries,
    ...launches.flatMap(({ buffers }) => buffers),
  ]);

/** A line a type: 'bf16: query, key'. Buffers of partial sums and carries, which hold no tensor, are left out. */
function types(plan: Plan): string {
  const lines = (['bf16', 'f32', 'i32'] as const).map((type) => {
    const own = buffersOf(plan).filter((buffer) => buffer.type === type && buffer.tensor !== null);
    return `${type.padStart(4)}: ${[...new Set(own.map(({ name }) => name))].toSorted().join(' ')}`;
  });
  return `\n${lines.filter((line) => !line.endsWith(': ')).join('\n')}\n`;
}

describe('encodings', () => {
  it('rope', () =>
    expect(types(attendOf('examples/rope.pe'))).toMatchInlineSnapshot(`
      "
      bf16: attention d_attention_logit d_key d_output d_query d_value key key_encoded output query query_encoded value value_cache
       f32: angle_cos angle_sin d_attention query_key
      "
    `));
  it('carope', () =>
    expect(types(attendOf('examples/carope.pe'))).toMatchInlineSnapshot(`
      "
      bf16: attention d_attention_logit d_key d_output d_query d_value d_x key key_encoded output query query_encoded value value_cache x
       f32: W d_W d_attention d_f_sum d_phase f_sum phase phase_carry query_key
      "
    `));
  it('comrope_ap', () =>
    expect(types(attendOf('examples/comrope_ap.pe'))).toMatchInlineSnapshot(`
      "
      bf16: attention d_attention_logit d_key d_key_encoded d_output d_query d_query_encoded d_value key key_encoded output query query_encoded value value_cache
       f32: A P d_A d_P d_attention d_matrix d_matrix_generator matrix matrix_generator position query_key
      "
    `));
  it('alibi', () =>
    expect(types(attendOf('examples/alibi.pe'))).toMatchInlineSnapshot(`
      "
      bf16: attention d_attention_logit d_key d_output d_query d_value key key_cache output query value value_cache
       f32: d_attention query_key slope
      "
    `));
  it('fox', () =>
    expect(types(attendOf('test/fixtures/programs/fox.pe'))).toMatchInlineSnapshot(`
      "
      bf16: attention d_attention_logit d_key d_output d_query d_value d_x key key_cache output query value value_cache x
       f32: b d_attention d_b d_log_f_sum d_score_running_sum_sum d_w log_f_sum query_key score_running_sum score_running_sum_carry w
      "
    `));
});

describe('encodings, only the borders bf16', () => {
  it('rope', () =>
    expect(types(attendOf('examples/rope.pe', 'bf16', 'f32'))).toMatchInlineSnapshot(`
    "
    bf16: d_key d_output d_query d_value key output query value value_cache
     f32: angle_cos angle_sin attention d_attention d_key_encoded d_query_encoded key_encoded query_encoded query_key
    "
  `));
  it('carope', () =>
    expect(types(attendOf('examples/carope.pe', 'bf16', 'f32'))).toMatchInlineSnapshot(`
    "
    bf16: d_key d_output d_query d_value d_x key output query value value_cache x
     f32: W attention d_W d_attention d_f_sum d_key_encoded d_phase d_query_encoded f_sum key_encoded phase phase_carry query_encoded query_key
    "
  `));
});

describe('an encoding that reads the embedding', () => {
  const path = 'examples/catalogue/rotary/carope_embedding.pe';
  it('takes it as a stream', () =>
    expect(types(attendOf(path))).toMatchInlineSnapshot(`
    "
    bf16: attention d_attention_logit d_embedding d_key d_output d_query d_value embedding key key_encoded output query query_encoded value value_cache
     f32: W d_W d_attention d_f_sum d_phase f_sum phase phase_carry query_key
    "
  `));
  it('or as the table, which is a copy of weights', () => {
    const vocabulary = { kind: 'known', words: 256, tokens: null } as const;
    expect(types(attendOf(path, 'bf16', 'bf16', { vocabulary }))).toMatchInlineSnapshot(`
      "
      bf16: attention d_attention_logit d_key d_output d_query d_value key key_encoded output query query_encoded value value_cache vocabulary
       f32: W d_W d_attention d_f d_f_of_word d_phase d_vocabulary f f_sum_of_word phase phase_carry query_key
       i32: tokens tokens_order tokens_start
      "
    `);
  });
});

describe('GPT-2', () => {
  const sizes = { width: 768, heads: 12, kv_heads: 12, head_dim: 64, vocabulary: 50304 };
  const layout = layOut(configure({ layers: 1, heads: 12, width: 768 }), sizes.vocabulary, []);
  const programs = operationPrograms(sizes, layout, { gradientOfX: true, precision: 'bf16' });
  const table = (name: keyof typeof programs): string => types(planOf(...programs[name]));
  it('embed', () =>
    expect(table('embed')).toMatchInlineSnapshot(`
      "
      bf16: d_embedding embedding table
       f32: d_table
       i32: tokens tokens_order tokens_start
      "
    `));
  it('project', () =>
    expect(table('project')).toMatchInlineSnapshot(`
      "
      bf16: attention_weight d_hidden d_qkv d_x d_x_from_qkv_product hidden qkv x
       f32: attention_bias d_attention_bias d_attention_weight d_norm_bias d_norm_weight d_x_2 norm_bias norm_weight x_mean x_squares
      "
    `));
  it('mix', () =>
    expect(table('mix')).toMatchInlineSnapshot(`
      "
      bf16: attended d_attended d_output hidden output weight
       f32: bias d_bias d_weight
      "
    `));
  it('mlp', () =>
    expect(table('mlp')).toMatchInlineSnapshot(`
      "
      bf16: active before_product d_active d_hidden d_output d_x down_weight hidden output up_weight x
       f32: d_down_bias d_down_weight d_norm_bias d_norm_weight d_up_bias d_up_weight down_bias norm_bias norm_weight up_bias x_mean x_squares
      "
    `));
  it('head', () =>
    expect(table('head')).toMatchInlineSnapshot(`
      "
      bf16: d_hidden d_logits d_x hidden logits table x
       f32: d_loss_total d_norm_bias d_norm_weight d_output d_table d_total losses norm_bias norm_weight output total x_mean x_squares
       i32: largest targets
      "
    `));
  it('update', () =>
    expect(table('updateDecayed')).toMatchInlineSnapshot(`
      "
      bf16: parameter_narrow
       f32: clip first first_after gradient parameter parameter_after scalars second second_after
      "
    `));
});

describe('the rule, part by part', () => {
  const batch = axis('b', 'batch', 'batch');
  const token = axis('t', 'tokens', 'token');
  const last = (role: Role) => axis('n', 32, role);

  /** x -> x + x, kept as y, which is the result. */
  function doubled(role: Role, outer = [batch, token]): Plan {
    const axes = [...outer, last(role)];
    const x = given('x', axes, 'operand');
    const y = defined('y', axes);
    const value = read(x, axes.map(at));
    const body = call('add', value, value);
    return planOf(program({ name: 'p', inputs: [x], definitions: [map(y, body)], results: { y } }), { outputs: ['y'] });
  }

  it.each(['feature', 'model', 'user'] as const)('inputs and results whose last axis is of role %s', (role) => {
    expect(types(doubled(role))).toBe('\nbf16: x y\n');
  });

  it.each(['pair', 'head', 'kv-head', 'token', 'key-token'] as const)('not of role %s', (role) => {
    expect(types(doubled(role))).toBe('\n f32: x y\n');
  });

  it('not without a batch, nor without tokens', () => {
    expect(types(doubled('feature', [token]))).toBe('\n f32: x y\n');
    expect(types(doubled('feature', [batch]))).toBe('\n f32: x y\n');
  });

  it('what options name, whatever it is', () => {
    const axes = [axis('r', 4), axis('c', 5)];
    const x = given('x', axes, 'operand');
    const y = defined('y', axes);
    const made = program({
      name: 'p',
      inputs: [x],
      definitions: [map(y, read(x, axes.map(at)))],
      results: { y },
    });
    const options = { outputs: ['y'], narrow: ['y'] };
    expect(types(planOf(made, options))).toBe('\nbf16: y\n f32: x\n');
    expect(types(planOf(made, { ...options, precision: 'f32' }))).toBe('\n f32: x y\n');
  });

  it('with only the borders bf16, inputs and the results that nothing reads', () => {
    const axes = [batch, token, last('feature')];
    const point = axes.map(at);
    const x = given('x', axes, 'operand');
    const [y, z] = [defined('y', axes), defined('z', axes)];
    const made = program({
      name: 'p',
      inputs: [x],
      definitions: [map(y, call('sin', read(x, point))), map(z, call('sin', read(y, point)))],
      results: { y, z },
    });
    const both = { outputs: ['y', 'z'] };
    expect(types(planOf(made, both))).toBe('\nbf16: x y z\n');
    expect(types(planOf(made, { ...both, inside: 'f32' }))).toBe('\nbf16: x z\n f32: y\n');
  });

  it('not a recurrence, nor its factors; its terms', () => {
    const axes = [batch, token, last('feature')];
    const [factor, term] = ['factor', 'term'].map((name) => given(name, axes, 'operand'));
    const state = defined('state', axes);
    const body = { factor: read(factor!, axes.map(at)), term: read(term!, axes.map(at)) };
    const made = program({
      name: 'p',
      inputs: [factor!, term!],
      definitions: [scan(state, { along: token, ...body })],
      results: { state },
    });
    expect(types(planOf(made, { outputs: ['state'] }))).toBe('\nbf16: term\n f32: factor state\n');
  });

  it('not what a matrix exponential reads and makes', () => {
    const axes = [batch, token, axis('r', 3), axis('c', 3)];
    const x = given('x', axes, 'operand');
    const y = defined('y', axes);
    const made = program({ name: 'p', inputs: [x], definitions: [expm(y, x)], results: { y } });
    expect(types(planOf(made, { outputs: ['y'] }))).toBe('\n f32: x y\n');
  });

  it('results of matrix products that stay in their entry, but no other temporary', () => {
    const [m, k, n] = [axis('m', 64, 'model'), axis('k', 64, 'model'), axis('n', 64, 'model')];
    const x = given('x', [batch, token, m], 'operand');
    const weight = given('weight', [m, k], 'operand');
    const [product, sine, total] = [
      defined('product', [batch, token, k]),
      defined('sine', [batch, token, k]),
      defined('total', [batch, token, n]),
    ];
    const point = [batch, token, k].map(at);
    const made = program({
      name: 'p',
      inputs: [x, weight],
      definitions: [
        reduce('sum', product, [m], call('multiply', read(x, [batch, token, m].map(at)), read(weight, [at(m), at(k)]))),
        map(sine, call('sin', read(product, point))),
        reduce(
          'sum',
          total,
          [k],
          call('max', read(sine, point), at(n).type === 'integer' ? call('real', at(n)) : at(n)),
        ),
      ],
      results: { total },
    });
    const plan = planOf(made, { outputs: ['total'], root: ['sine'], narrow: ['weight'] });
    expect(types(plan)).toBe('\nbf16: product total weight x\n f32: sine\n');
  });
});

describe('every plan', () => {
  const paths = ['rope', 'carope', 'comrope_ap', 'comrope_ld', 'alibi'].map((name) => `examples/${name}.pe`);

  it.each(paths)('%s: a tensor has one type in all entries, and f32 plans have no bf16', (path) => {
    const plan = attendOf(path);
    const typesOf = new Map<string, Set<string>>();
    for (const { name, type } of buffersOf(plan)) typesOf.set(name, (typesOf.get(name) ?? new Set()).add(type));
    expect([...typesOf].filter(([, own]) => own.size > 1)).toEqual([]);
    expect(buffersOf(attendOf(path, 'f32')).filter(({ type }) => type === 'bf16')).toEqual([]);
  });

  it.each(paths)('%s: bindings are of their buffers, and narrow lists what is bf16', (path) => {
    const plan = attendOf(path);
    for (const { launches } of plan.entries)
      for (const { kernel, buffers } of launches)
        for (const { body } of kernel.variants)
          expect(
            body.bindings.map(({ type }) => type),
            kernel.name,
          ).toEqual(buffers.map(({ type }) => type));
    const kept = new Set([...plan.narrow].map(({ name }) => name));
    const whole = plan.entries.filter(({ name }) => name !== 'decode');
    for (const { name, type } of buffersOf({ ...plan, entries: whole }))
      expect(kept.has(name), name).toBe(type === 'bf16');
  });

  it.each(paths)('%s: with only the borders bf16, nothing is that some kernel makes and another reads', (path) => {
    for (const more of [{}, { packed: true }, { outputs: ['output', 'query_encoded', 'key_encoded'] }]) {
      const plan = attendOf(path, 'bf16', 'f32', more);
      const made = new Set(plan.gradients!.definitions.map(({ tensor }) => tensor));
      const read = new Set(plan.kernels.flatMap(({ definitions }) => definitions.flatMap((d) => [...tensorsOf(d)])));
      const narrow = [...plan.narrow];
      expect(narrow.filter((tensor) => made.has(tensor) && read.has(tensor))).toEqual([]);
      const wanted = ['query', 'key', 'value', 'd_output', 'output', 'd_query', 'd_key', 'd_value'];
      expect(narrow.map(({ name }) => name)).toEqual(expect.arrayContaining(wanted));
    }
  });

  it('nothing takes the place of a tensor of another type', () => {
    const scores = (precision: 'f32' | 'bf16'): readonly string[] => {
      const forward = attendOf('examples/alibi.pe', precision).entries.find(({ name }) => name === 'forward')!;
      const softmax = forward.launches.find(({ kernel }) => kernel.name.includes('attention'))!;
      return softmax.buffers.map(({ name }) => name);
    };
    expect(scores('bf16')).toContain('query_key');
    expect(scores('bf16')).toContain('attention');
    expect(scores('f32')).not.toContain('query_key');
  });

  it('costs are of the bytes that are moved', () => {
    const bytes = (precision: 'f32' | 'bf16'): number => {
      const { attend } = loadFile('examples/rope.pe', { geometry }).lowered!;
      const plan = planOf(attend, { precision, outputs: ['query_encoded', 'key_encoded'] });
      return evaluateSize(plan.kernels[0]!.cost.bytes, { batch: 3, tokens: 5, keys: 5, first: 0, capacity: 5 });
    };
    const tables = 2 * 5 * 32 * 4; // f32 in both
    const elements = 3 * 5 * 2 * 12 * 64; // of query and key, each read and written
    expect(bytes('f32')).toBe(tables + elements * 8);
    expect(bytes('bf16')).toBe(tables + elements * 4);
  });
});
