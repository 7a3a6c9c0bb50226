// Sums of products in one instruction: what a module says of itself, and what an engine makes of it.

import { describe, expect, it } from 'vitest';
import type { KernelBody } from '../../codegen/kernel.ts';
import { add, assign, i32, load, local, loop, multiply, store, varOf } from '../../codegen/kernel-build.ts';
import { encodeModule } from '../../targets/wasm/encode.ts';
import { moduleOf } from '../../targets/wasm/module.ts';
import { fused, hasFused } from '../../targets/wasm/device/fused.ts';
import { instantiate } from './run-kernel.ts';

/** c = c + a * b, `steps` times, of four numbers each. */
function sums(steps: number): KernelBody {
  const sum = local('sum', 'f32x4');
  const step = local('step', 'i32');
  const from = (buffer: string) => load(buffer, multiply(step, i32(4)), 'f32x4');
  const binding = (name: string, access: 'read' | 'read_write') => ({ name, type: 'f32', access }) as const;
  return {
    name: 'sums',
    workgroup: 1,
    bindings: [binding('a', 'read'), binding('b', 'read'), binding('c', 'read_write')],
    shared: [],
    arrays: [],
    statements: [
      varOf('sum', load('c', i32(0), 'f32x4')),
      loop('step', i32(0), i32(steps), [assign('sum', add(sum, multiply(from('a'), from('b'))))]),
      store('c', i32(0), sum),
    ],
  };
}

const [a, b, c] = [
  [1 + 2 ** -12, 3, -1 / 3, 1e-20],
  [1 + 2 ** -12, 1 / 3, 1 / 7, 1e-20],
  [-1 - 2 ** -11, -1, 1 / 21, 1],
].map((values) => Float32Array.from(values)) as [Float32Array, Float32Array, Float32Array];

function run(code: BufferSource): readonly number[] {
  const { memory, kernel } = instantiate(code, 65536);
  const places = [1024, 2048, 3072];
  new Int32Array(memory.buffer, 256, 8).set([1, 1, 1, 0, 1, ...places]);
  [a, b, c].forEach((values, n) => new Float32Array(memory.buffer, places[n], 4).set(values));
  kernel.run(0, 1, 256, 4096);
  return [...new Float32Array(memory.buffer, places[2], 4)];
}

describe('a sum of products', () => {
  const module = encodeModule(moduleOf(sums(1)));

  it('rounds products by itself', () => {
    expect(run(module)).toEqual([...a].map((x, n) => Math.fround(Math.fround(x * b[n]!) + c[n]!)));
  });

  it.runIf(hasFused())('rounds once where the engine has an instruction for it', () => {
    const once = fused(module);
    expect(once.length).toBe(module.length);
    // Products of f32 are exact in f64, and so are these sums of them.
    const exact = [...a].map((x, n) => Math.fround(x * b[n]! + c[n]!));
    expect([exact, [...a].map((x, n) => Math.fround(Math.fround(x * b[n]!) + c[n]!))]).toContainEqual(run(once));
    if (process.arch === 'arm64' || process.arch === 'x64') expect(run(once)[0]).toBe(2 ** -24);
  });

  it('is found in every function, however long the module', () => {
    const long = encodeModule(moduleOf({ ...sums(3), name: 'x'.repeat(20_000) }));
    expect(WebAssembly.validate(long)).toBe(true);
    if (hasFused()) expect(WebAssembly.validate(fused(long))).toBe(true);
  });

  it('is nowhere in modules without vectors of products', () => {
    const body = sums(1);
    const plain = encodeModule(moduleOf({ ...body, statements: [store('c', i32(0), load('a', i32(0), 'f32x4'))] }));
    expect(fused(plain)).toBe(plain);
  });
});
