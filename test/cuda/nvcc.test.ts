// Every kernel of every example and of the trainer's operations: what its text may not hold; and, where nvcc is, that it
// compiles for sm_90 without a warning and uses no more registers, stack and shared memory than budget.json says.
// PEGEN_BUDGET=write writes that file anew.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { renameEntry } from '../../targets/cuda/entry.ts';
import { prelude } from '../../targets/cuda/prelude.ts';
import { compiler } from './emulated.ts';
import { everyKernel, type Printed } from './kernels.ts';
import { compileAll, compileTexts, missing, release, type Compiled, type Usage } from './nvcc.ts';

/** [registers, bytes of stack, bytes of spills, bytes of shared memory] */
type Row = readonly [number, number, number, number];

interface Budget {
  readonly nvcc: string;
  readonly kernels: Readonly<Record<string, Row>>;
}

const file = new URL('./budget.json', import.meta.url);
const room = 4; // registers more than the budget says, which another release of nvcc may take

const rowOf = ({ registers, stack, spills, shared }: Usage): Row => [registers, stack, spills, shared];

function write(kernels: readonly Printed[], usage: readonly (Usage | null)[]): void {
  const rows = kernels.map(({ key }, at) => `    ${JSON.stringify(key)}: [${rowOf(usage[at]!).join(', ')}]`);
  const text = `{\n  "nvcc": "${release}",\n  "kernels": {\n${rows.sort().join(',\n')}\n  }\n}\n`;
  writeFileSync(file, text);
}

/** What is over its budget: 'bf16 rope output: 80 registers, 64 budgeted'. */
function overBudget(usage: ReadonlyMap<string, Usage>, budget: Budget['kernels'], more: number): string[] {
  return [...usage].flatMap(([key, used]) => {
    const row = budget[key];
    if (row === undefined) return [`${key}: no budget`];
    const names = ['registers', 'bytes of stack', 'bytes of spills', 'bytes of shared memory'];
    return rowOf(used).flatMap((value, at) =>
      value > row[at]! + (at === 0 ? more : 0) ? [`${key}: ${value} ${names[at]}, ${row[at]} budgeted`] : [],
    );
  });
}

if (release === null) console.warn(missing);

let kernels: readonly Printed[] = [];
beforeAll(async () => {
  kernels = await everyKernel();
});

describe('every kernel', () => {
  it('has no atomics, no fast mathematics, no includes, and nothing that the prelude does not say', () => {
    const forbidden =
      /\batomic|__(exp|log|sin|cos|tan|pow|fdivide|sqrt|frcp)\w*f?\(|use_fast_math|#\s*include|#\s*pragma nv/;
    for (const { key, code } of [...kernels, { key: 'prelude', code: prelude }])
      expect(code, key).not.toMatch(forbidden);
    const intrinsics = new Set(kernels.flatMap(({ code }) => code.match(/\b__\w+/g) ?? []));
    const known = ['__global__', '__launch_bounds__', '__device__', '__shared__', '__restrict__', '__syncthreads'];
    const bits = ['__float_as_int', '__int_as_float', '__popc'];
    expect([...intrinsics].filter((word) => !known.includes(word) && !bits.includes(word))).toEqual([]);
  });

  it('says what it computes above its function, once', () => {
    for (const { key, code } of kernels) {
      expect(code.match(/^extern "C" __global__ void/gm), key).toHaveLength(1);
      expect(code, key).toMatch(/^\/\/ .+\nextern "C"/m);
    }
  });

  it('of bf16 moves eight neighbours at once', () => {
    const rotation = kernels.filter(({ key }) => /^bf16 rope \w*query_encoded/.test(key));
    expect(rotation.some(({ code }) => /load_8\(/.test(code) && /store_8\(/.test(code))).toBe(true);
  });
});

describe.skipIf(compiler === null)('wide builds', () => {
  it('of every kernel are valid C++', () => {
    const texts = kernels.map(({ name, code }, at) => renameEntry(code, name, `${name}_${at}`));
    const header = fileURLToPath(new URL('../../targets/cuda/emulate/cuda_cpu.hpp', import.meta.url));
    const options = ['-std=c++17', '-w', '-fsyntax-only', '-DPEGEN_WIDE=1', '-include', header, '-x', 'c++', '-'];
    const input = [prelude, ...texts].join('\n');
    expect(() => execFileSync(compiler!.command, options, { input, stdio: 'pipe' })).not.toThrow();
  });
});

describe.skipIf(release === null)('kernels for sm_90', () => {
  let compiled: Compiled;
  beforeAll(async () => {
    compiled = await compileAll(kernels);
    if (process.env['PEGEN_BUDGET'] === 'write' && compiled.usage.every((each) => each !== null)) {
      write(kernels, compiled.usage);
    }
  });

  it('compile without a warning', () => {
    expect(compiled.messages).toEqual([]);
    expect(compiled.usage).not.toContain(null);
  });

  it('keep their budget (PEGEN_BUDGET=write after a change that is meant)', () => {
    const budget = JSON.parse(readFileSync(file, 'utf8')) as Budget;
    const usage = new Map(kernels.map(({ key }, at) => [key, compiled.usage[at]!]));
    expect(overBudget(usage, budget.kernels, release === budget.nvcc ? room : 4 * room)).toEqual([]);
    expect(Object.keys(budget.kernels).filter((key) => !usage.has(key))).toEqual([]);
  });

  it('keep their arrays in registers', () => {
    const inMemory = kernels.filter((_, at) => compiled.usage[at]!.stack > 0 && compiled.usage[at]!.spills === 0);
    expect(inMemory.map(({ key }) => key)).toEqual([]);
  });

  it('are found out when they spill', async () => {
    const names = Array.from({ length: 96 }, (_, n) => `x${n}`);
    const code = [
      'extern "C" __global__ void __launch_bounds__(1024) greedy(const Sizes sizes, float* __restrict__ a) {',
      ...names.map((name, n) => `  float ${name} = a[${n} * 1024 + threadIdx.x];`),
      '  for (int round = 0; round < sizes.tokens; round += 1) {',
      ...names.map((name, n) => `    ${name} = ${name} * ${names[(n + 7) % 96]} + ${names[(n + 31) % 96]};`),
      '  }',
      ...names.map((name, n) => `  a[${n} * 1024 + threadIdx.x] = ${name};`),
      '}\n',
    ].join('\n');
    const { usage } = await compileTexts([{ name: 'greedy', code }]);
    const budget = { greedy: [64, 0, 0, 0] as Row };
    expect(overBudget(new Map([['greedy', usage[0]!]]), budget, room).join()).toMatch(/bytes of spills, 0 budgeted/);
  });
});
