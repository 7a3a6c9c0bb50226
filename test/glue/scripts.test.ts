// Modules that are kept from run to run: a key tells every difference, and what is kept is not made again.
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildStamp } from '../../src/cli/scripts.ts';
import { frontEnd } from '../../src/front-end.ts';
import { createLoader } from '../../src/load-module.ts';
import type { ScriptStore } from '../../src/load-module.ts';
import { compileOptions } from '../../src/options.ts';
import { serial } from '../../src/serial.ts';

describe('the serial form of plain data', () => {
  it('is equal for equal data, in any order of fields', () => {
    expect(serial({ a: 1, b: [2, 'x'] })).toBe(serial({ b: [2, 'x'], a: 1 }));
    expect(serial({ a: 1, b: undefined })).toBe(serial({ a: 1 }));
  });

  it('differs for different data', () => {
    const shared = { axis: 'i' };
    const different: readonly unknown[] = [
      null, 0, -0, NaN, Infinity, '0', 'null', true, 1n, 1, [], {}, [[]], [1, 2], [12], ['1,2'], { a: 1 }, { a: '1' }, { b: 1 },
      new Map([['a', 1]]), new Set(['a', 1]), ['a', 1], [shared, shared], [{ axis: 'i' }, { axis: 'i' }],
    ]; // prettier-ignore
    expect(new Set(different.map(serial)).size).toBe(different.length);
  });

  it('takes a whole program, and sees a changed number in it', () => {
    const lowered = (base: number) => {
      const text = `encoding rope { param base = ${base}\n rotate query, key [t, h, p] by position[t] * base ^ (-2 * p / head_dim) }`;
      return frontEnd({ path: 'rope.pe', text }, compileOptions({ laws: false })).lowered!.attend;
    };
    expect(serial(lowered(10000))).toBe(serial(lowered(10000)));
    expect(serial(lowered(10000))).not.toBe(serial(lowered(20000)));
    expect(() => serial({ f: () => 1 })).toThrow(/plain data/);
  });
});

describe('a loader with a store', () => {
  const moduleText = (name: string): string => `export default { name: '${name}' as string };\n`;
  const memory = (): ScriptStore & { readonly kept: Map<string, string> } => {
    const kept = new Map<string, string>();
    return {
      kept,
      find: async (key) => kept.get(key) ?? null,
      keep: async (key, script) => void kept.set(key, script),
    };
  };

  it('makes a module once, also over runs', async () => {
    const store = memory();
    let made = 0;
    const recipe = { key: 'k', make: async () => (made++, moduleText('first')) };
    const first = createLoader(store);
    expect((await first(recipe)).name).toBe('first');
    expect((await first(recipe)).name).toBe('first');
    expect((await createLoader(store)(recipe)).name).toBe('first');
    expect(made).toBe(1);
    expect((await createLoader()(recipe)).name).toBe('first');
    expect((await createLoader(store)({ ...recipe, key: 'other' })).name).toBe('first');
    expect(made).toBe(3);
  });

  it('has keys of this build: a changed file changes them', async () => {
    const root = await mkdtemp(join(tmpdir(), 'pegen-build-'));
    for (const part of ['grammar', 'src', 'codegen', 'targets']) await mkdir(join(root, part));
    await writeFile(join(root, 'src', 'a.js'), 'one');
    const before = buildStamp(root);
    expect(buildStamp(root)).toBe(before);
    await writeFile(join(root, 'src', 'a.js'), 'other');
    expect(buildStamp(root)).not.toBe(before);
  });
});
