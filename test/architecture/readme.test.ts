// What README.md shows is true: its encodings compile, the commands it names exist, the files it links to are there.

import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { frontEnd } from '../../src/front-end.ts';
import { compileOptions } from '../../src/options.ts';

const readme = readFileSync('README.md', 'utf8');

test('encodings in it have no mistakes', () => {
  const blocks = [...readme.matchAll(/```pe\n([^]*?)```/g)].map(([, text]) => text!);
  expect(blocks.length).toBeGreaterThan(0);
  for (const text of blocks)
    expect(frontEnd({ path: 'README.pe', text }, compileOptions()).diagnostics.map(({ message }) => message)).toEqual(
      [],
    );
});

test('lines of the language in it are understood', () => {
  const lines = {
    'learn W[m: model, h: head] ~ normal(0, 0.02)': '',
    'rotate query, key [t, h, p] by angle[t, p]': 'let angle[t: token, p: pair] = position[t] * p',
    'score[h, i, j] += -slope[h] * (i - j)': 'let slope[h: head] = 2 ^ (-h)',
    'embedding[t, m] += E[position[t], m]': 'axis place = context\n  learn E[n: place, m: model] ~ normal(0, 0.02)',
    'transform query, key [t, h, b: place, r: side, c: side] by expm[r, c](A[h, b, r, c])':
      'axis place = 2, side = 8\n  learn A[h: head, b: place, r: side, c: side] ~ normal(0, 1)',
    'encoding mine extends rope { param base = 500000 }': null,
  };
  for (const [line, before] of Object.entries(lines)) {
    expect(readme, line).toContain(`\`${line}\``);
    const text =
      before === null ? `encoding rope {\n  param base = 1\n}\n${line}\n` : `encoding e {\n  ${before}\n  ${line}\n}\n`;
    const errors = frontEnd({ path: 'README.pe', text }, compileOptions()).diagnostics.filter(
      ({ severity }) => severity === 'error',
    );
    expect(
      errors.map(({ message }) => message),
      line,
    ).toEqual([]);
  }
});

test('commands and files in it are there', () => {
  for (const [, name] of readme.matchAll(/`pegen (\w+)/g))
    expect(existsSync(`src/cli/commands/${name!}.ts`), name).toBe(true);
  for (const [, path] of readme.matchAll(/\]\(([\w/-]+(?:\.md|\/)?|examples)\)/g))
    expect(existsSync(path!), path).toBe(true);
});
