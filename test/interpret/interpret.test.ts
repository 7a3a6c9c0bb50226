// The interpreter where the vectors do not reach: scans, masks, ties, rows of earlier calls, initial values, and the
// matrix exponential against closed forms.

import { describe, expect, it } from 'vitest';
import {
  at,
  axis,
  boolean,
  call,
  defined,
  drawn,
  expm,
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
  scatter,
  size,
  softmax,
} from '../../src/ir/build.ts';
import type { Definition, Tensor } from '../../src/ir/ir.ts';
import { evaluateInitial, interpret } from '../../src/interpret/interpret.ts';
import type { Sizes } from '../../src/interpret/interpret.ts';
import { matrixExponential, matrixExponentialAdjoint, matrixInverse } from '../../src/interpret/matrix.ts';
import { vectorPrograms } from './vector-programs.ts';
import { readCase, valuesOf } from './vectors.ts';

const t = axis('t', 'tokens', 'token');
const x = given('x', [axis('t', 'tokens', 'token')], 'x');

function evaluate(definitions: readonly Definition[], inputs: Record<string, number[]>, sizes: Sizes): number[] {
  const made = definitions.at(-1)!.tensor;
  const over = new Set<Tensor>(Object.keys(inputs).length === 0 ? [] : [x]);
  const p = program({ name: 'p', inputs: [...over], definitions, results: { made } });
  return [...interpret(p, sizes, inputs).get(made.name)!];
}

describe('scans', () => {
  const run = (options: Parameters<typeof scan>[1]): number[] =>
    evaluate([scan(defined('h', [t]), options)], { x: [1, 2, 3, 4] }, { batch: 1, tokens: 4 });
  const term = readAt(x, [t]);

  it('run both ways, inclusive and exclusive', () => {
    expect(run({ along: t, term })).toEqual([1, 3, 6, 10]);
    expect(run({ along: t, term, exclusive: true })).toEqual([0, 1, 3, 6]);
    expect(run({ along: t, term, reverse: true })).toEqual([10, 9, 7, 4]);
    expect(run({ along: t, term, reverse: true, exclusive: true })).toEqual([9, 7, 4, 0]);
  });

  it('multiply', () => {
    expect(run({ along: t, factor: term, initial: 1 })).toEqual([1, 2, 6, 24]);
    expect(run({ along: t, factor: term, initial: 1, reverse: true, exclusive: true })).toEqual([24, 12, 4, 1]);
    expect(run({ along: t, factor: real(0.5), term })).toEqual([1, 2.5, 4.25, 6.125]);
  });
});

describe('rules', () => {
  const j = axis('j', 'keys', 'key-token');

  it('a softmax row that sees nothing is 0, and large scores do not overflow', () => {
    const p = defined('p', [t, j]);
    const body = call('multiply', real(1000), readAt(x, [j]));
    const d = softmax(p, j, call('less', at(j), at(t)), body);
    const rows = evaluate([d], { x: [3, 3, 1] }, { batch: 1, tokens: 3 });
    expect(rows).toEqual([0, 0, 0, 1, 0, 0, 0.5, 0.5, 0]);
  });

  it('argmax takes the first of equals', () => {
    const d = reduce('argmax', defined('p', [], 'integer'), [t], readAt(x, [t]));
    expect(evaluate([d], { x: [1, 5, 5, 2] }, { batch: 1, tokens: 4 })).toEqual([1]);
  });

  it('what is scattered outside lands nowhere', () => {
    const out = defined('out', [axis('n', 3)]);
    const d = scatter(out, [t], [call('subtract', at(t), integer(1))], readAt(x, [t]));
    expect(evaluate([d], { x: [1, 2, 3, 4, 5] }, { batch: 1, tokens: 5 })).toEqual([2, 3, 4]);
  });

  it('a read outside is its value, or an error', () => {
    const next = (outside: number | null): Definition =>
      map(defined('y', [t]), read(x, [call('add', at(t), integer(1))], outside));
    expect(evaluate([next(7)], { x: [1, 2] }, { batch: 1, tokens: 2 })).toEqual([2, 7]);
    expect(() => evaluate([next(null)], { x: [1, 2] }, { batch: 1, tokens: 2 })).toThrow("'x' is read at 2");
  });

  it('select evaluates the branch taken and no other', () => {
    const inside = call('less', integer(0), at(t));
    const d = map(defined('y', [t]), call('select', inside, read(x, [call('subtract', at(t), integer(1))]), real(9)));
    expect(evaluate([d], { x: [1, 2, 3] }, { batch: 1, tokens: 3 })).toEqual([9, 1, 2]);
  });

  it('inputs of a wrong length are refused', () => {
    const d = map(defined('y', [t]), readAt(x, [t]));
    expect(() => evaluate([d], { x: [1] }, { batch: 1, tokens: 2 })).toThrow("'x' takes 2 numbers, not 1");
  });
});

