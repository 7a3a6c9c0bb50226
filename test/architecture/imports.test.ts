// Reads every import of the sources: no cycle, no step back in the order of the folders, nothing heavy where a command
// starts, ts-morph in one file.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

interface Import {
  readonly from: string;
  readonly to: string; // a path from the root, or a package
  readonly lazy: boolean;
  readonly typeOnly: boolean;
}

/** Folders and files from the lowest to the highest layer; within a layer everything may import everything. */
const layers: readonly (readonly string[])[] = [
  ['grammar/'],
  [
    'src/diagnostics/',
    'src/check/',
    'src/ir/',
    'src/lower/',
    'src/attention/',
    'src/interpret/',
    'src/autodiff/',
    'src/passes/',
    'src/laws/',
  ],
  ['codegen/'],
  ['targets/'],
  [
    'src/compile.ts',
    'src/front-end.ts',
    'src/source.ts',
    'src/options.ts',
    'src/load-module.ts',
    'src/serial.ts',
    'src/explain/',
    'src/index.ts',
  ],
  ['src/verify/', 'src/trainer/'],
  ['src/cli/', 'src/catalogue/', 'src/generate.ts', 'src/generated.ts'],
];

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return path.endsWith('.ts') && !path.endsWith('.d.ts') ? [path] : [];
  });
}

const files = ['grammar', 'src', 'codegen', 'targets'].flatMap(sources);

export function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  const at = (specifier: string): string =>
    specifier.startsWith('.') ? relative('.', join(dirname(file), specifier)).replaceAll('\\', '/') : specifier;
  for (const [, kind, clause, , specifier] of text.matchAll(
    /^(import|export)\s+((?:(?!\bfrom\b|;).)*?(\bfrom\s+))?'([^']+)';/gms,
  ))
    if (specifier !== undefined && !(kind === 'export' && clause === undefined))
      found.push({ from: file, to: at(specifier), lazy: false, typeOnly: /^type\s/.test(clause ?? '') });
  for (const [, specifier] of text.matchAll(/\bimport\(\s*(?:\/\*[^*]*\*\/\s*)?'([^']+)'\s*\)/g))
    found.push({ from: file, to: at(specifier!), lazy: true, typeOnly: false });
  return found;
}

const imports = files.flatMap((file) => importsOf(file, readFileSync(file, 'utf8')));
const local = imports.filter(({ to }) => to.endsWith('.ts'));

const layerOf = (file: string): number =>
  layers.findIndex((names) => names.some((name) => (name.endsWith('/') ? file.startsWith(name) : file === name)));

function cycleIn(edges: readonly Import[]): string[] | null {
  const next = groups(edges);
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | null => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    path.push(file);
    for (const { to } of next.get(file) ?? []) {
      const cycle = visit(to);
      if (cycle !== null) return cycle;
    }
    path.pop();
    done.add(file);
    return null;
  };
  for (const file of next.keys()) {
    const cycle = visit(file);
    if (cycle !== null) return cycle;
  }
  return null;
}

function groups(edges: readonly Import[]): Map<string, Import[]> {
  const found = new Map<string, Import[]>();
  for (const edge of edges) found.set(edge.from, [...(found.get(edge.from) ?? []), edge]);
  return found;
}

describe('imports', () => {
  test('are read', () => {
    const text =
      "import a from './a.ts';\nimport type { B } from '../b.ts';\nexport { c } from './c.ts';\nawait import('./d.ts');\nimport './e.ts';\n";
    expect(importsOf('src/x/y.ts', text).map(({ to, lazy, typeOnly }) => [to, lazy, typeOnly])).toEqual([
      ['src/x/a.ts', false, false],
      ['src/b.ts', false, true],
      ['src/x/c.ts', false, false],
      ['src/x/e.ts', false, false],
      ['src/x/d.ts', true, false],
    ]);
    expect(local.length).toBeGreaterThan(300);
  });

  test('name files that exist', () => {
    expect(local.filter(({ to }) => !files.includes(to) && !to.endsWith('.generated.ts'))).toEqual([]);
  });

  test('every file has its layer', () => {
    expect(files.filter((file) => layerOf(file) < 0)).toEqual([]);
  });

  test('take no step back', () => {
    const back = local.filter(({ from, to }) => layerOf(to) > layerOf(from));
    expect(back.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  test('make no cycle between modules that run', () => {
    expect(cycleIn(local.filter(({ typeOnly }) => !typeOnly))).toBeNull();
    const edge = (from: string, to: string): Import => ({ from, to, lazy: false, typeOnly: false });
    expect(cycleIn([edge('a', 'b'), edge('b', 'c'), edge('c', 'a')])).toEqual(['a', 'b', 'c', 'a']);
  });

  test('of ts-morph and prettier stand in one file each', () => {
    const importers = (name: string): string[] => [
      ...new Set(imports.filter(({ to }) => to === name).map(({ from }) => from)),
    ];
    expect(importers('ts-morph')).toEqual(['codegen/glue/morph.ts']);
    expect(importers('prettier')).toEqual(['codegen/glue/format.ts']);
  });

  test('leave devices out of the compiler, and the compiler out of devices', () => {
    const crossing = local.filter(
      ({ from, to }) =>
        (layerOf(from) <= 2 && to.startsWith('targets/')) ||
        (/^targets\/\w+\/device\//.test(from) && (to.startsWith('src/') || to.startsWith('codegen/'))) ||
        (layerOf(from) === 4 && /^targets\/\w+\/device\//.test(to)),
    );
    expect(crossing.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  test('at the start of the command line are commander and node alone', () => {
    const reached = new Set<string>();
    const visit = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const { to } of imports.filter(({ from, lazy, typeOnly }) => from === file && !lazy && !typeOnly)) visit(to);
    };
    visit('src/cli/main.ts');
    const outside = [...reached].filter((to) => !to.startsWith('src/cli/') && !to.startsWith('node:'));
    expect(outside.sort()).toEqual(['commander']);
  });
});
