// The text of kernels in CUDA C++: what stands in it, how expressions and names are written, that nothing a user wrote can
// become code, and the kernels of three encodings as files to be read. Where nvcc is installed, files compile as they are.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nameKernels, kernelComment } from '../../codegen/glue/kernels.ts';
import type { Expression, KernelBody, Statement } from '../../codegen/kernel.ts';
import * as build from '../../codegen/kernel-build.ts';
import { createNames, isReserved } from '../../codegen/names.ts';
import type { KernelPlan, Plan } from '../../codegen/plan/plan.ts';
import { compile } from '../../src/compile.ts';
import { renameEntry } from '../../targets/cuda/entry.ts';
import { integersOf } from '../../targets/cuda/integers.ts';
import { cuda } from '../../targets/cuda/printer.ts';
import { syntaxOf } from '../../targets/cuda/syntax.ts';
import { printExpression } from '../../targets/print.ts';
import { planExample } from './kernels.ts';
import { compileTexts, release } from './nvcc.ts';

const { add, and, call, equal, f32, i32, less, load, local, multiply, negate, or, select, subtract } = build;

function kernel(statements: readonly Statement[], more: Partial<KernelBody> = {}): KernelBody {
  return {
    name: 'kernel',
    workgroup: 32,
    bindings: [
      { name: 'a', type: 'f32', access: 'read' },
      { name: 'result', type: 'bf16', access: 'read_write' },
    ],
    shared: [],
    arrays: [],
    statements,
    ...more,
  };
}

const everyStatement = kernel(
  [
    build.comment('sum of a row'),
    build.letOf('unused', load('a', i32(7))),
    build.varOf('sum', f32(0)),
    build.loop('t', build.laneIndex, build.sizeOf('tokens'), [
      build.assign('sum', add(local('sum', 'f32'), load('a', local('t', 'i32')))),
    ]),
    build.storeShared('tile', build.laneIndex, local('sum', 'f32')),
    build.barrier,
    build.letOf('total', build.subgroup('add', build.shared('tile', build.laneIndex))),
    { kind: 'load-elements', buffer: 'a', index: multiply(build.laneIndex, i32(4)), array: 'part', at: 4, count: 4 },
    build.loop(
      'k',
      i32(0),
      i32(4),
      [
        build.storeElement(
          'part',
          local('k', 'i32'),
          multiply(local('total', 'f32'), build.element('part', add(local('k', 'i32'), i32(4)))),
        ),
      ],
      { mode: 'unrolled' },
    ),
    ...build.when(
      less(build.laneIndex, i32(16)),
      [
        {
          kind: 'store-elements',
          buffer: 'result',
          index: multiply(build.laneIndex, i32(8)),
          array: 'part',
          at: 0,
          count: 8,
        },
      ],
      [build.store('result', add(multiply(build.workgroupIndex, i32(32)), build.laneIndex), f32(-1.5))],
    ),
  ],
  {
    shared: [{ name: 'tile', type: 'f32', size: 32 }],
    arrays: [{ name: 'part', type: 'f32', size: 8 }],
  },
);

it('prints a kernel with every kind of statement', async () => {
  const code = cuda.kernel(everyStatement, 'rope.pe:4  score += slope[h] * (j - i)');
  expect(code).toMatchSnapshot();
  if (release !== null) expect((await compileTexts([{ name: 'kernel', code }])).messages).toEqual([]);
});

it('keeps the grouping of expressions', () => {
  const [x, y, n, m] = [local('x', 'f32'), local('y', 'f32'), local('n', 'i32'), local('m', 'i32')];
  const statements = [
    build.letOf('x', load('a', i32(0))),
    build.letOf('y', load('a', i32(1))),
    build.letOf('n', build.laneIndex),
    build.letOf('m', build.workgroupIndex),
  ];
  const syntax = syntaxOf(kernel([]).bindings, integersOf({ statements, lanes: 32 }));
  const expressions: readonly (readonly [string, Expression])[] = [
    ['x + (y + x)', add(x, add(y, x))],
    ['x - (y - x)', subtract(x, subtract(y, x))],
    ['x * (-y)', multiply(x, negate(y))],
    ['x - (-1.0f)', subtract(x, f32(-1))],
    ['n - 1', add(n, i32(-1))],
    ['fmaxf(x, -1.0f)', call('max', x, f32(-1))],
    ['m >= n && !(x < y)', and(build.not(less(m, n)), build.not(less(x, y)))],
    ['(n & 3) == 1', equal(call('bit_and', n, i32(3)), i32(1))],
    ['((n ^ 5) & (n + 1)) < n', less(call('bit_and', call('xor', n, i32(5)), add(n, i32(1))), n)],
    ['(x < y || x == y) && n >= 3', and(or(less(x, y), equal(x, y)), build.not(less(n, i32(3))))],
    ['n < 3 ? x : y', select(less(n, i32(3)), x, y)],
    ['x * (n < 3 ? x : y)', multiply(x, select(less(n, i32(3)), x, y))],
    ['(n < 3 ? x < y : y < x) ? x : (x < y ? y : x)', choose(select(less(n, i32(3)), less(x, y), less(y, x)), x, y)],
    ['fminf(n < 3 ? x : y, 1.0f)', call('min', select(less(n, i32(3)), x, y), f32(1))],
    ['least(index_t(n), m)', call('min', n, m)],
    ['least(n, 3)', call('min', n, i32(3))],
    ['(x < y ? sizes.tokens : index_t(n)) * 768', multiply(select(less(x, y), build.sizeOf('tokens'), n), i32(768))],
    [
      'wrapping_shift_left(n, 2) + ((n + 1) >> 3)',
      add(call('shift_left', n, i32(2)), call('shift_right', add(n, i32(1)), i32(3))),
    ],
    ['widen(result[m * 32 + n])', load('result', add(multiply(m, i32(32)), n))],
    ['__int_as_float(wrapping_add(__float_as_int(x), 1))', call('from_bits', add(call('bits_of', x), i32(1)))],
  ];
  for (const [text, expression] of expressions) expect(printExpression(expression, syntax)).toBe(text);
});

