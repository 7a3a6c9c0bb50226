// Each code has a page; the wrong example on it is answered with the code, the right one with nothing.

import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { syntaxCodes } from '../../grammar/index.ts';
import { allCodes } from '../../src/diagnostics/codes.ts';
import { page } from '../../src/diagnostics/pages.ts';
import { sayText } from './front.ts';

const rows = new Map(allCodes().map((row) => [row.code, row.title] as const));
const codes = [...Object.keys(syntaxCodes), ...rows.keys()];
/** Values from outside, which no text alone shows, and texts too long for a page. */
const withoutExample = ['PE0214', 'PE0215', 'PE0217', 'PE0809'];

/** Mistakes in some models only; the right example is right in them, too. */
const models: Readonly<Record<string, Parameters<typeof sayText>[1]>> = { PE0502: { bidirectional: true } };

describe.each(codes)('%s', (code) => {
  test('has a page with its title', async () => {
    const text = await page(code);
    const title = rows.get(code) ?? syntaxCodes[code as keyof typeof syntaxCodes].title;
    expect(text?.split('\n')[0]).toBe(`# ${code}: ${title}`);
  });

  test.skipIf(withoutExample.includes(code))('shows a wrong and a right example', async () => {
    const [wrong, right, ...more] = [...(await page(code))!.matchAll(/```pe\n(.*?)```/gs)].map((found) => found[1]!);
    expect(more).toEqual([]);
    expect(sayText(wrong!, models[code]).diagnostics.map((one) => one.code)).toContain(code);
    const left = sayText(right!, models[code]).diagnostics.filter(({ severity }) => severity !== 'note');
    // the file beside is missing; not all is compiled; a fragment need not read what it declares
    const expected = /import "/.test(right!) ? /^PE0801/ : /^PE05|^PE0722/;
    expect(left.map((one) => `${one.code} ${one.message}`).filter((one) => !expected.test(one))).toEqual([]);
    expect(left.map((one) => one.code)).not.toContain(code);
  });
});

test('no page is left over', () => {
  const pages = readdirSync(new URL('../../src/diagnostics/pages/', import.meta.url));
  expect(pages.toSorted()).toEqual([...rows.keys()].map((code) => `${code}.md`).toSorted());
});

test('an unknown code has none', async () => {
  expect(await page('PE9999')).toBeNull();
  expect(await page('../PE0201')).toBeNull();
  expect(await page('pe0201')).not.toBeNull();
});
