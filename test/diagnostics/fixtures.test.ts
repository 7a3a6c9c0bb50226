// One folder a code: input.pe, what is said about it as JSON, and as a terminal shows it. A code without a folder, or
// a folder whose input is not answered with its code, fails. `npm run test:update` writes what is new.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { syntaxCodes } from '../../grammar/index.ts';
import { allCodes } from '../../src/diagnostics/codes.ts';
import { toJson } from '../../src/diagnostics/json.ts';
import { renderAll } from '../../src/diagnostics/render.ts';
import { say } from './front.ts';

const root = new URL('../fixtures/diagnostics/', import.meta.url).pathname;
const folders = readdirSync(root).toSorted();
const codes = [...Object.keys(syntaxCodes), ...allCodes().map(({ code }) => code)];

function load(folder: string) {
  const at = join(root, folder);
  const files = readdirSync(at).filter((name) => name.endsWith('.pe'));
  const ordered = ['input.pe', ...files.filter((name) => name !== 'input.pe').toSorted()];
  const sources = new Map(ordered.map((name) => [name, readFileSync(join(at, name), 'utf8')] as const));
  const options = existsSync(join(at, 'options.json'))
    ? (JSON.parse(readFileSync(join(at, 'options.json'), 'utf8'), (_, value) =>
        value === 'not a number' ? Number.NaN : value,
      ) as Parameters<typeof say>[1])
    : {};
  return say(sources, options);
}

test('codes are there once', () => {
  expect(new Set(codes).size).toBe(codes.length);
});

test.each(codes)('%s has a fixture', (code) => {
  expect(folders.filter((folder) => folder.startsWith(code))).not.toEqual([]);
});

describe.each(folders)('%s', (folder) => {
  const { diagnostics, sources } = load(folder);

  test('is answered with its code', () => {
    const wanted = /^PE\d{4}/.exec(folder)?.[0];
    if (wanted !== undefined) expect(diagnostics.map(({ code }) => code)).toContain(wanted);
  });

  test('every span lies inside its file', () => {
    for (const { span, labels } of diagnostics)
      for (const one of [span, ...(labels ?? []).map((label) => label.span)]) {
        const text = sources.get(one.file);
        expect(text, `file ${one.file}`).toBeDefined();
        expect(one.start).toBeGreaterThanOrEqual(0);
        expect(one.end).toBeGreaterThanOrEqual(one.start);
        expect(one.end).toBeLessThanOrEqual(text!.length);
      }
  });

  test('as JSON', async () => {
    const json = `${JSON.stringify(toJson(diagnostics, sources), null, 2)}\n`;
    await expect(json).toMatchFileSnapshot(join(root, folder, 'expected.json'));
  });

  test('as a terminal shows it', async () => {
    const text = `${renderAll(diagnostics, sources, { color: false })}\n`;
    await expect(text).toMatchFileSnapshot(join(root, folder, 'expected.txt'));
  });
});
