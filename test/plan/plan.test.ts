// Plans: what the examples cost and where their values lie, the choices that options force, and the invariants, each
// with a plan that breaks it.

import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { EntryPlan, OperandPlan, Plan, PlanOptions } from '../../codegen/plan/plan.ts';
import { ceilDivide, evaluateSize, numberSize, printSize, product, runtimeSize, sum } from '../../codegen/plan/size.ts';
import { verifyPlan } from '../../codegen/plan/verify.ts';
import { at, axis, call, defined, given, map, program, read } from '../../src/ir/build.ts';
import type { Program, Scalar } from '../../src/ir/ir.ts';
import { checkCase } from '../kernels/check-plan.ts';
import { loadFile, small } from '../lower/load.ts';

const attend = (name: string): Program => loadFile(`examples/${name}.pe`).lowered!.attend;
const planOf = (name: string, options: Partial<PlanOptions> = {}): Plan => buildPlan(attend(name), options);
const entryOf = (plan: Plan, name: string): EntryPlan => plan.entries.find((entry) => entry.name === name)!;
const everything = (name: string): string[] =>
  attend(name)
    .inputs.filter(({ type, name: input }) => type === 'real' && input !== 'position')
    .map((input) => input.name);

describe('learned_absolute', () => {
  it('sums the gradient of a row of its table over tokens, at the feature of the result alone', () => {
    const embed = loadFile('examples/learned_absolute.pe').lowered!.embed!;
    const outputs = ['embedding_encoded'];
    const plan = buildPlan(embed, { outputs, seeds: outputs, gradients: ['E'] });
    const made = plan.kernels.flatMap(({ definitions }) => definitions).filter(({ tensor }) => tensor.name === 'd_E');
    expect(made.length).toBeGreaterThan(0);
    for (const d of made)
      expect(d.kind === 'reduce' && d.over.map(({ extent }) => extent)).toEqual(['batch', 'tokens']);
  });
});

describe('rope', () => {
  it('reads and writes query and key once, and reads two tables', () => {
    const plan = planOf('rope', { outputs: ['query_encoded', 'key_encoded'] });
    const forward = entryOf(plan, 'forward');
    expect(forward.launches.map(({ kernel }) => kernel.name)).toEqual(['query_encoded_key_encoded']);
    const { bytes } = forward.launches[0]!.kernel.cost;
    const elements = small.heads * small.head_dim;
    const sizes = { batch: 3, tokens: 7, keys: 7, first: 0, capacity: 7 };
    const tensors = 2 * 8 * 3 * 7 * elements;
    const tables = 2 * 4 * 7 * (small.head_dim / 2);
    expect(evaluateSize(bytes, sizes)).toBe(tensors + tables);
  });

  it('turns in place, forward and backward, and saves no unrotated tensor', () => {
    const plan = planOf('rope', { gradients: ['query', 'key', 'value'] });
    const aliases = entryOf(plan, 'forward').outputs.map(({ buffer, aliases: of }) => [buffer.name, of]);
    expect(aliases).toContainEqual(['query_encoded', 'query']);
    expect(aliases).toContainEqual(['key_encoded', 'key']);
    const taken = entryOf(plan, 'backward').inputs.map(({ buffer }) => buffer.name);
    expect(taken).not.toContain('query');
    expect(taken).not.toContain('key');
    expect(entryOf(plan, 'backward').temporaries.map(({ name }) => name)).toEqual(['d_attention']);
  });
});

describe('stages', () => {
  it('computes matrices once a step and pulls their gradients once a step', () => {
    const plan = planOf('comrope_ld', { gradients: everything('comrope_ld'), accumulate: ['P', 'theta'] });
    expect(plan.entries.map(({ name }) => name)).toEqual(['step', 'forward', 'backward', 'finish', 'decode']);
    const boundary = entryOf(plan, 'backward').inputs.filter(({ accumulate }) => accumulate);
    expect(boundary.map(({ buffer }) => buffer.name)).toEqual(['d_matrix']);
    const added = entryOf(plan, 'finish').inputs.filter(({ accumulate }) => accumulate);
    expect(added.map(({ buffer }) => buffer.name).toSorted()).toEqual(['d_P', 'd_theta']);
  });

  it('evaluates angles on the host', () => {
    const plan = planOf('rope');
    expect(plan.tables.map(({ buffer, slot }) => [buffer.name, slot])).toEqual([
      ['angle_cos', 'table'],
      ['angle_sin', 'table'],
    ]);
  });

  it('makes no backward entry without a gradient to make', () => {
    expect(planOf('alibi').entries.map(({ name }) => name)).toEqual(['forward', 'decode']);
  });
});

