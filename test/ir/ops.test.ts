// The table of operations: values against independent formulas, derivatives against central differences.

import { describe, expect, it } from 'vitest';
import { at, axis, call, defined, given, integer, map, program, readAt, real } from '../../src/ir/build.ts';
import type { Scalar } from '../../src/ir/ir.ts';
import { operations, signatures } from '../../src/ir/ops.ts';
import type { OpName } from '../../src/ir/ops.ts';
import { interpret } from '../../src/interpret/interpret.ts';

/** Points at which an operation is smooth. */
const positive = [0.3, 0.9, 1.7, 3.2];
const anywhere = [-2.3, -0.7, 0.4, 1.9];
const points: Partial<Record<OpName, readonly (readonly number[])[]>> = {
  power: [
    [0.7, 2.5],
    [2.1, -1.3],
    [1.4, 0.5],
  ],
  log: positive.map((a) => [a]),
  log1p: positive.map((a) => [a]),
  log2: positive.map((a) => [a]),
  sqrt: positive.map((a) => [a]),
  mod: [
    [2.3, 0.7],
    [-1.2, 0.9],
    [5.4, -1.7],
  ],
};

const names = Object.keys(signatures) as OpName[];
const smooth = names.filter((op) => {
  const [args, result] = signatures[op];
  const random = operations[op].evaluate === null;
  return !random && result !== 'boolean' && result !== 'integer' && args.every((arg) => arg === 'number');
});

/** The value of a scalar over given reals. */
function evaluateAt(build: (args: readonly Scalar[]) => Scalar, values: readonly number[]): number {
  const inputs = values.map((_, n) => given(`a${n}`, [], 'operand'));
  const body = build(inputs.map((input) => readAt(input)));
  const made = defined('y', [], body.type);
  const p = program({ name: 'p', inputs, definitions: [map(made, body)], results: { y: made } });
  const named = Object.fromEntries(values.map((value, n) => [`a${n}`, [value]]));
  return interpret(p, { batch: 1, tokens: 1 }, named).get('y')![0]!;
}

describe('derivatives against central differences', () => {
  it.each(smooth.filter((op) => op !== 'detach'))('%s', (op) => {
    const arity = signatures[op][0].length;
    const cases = points[op] ?? (arity === 1 ? anywhere.map((a) => [a]) : anywhere.map((a) => [a, a * 0.7 - 0.4]));
    for (const values of cases) {
      for (let k = 0; k < arity; k++) {
        const slope = evaluateAt((args) => operations[op].derivative(args, call(op, ...args))[k] ?? real(0), values);
        const h = 1e-4;
        const moved = (by: number): number =>
          operations[op].evaluate!(...values.map((value, n) => (n === k ? value + by : value)));
        const difference = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
        expect(Math.abs(slope - difference), `${op} at ${values}`).toBeLessThan(1e-8 * Math.max(1, Math.abs(slope)));
      }
    }
  });

  it('of a power are finite where the power is', () => {
    const slope = (a: number, b: number, k: number): number =>
      evaluateAt((args) => operations.power.derivative(args, call('power', ...args))[k]!, [a, b]);
    expect(slope(0, 0, 0)).toBe(0);
    expect(slope(0, 2, 1)).toBe(0);
    expect(slope(-1.5, 3, 0)).toBeCloseTo(3 * 1.5 ** 2, 12);
    expect(evaluateAt(([a]) => operations.power.derivative([a!, integer(2)], a!)[0]!, [-3])).toBe(-6);
  });

  it('send a tie to the first argument', () => {
    for (const op of ['min', 'max'] as const) {
      const slopes = [0, 1].map((k) => evaluateAt((a) => operations[op].derivative(a, call(op, ...a))[k]!, [2, 2]));
      expect(slopes, op).toEqual([1, 0]);
    }
  });

  it('do not exist for detach, rounding and comparisons', () => {
    const [x, y] = [readAt(given('x', [], 'operand')), readAt(given('y', [], 'operand'))];
    for (const op of ['detach', 'sign', 'floor', 'ceil', 'round'] as const) {
      expect(operations[op].derivative([x], call(op, x)), op).toEqual([null]);
    }
    expect(operations.less.derivative([x, y], call('less', x, y))).toEqual([null, null]);
  });
});

describe('values', () => {
  const value = (op: OpName, ...args: number[]): number => operations[op].evaluate!(...args);

  it('are accurate where a naive formula is not', () => {
    expect(value('softplus', 800)).toBe(800);
    expect(value('softplus', -40)).toBeCloseTo(Math.exp(-40), 30);
    expect(value('log_sigmoid', -800)).toBe(-800);
    expect(value('log_sigmoid', 40)).toBeCloseTo(-Math.exp(-40), 30);
    expect(value('sigmoid', -800)).toBe(0);
    expect(value('silu', -800)).toBeCloseTo(0, 12);
    expect(value('expm1', 1e-12)).toBeCloseTo(1e-12, 23);
  });

  it('of erf are those of the tables', () => {
    // Abramowitz and Stegun, table 7.1.
    expect(value('erf', 0.5)).toBeCloseTo(0.5204998778130465, 15);
    expect(value('erf', 1)).toBeCloseTo(0.8427007929497149, 15);
    expect(value('erf', -2)).toBeCloseTo(-0.9953222650189527, 15);
    expect(value('erf', 7)).toBe(1);
  });

  it('of div and mod are floored, of round even', () => {
    expect([value('div', -7, 3), value('mod', -7, 3), value('mod', 7, -3), value('mod', -6, 3)]).toEqual([
      -3, 2, -2, 0,
    ]);
    expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4].map((a) => value('round', a))).toEqual([0, 2, 2, 0, -2, 2]);
    expect([value('popcount', 0b1011), value('xor', 6, 3)]).toEqual([3, 5]);
  });
});

describe('constructors of calls', () => {
  const t = axis('t', 'tokens', 'token');
  const x = readAt(given('x', [t], 'x'), [t]);

  it('fold constants and identities', () => {
    expect(call('add', x, real(0))).toBe(x);
    expect(call('multiply', real(1), x)).toBe(x);
    expect(call('multiply', real(0), x)).toEqual(real(0));
    expect(call('power', real(10000), call('divide', real(-2), real(4)))).toEqual(real(0.01));
    expect(call('negate', call('negate', x))).toBe(x);
    expect(call('select', call('less', integer(1), integer(2)), x, real(3))).toBe(x);
    expect(call('multiply', at(t), integer(0))).toEqual(integer(0));
  });

  it('keep the type of what they fold', () => {
    expect(call('add', at(t), real(0)).type).toBe('real');
    expect(call('divide', at(t), real(1)).type).toBe('real');
    expect(call('max', at(t), at(t)).type).toBe('integer');
  });

  it('do not fold 0 * x where x may be infinite, nor 1 / 0', () => {
    const inverse = call('divide', real(1), x);
    expect(call('multiply', real(0), inverse).kind).toBe('call');
    expect(call('divide', real(1), real(0)).kind).toBe('call');
  });

  it('reject what does not fit', () => {
    expect(() => call('add', x)).toThrow('takes 2 arguments');
    expect(() => call('and', x, x)).toThrow('is real, not boolean');
    expect(() => call('div', x, integer(2))).toThrow('is real, not integer');
    expect(() => real(Infinity)).toThrow('finite');
    expect(() => integer(0.5)).toThrow('not an integer');
  });
});
