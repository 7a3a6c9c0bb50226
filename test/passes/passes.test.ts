// Each pass keeps the meaning (interpreted before and after, on the vectors and their gradients), and does what it is for.

import { describe, expect, it } from 'vitest';
import { reverse } from '../../src/autodiff/reverse.ts';
import {
  at,
  axis,
  call,
  define,
  defined,
  given,
  integer,
  learned,
  map,
  program,
  read,
  readAt,
  real,
  reduce,
  rotate,
  scan,
  softmax,
} from '../../src/ir/build.ts';
import type { Definition, Program, Tensor } from '../../src/ir/ir.ts';
import { printDefinition, printProgram } from '../../src/ir/print.ts';
import { verify } from '../../src/ir/verify.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import { cse } from '../../src/passes/cse.ts';
import { fold } from '../../src/passes/fold.ts';
import { mergeSums } from '../../src/passes/merge-sums.ts';
import { passes, simplify } from '../../src/passes/pipeline.ts';
import { pullFactors } from '../../src/passes/pull-factors.ts';
import { vectorPrograms } from '../interpret/vector-programs.ts';
import { readCase, relativeError, valuesOf } from '../interpret/vectors.ts';

/** A vector's program with its gradients. */
function withGradients(name: string): { program: Program; values: Record<string, ArrayLike<number>> } {
  const c = readCase(name);
  const { heads, head_dim: dim, model_dim: model, T: context } = c.sizes;
  const forward = vectorPrograms[name]!({ heads, kvHeads: heads, dim, model, context });
  const output = forward.results.get('output')!;
  const seed = given('d_output', output.axes, 'cotangent');
  const wanted = forward.inputs.filter((input) => input.name in c.gradients);
  const made = reverse(forward, new Map([[output, seed]]), wanted);
  return { program: made, values: { ...valuesOf(c), d_output: c.cotangent.data } };
}

describe.each(Object.keys(vectorPrograms))('%s', (name) => {
  const { program: before, values } = withGradients(name);
  const sizes = { batch: 2, tokens: 9 };
  const expected = interpret(before, sizes, values);

  const compare = (after: Program): void => {
    expect(verify(after)).toEqual([]);
    expect([...after.results.keys()]).toEqual([...before.results.keys()]);
    const found = interpret(after, sizes, values);
    for (const [key, tensor] of before.results) {
      const error = relativeError(found.get(after.results.get(key)!.name), expected.get(tensor.name)!);
      expect(error, key).toBeLessThan(1e-13);
    }
  };

  it.each(Object.keys(passes))('%s', (pass) => compare(passes[pass]!(before)));
  it('all of them', () => compare(simplify(before, true)));
  it('all of them twice change nothing more', () => {
    const once = simplify(before);
    expect(simplify(once).definitions.length).toBe(once.definitions.length);
  });
});

const t = axis('t', 'tokens', 'token');
const d = axis('d', 4, 'feature');
const x = given('x', [axis('t', 'tokens', 'token'), axis('d', 4, 'feature')], 'x');
const w = given('w', [axis('d', 4, 'feature')], 'user');
const text = (p: Program): string[] => p.definitions.map(printDefinition);
const make = (definitions: readonly Definition[], ...results: Tensor[]): Program =>
  program({ name: 'p', inputs: [x, w], definitions, results: Object.fromEntries(results.map((r) => [r.name, r])) });

describe('fold', () => {
  it('decides comparisons, orders indices and gathers constants', () => {
    const condition = call('less', at(d), integer(4));
    const index = call('add', call('subtract', at(d), integer(1)), integer(1));
    const scaled = call('multiply', call('multiply', read(x, [at(t), index]), real(2)), real(3));
    const p = make([map(defined('y', [t, d]), call('select', condition, call('negate', scaled), real(0)))]);
    expect(text(fold(p))).toEqual(['y[t: tokens, d: 4] = -6 * x[t, d]']);
  });
});

