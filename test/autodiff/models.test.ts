// Gradients of what a model is made of, against central differences: grouped heads, layer norm, cross-entropy, and one
// token alone.

import { describe, expect, it } from 'vitest';
import { reverse } from '../../src/autodiff/reverse.ts';
import {
  at,
  axis,
  call,
  defined,
  given,
  integer,
  map,
  program,
  read,
  readAt,
  real,
  reduce,
} from '../../src/ir/build.ts';
import type { Axis, Definition, Program, Scalar } from '../../src/ir/ir.ts';
import { verify } from '../../src/ir/verify.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import type { Sizes } from '../../src/interpret/interpret.ts';
import { simplify } from '../../src/passes/pipeline.ts';
import { vectorPrograms } from '../interpret/vector-programs.ts';
import { lengthOf, numbers } from './generated.ts';

/** d(w . result) along a random direction of every real input, against central differences. */
function check(p: Program, result: string, sizes: Sizes, fixed: Record<string, number[]> = {}): void {
  const made = p.results.get(result)!;
  const seed = given('seed', made.axes, 'cotangent');
  const wanted = p.inputs.filter(({ name, type }) => type === 'real' && !(name in fixed));
  const gradient = simplify(reverse(p, new Map([[made, seed]]), wanted), true);
  expect(verify(gradient)).toEqual([]);
  const count = (n: number, k: number): Float64Array => numbers(lengthOf(p.inputs[n]!, sizes.tokens, sizes.batch), k);
  const values: Record<string, ArrayLike<number>> = { ...fixed };
  for (const [n, { name }] of p.inputs.entries()) values[name] ??= count(n, 5 + n);
  const direction = new Map(wanted.map((input) => [input.name, count(p.inputs.indexOf(input), 50)]));
  const w = numbers(lengthOf(made, sizes.tokens, sizes.batch), 99);
  const found = interpret(gradient, sizes, { ...values, seed: w });
  let slope = 0;
  for (const [name, along] of direction) {
    const tensor = gradient.results.get(`d_${name}`);
    if (tensor !== undefined) along.forEach((v, n) => (slope += v * found.get(tensor.name)![n]!));
  }
  const moved = (h: number): number => {
    const shifted = { ...values };
    for (const [name, along] of direction) shifted[name] = along.map((v, n) => values[name]![n]! + h * v);
    return interpret(p, sizes, shifted)
      .get(made.name)!
      .reduce((sum, value, n) => sum + value * w[n]!, 0);
  };
  const h = 1e-4;
  const difference = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
  expect(Math.abs(slope - difference)).toBeLessThan(1e-8 * Math.max(1, Math.abs(slope)));
}

describe.each(['rope_split', 'rope_interleaved', 'rope_learned_frequencies', 'carope', 'comrope_ld', 'comrope_ap'])(
  '%s with two query heads a key head',
  (name) => {
    const p = vectorPrograms[name]!({ heads: 4, kvHeads: 2, dim: 8, model: 3, context: 5 });
    it('five tokens', () => check(p, 'output', { batch: 2, tokens: 5 }));
    it('one token', () => check(p, 'output', { batch: 1, tokens: 1 }));
  },
);

const mul = (a: Scalar, b: Scalar): Scalar => call('multiply', a, b);

it('layer norm', () => {
  const axes = (): [Axis, Axis] => [axis('t', 'tokens', 'token'), axis('m', 6, 'model')];
  const x = given('x', axes(), 'x');
  const gain = given('gain', [axis('m', 6, 'model')], 'operand');
  const definitions: Definition[] = [];
  const mean = defined('mean', [axis('t', 'tokens', 'token')]);
  const m1 = axis('m', 6, 'model');
  definitions.push(reduce('sum', mean, [m1], mul(readAt(x, [mean.axes[0]!, m1]), real(1 / 6))));
  const variance = defined('variance', [axis('t', 'tokens', 'token')]);
  const m2 = axis('m', 6, 'model');
  const centred = (t: Axis, m: Axis): Scalar => call('subtract', readAt(x, [t, m]), readAt(mean, [t]));
  const square = mul(centred(variance.axes[0]!, m2), centred(variance.axes[0]!, m2));
  definitions.push(reduce('sum', variance, [m2], mul(square, real(1 / 6))));
  const [t, m] = axes();
  const y = defined('y', [t, m]);
  const deviation = call('sqrt', call('add', readAt(variance, [t]), real(1e-5)));
  definitions.push(map(y, mul(call('divide', centred(t, m), deviation), readAt(gain, [m]))));
  check(program({ name: 'norm', inputs: [x, gain], definitions, results: { y } }), 'y', { batch: 1, tokens: 3 });
});

it('cross-entropy, with the largest logit taken out', () => {
  const logits = given('logits', [axis('t', 'tokens', 'token'), axis('v', 5)], 'operand');
  const target = given('target', [axis('t', 'tokens', 'token')], 'operand', 'integer');
  const token = (): Axis => axis('t', 'tokens', 'token');
  const place = defined('place', [token()], 'integer');
  const v1 = axis('v', 5);
  const definitions: Definition[] = [reduce('argmax', place, [v1], readAt(logits, [place.axes[0]!, v1]))];
  const total = defined('total', [token()]);
  const v2 = axis('v', 5);
  const largest = (t: Axis): Scalar => call('detach', read(logits, [at(t), readAt(place, [t])]));
  const t2 = total.axes[0]!;
  const weight = call('exp', call('subtract', readAt(logits, [t2, v2]), largest(t2)));
  definitions.push(reduce('sum', total, [v2], weight));
  const loss = defined('loss', [token()]);
  const t3 = loss.axes[0]!;
  const clamped = call('min', call('max', readAt(target, [t3]), integer(0)), integer(4));
  const chosen = read(logits, [at(t3), clamped]);
  const log = call('add', call('log', readAt(total, [t3])), largest(t3));
  definitions.push(map(loss, call('subtract', log, chosen)));
  const p = program({ name: 'loss', inputs: [logits, target], definitions, results: { loss } });
  // detach takes the gradient through the maximum away twice over: it cancels, but finite differences see both.
  const values = interpret(p, { batch: 1, tokens: 2 }, { logits: [1, 2, 3, 4, 5, 0, 0, 0, 0, 0], target: [4, 1] });
  expect(values.get('loss')![1]).toBeCloseTo(Math.log(5), 14);
  check(p, 'loss', { batch: 1, tokens: 4 }, { target: [0, 4, 2, 3] });
});
