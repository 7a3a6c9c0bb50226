// Matrix products as a library is told of them: each described kernel, run in the simulator, against the definition with
// its strides in float64; which of GPT-2's products are described; and what is described of none.

import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { BufferPlan, KernelPlan, Plan, PlanOptions, ProductPlan, Size } from '../../codegen/plan/plan.ts';
import { evaluateSize } from '../../codegen/plan/size.ts';
import { simulate } from '../../codegen/simulate.ts';
import { at, axis, call, defined, given, integer, program, read, reduce } from '../../src/ir/build.ts';
import type { Axis, Program, Scalar } from '../../src/ir/ir.ts';
import { targetPlan } from '../../src/options.ts';
import { configure } from '../../src/trainer/configuration.ts';
import { operationPrograms } from '../../src/trainer/modules.ts';
import { layOut } from '../../src/trainer/parameters.ts';
import { randomValues } from '../kernels/check-plan.ts';
import { wholeSizes } from '../kernels/run-plan.ts';
import { loadFile, small } from '../lower/load.ts';

const library = { ...targetPlan('cuda', 'f32'), library: true };

function operations(sizes: { width: number; heads: number; kv_heads: number; vocabulary: number }) {
  const configuration = configure({ layers: 1, ...sizes });
  const head_dim = sizes.width / sizes.heads;
  return operationPrograms({ ...sizes, head_dim }, layOut(configuration, sizes.vocabulary, []), {
    gradientOfX: true,
    precision: 'f32',
  });
}

function attention(geometry: Partial<typeof small>, options: Partial<PlanOptions> = {}): Plan {
  const { lowered } = loadFile('examples/rope.pe', { geometry: { ...small, ...geometry } });
  return buildPlan(lowered!.attend, { gradients: ['query', 'key', 'value'], ...library, ...options });
}

interface Launch {
  readonly kernel: KernelPlan;
  readonly buffers: readonly BufferPlan[];
}

const described = (plan: Plan): readonly Launch[] =>
  plan.entries.flatMap(({ launches }) => launches).filter(({ kernel }) => kernel.product !== null);

/** The definition, in float64, with each operand read and written where the product says. */
function multiply(plan: ProductPlan, buffers: readonly Float32Array[], size: (of: Size) => number): void {
  const { scale, accumulate } = plan;
  const [m, n, k] = [plan.m, plan.n, plan.k].map(size) as [number, number, number];
  const batches = plan.batches.map(size);
  const place = (operand: ProductPlan['left'], batch: readonly number[], row: number, column: number): number =>
    batch.reduce((all, index, b) => all + index * size(operand.batches[b]!), size(operand.offset)) +
    row * size(operand.rows) +
    column * size(operand.columns);
  const of = (operand: ProductPlan['left']): Float32Array => buffers[operand.binding]!;
  for (let flat = 0; flat < batches.reduce((all, each) => all * each, 1); flat += 1) {
    let rest = flat;
    const batch = batches.toReversed().map((extent) => {
      const index = rest % extent;
      rest = Math.floor(rest / extent);
      return index;
    });
    batch.reverse();
    for (let i = 0; i < m; i += 1) {
      for (let j = 0; j < n; j += 1) {
        let sum = 0;
        for (let l = 0; l < k; l += 1)
          sum += of(plan.left)[place(plan.left, batch, i, l)]! * of(plan.right)[place(plan.right, batch, j, l)]!;
        const out = place(plan.out, batch, i, j);
        of(plan.out)[out] = scale * sum + (accumulate ? of(plan.out)[out]! : 0);
      }
    }
  }
}

