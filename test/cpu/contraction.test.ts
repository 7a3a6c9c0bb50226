// Matrix products on a CPU: every way that factors lie, blocks that are not full, what comes after a sum, sums in chunks; in
// the simulator and as WebAssembly, against the interpreter.

import { describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../codegen/plan/plan.ts';
import { at, axis, call, defined, given, map, program, read, readAt, real, reduce } from '../../src/ir/build.ts';
import type { Axis, Definition, Program, Scalar, Tensor } from '../../src/ir/ir.ts';
import { moduleOf } from '../../targets/wasm/module.ts';
import { printModule } from '../../targets/wasm/wat.ts';
import { checkCase, type Case } from '../kernels/check-plan.ts';
import { largeProduct, projection } from '../kernels/programs.ts';
import { runWasm } from '../wasm/run-kernel.ts';

const input = (name: string, axes: readonly Axis[], type: 'real' | 'integer' = 'real'): Tensor =>
  given(name, axes, 'operand', type);
const times = (a: Scalar, b: Scalar): Scalar => call('multiply', a, b);

function one(name: string, inputs: readonly Tensor[], ...definitions: readonly Definition[]): Program {
  return program({ name, inputs, definitions, results: { output: definitions.at(-1)!.tensor } });
}

const cpu: Partial<PlanOptions> = { machine: 'cpu', maxBindings: 64, contract: 'always' };

interface More extends Partial<Case> {
  readonly plan?: Partial<PlanOptions>;
}

/** Of kernels that are what this file is about, as WebAssembly. */
function errorAsWasm(of: Program, { plan = {}, ...rest }: More = {}): number {
  const options = { ...cpu, ...plan };
  const made = checkCase({ program: of, orders: ['forward'], options, run: { execute: runWasm }, ...rest });
  expect(JSON.stringify(made.plan.kernels.map(({ variants }) => variants[0]!.body.scratch))).toContain('right_panels');
  return made.worst;
}

/** In the simulator too. */
function errorOf(of: Program, more: More = {}): number {
  const { plan = {}, ...rest } = more;
  const { worst } = checkCase({ program: of, orders: ['random'], options: { ...cpu, ...plan }, ...rest });
  return Math.max(worst, errorAsWasm(of, more));
}

/** left [m, k] or [k, m] times right [k, n] or [n, k]. */
function plain(m: number, n: number, k: number, leftFlipped: boolean, rightFlipped: boolean): Program {
  const [mm, nn, kk] = [axis('m', m), axis('n', n), axis('k', k)];
  const left = input('left', leftFlipped ? [axis('k', k), axis('m', m)] : [axis('m', m), axis('k', k)]);
  const right = input('right', rightFlipped ? [axis('n', n), axis('k', k)] : [axis('k', k), axis('n', n)]);
  const body = times(
    read(left, leftFlipped ? [at(kk), at(mm)] : [at(mm), at(kk)]),
    read(right, rightFlipped ? [at(nn), at(kk)] : [at(kk), at(nn)]),
  );
  return one('plain', [left, right], reduce('sum', defined('output', [mm, nn]), [kk], body));
}

describe('a product of two matrices', () => {
  const extents = [
    [2, 2, 1],
    [3, 5, 2],
    [4, 8, 4],
    [5, 9, 7],
    [8, 12, 16],
    [11, 13, 9],
    [64, 20, 6],
    [67, 6, 5],
    [9, 131, 3],
    [6, 7, 261],
    [33, 9, 300],
  ] as const;
  it.each([
    ['x W', false, false],
    ['x W transposed', false, true],
    ['x transposed times y', true, false],
    ['both transposed', true, true],
  ])('%s', (_, leftFlipped, rightFlipped) => {
    for (const [m, n, k] of extents)
      expect(errorOf(plain(m, n, k, leftFlipped, rightFlipped)), `${m} x ${n} x ${k}`).toBeLessThan(2e-6);
  });
});

describe('blocks that are full, and what is left of them', () => {
  it.each([
    [64, 128, 256, 'one of each'],
    [70, 140, 261, 'several, and a little'],
    [72, 24, 768, 'rows and steps'],
    [31, 391, 40, 'columns'],
  ])('%i x %i of %i: %s', (m, n, k) => {
    for (const leftFlipped of [false, true])
      for (const rightFlipped of [false, true])
        expect(errorAsWasm(plain(m, n, k, leftFlipped, rightFlipped))).toBeLessThan(4e-6);
  });
});

it('takes one step at a time where a tile fills the registers', () => {
  const { plan } = checkCase({ program: plain(64, 128, 256, false, false), orders: [], options: cpu });
  const text = printModule(moduleOf(plan.kernels[0]!.variants[0]!.body), '');
  expect(text.split('f32x4.mul').length - 1).toBe(8);
});

describe('a product of few columns', () => {
  it.each([2, 3, 4, 7, 8, 11, 12, 16])('%i of them', (n) => {
    const [b, t, k, m] = [axis('b', 'batch'), axis('t', 'tokens'), axis('k', 19), axis('m', n)];
    const [x, w] = [input('x', [b, t, axis('k', 19)]), input('w', [axis('k', 19), axis('m', n)])];
    const body = times(read(x, [at(b), at(t), at(k)]), read(w, [at(k), at(m)]));
    const narrow = one('narrow', [x, w], reduce('sum', defined('output', [b, t, m]), [k], body));
    const { plan } = checkCase({ program: narrow, orders: [], options: cpu });
    expect(plan.kernels[0]!.variants[0]!.body.scratch!.map(({ name }) => name)).not.toContain('left_panels');
    for (const tokens of [1, 6, 13]) expect(errorOf(narrow, { tokens })).toBeLessThan(2e-6);
    expect(errorAsWasm(narrow, { tokens: 300, plan: { gradients: ['x', 'w'] } })).toBeLessThan(4e-6);
  });
});

describe('chunks of a long sum', () => {
  it.each([
    [9, 7, 520],
    [16, 8, 768],
    [5, 6, 1025],
    [34, 65, 520],
  ])('%i x %i of %i terms', (m, n, k) => {
    const made = plain(m, n, k, true, false);
    expect(errorOf(made)).toBeLessThan(4e-6);
    const { plan } = checkCase({ program: made, orders: [], options: cpu });
    expect(plan.kernels.map(({ name }) => name)).toEqual(['output_partial', 'output']);
  });

  it('are scaled, finished and added to what is there', () => {
    const [b, t, m, n] = [axis('b', 'batch'), axis('t', 'tokens'), axis('m', 10), axis('n', 6)];
    const x = input('x', [b, t, m]);
    const y = input('y', [b, t, n]);
    const factor = input('factor', [axis('m', 10)]);
    const body = times(read(factor, [at(m)]), times(read(x, [at(b), at(t), at(m)]), read(y, [at(b), at(t), at(n)])));
    const sum = reduce('sum', defined('sum', [m, n]), [b, t], body);
    const output = map(defined('output', [m, n]), call('tanh', readAt(sum.tensor)));
    const made = one('finished', [x, y, factor], sum, output);
    for (const tokens of [3, 90]) expect(errorOf(made, { batch: 3, tokens })).toBeLessThan(4e-6);
  });
});

describe('what a block is finished with', () => {
  it('a bias and an activation', () => {
    for (const tokens of [1, 9, 40]) expect(errorOf(projection(), { tokens })).toBeLessThan(2e-6);
    for (const tokens of [5, 33]) expect(errorOf(largeProduct(), { tokens })).toBeLessThan(2e-6);
  });

  it('derivatives, added to the buffers of the caller', () => {
    const gradients = ['x', 'w', 'bias'];
    const plan = { gradients, accumulate: ['w', 'bias'] };
    expect(errorOf(projection(), { tokens: 11, plan })).toBeLessThan(2e-6);
    expect(errorOf(largeProduct(24), { tokens: 70, batch: 3, plan })).toBeLessThan(4e-6);
  });
});

describe('factors', () => {
  const [b, h, i, j, d] = [axis('b', 'batch'), axis('h', 4), axis('i', 'tokens'), axis('j', 'keys'), axis('d', 12)];
  const query = input('query', [axis('b', 'batch'), axis('t', 'tokens'), axis('h', 4), axis('d', 12)]);
  const key = input('key', [axis('b', 'batch'), axis('t', 'keys'), axis('h', 2), axis('d', 12)]);
  const group = call('div', at(h), { kind: 'constant', type: 'integer', value: 2 });
  const asked = read(query, [at(b), at(i), at(h), at(d)]);

  it('of several batch axes, with heads that share a key', () => {
    const body = times(asked, read(key, [at(b), at(j), group, at(d)]));
    const scores = one('scores', [query, key], reduce('sum', defined('output', [b, h, i, j]), [d], body));
    for (const tokens of [1, 7, 70]) expect(errorOf(scores, { tokens })).toBeLessThan(2e-6);
    const gradients = ['query', 'key'];
    expect(errorOf(scores, { tokens: 13, plan: { gradients } })).toBeLessThan(2e-6);
  });

  it('that are computed', () => {
    const doubled = call('exp', call('subtract', asked, real(0.5)));
    const turned = call('select', call('less', at(j), at(d)), read(key, [at(b), at(j), group, at(d)]), real(0.25));
    const made = one(
      'computed',
      [query, key],
      reduce('sum', defined('output', [b, h, i, j]), [d], times(doubled, turned)),
    );
    for (const tokens of [3, 18]) expect(errorOf(made, { tokens })).toBeLessThan(2e-6);
  });
});
