// Memory and control flow of kernel IR as WebAssembly, against the simulator: neighbours and single places, whole and masked, private
// arrays and scratch memory, loops of any bounds, what returns early; and nothing is written where a mask says no.

import { describe, expect, it } from 'vitest';
import type { Expression, KernelBody, Statement } from '../../codegen/kernel.ts';
import * as build from '../../codegen/kernel-build.ts';
import { simulate } from '../../codegen/simulate.ts';
import { wholeSequence } from '../../targets/device.ts';
import { moduleOf } from '../../targets/wasm/module.ts';
import { integers, random } from './random-kernel.ts';
import { runWasm } from './run-kernel.ts';

const { i32, f32, local, add, multiply, subtract, load, store, letOf, varOf, assign, loop, less, splat, ramp } = build;

const items = 6;
const each = 16; // elements of an item
const sizes = { ...wholeSequence(2, 5), first: 3, keys: 8, capacity: 11 };
const start = local('start', 'i32');

interface Given {
  readonly statements: readonly Statement[];
  readonly arrays?: KernelBody['arrays'];
  readonly scratch?: NonNullable<KernelBody['scratch']>;
}

/** `x` and `m` are read, `y` and `n` are written; each item has sixteen elements from `start` on. */
function bodyOf({ statements, arrays = [], scratch }: Given): KernelBody {
  return {
    name: 'of_memory',
    workgroup: 1,
    bindings: [
      { name: 'x', type: 'f32', access: 'read' },
      { name: 'm', type: 'i32', access: 'read' },
      { name: 'y', type: 'f32', access: 'read_write' },
      { name: 'n', type: 'i32', access: 'read_write' },
    ],
    shared: [],
    arrays,
    ...(scratch ? { scratch } : {}),
    statements: [letOf('start', multiply(build.workgroupIndex, i32(each))), ...statements],
  };
}

function check(given: Given): void {
  const body = bodyOf(given);
  const buffers = () => {
    const next = random(17);
    return {
      x: Float32Array.from({ length: items * each }, (_, at) => at + 0.5),
      m: Int32Array.from({ length: items * each }, () => next(each)),
      y: new Float32Array(items * each).fill(-1),
      n: integers(items * each, next),
    };
  };
  const [expected, actual, before] = [buffers(), buffers(), buffers()];
  simulate(body, items, expected, sizes);
  expect([expected.y, expected.n], 'the kernel does something').not.toEqual([before.y, before.n]);
  runWasm(body, items, actual, sizes);
  expect(actual).toEqual(expected);
}

const x = (at: number | Expression): Expression =>
  load('x', add(start, typeof at === 'number' ? i32(at) : at), 'f32x4');
const places = load('m', start, 'i32x4'); // of this item: 0 to 15
const own = (index: Expression): Expression => add(splat(start), index);
/** Some of the four, by what lies in `m`; all or none in some items. */
const some = less(load('m', add(start, i32(4)), 'i32x4'), splat(i32(7)));
const none = less(splat(build.workgroupIndex), splat(i32(3)));
const far = add(start, multiply(build.select(less(build.workgroupIndex, i32(3)), i32(0), i32(1)), i32(2 ** 28)));

