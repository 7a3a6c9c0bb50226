// Every example compiles to a module that TypeScript accepts under strict, that loads, and whose text says the same twice.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compile } from '../../src/compile.ts';
import { loadModule } from '../../src/load-module.ts';
import { wholeSequence } from '../../targets/device.ts';
import { complaints } from './complaints.ts';

const folder = 'examples';
const names = readdirSync(folder).filter((name) => name.endsWith('.pe'));
const more = ['catalogue/axes/mixed.pe']; // an initial value of another's
const texts = Object.fromEntries(
  [...names, ...more].map((name) => [join(folder, name), readFileSync(join(folder, name), 'utf8')]),
);

const noFixed = (): never => {
  throw new Error('a fixed tensor reads another');
};

test('examples become modules', { timeout: 120_000 }, async () => {
  const modules: string[] = [];
  for (const [path, text] of Object.entries(texts)) {
    const { [path]: _, ...imports } = texts;
    const source = { path, text, imports };
    const compiled = await compile(source, { laws: false });
    expect(compiled.diagnostics, path).toEqual([]);
    expect((await compile(source, { laws: false })).module, path).toBe(compiled.module);
    const module = await loadModule(compiled.module!);
    expect(Object.keys(module.entries), path).toEqual(expect.arrayContaining(['forward', 'backward']));
    const positions = Float64Array.from({ length: 64 }, (_, n) => n);
    const tables = module.tables(wholeSequence(2, 8), { position: positions });
    for (const entry of Object.values(module.entries))
      for (const { name, elements } of entry.inputs)
        if (Object.hasOwn(tables, name))
          expect(tables[name]!.length, `${path} ${name}`).toBe(elements(wholeSequence(2, 8)));
    for (const { name, shape, initial } of module.learned) {
      const uniform = (element: number, site: number): number => ((element * 7 + site * 3) % 11) / 11;
      const fixed = (of: string) => module.learned.find((one) => one.name === of)!.initial(uniform, noFixed);
      const values = initial(uniform, fixed);
      expect(values.length, `${path} ${name}`).toBe(shape.reduce((a, b) => a * b, 1));
      expect(values.every(Number.isFinite), `${path} ${name}`).toBe(true);
    }
    modules.push(compiled.module!);
  }
  expect(complaints(modules)).toEqual([]);
});
