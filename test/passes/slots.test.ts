// When definitions are computed, where gradients cross from one slot to another, and what looks ahead.

import { describe, expect, it } from 'vitest';
import { reverse } from '../../src/autodiff/reverse.ts';
import {
  at,
  axis,
  call,
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
  scan,
  softmax,
} from '../../src/ir/build.ts';
import type { Program, Tensor } from '../../src/ir/ir.ts';
import { interpret } from '../../src/interpret/interpret.ts';
import { lookAhead } from '../../src/passes/causality.ts';
import { factorScatter } from '../../src/passes/factor-scatter.ts';
import { simplify } from '../../src/passes/pipeline.ts';
import { assignSlots } from '../../src/passes/slots.ts';
import { vectorPrograms } from '../interpret/vector-programs.ts';

const geometry = { heads: 4, kvHeads: 2, dim: 8, model: 6, context: 9 };

function gradientsOf(p: Program, wanted: readonly Tensor[]): Program {
  const output = p.results.get('output')!;
  return reverse(p, new Map([[output, given('d_output', output.axes, 'cotangent')]]), wanted);
}

const slotsByName = (p: Program, wanted: readonly Tensor[] = []): Record<string, string> =>
  Object.fromEntries([...assignSlots(p, { late: wanted }).of].map(([d, slot]) => [d.tensor.name, slot]));

describe('slots', () => {
  it('of ComRoPE: matrices once a step, rotations every layer', () => {
    const p = vectorPrograms['comrope_ld']!(geometry);
    expect(slotsByName(p)).toMatchObject({
      speed: 'step',
      M: 'step',
      R: 'step',
      query_encoded: 'layer',
      output: 'layer',
    });
  });

  it('of its gradients: those of what they differentiate, with a boundary where the slots meet', () => {
    const p = vectorPrograms['comrope_ld']!(geometry);
    const wanted = p.inputs.filter(({ name }) => ['P', 'theta', 'query'].includes(name));
    const gradients = simplify(gradientsOf(p, wanted));
    expect(slotsByName(gradients)).toMatchObject({
      d_query: 'layer',
      d_R: 'layer',
      d_M: 'step',
      d_P: 'step',
      d_theta: 'step',
    });
    const { boundaries } = assignSlots(gradients);
    expect([...boundaries].map((d) => d.tensor.name)).toEqual(['d_R']);
  });

  it('of positions: tables, unless their gradient is wanted', () => {
    const t = axis('t', 'tokens', 'token');
    const position = given('position', [axis('t', 'tokens', 'token')], 'position');
    const angle = map(defined('angle', [t]), call('multiply', readAt(position, [t]), real(0.1)));
    const slope = map(defined('slope', []), real(3));
    const p = program({ name: 'p', inputs: [position], definitions: [angle, slope], results: {} });
    expect(slotsByName(p)).toEqual({ angle: 'table', slope: 'static' });
    expect(slotsByName(p, [position])).toEqual({ angle: 'layer', slope: 'static' });
  });

  it.each([
    ['shared', true],
    ['step', false],
  ] as const)('of a tensor that is read in two slots: the parts are added apart (%s)', (slot, shared) => {
    const [t, n] = [axis('t', 'tokens', 'token'), axis('n', 3)];
    const x = given('x', [axis('t', 'tokens', 'token'), axis('n', 3)], 'x');
    const w = learned('w', [axis('n', 3)], { shared, trained: true, initial: real(1) });
    const twice = map(defined('twice', [n]), call('multiply', readAt(w, [n]), readAt(w, [n])));
    const body = call('multiply', readAt(x, [t, n]), call('multiply', readAt(w, [n]), readAt(twice.tensor, [n])));
    const output = map(defined('output', [t, n]), body);
    const p = program({ name: 'p', inputs: [x, w], definitions: [twice, output], results: { output: output.tensor } });
    const gradients = gradientsOf(p, [w]);
    expect(slotsByName(gradients)).toMatchObject({ d_w_layer: 'layer', [`d_w_${slot}`]: slot, d_w: slot });
    const { boundaries } = assignSlots(gradients);
    expect([...boundaries].map((d) => d.tensor.name).sort()).toEqual(['d_twice', 'd_w_layer']);
    const values = { x: [1, 2, 3], w: [2, 1, -1], d_output: [1, 1, 1] };
    const found = interpret(gradients, { batch: 1, tokens: 1 }, values).get('d_w')!;
    expect([...found]).toEqual([12, 6, 9]); // 3 x w^2
  });
});

