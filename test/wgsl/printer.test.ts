// The printer's text: every operation and helper compiles with Tint, expressions keep their grouping, numbers are exact,
// and no name or comment can become code.

import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { KernelBody, Statement } from '../../codegen/kernel.ts';
import * as build from '../../codegen/kernel-build.ts';
import { createNames, isReserved } from '../../codegen/names.ts';
import { f32Text, i32Text } from '../../codegen/numbers.ts';
import { reserved } from '../../codegen/reserved.ts';
import { printExpression } from '../../targets/print.ts';
import { wgsl } from '../../targets/wgsl/printer.ts';
import { syntax } from '../../targets/wgsl/syntax.ts';
import { cases, kernelOf } from '../simulator/elementary.ts';
import { compileCheck } from './compile-check.ts';

const { add, and, call, equal, f32, i32, less, load, local, multiply, negate, or, select, subtract } = build;

function kernel(statements: readonly Statement[], more: Partial<KernelBody> = {}): KernelBody {
  return {
    name: 'kernel',
    workgroup: 32,
    bindings: [
      { name: 'a', type: 'f32', access: 'read' },
      { name: 'result', type: 'f32', access: 'read_write' },
    ],
    shared: [],
    arrays: [],
    statements,
    ...more,
  };
}

it.each(cases.map((test) => [test.op + (test.integer ? ' of integers' : ''), test] as const))(
  'the kernel of %s compiles',
  async (_, test) => {
    expect(await compileCheck(wgsl.kernel(kernelOf(test), test.op))).toEqual([]);
  },
);

it('prints a kernel with every kind of statement', async () => {
  const lane = build.laneIndex;
  const body = kernel(
    [
      build.comment('sum of a row'),
      build.varOf('sum', f32(0)),
      build.loop(
        't',
        i32(0),
        build.sizeOf('tokens'),
        [build.assign('sum', add(local('sum', 'f32'), load('a', local('t', 'i32'))))],
        {
          step: 2,
        },
      ),
      build.storeShared('tile', lane, local('sum', 'f32')),
      build.barrier,
      build.letOf('total', build.subgroup('add', build.shared('tile', lane))),
      build.loop('k', i32(0), i32(2), [build.storeElement('pair', local('k', 'i32'), local('total', 'f32'))], {
        mode: 'unrolled',
      }),
      build.loop(
        'n',
        i32(0),
        i32(2),
        [
          build.letOf('twice', multiply(f32(2), build.element('pair', local('n', 'i32')))),
          ...build.when(
            less(lane, build.subgroupSize),
            [build.store('result', add(lane, multiply(build.workgroupIndex, i32(32))), local('twice', 'f32'))],
            [build.store('result', i32(0), f32(-1.5))],
          ),
        ],
        { mode: 'unrolled' },
      ),
    ],
    {
      shared: [{ name: 'tile', type: 'f32', size: 32 }],
      arrays: [{ name: 'pair', type: 'f32', size: 2 }],
    },
  );
  const text = wgsl.kernel(body, 'rope.pe:4  score += slope[h] * (j - i)');
  expect(text).toMatchSnapshot();
  expect(await compileCheck(text)).toEqual([]);
});

it('a missing barrier in a branch is refused by Tint, so the check can fail', async () => {
  const body = kernel([...build.when(less(build.laneIndex, i32(3)), [build.barrier])]);
  expect((await compileCheck(wgsl.kernel(body, ''))).map(({ text }) => text).join()).toContain('uniform control flow');
});

it('keeps the grouping of expressions', async () => {
  const [x, y, n] = [local('x', 'f32'), local('y', 'f32'), local('n', 'i32')];
  const expressions: readonly (readonly [string, ReturnType<typeof add>])[] = [
    ['x + (y + x)', add(x, add(y, x))],
    ['x + y + x', add(add(x, y), x)],
    ['x - (y - x)', subtract(x, subtract(y, x))],
    ['(x + y) * x', multiply(add(x, y), x)],
    ['x * (y / x)', multiply(x, build.divide(y, x))],
    ['x * (-y)', multiply(x, negate(y))],
    ['-(x + y)', negate(add(x, y))],
    ['x - (-1.0)', subtract(x, f32(-1))],
    ['(n & 3) == 1', equal(call('bit_and', n, i32(3)), i32(1))],
    ['((n ^ 5) & (n + 1)) < n', less(call('bit_and', call('xor', n, i32(5)), add(n, i32(1))), n)],
    ['(x < y || x == y) && !(n < 3)', and(or(less(x, y), equal(x, y)), build.not(less(n, i32(3))))],
    ['x < y && x == y && n < 3', and(and(less(x, y), equal(x, y)), less(n, i32(3)))],
    ['select(y, x, n < 3)', select(less(n, i32(3)), x, y)],
    ['(n << 2u) + ((n + 1) >> u32(n))', add(call('shift_left', n, i32(2)), call('shift_right', add(n, i32(1)), n))],
    ['n / (n * 2) % 3', build.remainder(build.quotient(n, multiply(n, i32(2))), i32(3))],
  ];
  const statements: Statement[] = [
    build.letOf('x', load('a', i32(0))),
    build.letOf('y', load('a', i32(1))),
    build.letOf('n', build.laneIndex),
  ];
  for (const [index, [text, expression]] of expressions.entries()) {
    expect(printExpression(expression, syntax)).toBe(text);
    statements.push(build.letOf(`e${index}`, expression));
  }
  expect(await compileCheck(wgsl.kernel(kernel(statements), ''))).toEqual([]);
});