/** The largest difference of any element of any buffer, also of those that neither should touch. */
function difference({ kernel, buffers }: Launch, batch: number, tokens: number): number {
  const sizes = wholeSizes(batch, tokens);
  const size = (of: Size): number => evaluateSize(of, sizes);
  const fresh = () =>
    buffers.map(({ shape }, n) =>
      Float32Array.from(
        randomValues(
          shape.map(size).reduce((a, b) => a * b, 1),
          n + 3,
        ),
      ),
    );
  const [actual, expected] = [fresh(), fresh()];
  const { body, groups } = kernel.variants.at(-1)!;
  const bound = Object.fromEntries(kernel.bindings.map(({ name }, n) => [name, actual[n]!]));
  simulate(body, size(groups), bound, sizes);
  multiply(kernel.product!, expected, size);
  return Math.max(
    ...actual.map((data, n) =>
      data.reduce((worst, value, e) => Math.max(worst, Math.abs(value - expected[n]![e]!)), 0),
    ),
  );
}

describe('what is described', () => {
  it.each(Object.entries(operations({ width: 12, heads: 2, kv_heads: 1, vocabulary: 5 })))(
    'of %s is what its kernel does',
    (_, [operation, options]) => {
      const plan = buildPlan(operation, { ...options, ...library, contract: 'always' });
      for (const launch of described(plan)) expect(difference(launch, 2, 5), launch.kernel.name).toBeLessThan(1e-5);
    },
  );

  it.each([
    ['each tensor by itself', {}, {}],
    ['side by side', {}, { packed: true }],
    ['fewer key heads', { heads: 4, kv_heads: 2 }, { packed: true }],
    ['one head', { heads: 1, kv_heads: 1, head_dim: 10 }, {}],
  ] as const)('of attention is what its kernel does: %s', (_, geometry, options) => {
    const plan = attention(geometry, { contract: 'always', ...options });
    const launches = described(plan);
    expect(launches.length).toBe(6);
    expect(launches.some(({ kernel }) => kernel.product!.scale !== 1)).toBe(true);
    for (const launch of launches) {
      for (const tokens of [1, 5]) expect(difference(launch, 2, tokens), launch.kernel.name).toBeLessThan(1e-5);
    }
  });
});

describe("GPT-2's products", () => {
  const sizes = { width: 768, heads: 12, kv_heads: 12, vocabulary: 50304 };
  const names = (plan: Plan): string[] => described(plan).map(({ kernel }) => kernel.definitions[0]!.tensor.name);
  const rope = { heads: 12, kv_heads: 12, head_dim: 64, model_dim: 768, context: 1024 };

  it('are all described, and done without anything else', () => {
    const made = Object.entries(operations(sizes)).map(([name, [operation, options]]) => {
      const plan = buildPlan(operation, { ...options, ...library });
      for (const { kernel } of described(plan)) expect(kernel.definitions.length, kernel.name).toBe(1);
      return [name, names(plan)] as const;
    });
    const products = Object.fromEntries(made.filter(([, list]) => list.length > 0));
    expect(products).toMatchObject({
      project: ['qkv_product', 'd_x_from_qkv_product', 'd_attention_weight'],
      mix: ['output_product', 'd_attended', 'd_weight'],
      mlp: ['before_product', 'output_product', 'd_active', 'd_x', 'd_up_weight', 'd_down_weight'],
      head: ['logits', 'd_x', 'd_table'],
    });
    expect(names(attention(rope))).toEqual([
      'query_key',
      'output',
      'd_attention',
      'd_key_encoded',
      'd_query_encoded',
      'd_value',
    ]);
  });

  it('are followed by one kernel for what is done to each element', () => {
    const programs = operations(sizes);
    const after = (name: 'project' | 'mix' | 'mlp', product: string): string[] => {
      const [operation, options] = programs[name];
      const { launches } = buildPlan(operation, { ...options, ...library }).entries[0]!;
      const first = launches.findIndex(({ kernel }) => kernel.definitions[0]!.tensor.name === product);
      const next = launches.findIndex(({ kernel }, n) => n > first && kernel.product !== null);
      const between = launches.slice(first + 1, next < 0 ? launches.length : next);
      return between.map(({ kernel }) => kernel.definitions.map((d) => d.tensor.name).join(' '));
    };
    expect(after('project', 'qkv_product')).toEqual(['qkv']); // bias
    expect(after('mix', 'output_product')).toEqual(['output']); // bias, residual
    expect(after('mlp', 'before_product')).toEqual(['active']); // bias, GELU
    expect(after('mlp', 'output_product')).toEqual(['output']); // bias, residual
  });

  it('are described too where query heads share a key head: their parts of its gradient are', () => {
    const made = names(attention({ ...rope, kv_heads: 4 }, { packed: true }));
    expect(made.length).toBe(6);
    const plan = attention({ ...rope, kv_heads: 4 }, { packed: true });
    const value = described(plan).find(({ kernel }) => kernel.definitions[0]!.tensor.name === 'd_value')!;
    expect(value.kernel.product!.batches.map((each) => evaluateSize(each, wholeSizes(2, 100)))).toEqual([3, 2, 4]);
  });

  it('have strides that reach into the buffer of query, key and value', () => {
    const plan = attention(rope, { packed: true });
    const [scores] = described(plan);
    const printed = (operand: ProductPlan['left']) => {
      const size = (of: Size): number => evaluateSize(of, wholeSizes(2, 100));
      return [operand.binding, size(operand.offset), size(operand.rows), ...operand.batches.map(size)];
    };
    expect(printed(scores!.kernel.product!.left)).toEqual([0, 0, 2304, 100 * 2304, 64]);
    expect(printed(scores!.kernel.product!.right)).toEqual([0, 768, 2304, 100 * 2304, 64]);
  });

  it('leave small ones, and whoever wants no library, what they had', () => {
    expect(names(attention(rope, { library: false }))).toEqual([]);
    const small = operations({ width: 8, heads: 1, kv_heads: 1, vocabulary: 50304 });
    const [operation, options] = small.project;
    expect(names(buildPlan(operation, { ...options, ...library }))).toEqual([]);
  });

  it('have factors of one type', () => {
    const [operation, options] = operations(sizes).mlp;
    const bf16 = { ...options, ...library, narrow: [], precision: 'bf16' as const };
    expect(names(buildPlan(operation, bf16))).toEqual(['d_up_weight', 'd_down_weight']);
    const narrow = ['up_weight', 'down_weight'];
    expect(names(buildPlan(operation, { ...bf16, narrow })).length).toBe(6);
    for (const { kernel } of described(buildPlan(operation, { ...bf16, narrow }))) {
      const { left, right } = kernel.product!;
      expect(kernel.bindings[left.binding]!.type).toBe(kernel.bindings[right.binding]!.type);
    }
  });
});