describe('a call that begins later', () => {
  const c = readCase('fox');
  const { B, T, heads, head_dim: dim, model_dim: model } = c.sizes;
  const p = vectorPrograms['fox']!({ heads, kvHeads: heads, dim, model, context: T });

  it('gives the rows of the whole sequence', () => {
    const values = valuesOf(c);
    const whole = interpret(p, { batch: B, tokens: T }, values).get('output')!;
    const row = heads * dim;
    const tail = (data: readonly number[], from: number): number[] =>
      Array.from({ length: B }, (_, b) => data.slice((b * T + from) * row, (b + 1) * T * row)).flat();
    const later = interpret(
      p,
      { batch: B, tokens: 2, first: T - 2 },
      { ...values, query: tail(values['query']!, T - 2) },
    );
    expect([...later.get('output')!]).toEqual(tail([...whole], T - 2));
  });

  it('refuses a scan whose beginning is not known', () => {
    const d = scan(defined('h', [t]), { along: t, term: readAt(x, [t]) });
    expect(() => evaluate([d], { x: [1, 2] }, { batch: 1, tokens: 2, first: 3 })).toThrow('needs the rows before 3');
    expect(evaluate([d], { x: [1, 1, 1, 1, 2] }, { batch: 1, tokens: 2, first: 3 })).toEqual([1, 2, 3, 4, 6]);
  });

  it('knows its sizes', () => {
    const sum = call('add', call('multiply', integer(100), size('first')), size('keys'));
    const d = map(defined('y', [], 'integer'), sum);
    expect(evaluate([d], {}, { batch: 1, tokens: 2, first: 3 })).toEqual([305]);
  });
});

describe('initial values', () => {
  const n = axis('n', 2000);
  const b = axis('b', 'batch', 'batch');
  const one = { batch: 1, tokens: 1 };
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 48271) >>> 0) % 2147483647;
    return state / 2147483647;
  };

  it('follow their formula and distribution', () => {
    const parts = call('multiply', real(2), at(n));
    const formula = learned('w', [n], { shared: false, trained: true, initial: parts });
    expect([...evaluateInitial(formula, random)].slice(0, 3)).toEqual([0, 2, 4]);
    const values = evaluateInitial(drawn('e', [b, n], call('trunc_normal', real(1), real(0.5))), random, one);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(Math.abs(mean - 1)).toBeLessThan(0.05);
    expect(values.every((value) => Math.abs(value - 1) <= 1)).toBe(true);
    const uniform = evaluateInitial(drawn('u', [b, n], call('uniform', real(-1), real(3))), random, one);
    expect(uniform.every((value) => value >= -1 && value < 3)).toBe(true);
    expect(new Set(uniform).size).toBeGreaterThan(1900); // drawn again at each index
  });

  it('are taken for inputs that are not given', () => {
    const w = learned('w', [axis('n', 2)], { shared: false, trained: true, initial: real(3) });
    const n2 = axis('n', 2);
    const d = map(defined('y', [n2]), call('add', readAt(w, [n2]), real(1)));
    const p = program({ name: 'p', inputs: [w], definitions: [d], results: { y: d.tensor } });
    expect([...interpret(p, { batch: 1, tokens: 1 }, {}, random).get('y')!]).toEqual([4, 4]);
    expect(() => interpret(p, { batch: 1, tokens: 1 }, {})).toThrow("no values for the input 'w'");
  });
});