describe('looking ahead', () => {
  it.each(Object.keys(vectorPrograms))('%s does not', (name) => {
    const p = vectorPrograms[name]!(geometry.heads === geometry.kvHeads ? geometry : { ...geometry, kvHeads: 4 });
    const ahead = lookAhead(p);
    for (const [key, tensor] of p.results) expect(ahead.has(tensor), key).toBe(false);
  });

  const t = axis('t', 'tokens', 'token');
  const x = given('x', [axis('t', 'tokens', 'token')], 'x');
  const keys = axis('j', 'keys', 'key-token');
  const masked = (condition: 'less' | 'less_equal', flip: boolean) => {
    const [a, b] = flip ? [at(t), at(keys)] : [at(keys), at(t)];
    return call('select', call(condition, a, b), read(x, [at(keys)]), real(0));
  };

  it.each([
    ['a sum over all tokens', reduce('sum', defined('y', [t]), [keys], read(x, [at(keys)])), true],
    ['a sum over earlier tokens', reduce('sum', defined('y', [t]), [keys], masked('less_equal', false)), false],
    ['a sum over later tokens', reduce('sum', defined('y', [t]), [keys], masked('less', true)), true],
    ['a scan', scan(defined('y', [t]), { along: t, term: readAt(x, [t]) }), false],
    ['a scan from the end', scan(defined('y', [t]), { along: t, reverse: true, term: readAt(x, [t]) }), true],
    ['the token before', map(defined('y', [t]), read(x, [call('subtract', at(t), integer(1))], 0)), false],
    ['the token after', map(defined('y', [t]), read(x, [call('add', at(t), integer(1))], 0)), true],
    ['a total', reduce('sum', defined('y', []), [keys], read(x, [at(keys)])), true],
  ] as const)('%s', (_, definition, expected) => {
    const after = map(defined('z', []), real(0));
    const p = program({ name: 'p', inputs: [x], definitions: [definition, after], results: { y: definition.tensor } });
    expect(lookAhead(p).has(definition.tensor)).toBe(expected);
    expect(lookAhead(p).has(after.tensor)).toBe(false);
  });
});

it.each([false, true])('a masked factor is seen on either side (%s)', (swap) => {
  const [t, j, j2] = [axis('t', 'tokens', 'token'), axis('j', 'keys', 'key-token'), axis('j', 'keys', 'key-token')];
  const t2 = axis('t', 'tokens', 'token');
  const x = given('x', [axis('t', 'tokens', 'token')], 'x');
  const weights = softmax(defined('weights', [t, j]), j, call('less_equal', at(j), at(t)), read(x, [at(j)]));
  const factors = [readAt(weights.tensor, [t2, j2]), read(x, [at(j2)])] as const;
  const [a, b] = swap ? [factors[1], factors[0]] : factors;
  const mixed = reduce('sum', defined('y', [t2]), [j2], call('multiply', a, b));
  const p = program({ name: 'p', inputs: [x], definitions: [weights, mixed], results: { y: mixed.tensor } });
  expect(lookAhead(p).size).toBe(0);
  // Not masked, the same sum looks ahead.
  const open = softmax(weights.tensor, j, call('less', at(j), integer(5)), read(x, [at(j)]));
  expect(lookAhead({ ...p, definitions: [open, mixed] }).size).toBe(2);
});

it('a scatter over distances is a scatter of as many numbers as there are distances', () => {
  const p = vectorPrograms['t5']!({ ...geometry, kvHeads: 4 });
  const after = factorScatter(
    gradientsOf(
      p,
      p.inputs.filter(({ name }) => name === 'table'),
    ),
  );
  const scatters = after.definitions.filter((d) => d.kind === 'scatter');
  expect(scatters.map((d) => domainNames(d.over))).toEqual([['distance', 'head']]);
});

const domainNames = (axes: readonly { name: string }[]): string[] => axes.map(({ name }) => name);
