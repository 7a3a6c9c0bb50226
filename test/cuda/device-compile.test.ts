// Kernels become units, units machine code: order and names of units, what compilers complain of, and the compilers that
// are here (nvcc, NVRTC: each test says when one is missing).

import { describe, expect, it } from 'vitest';
import { compileTexts, type CompileFailure, type Compiler } from '../../targets/cuda/device/compile.ts';
import { openCache } from '../../targets/cuda/device/cache.ts';
import { loadForeign } from '../../targets/cuda/device/foreign.ts';
import { findNvcc } from '../../targets/cuda/device/nvcc.ts';
import { findNvrtc, pickArchitecture } from '../../targets/cuda/device/nvrtc.ts';
import { compileError, symbolOf, unitsOf, type KernelText, type Unit } from '../../targets/cuda/device/unit.ts';
import { prelude } from '../../targets/cuda/prelude.ts';
import type { DeviceError } from '../../targets/device.ts';
import { doubled } from './device-fixture.ts';

const textOf = (name: string, key: string, wide = false, code = doubled.variants[0]!.code): KernelText => ({
  kernel: { ...doubled, name, source: `${name}.pe:3` },
  code: code.replace('double_of(', `${name}(`),
  wide,
  key: key.padEnd(32, '0'),
});
const texts = [textOf('b', 'b1'), textOf('a', 'a1'), textOf('b', 'b2'), textOf('a', 'a1w', true)];

describe('units', () => {
  it('follow from the texts alone, in whatever order they come', () => {
    const units = unitsOf(texts, '// prelude\n', 100_000);
    expect(units.map(({ kernels }) => kernels.map(symbolOf))).toEqual([
      ['a_a10000000000', 'b_b10000000000', 'b_b20000000000'],
      ['a_a1w000000000'],
    ]);
    expect(unitsOf(texts.toReversed(), '// prelude\n', 100_000)).toEqual(units);
    expect(units.map(({ text }) => text.includes('#define PEGEN_WIDE 1'))).toEqual([false, true]);
    expect(units[1]!.text.startsWith('#define PEGEN_WIDE 1\n// prelude\n')).toBe(true);
  });

  it('are cut by size, and hold one kernel at least', () => {
    expect(unitsOf(texts, '', 10).map(({ kernels }) => kernels.length)).toEqual([1, 1, 1, 1]);
    expect(unitsOf(texts, '', texts[0]!.code.length * 2).map(({ kernels }) => kernels.length)).toEqual([2, 1, 1]);
  });

  const [unit] = unitsOf(texts, '', 100_000);
  it.each([
    ['NVRTC', 'b_b10000000000.cu(4): error: identifier "theta" is undefined\n  int x = theta;\n'],
    ['nvcc', '/tmp/x/b_b10000000000.cu(4): error #20: identifier "theta" is undefined\n'],
    ['g++', 'g++ does not compile this:\nb_b10000000000.cu:4:15: error: ‘theta’ was not declared in this scope\n'],
  ])('an error of %s leads to its kernel', (compiler, log) => {
    const error = compileError(unit!, log, compiler);
    expect([error.kind, error.kernel, error.source]).toEqual(['invalid-kernel', 'b', 'b.pe:3']);
    expect(error.message).toMatch(/the kernel b \(b\.pe:3\) does not compile: line 4 of its CUDA C\+\+: .*theta/);
    expect(error.message).toContain(texts[0]!.code.split('\n')[3]!.trim());
  });

  it('an error that leads nowhere names all kernels of the unit', () => {
    const error = compileError(unit!, 'internal error: out of patience', 'nvcc 13.0');
    expect(error.message).toBe('nvcc 13.0 does not compile a (a.pe:3), b (b.pe:3): internal error: out of patience');
  });
});

describe('compiling side by side', () => {
  const fake = (fail: (unit: Unit) => CompileFailure | null, seen: string[]): Compiler => ({
    description: 'a compiler',
    identity: 'a compiler',
    parallel: 2,
    unitSize: 10,
    async compile(unit) {
      seen.push(unit.name);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return fail(unit) ?? new TextEncoder().encode(unit.text);
    },
  });

  it('tells how far it is, and gives every text its unit', async () => {
    const told: [number, number][] = [];
    const seen: string[] = [];
    const cache = await openCache(null);
    const found = await compileTexts(
      texts,
      fake(() => null, seen),
      '',
      cache,
      (...each) => told.push(each),
    );
    expect(told.map(([, total]) => total)).toEqual([4, 4, 4, 4, 4]);
    expect(told.map(([done]) => done)).toEqual([0, 1, 2, 3, 4]);
    for (const text of texts) expect(new TextDecoder().decode(found.get(text.key)!.bytes)).toContain(symbolOf(text));
  });

  it('stops at the first error', async () => {
    const seen: string[] = [];
    const compiler = fake(({ name }) => (name.startsWith('a_a10') ? { log: `${name}.cu(1): error: no` } : null), seen);
    const error = (await compileTexts(texts, compiler, '', await openCache(null), () => undefined).catch(
      (reason: unknown) => reason,
    )) as DeviceError;
    expect([error.kind, error.kernel]).toEqual(['invalid-kernel', 'a']);
    expect(seen.length).toBeLessThan(4);
  });
});

describe('architectures', () => {
  it('its own where it is known, else the newest before it', () => {
    expect(pickArchitecture(90, [75, 80, 90, 100])).toBe(90);
    expect(pickArchitecture(95, [75, 80, 90, 100])).toBe(90);
    expect(pickArchitecture(70, [75, 80])).toBeNull();
  });
});

const nvcc = await findNvcc(90, []);
const foreign = await loadForeign();
const nvrtc = findNvrtc(foreign, 90, 99, []);
const older = findNvrtc(foreign, 999, 99, []);

describe.each([
  ['nvcc', nvcc, 0x7f],
  ['NVRTC', nvrtc, 0x7f],
  ['NVRTC for a GPU that it does not know', older, 0x2f], // PTX: a comment
])('%s', (name, compiler, begin) => {
  if (compiler === null) {
    it.skip(`${name} is not here`, () => undefined);
    return;
  }
  it('compiles a unit, wide or not', async () => {
    for (const unit of unitsOf(texts, prelude, 100_000)) {
      const result = await compiler.compile(unit);
      expect(result).toBeInstanceOf(Uint8Array);
      const bytes = result as Uint8Array;
      expect(bytes[0]).toBe(begin);
      for (const text of unit.kernels) expect(Buffer.from(bytes).includes(symbolOf(text))).toBe(true);
    }
  });

  it('says what is wrong, of which kernel', async () => {
    const broken = textOf('phase', 'p', false, doubled.variants[0]!.code.replace('2.0f *', '2.0f * theta *'));
    const [unit] = unitsOf([textOf('a', 'a1'), broken], prelude, 100_000);
    const result = await compiler.compile(unit!);
    expect(result).not.toBeInstanceOf(Uint8Array);
    const error = compileError(unit!, (result as CompileFailure).log, compiler.description);
    expect([error.kernel, error.source]).toEqual(['phase', 'phase.pe:3']);
    expect(error.message).toMatch(/line \d+ of its CUDA C\+\+: .*theta/);
    expect(error.message).toContain('2.0f * theta');
  });
});