it('numbers read back exactly', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const text = f32Text(value).replace(/[()]/g, '');
      expect(text).toMatch(/[.e]/);
      expect(Math.fround(Number(text))).toBe(value);
    }),
  );
  expect(f32Text(3.4028234663852886e38)).toBe('3.402823466e38');
  expect([0, 1, -7, 2147483647, -2147483648].map(i32Text)).toEqual([
    '0',
    '1',
    '(-7)',
    '2147483647',
    '(-2147483647 - 1)',
  ]);
  expect(() => f32Text(Infinity)).toThrow();
});

it('extreme numbers compile', async () => {
  const values = [3.4028234663852886e38, -3.4028234663852886e38, 1e-45, 2 ** -126, -0, 16777216, 0.1];
  const statements = values.map((value, index) => build.store('result', i32(index), f32(Math.fround(value))));
  statements.push(build.store('result', i32(99), build.toF32(add(build.laneIndex, i32(-2147483648)))));
  expect(await compileCheck(wgsl.kernel(kernel(statements), ''))).toEqual([]);
});

it('names are valid, new, never reserved, and the same again', () => {
  const wishes = fc.array(
    fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('θ', 'W', 'W', 'sin', '__proto__', 'λ̄', '0', '')),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(wishes, (wanted) => {
      const names = createNames();
      const given = wanted.map((wish) => names.allocate(wish));
      expect(new Set(given).size).toBe(given.length);
      for (const name of given) {
        expect(name).toMatch(/^[A-Za-z](_?[A-Za-z0-9])*$/);
        expect(isReserved(name)).toBe(false);
      }
      const again = createNames();
      expect(wanted.map((wish) => again.allocate(wish))).toEqual(given);
    }),
  );
  const names = createNames();
  expect(['M', 'M'].map((wish) => names.allocate(wish))).toEqual(['M', 'v_M_1']); // `M_` is a macro's beginning
  expect(['θ', 'phase', 'phase', 'Ω_0', 'sin', 'fürst', 'target'].map((wish) => names.allocate(wish))).toEqual([
    'theta',
    'phase',
    'phase_1',
    'Omega_0',
    'sin_1',
    'furst',
    'target_1',
  ]);
});

it('every word that Tint refuses as a name is in the list', async () => {
  // A sample of each group; a word of ours that is not reserved compiles.
  for (const word of ['mod', 'self', 'override', 'loop', 'filter']) {
    expect(reserved.wgsl.has(word)).toBe(true);
    const text = wgsl.kernel(kernel([{ kind: 'let', name: word, value: f32(1) }]), '');
    expect((await compileCheck(text)).length).toBeGreaterThan(0);
  }
});

it('hostile names and comments stay one kernel with the expected entry point', async () => {
  const hostile = [
    '*/ } fn evil() {',
    'a\u2028fn evil() {}',
    '//\n@compute',
    'x;\r\nlet y',
    '\u202e}\u0085fn evil() {}',
    '\\',
  ];
  for (const text of hostile) {
    const names = createNames();
    const [name, value] = [names.allocate(text), names.allocate(text)];
    const body = kernel(
      [build.comment(text), build.letOf(value, f32(1)), build.store('result', i32(0), local(value, 'f32'))],
      { name },
    );
    const printed = wgsl.kernel(body, `first line\n${text}`);
    expect(await compileCheck(printed)).toEqual([]);
    const code = printed
      .split('\n')
      .filter((line) => !line.trimStart().startsWith('//'))
      .join('\n');
    expect(code.match(/\bfn\b/g)).toEqual(['fn']);
    expect(code.match(/\{/g)).toHaveLength(2); // of the sizes and of the kernel
  }
});