describe('matrix exponential', () => {
  it('of a quarter turn, a nilpotent and a diagonal matrix', () => {
    const angle = 40.7;
    const turn = matrixExponential(2, Float64Array.of(0, -angle, angle, 0));
    expect(turn[0]).toBeCloseTo(Math.cos(angle), 13);
    expect(turn[2]).toBeCloseTo(Math.sin(angle), 13);
    expect([...matrixExponential(2, Float64Array.of(0, 3, 0, 0))]).toEqual([1, 3, 0, 1]);
    expect(matrixExponential(2, Float64Array.of(-30, 0, 0, 2))[0]! / Math.exp(-30)).toBeCloseTo(1, 12);
    expect([...matrixExponential(2, new Float64Array(4))]).toEqual([1, 0, 0, 1]);
  });

  it('has the adjoint of its differences, also for a large cotangent', () => {
    const n = 3;
    const a = Float64Array.of(0.3, -1.2, 0.5, 0.9, -0.4, 2.1, -0.7, 0.2, 0.1);
    const cotangent = Float64Array.from({ length: 9 }, (_, k) => 1e6 * Math.sin(k + 1));
    const slope = matrixExponentialAdjoint(n, a, cotangent);
    const h = 1e-4;
    for (let k = 0; k < n * n; k++) {
      const moved = (by: number): number => {
        const exponential = matrixExponential(
          n,
          a.map((value, m) => (m === k ? value + by : value)),
        );
        return exponential.reduce((sum, value, m) => sum + value * cotangent[m]!, 0);
      };
      const difference = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
      expect(Math.abs(slope[k]! - difference) / 1e6).toBeLessThan(1e-9);
    }
  });

  it('is evaluated for each matrix of a tensor', () => {
    const axes = (): [ReturnType<typeof axis>, ReturnType<typeof axis>, ReturnType<typeof axis>] => [
      axis('t', 'tokens', 'token'),
      axis('r', 2),
      axis('c', 2),
    ];
    const own = axes();
    const input = map(
      defined('M', own),
      call('select', call('equal', at(own[1]), at(own[2])), readAt(x, [own[0]]), real(0)),
    );
    const d = expm(defined('R', axes()), input.tensor);
    const found = evaluate([input, d], { x: [0, 1] }, { batch: 1, tokens: 2 });
    [1, 0, 0, 1, Math.E, 0, 0, Math.E].forEach((value, n) => expect(found[n]).toBeCloseTo(value, 14));
  });
});

describe('matrix inverse', () => {
  it.each([1, 2, 5, 16])('times the matrix is the identity, %i x %i', (n) => {
    // Zeros on the diagonal: rows must change places.
    const a = Float64Array.from({ length: n * n }, (_, k) => (k % (n + 1) === 0 && n > 1 ? 0 : Math.sin(k * k + 1)));
    const inverse = matrixInverse(n, a);
    for (let r = 0; r < n; r++) {
      for (let c = 0; c < n; c++) {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += a[r * n + k]! * inverse[k * n + c]!;
        expect(sum).toBeCloseTo(r === c ? 1 : 0, 11);
      }
    }
  });

  it('of a matrix that has none is not finite', () => {
    expect([...matrixInverse(2, Float64Array.of(1, 2, 2, 4))].every(Number.isFinite)).toBe(false);
  });
});

it('constants are booleans too', () => {
  const d = map(defined('y', [t], 'boolean'), call('and', boolean(true), call('less', integer(0), at(t))));
  expect(evaluate([d], { x: [0, 0] }, { batch: 1, tokens: 2 })).toEqual([0, 1]);
});