describe('a product is not described', () => {
  const [i, j, k] = [axis('i', 40), axis('j', 40), axis('k', 40)];
  const planOf = (left: Scalar, right: Scalar, inputs: Program['inputs'], axes: readonly Axis[] = [i, j]): Plan => {
    const sum = reduce('sum', defined('output', axes), [k], call('multiply', left, right));
    const all = program({ name: 'sum', inputs, definitions: [sum], results: { output: sum.tensor } });
    return buildPlan(all, { ...library, contract: 'always' });
  };
  const a = given('a', [axis('r', 40), axis('c', 40)], 'operand');
  const b = given('b', [axis('r', 40), axis('c', 40)], 'operand');
  const long = given('long', [axis('r', 80)], 'operand');
  const deep = given('deep', [axis('r', 40), axis('c', 40), axis('z', 3)], 'operand');

  it.each([
    ['where all is plain', read(a, [at(i), at(k)]), read(b, [at(k), at(j)]), 1],
    ['where a factor is transposed', read(a, [at(k), at(i)]), read(b, [at(j), at(k)]), 1],
    ['where a factor is more than a read', call('exp', read(a, [at(i), at(k)])), read(b, [at(k), at(j)]), 0],
    ['where points share elements', read(long, [call('add', at(i), at(k))]), read(b, [at(k), at(j)]), 0],
    ['where an index may lie outside', read(a, [call('add', at(i), integer(1)), at(k)], 0), read(b, [at(k), at(j)]), 0],
    ['where no stride is one', read(deep, [at(i), at(k), integer(2)]), read(b, [at(k), at(j)]), 0],
  ] as const)('%s', (_, left, right, count) => {
    expect(described(planOf(left, right, [a, b, long, deep])).length).toBe(count);
  });
});
