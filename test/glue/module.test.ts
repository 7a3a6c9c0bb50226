// Generated modules: valid under `strict`, closed against hostile text, and recording what the plan says.

import fc from 'fast-check';
import { ts } from 'ts-morph';
import { describe, expect, test } from 'vitest';
import { printModule } from '../../codegen/glue/module.ts';
import type { Plan } from '../../codegen/plan/plan.ts';
import * as ir from '../../src/ir/build.ts';
import type { Scalar } from '../../src/ir/ir.ts';
import { createLoader, loadModule } from '../../src/load-module.ts';
import type { Buffer, Sizes, Tape } from '../../targets/device.ts';
import { complaints } from './complaints.ts';
import { exampleInfo, examplePlan, plainNames } from './plan.ts';
import type { Names } from './plan.ts';

const print = (names: Names = plainNames): Promise<string> => printModule([examplePlan(names)], exampleInfo(names));

/** Top-level statements as kinds and names. */
function outline(text: string): string[] {
  const file = ts.createSourceFile('module.ts', text, ts.ScriptTarget.ES2022, true);
  const errors = (file as unknown as { parseDiagnostics: unknown[] }).parseDiagnostics;
  return [
    ...errors.map(() => 'SYNTAX ERROR'),
    ...file.statements.map((each) => {
      const name = ts.isVariableStatement(each)
        ? each.declarationList.declarations[0]!.name
        : (each as unknown as { name?: ts.Identifier }).name;
      return `${ts.SyntaxKind[each.kind]} ${name?.getText(file) ?? ''}`;
    }),
  ];
}

describe('a module', () => {
  test('is as committed', async () => {
    await expect(await print()).toMatchFileSnapshot('../fixtures/glue/example.webgpu.ts');
  });

  test('type-checks under strict, and the check can fail', async () => {
    const text = await print();
    expect(complaints([text])).toEqual([]);
    expect(complaints([text.replace('const { batch } = tape.sizes;', '')]).length).toBeGreaterThan(0);
    expect(complaints([text.replace('export function forward', 'export function backward')]).length).toBeGreaterThan(0);
  });

  test('records its launches with the buffers of the plan', async () => {
    const module = await loadModule(await print());
    const sizes: Sizes = { batch: 2, tokens: 5, keys: 5, first: 0, capacity: 5 };
    const buffer = (name: string, elements = 0): Buffer => ({ name, elements, type: 'f32', storage: null, offset: 0 });
    const launched: string[] = [];
    const tape: Tape = {
      sizes,
      at: () => tape,
      temporary: buffer,
      launch: (kernel, buffers) =>
        void launched.push([kernel.name, ...buffers.map(({ name, elements }) => `${name} ${elements}`)].join(', ')),
      clear: () => {},
      copy: () => {},
    };
    const query = buffer('query');
    const out = module.forward(tape, { query, angle: buffer('angle'), gain: buffer('gain') });
    expect(out).toEqual({ query_encoded: query });
    expect(launched).toEqual(['rotate_query, query 0, angle 0, gain 0, partial 6']);
    expect(module.kernels.rotate_query!.variants[0]!.groups(sizes)).toBe(Math.ceil((2 * 5 * 32) / 64));
    expect(module.entries.forward!.inputs.map(({ name, elements }) => [name, elements(sizes)])).toEqual([
      ['query', 640],
      ['angle', 40],
      ['gain', 4],
    ]);
  });

  test('is loaded once by a loader', async () => {
    const load = createLoader();
    const text = await print();
    expect(load(text)).toBe(load(text));
  });

  test('has one table for each plan where two hold different things under one name', async () => {
    const attend = examplePlan();
    const embed: Plan = {
      ...examplePlan(),
      entries: examplePlan().entries.map((entry) => ({ ...entry, name: 'embed' })),
    };
    const text = await printModule([attend, embed], exampleInfo());
    expect(complaints([text])).toEqual([]);
    const module = await loadModule(text);
    const sizes = { batch: 1, tokens: 2, keys: 2, first: 0, capacity: 2 };
    expect(Object.keys(module.tables(sizes, {}))).toEqual(['angle', 'angle_2']);
    expect(module.entries.forward!.inputs.map(({ name }) => name)).toContain('angle');
    expect(module.entries.embed!.inputs.map(({ name }) => name)).toContain('angle_2');
    expect(module.learned.length).toBe(1);
  });

  test('refuses two entries of one name', async () => {
    await expect(printModule([examplePlan(), examplePlan()], exampleInfo())).rejects.toThrow('one is twice');
  });
});