describe('options', () => {
  const kernels = (options: Partial<PlanOptions>): string[] =>
    entryOf(planOf('carope', options), 'forward').launches.map(({ kernel }) => kernel.name);

  it('force a definition to be inlined or to have a buffer', () => {
    const made = (options: Partial<PlanOptions>): boolean =>
      planOf('carope', options).kernels.some(({ definitions }) => definitions.some((d) => d.tensor.name === 'f'));
    expect(made({})).toBe(true);
    expect(made({ inline: ['f'] })).toBe(false);
    expect(kernels({ root: ['score_0'] }).join()).toContain('score_0');
  });

  it('offer a variant for each profile where rows are long, and one where they are forced', () => {
    const variants = (rows: PlanOptions['rows']): string[] =>
      planOf('rope', { rows })
        .kernels.find(({ name }) => name === 'attention')!
        .variants.map(({ profile }) => profile);
    expect(variants('auto')).toEqual(['software', 'portable', 'subgroups']);
    expect(variants('thread')).toEqual(['software']);
    expect(variants('workgroup')).toEqual(['portable']);
    expect(variants('subgroup')).toEqual(['subgroups']);
  });

  it('refuse names that the program does not have', () => {
    expect(() => planOf('rope', { outputs: ['none'] })).toThrow("no result 'none'");
    expect(() => planOf('rope', { gradients: ['none'] })).toThrow("no input 'none'");
  });
});

describe('the limit of bindings', () => {
  const [row, column] = [axis('row', 6), axis('column', 4)];
  const inputs = Array.from({ length: 11 }, (_, n) => given(`x${n}`, [row, column], 'operand'));
  const value = (n: number): Scalar => read(inputs[n]!, [at(row), at(column)]);
  const total = inputs
    .slice(1)
    .reduce((all, _, n) => call('add', all, call('multiply', value(n), value(n + 1))), value(0));
  const made = map(defined('output', [row, column]), total);
  const wide = program({ name: 'wide', inputs, definitions: [made], results: { output: made.tensor } });

  it.each([8, 4])('splits a body that reads too much: %i', (maxBindings) => {
    const { plan, worst } = checkCase({ program: wide, options: { maxBindings } });
    expect(worst).toBeLessThan(1e-6);
    expect(Math.max(...plan.kernels.map(({ bindings }) => bindings.length))).toBeLessThanOrEqual(maxBindings);
  });
});

describe('every example', () => {
  it.each(['rope', 'rope_learned', 'carope', 'carope_rope_init', 'comrope_ap', 'comrope_ld', 'alibi', 'nope'])(
    '%s holds the invariants',
    (name) => {
      expect(verifyPlan(planOf(name, { gradients: everything(name) }), 8)).toEqual([]);
    },
  );
});

describe('the invariants', () => {
  const plan = planOf('rope', { gradients: ['query'] });
  const forward = entryOf(plan, 'forward');
  const broken = (change: Partial<EntryPlan>): readonly string[] =>
    verifyPlan({ ...plan, entries: [{ ...forward, ...change }] }, 8);

  it('find a buffer that is bound twice', () => {
    const [first, ...rest] = forward.launches;
    const twice = { ...first!, buffers: first!.buffers.map(() => first!.buffers[0]!) };
    expect(broken({ launches: [twice, ...rest] }).join()).toContain('binds a buffer twice');
  });

  it('find a product whose operands are not what is bound', () => {
    const products = planOf('rope', { gradients: ['query'], library: true, contract: 'always' });
    const kernel = products.kernels.find(({ product }) => product !== null)!;
    const changed = (out: Partial<OperandPlan>) =>
      verifyPlan(
        {
          ...products,
          kernels: [{ ...kernel, product: { ...kernel.product!, out: { ...kernel.product!.out, ...out } } }],
        },
        8,
      ).join();
    expect(changed({})).toBe('');
    expect(changed({ binding: 0 })).toContain('result is not written');
    expect(changed({ batches: [] })).toContain('lies nowhere');
  });

  it('find a launch with other buffers than its kernel has', () => {
    const [first, ...rest] = forward.launches;
    expect(broken({ launches: [{ ...first!, buffers: [] }, ...rest] }).join()).toContain('launched with other buffers');
  });

  it('find what is read before it is written', () => {
    expect(broken({ launches: forward.launches.toReversed() }).join()).toContain('too early');
  });

  it('find a buffer that is nowhere', () => {
    expect(broken({ inputs: [] }).join()).toContain('which is nowhere');
  });

  it('find an output that nothing makes', () => {
    expect(broken({ launches: [] }).join()).toContain('is never made');
  });

  it('find too many bindings, two kernels of one name, and a kernel without effect', () => {
    expect(verifyPlan(plan, 3).join()).toContain('more than 3');
    expect(verifyPlan({ ...plan, kernels: [...plan.kernels, plan.kernels[0]!] }, 8).join()).toContain('two kernels');
    const idle = { ...plan.kernels[0]!, bindings: [], variants: [] };
    expect(verifyPlan({ ...plan, kernels: [idle] }, 8).join()).toContain('writes nothing');
  });
});

describe('sizes', () => {
  it('print, add up and are evaluated', () => {
    const tokens = runtimeSize('tokens');
    const size = sum([product([tokens, numberSize(4)]), product([numberSize(2), tokens]), ceilDivide(tokens, 3)]);
    expect(printSize(size)).toBe('tokens * 6 + ceil(tokens / 3)');
    expect(evaluateSize(size, { batch: 1, tokens: 7, keys: 7, first: 0, capacity: 7 })).toBe(45);
  });
});