describe('vectors', () => {
  const cases: readonly (readonly [string, readonly Statement[]])[] = [
    ['neighbours from any place', [store('y', add(start, i32(3)), x(5)), store('y', add(start, i32(9)), x(1))]],
    ['neighbours of integers', [store('n', start, load('m', add(start, i32(2)), 'i32x4'))]],
    ['each from its own place', [store('y', start, load('x', own(places)))]],
    ['each from its own place, some', [store('y', start, load('x', own(places), 'f32x4', some))]],
    ['every third', [store('y', start, load('x', add(multiply(ramp(i32(0)), splat(i32(3))), splat(start))))]],
    [
      'backward, with the vector of places bound',
      [
        letOf('places', subtract(splat(add(start, i32(9))), ramp(i32(1)))),
        store('y', start, load('x', local('places', 'i32x4'))),
      ],
    ],
    ['neighbours, some', [store('y', start, load('x', add(start, i32(1)), 'f32x4', some))]],
    ['nothing is read far outside', [store('y', start, load('x', far, 'f32x4', none))]],
    ['nothing is written far outside', [store('y', far, x(0), none)]],
    [
      'nothing is read at places far outside',
      [store('y', start, load('x', add(splat(far), ramp(i32(0))), 'f32x4', none))],
    ],
    ['nothing is written at places far outside', [store('y', add(splat(far), ramp(i32(0))), x(0), none)]],
    ['some are written', [store('y', add(start, i32(2)), x(0), some)]],
    [
      'each to its own place, the last stays',
      [store('n', own(places), add(splat(build.workgroupIndex), ramp(i32(5))))],
    ],
    ['some to their own places', [store('y', own(places), x(0), some)]],
    ['every fourth is written', [store('y', add(splat(start), multiply(ramp(i32(0)), splat(i32(4)))), x(2))]],
    ['components', [0, 1, 2, 3].map((at) => store('y', add(start, i32(at)), build.extract(x(2), 3 - at)))],
    [
      'one for all',
      [
        store('y', start, splat(load('x', add(start, i32(3))))),
        store('n', start, splat(load('m', add(start, i32(3)), 'i32'))),
        store('y', add(start, i32(4)), splat(build.extract(x(2), 2))),
        store('y', add(start, i32(8)), build.select(splat(less(load('x', start), f32(20))), x(0), x(4))),
      ],
    ],
    [
      'any and all',
      (['any', 'all'] as const).map((op, at) =>
        store('n', add(start, i32(at)), build.call('to_i32', build.across(op, some))),
      ),
    ],
  ];
  it.each(cases)('%s', (_, statements) => check({ statements }));
});

describe('places before what is added to them', () => {
  it.each([1, 40, 5000])('an index that is below zero without its last %i', (distance) => {
    const at = local('at', 'i32');
    const statements = [
      letOf('at', subtract(load('m', start, 'i32'), i32(distance))),
      store('y', start, load('x', add(at, i32(distance)), 'f32')),
      loop('i', i32(-distance), i32(4 - distance), [
        store('n', add(start, add(local('i', 'i32'), i32(distance))), i32(9)),
      ]),
    ];
    check({ statements });
  });
});

const at = local('at', 'i32');
const sum = local('sum', 'f32');
const element = (index: Expression, type: 'f32' | 'f32x4' = 'f32'): Expression => build.element('held', index, type);