describe('hostile text', () => {
  const nasty = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom(
      '__proto__',
      'constructor',
      'tape',
      'kernels',
      'sizes',
      'await',
      'forward',
      'learned',
      'π',
      'Math',
      'Float64Array',
      '`;evil();`',
      '${evil()}',
      '*/ evil(); /*',
      '"; evil(); "',
      "'; evil(); '",
      '\\',
      '\\`',
      '\u2028evil()',
      '\r\nevil();',
      '*/',
      '</script>',
      'import',
      'x.y',
      '// x',
      '@type {evil}',
    ),
  );
  const hostile = fc.record<Names>({
    encoding: nasty,
    learned: nasty,
    table: nasty,
    kernel: nasty,
    comment: nasty,
    file: nasty,
  });

  test('stays text: the statements are those of the plain module, and names come back as they were', async () => {
    const wanted = outline(await print()).map((line) => line.replace('rotate_query_software', '*'));
    const run = async (names: Names): Promise<void> => {
      const text = await print(names);
      const got = outline(text);
      expect(got.length).toBe(wanted.length);
      got.forEach((line, n) => {
        if (wanted[n]!.endsWith('*')) expect(line).toMatch(/^\w+Statement [A-Za-z_]\w*$/);
        else expect(line).toBe(wanted[n]);
      });
      const module = await loadModule(text);
      expect(module.name).toBe(names.encoding);
      expect(module.source.file).toBe(names.file);
      expect(module.learned[0]!.name).toBe(names.learned);
      const kernel = Object.values(module.kernels)[0]!;
      expect(kernel.variants[0]!.code).toBe(`// ${names.comment} (${names.file}:1)\nfn main() {}\n`);
      const tables = module.tables({ batch: 1, tokens: 1, keys: 1, first: 0, capacity: 1 }, {});
      expect(Object.keys(tables)).toEqual([names.table]);
    };
    await fc.assert(
      fc.asyncProperty(hostile, async (names) => {
        if (
          names.table !== names.learned &&
          ![names.table, names.learned].some((each) => ['query', 'partial'].includes(each))
        )
          await run(names);
      }),
      { numRuns: 60 },
    );
  });
});

describe('initial values', () => {
  const draw = async (
    initial: (h: Scalar) => Scalar,
    count = 4000,
  ): Promise<(random: (e: number, s: number) => number) => Float64Array> => {
    const axis = ir.axis('h', count);
    const value = initial(ir.call('real', ir.at(axis)));
    const tensor = ir.learned('w', [axis], { shared: false, trained: true, initial: value });
    const plan: Plan = {
      ...examplePlan(),
      learned: [{ tensor, shape: [count], shared: false, trained: true, axes: [axis], initial: value }],
    };
    const module = await loadModule(await printModule([plan], exampleInfo()));
    return (random) => module.learned[0]!.initial(random, () => []);
  };
  /** Numbers in [0, 1) that look random. */
  const random = (element: number, site: number): number => {
    const x = Math.sin(element * 12.9898 + site * 78.233 + 1) * 43758.5453;
    return x - Math.floor(x);
  };
  const moments = (values: Float64Array): [number, number] => {
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    return [mean, Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length)];
  };
  const { call, real } = ir;

  test('have the distribution that is written', async () => {
    const [mean, deviation] = moments((await draw(() => call('normal', real(3), real(2))))(random));
    expect(Math.abs(mean - 3)).toBeLessThan(0.15);
    expect(Math.abs(deviation - 2)).toBeLessThan(0.1);
    const truncated = (await draw(() => call('trunc_normal', real(1), real(0.5))))(random);
    expect(Math.max(...truncated)).toBeLessThanOrEqual(2);
    expect(Math.min(...truncated)).toBeGreaterThanOrEqual(0);
    const [center, spread] = moments(truncated);
    expect(Math.abs(center - 1)).toBeLessThan(0.03);
    expect(Math.abs(spread - 0.5 * 0.8796)).toBeLessThan(0.02); // the truncated deviation: sqrt(1 - 4 phi(2) / erf(sqrt 2))
    const uniform = (await draw(() => call('uniform', real(-1), real(1))))(random);
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...uniform)).toBeLessThan(1);
  });

  test('are made of values of fixed tensors', async () => {
    const h = ir.axis('h', 3);
    const fixed = ir.learned('direction', [ir.axis('h', 3)], { shared: false, trained: false, initial: ir.real(1) });
    const twice = ir.call('multiply', ir.real(2), ir.read(fixed, [ir.at(h)]));
    const tensor = ir.learned('w', [h], { shared: false, trained: true, initial: twice });
    const own = { tensor, shape: [3], shared: false, trained: true, axes: [h], initial: twice };
    const plan: Plan = { ...examplePlan(), learned: [own] };
    const module = await loadModule(await printModule([plan], exampleInfo()));
    const values = module.learned[0]!.initial(
      () => 0,
      (name) => (name === 'direction' ? [1, -2, 0.5] : []),
    );
    expect([...values]).toEqual([2, -4, 1]);
  });

  test('draw at sites of their own, and the same draw twice is one draw', async () => {
    const sites = new Set<string>();
    const seen = (element: number, site: number): number => {
      sites.add(`${element} ${site}`);
      return 0.25;
    };
    const make = await draw(() => {
      const one = call('uniform', real(0), real(1));
      return call('add', call('subtract', one, one), call('normal', real(0), real(1)));
    }, 2);
    make(seen);
    expect([...sites].sort()).toEqual(['0 0', '0 1', '0 2', '1 0', '1 1', '1 2']);
  });

  test('may be a formula alone', async () => {
    const make = await draw((h) => call('log', call('add', h, real(1))), 3);
    expect([...make(() => 0)]).toEqual([0, Math.log(2), Math.log(3)]);
  });
});