describe('cse', () => {
  it('keeps one of two definitions that differ in names alone, and the results', () => {
    const [t2, d2] = [axis('s', 'tokens', 'token'), axis('e', 4, 'feature')];
    const one = map(defined('one', [t, d]), call('exp', readAt(x, [t, d])));
    const two = map(defined('two', [t2, d2]), call('exp', readAt(x, [t2, d2])));
    const after = cse(make([one, two], one.tensor, two.tensor));
    expect(after.definitions.length).toBe(1);
    expect(after.results.get('two')!.name).toBe('one');
  });

  it('makes equal scalars one object', () => {
    const square = call('multiply', call('exp', readAt(x, [t, d])), call('exp', readAt(x, [t, d])));
    const [y] = cse(make([map(defined('y', [t, d]), square)])).definitions;
    const body = y!.kind === 'map' && y!.body.kind === 'call' ? y!.body.args : [];
    expect(body[0]).toBe(body[1]);
  });

  it('tells transposed definitions apart', () => {
    const [a, b] = [axis('a', 4, 'feature'), axis('b', 4, 'feature')];
    const [a2, b2] = [axis('a', 4, 'feature'), axis('b', 4, 'feature')];
    const difference = (p: typeof a, q: typeof a) => call('subtract', readAt(w, [p]), readAt(w, [q]));
    const one = map(defined('one', [a, b]), difference(a, b));
    const two = map(defined('two', [a2, b2]), difference(b2, a2));
    expect(cse(make([one, two], one.tensor, two.tensor)).definitions.length).toBe(2);
  });
});

describe('cse tells apart what differs', () => {
  const [a, b] = [axis('a', 4, 'feature'), axis('b', 4, 'feature')];
  const square = given('square', [axis('a', 4, 'feature'), axis('b', 4, 'feature')], 'user');
  const body = readAt(square, [a, b]);
  const pair = axis('p', 1, 'pair');
  const turned = (options: Partial<Parameters<typeof rotate>[1]>): Definition =>
    rotate(defined('r', [a, b]), { input: square, phase: real(1), pair, ...options });
  const yes = call('less', at(a), integer(3));
  it.each<[string, Definition, Definition]>([
    ['the axis of a softmax', softmax(defined('s', [a, b]), a, yes, body), softmax(defined('r', [a, b]), b, yes, body)],
    [
      'the axis of a scan',
      scan(defined('s', [a, b]), { along: a, term: body }),
      scan(defined('r', [a, b]), { along: b, term: body }),
    ],
    [
      'its direction',
      scan(defined('s', [a, b]), { along: a, term: body }),
      scan(defined('r', [a, b]), { along: a, reverse: true, term: body }),
    ],
    [
      'what is stored',
      scan(defined('s', [a, b]), { along: a, term: body }),
      scan(defined('r', [a, b]), { along: a, exclusive: true, term: body }),
    ],
    ['a sum and a product', reduce('sum', defined('s', [a]), [b], body), reduce('prod', defined('r', [a]), [b], body)],
    ['the side of a turn', { ...turned({}), tensor: defined('s', [a, b]) }, turned({ sign: -1 })],
    ['its pairs', { ...turned({}), tensor: defined('s', [a, b]) }, turned({ layout: 'interleaved', from: 2 })],
    [
      'what is read outside',
      map(defined('s', [a, b]), read(square, [at(a), at(b)], 0)),
      map(defined('r', [a, b]), body),
    ],
  ])('%s', (_, one, two) => {
    const results = { one: one.tensor, two: two.tensor };
    const p = program({ name: 'p', inputs: [square], definitions: [one, two], results });
    expect(cse(p).definitions.length).toBe(2);
    const copy = { ...one, tensor: defined('copy', one.tensor.axes) };
    const same = program({ name: 'p', inputs: [square], definitions: [one, copy], results: {} });
    expect(cse(same).definitions.length).toBe(1);
  });

  it('gradients that are added up and those that are not', () => {
    const w2 = learned('w2', [axis('d', 4, 'feature')], { shared: true, trained: true, initial: real(1) });
    const z = given('z', [axis('batch', 'batch', 'batch')], 'x');
    const step = map(defined('step', [d]), readAt(w2, [d]));
    const n = axis('batch', 'batch', 'batch');
    const layer = map(defined('layer', [n, d]), call('multiply', readAt(z, [n]), readAt(w2, [d])));
    const rule = { kind: 'map', body: call('exp', readAt(w2, [d])) } as const;
    const one = define(defined('one', [d]), rule, { adjointOf: step });
    const two = define(defined('two', [d]), rule, { adjointOf: layer });
    const three = define(defined('three', [d]), rule, { adjointOf: layer });
    const definitions = [step, layer, one, two, three];
    const names = cse(program({ name: 'p', inputs: [w2, z], definitions, results: {} })).definitions;
    expect(names.map(({ tensor }) => tensor.name)).toEqual(['step', 'layer', 'one', 'two']);
  });
});