const choose = (condition: Expression, x: Expression, y: Expression): Expression =>
  select(condition, x, select(less(x, y), y, x));

it('needs whole warps for subgroup operations', () => {
  const body = kernel([build.letOf('total', build.subgroup('add', f32(1)))], { workgroup: 16 });
  expect(() => cuda.kernel(body, '')).toThrow(/whole warps/);
});

it('hostile names and comments stay one kernel', async () => {
  const hostile = [
    '*/ } void evil() {',
    'a\u2028void evil() {}',
    '//\n#define',
    'x;\r\nint y',
    '\u202e}\u0085',
    'a \\',
    '??/',
  ];
  for (const text of hostile) {
    const names = createNames();
    const [name, value] = [names.allocate(text), names.allocate(text)];
    const body = kernel(
      [build.comment(text), build.letOf(value, f32(1)), build.store('result', i32(0), local(value, 'f32'))],
      { name },
    );
    const printed = cuda.kernel(body, `first line\n${text}`);
    const lines = printed.split('\n');
    for (const line of lines.filter((each) => each.trimStart().startsWith('//'))) expect(line).not.toMatch(/[\\?]$/);
    const code = lines.filter((line) => !line.trimStart().startsWith('//')).join('\n');
    expect(code.match(/\bvoid\b/g)).toEqual(['void']);
    expect(code.match(/\{/g)).toHaveLength(1);
    expect(code).not.toContain('#');
  }
});

it('kernels are named as no function of C is, and once', () => {
  const launch = (name: string) => ({ kernel: { name } as KernelPlan, buffers: [] });
  const plan = { entries: [{ launches: ['gamma', 'x', 'x', 'select'].map(launch) }] } as unknown as Plan;
  expect([...nameKernels([plan]).values()]).toEqual(['gamma_1', 'x', 'x_1', 'select_1']);
});

it('a kernel gets another name without a change of anything else', () => {
  const code = cuda.kernel(
    kernel([build.letOf('x', build.toF32(build.laneIndex)), build.store('result', i32(0), local('x', 'f32'))], {
      name: 'x_1',
    }),
    '',
  );
  expect(renameEntry(code, 'x_1', 'y')).toBe(code.replace(' x_1(', ' y('));
  expect(renameEntry(code, 'lane', 'y')).toBe(code);
});

describe('to be read', () => {
  it.each(['rope', 'carope_rope_init', 'comrope_ld_1d'])('%s', async (name) => {
    const texts = { language: 'cuda', print: cuda.kernel, source: () => `${name}.pe` } as const;
    const own = (await planExample(`${name}.pe`, 'bf16')).flatMap(({ entries }) =>
      entries
        .filter((entry) => entry.name === 'step' || entry.name === 'forward')
        .flatMap(({ launches }) => launches.map(({ kernel: of }) => of).filter(({ span }) => span !== null)),
    );
    const text = own.map((of) => cuda.kernel(of.variants.at(-1)!.body, kernelComment(of, texts))).join('\n');
    await expect(text).toMatchFileSnapshot(`../fixtures/cuda/${name}.cu`);
  });
});

describe.skipIf(release === null)('with nvcc', () => {
  const inFolder = <T>(use: (folder: string) => T): T => {
    const folder = mkdtempSync(join(tmpdir(), 'pegen-cuda-'));
    try {
      return use(folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  const nvcc = process.env['PEGEN_NVCC'] || 'nvcc';

  it.each(['carope', 'learned_absolute'])('%s.cu stands alone', async (name) => {
    const path = `${name}.pe`;
    const text = readFileSync(new URL(`../../examples/${path}`, import.meta.url), 'utf8');
    const { files } = await compile({ path, text, imports: {} }, { target: 'cuda', laws: false });
    const file = files().find((each) => each.path.endsWith('.cu'))!;
    inFolder((folder) => {
      writeFileSync(join(folder, file.path), file.text);
      const said = execFileSync(nvcc, ['-arch=sm_90', '-cubin', file.path], { cwd: folder, stdio: 'pipe' });
      expect(said.toString()).toBe('');
    });
  });

  it('no name is a macro of its headers', () => {
    const text = inFolder((folder) => {
      writeFileSync(join(folder, 'empty.cu'), '');
      const args = ['-arch=sm_90', '-E', '-Xcompiler', '-dM', 'empty.cu'];
      return execFileSync(nvcc, args, { cwd: folder, maxBuffer: 1 << 26, stdio: 'pipe' }).toString();
    });
    const macros = [...text.matchAll(/^#define ([A-Za-z]\w*)/gm)].map(([, name]) => name!);
    expect(macros.length).toBeGreaterThan(100);
    expect(macros.filter((name) => !isReserved(name))).toEqual([]);
  });
});
