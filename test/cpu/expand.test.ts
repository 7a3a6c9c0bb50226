// Operations as a CPU does them, against float64 at the accuracy that codegen/math.ts states; powers by repeated products, at
// one rounding a factor.

import { describe, expect, it } from 'vitest';
import { expandForCpu } from '../../codegen/cpu/expand.ts';
import { openPowers, powersOf } from '../../codegen/cpu/powers.ts';
import { i32, local, loop, store } from '../../codegen/kernel-build.ts';
import { openPoint } from '../../codegen/point.ts';
import { buildPlan } from '../../codegen/plan/build-plan.ts';
import type { Root } from '../../codegen/plan/nest.ts';
import { simulate } from '../../codegen/simulate.ts';
import { openScope } from '../../codegen/simt/scope.ts';
import { at, axis, call, defined, given, integer, map, program, readAt, real } from '../../src/ir/build.ts';
import type { Scalar } from '../../src/ir/ir.ts';
import { targetPlan } from '../../src/options.ts';
import { wholeSequence } from '../../targets/device.ts';
import { buffersOf, cases, kernelOf, worst } from '../simulator/elementary.ts';

const own = ['sin', 'cos', 'sigmoid', 'silu', 'gelu', 'softplus', 'log_sigmoid'];

it.each(cases.filter(({ op }) => own.includes(op)).map((test) => [test.op, test] as const))('%s', (_, test) => {
  const buffers = buffersOf(test);
  const body = kernelOf(test, expandForCpu);
  expect(JSON.stringify(body)).not.toBe(JSON.stringify(kernelOf(test)));
  simulate(body, Math.ceil(test.samples.length / 64), buffers, wholeSequence(1, 1));
  const { share, at: where } = worst(test, buffers['result']!);
  expect(share, `at ${where.join(', ')}`).toBeLessThanOrEqual(1);
});

it('the derivative of GELU is one function', () => {
  const axes = [axis('t', 'tokens', 'token')];
  const x = given('x', axes, 'operand');
  const output = map(defined('output', axes), call('gelu', call('add', readAt(x), real(0.25))));
  const source = program({ name: 'gelu', inputs: [x], definitions: [output], results: { output: output.tensor } });
  const options = { ...targetPlan('wasm', 'f32'), gradients: ['x'], outputs: ['output'] };
  const [launch] = buildPlan(source, options).entries.find(({ name }) => name === 'backward')!.launches;
  const { variants, bindings } = launch!.kernel;
  const text = JSON.stringify(variants[0]!.body);
  expect(text).not.toContain('tanh');
  expect(text.split('gelu_slope').length).toBeGreaterThan(1);
  const values = Float32Array.from({ length: 4003 }, (_, n) => (n - 2001) / 100);
  values.set([-1e9, 1e9, 0]);
  const buffers = Object.fromEntries(
    bindings.map(({ name }) => [name, name === 'x' ? values : new Float32Array(values.length).fill(1)]),
  );
  simulate(variants[0]!.body, 1, buffers, wholeSequence(1, values.length));
  const made = buffers[bindings.at(-1)!.name]!;
  values.forEach((value, n) => {
    const z = Math.fround(value + 0.25);
    const s = 1 / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)));
    const rest = s * (1 - s) * 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * z * z);
    const exact = s + (rest === 0 ? 0 : z * rest);
    expect(Math.abs(made[n]! - exact), `at ${z}`).toBeLessThan(10 * 2 ** -24);
  });
});

describe('powers along an axis', () => {
  const p = (extent: number) => axis('p', extent);

  /** base^(p + first) for all p, by products. */
  function powers(base: number, extent: number, first: number): { made: Float32Array; found: number } {
    const along = p(extent);
    const x = given('x', [], 'operand');
    const power = call('power', readAt(x), call('add', at(along), integer(first)));
    const definition = map(defined('output', [along]), power);
    const root: Root = { definition, hints: new Map(), turn: null, periodic: false };
    const all = powersOf(root, along);
    let names = 0;
    const shape = (name: string, size: number) =>
      ({
        buffer: {
          name,
          tensor: null,
          shape: [{ kind: 'number', value: size }],
          type: 'f32',
          rows: 'window',
          comment: '',
        },
        binding: { name, type: 'f32', access: 'read_write' },
      }) as const;
    const bindings = [shape('x', 1), shape('output', extent)];
    const scope = openScope({
      mode: 'whole',
      lanes: 1,
      storage: new Map([[x, bindings[0]!.buffer]]),
      places: new Map(),
      bindings,
      names: (wanted) => `${wanted}_${(names += 1)}`,
      expand: expandForCpu,
    });
    const point = openPoint(scope, new Map());
    openPowers(scope, all)(point);
    const index = local('p', 'i32');
    const body = scope.block(() => scope.emit(store('output', index, point.with([[along, index]]).real(power))));
    scope.emit(loop('p', i32(0), i32(extent), body));
    const buffers = { x: Float32Array.of(base), output: new Float32Array(extent) };
    simulate(scope.finish('powers'), 1, buffers, wholeSequence(1, 1));
    return { made: buffers.output, found: all.length };
  }

  it.each([
    [0.9, 32, 0],
    [0.99951171875, 256, 0],
    [-1.25, 7, 2],
    [0.75, 70, -1],
    [0, 5, 0],
    [1e-3, 30, 1],
  ])('of %f, %i of them from %i on', (base, extent, first) => {
    const { made, found } = powers(Math.fround(base), extent, first);
    expect(found).toBe(1);
    made.forEach((value, n) => {
      const exact = Math.fround(base) ** (n + first);
      const roundings = (Math.abs(n + first) + 4) * 2 ** -24;
      expect(Math.abs(value - exact), `at ${n}`).toBeLessThanOrEqual(Math.abs(exact) * roundings + 2 ** -149);
    });
  });

  it('are found where the exponent grows by one a point and nothing else changes', () => {
    const [along, other] = [p(8), axis('q', 8)];
    const x = given('x', [], 'operand');
    const count = (body: Scalar): number => {
      const definition = map(defined('output', [other, along]), body);
      return powersOf({ definition, hints: new Map(), turn: null, periodic: false }, along).length;
    };
    const of = (exponent: Scalar): Scalar => call('power', readAt(x), exponent);
    expect(count(of(at(along)))).toBe(1);
    expect(count(of(call('subtract', at(along), integer(1))))).toBe(1);
    expect(count(of(call('multiply', at(along), integer(2))))).toBe(0);
    expect(count(of(call('add', at(along), at(other))))).toBe(0);
    expect(count(call('power', call('real', at(along)), at(along)))).toBe(0);
  });
});