describe('private memory', () => {
  const fill = (count: number): Statement =>
    loop('at', i32(0), i32(count), [build.storeElement('held', at, load('x', add(start, at)))]);
  it('an array with places that are not known', () => {
    const statements = [fill(8), store('y', start, element(build.call('bit_and', load('m', start, 'i32'), i32(7))))];
    check({ arrays: [{ name: 'held', type: 'f32', size: 8 }], statements });
  });
  it('an array in locals', () => {
    const given = {
      arrays: [{ name: 'held', type: 'f32', size: 4 }],
      statements: [
        loop('at', i32(0), i32(4), [build.storeElement('held', at, load('x', add(start, at)))], { mode: 'unrolled' }),
        store('y', start, add(element(i32(3)), element(i32(1)))),
      ],
    } as const;
    check(given);
    const names = moduleOf(bodyOf(given)).functions[0]!.locals.map(({ name }) => name);
    expect(names).toContain('held.3');
    expect(names).not.toContain('held.at');
  });
  it('an array in fours, in memory and in locals', () => {
    const fours = (index: Expression): Given => ({
      arrays: [{ name: 'held', type: 'f32', size: 8 }],
      statements: [
        build.storeElement('held', i32(0), x(0)),
        build.storeElement('held', i32(4), x(4)),
        store('y', start, element(index, 'f32x4')),
      ],
    });
    check(fours(build.call('bit_and', load('m', start, 'i32'), i32(4))));
    check(fours(i32(3)));
    check(fours(i32(4)));
    const names = [3, 4].map((index) =>
      moduleOf(bodyOf(fours(i32(index)))).functions[0]!.locals.map(({ name }) => name),
    );
    expect(names.map((all) => all.includes('held.at'))).toEqual([true, false]);
  });
  it('an array of numbers and of fours', () => {
    const statements = [
      build.storeElement('held', i32(0), x(0)),
      build.storeElement('held', i32(0), f32(7)),
      store('y', start, element(i32(0), 'f32x4')),
    ];
    check({ arrays: [{ name: 'held', type: 'f32', size: 4 }], statements });
  });
  it('two arrays and scratch memory of sizes known at run time, one after the other', () => {
    const tokens = {
      kind: 'product',
      factors: [
        { kind: 'size', size: 'tokens' },
        { kind: 'number', value: 3 },
      ],
    } as const;
    const fillAll = (name: string, count: Expression, value: Expression): Statement =>
      loop('at', i32(0), count, [build.storeElement(name, at, value)]);
    const triple = multiply(build.sizeOf('tokens'), i32(3));
    const total = loop('at', i32(0), triple, [
      assign('sum', add(sum, add(build.element('rows', at), build.toF32(build.element('counts', at, 'i32'))))),
    ]);
    const statements = [
      fillAll('odd', i32(5), f32(1)),
      fillAll('rows', triple, load('x', add(start, build.call('bit_and', at, i32(7))))),
      fillAll('counts', triple, at),
      fillAll('last', build.sizeOf('capacity'), f32(2)),
      fillAll('odd', i32(5), f32(3)),
      varOf('sum', f32(0)),
      total,
      store('y', start, sum),
      store('y', add(start, i32(1)), add(build.element('odd', i32(4)), build.element('last', i32(10)))),
      store('y', add(start, i32(4)), build.element('rows', add(i32(1), build.sizeOf('batch')), 'f32x4')),
    ];
    check({
      arrays: [{ name: 'odd', type: 'f32', size: 5 }],
      scratch: [
        { name: 'rows', type: 'f32', size: tokens },
        { name: 'counts', type: 'i32', size: tokens },
        { name: 'last', type: 'f32', size: { kind: 'size', size: 'capacity' } },
      ],
      statements,
    });
  });
});

const i = local('i', 'i32');
const count = (body: readonly Statement[] = []): readonly Statement[] => [
  assign('sum', add(sum, load('x', add(start, i)))),
  ...body,
];
const summed = (...loops: readonly Statement[]): readonly Statement[] => [
  varOf('sum', f32(0)),
  ...loops,
  store('y', start, sum),
];
const bound = local('bound', 'i32');