describe('sums', () => {
  const sum = (name: string, factor: number, over = axis('t', 'tokens', 'token')): Definition => {
    const own = axis('d', 4, 'feature');
    return reduce('sum', defined(name, [own]), [over], call('multiply', readAt(x, [over, own]), real(factor)));
  };

  it('over like axes become one', () => {
    const [a, b] = [sum('a', 2), sum('b', 3)];
    const total = map(defined('y', [d]), call('subtract', readAt(a.tensor, [d]), readAt(b.tensor, [d])));
    expect(text(mergeSums(make([a, b, total], total.tensor)))).toEqual([
      'y[d: 4] = sum[t: tokens](x[t, d] * 2 - x[t, d] * 3)',
    ]);
  });

  it('that somebody else reads stay', () => {
    const [a, b] = [sum('a', 2), sum('b', 3)];
    const total = map(defined('y', [d]), call('add', readAt(a.tensor, [d]), readAt(b.tensor, [d])));
    expect(mergeSums(make([a, b, total], total.tensor, a.tensor)).definitions.length).toBe(3);
  });

  it('leave other terms beside them', () => {
    const [a, b] = [sum('a', 2), sum('b', 3)];
    const three = call('add', call('add', readAt(a.tensor, [d]), readAt(w, [d])), readAt(b.tensor, [d]));
    const total = map(defined('y', [d]), three);
    expect(text(mergeSums(make([a, b, total], total.tensor)))).toEqual([
      'a[d: 4] = sum[t: tokens](x[t, d] * 2 + x[t, d] * 3)',
      'y[d: 4] = a[d] + w[d]',
    ]);
  });

  it('give up factors that do not change along them, and axes that nothing changes along', () => {
    const body = call('multiply', call('negate', readAt(w, [d])), readAt(x, [t, d]));
    const p = make([reduce('sum', defined('y', [d]), [t, axis('n', 5)], body)]);
    expect(text(pullFactors(p))).toEqual(['y_sum[d: 4] = sum[t: tokens](x[t, d])', 'y[d: 4] = -w[d] * 5 * y_sum[d]']);
    const none = make([reduce('sum', defined('y', [d]), [t], readAt(w, [d]))]);
    expect(text(pullFactors(none))).toEqual(['y[d: 4] = w[d] * tokens']);
  });
});

it('a program prints as it reads', () => {
  const y = map(
    defined('y', [t, d]),
    call('power', call('subtract', real(1), call('add', readAt(x, [t, d]), real(2))), integer(2)),
  );
  expect(printProgram(make([y], y.tensor))).toBe(
    [
      'program p',
      'input x[t: tokens, d: 4]',
      'input w[d: 4]',
      'y[t: tokens, d: 4] = (1 - (x[t, d] + 2)) ^ 2',
      'results y',
      '',
    ].join('\n'),
  );
});