describe('control flow', () => {
  const few = load('m', start, 'i32'); // 0 to 15
  const cases: readonly (readonly [string, readonly Statement[]])[] = [
    ['a loop of any length, also none', summed(loop('i', i32(0), few, count()))],
    ['from past its end', summed(loop('i', few, i32(7), count()), store('y', add(start, i32(1)), f32(1)))],
    ['in steps', summed(loop('i', i32(1), i32(14), count(), { step: 3 }))],
    ['in steps of four, several at once', vectorSum(few, 4)],
    ['in steps of eight', vectorSum(few, 8)],
    ['in steps of four, of a length that is known', vectorSum(i32(13), 4)],
    ['in steps of four, long', vectorSum(i32(16), 4)],
    [
      'with a bound that the loop changes',
      summed(varOf('bound', i32(12)), loop('i', i32(0), bound, count([assign('bound', subtract(bound, i32(1)))]))),
    ],
    [
      'with a bound in memory that the loop changes',
      summed(
        store('n', start, i32(10)),
        loop(
          'i',
          i32(0),
          load('n', start, 'i32'),
          count([store('n', start, subtract(load('n', start, 'i32'), i32(1)))]),
        ),
      ),
    ],
    [
      'either side',
      summed(
        loop('i', i32(0), i32(9), [
          ...build.when(less(load('m', add(start, i), 'i32'), i32(8)), count(), [assign('sum', subtract(sum, f32(2)))]),
        ]),
      ),
    ],
    [
      'an early return',
      [
        store('n', start, i32(1)),
        ...build.when(less(load('m', start, 'i32'), i32(8)), [build.leave]),
        store('n', add(start, i32(1)), i32(2)),
      ],
    ],
    [
      'loops in loops, each with its own addresses',
      [
        loop('row', i32(0), i32(4), [
          letOf('base', add(start, multiply(local('row', 'i32'), i32(4)))),
          loop('i', i32(0), i32(4), [
            store(
              'y',
              add(local('base', 'i32'), i),
              add(load('x', add(local('base', 'i32'), subtract(i32(3), i))), f32(1)),
            ),
          ]),
          loop('i', i32(0), build.call('bit_and', few, i32(3)), [
            store('n', add(add(i, start), multiply(local('row', 'i32'), i32(4))), add(i, local('row', 'i32'))),
          ]),
        ]),
      ],
    ],
    [
      'names of scopes beside each other that are alike',
      [
        ...build.when(less(few, i32(8)), [letOf('same', x(0)), store('y', start, local('same', 'f32x4'))]),
        ...build.when(less(i32(7), few), [letOf('same', add(few, i32(1))), store('n', start, local('same', 'i32'))]),
      ],
    ],
  ];
  it.each(cases)('%s', (_, statements) => check({ statements }));
});

/** Every step adds up four numbers; what is left after the last whole step is not read. */
function vectorSum(end: Expression, step: number): readonly Statement[] {
  const total = local('total', 'f32x4');
  const last = subtract(end, i32(step - 1));
  return [
    varOf('total', splat(f32(0))),
    loop('i', i32(0), last, [assign('total', add(total, x(i)))], { step }),
    store('y', start, total),
  ];
}

describe('helpers', () => {
  const inner = build.call('exp', build.negate(build.call('abs', load('x', start))));
  it('the same helper twice in an expression, and within itself', () => {
    const body = bodyOf({
      statements: [store('y', start, add(build.call('exp', multiply(inner, f32(0.5))), multiply(inner, inner)))],
    });
    const buffers = () => ({
      x: Float32Array.from({ length: items * each }, (_, place) => place / 20),
      m: new Int32Array(items * each),
      y: new Float32Array(items * each),
      n: new Int32Array(items * each),
    });
    const actual = buffers();
    runWasm(body, items, actual, sizes);
    for (let item = 0; item < items; item += 1) {
      const decay = Math.exp(-actual.x[item * each]!);
      expect(actual.y[item * each]).toBeCloseTo(Math.exp(decay / 2) + decay * decay, 6);
    }
  });
  it('are called where there are too many to write them in place', () => {
    const many = Array.from({ length: 200 }, (_, n) =>
      store('y', add(start, i32(n % each)), build.call('exp', multiply(load('x', start), f32(-n / 1000)))),
    );
    const body = bodyOf({ statements: many });
    expect(moduleOf(body).functions.map(({ name }) => name)).toContain('exp_own_f32');
    const buffers = {
      x: new Float32Array(items * each).fill(1),
      m: new Int32Array(items * each),
      y: new Float32Array(items * each),
      n: new Int32Array(items * each),
    };
    runWasm(body, items, buffers, sizes);
    expect(buffers.y[199 % each]).toBeCloseTo(Math.exp(-0.199), 6);
    expect(buffers.y[184 % each]).toBeCloseTo(Math.exp(-0.184 - (184 % each === 199 % each ? 0.015 : 0)), 6);
  });
});
