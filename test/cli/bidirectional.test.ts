// `--bidirectional`, as a user says it: what check, explain, build and verify make of it.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inFolder, pegen } from './run.ts';

const text = 'encoding both {\n  score[h, i, j] += -0.1 * abs(i - j)\n\n  expect relative\n}\n';

const withFile = (use: (file: string, folder: string) => Promise<void>): Promise<void> =>
  inFolder(async (folder) => {
    const file = join(folder, 'both.pe');
    writeFileSync(file, text);
    await use(file, folder);
  });

describe.concurrent('--bidirectional', () => {
  test('check decides claims for it, and refuses that of causality', () =>
    withFile(async (file) => {
      const { code, out } = await pegen(['check', file, '--bidirectional']);
      expect(code).toBe(0);
      expect(out).toMatch(/bidirectional: every token sees every token.*\n.*\n.*relative: proved/);
      const claimed = await pegen(['check', 'examples/alibi.pe', '--bidirectional']);
      expect([claimed.code, claimed.err]).toEqual([1, expect.stringContaining('in a bidirectional model every token')]);
    }));

  test('explain says so, and has no entry for single tokens', () =>
    withFile(async (file) => {
      const both = await pegen(['explain', file, '--bidirectional']);
      expect(both.out).toMatch(/^bidirectional: /m);
      expect(both.out).not.toMatch(/^ +decode /m);
      expect((await pegen(['explain', file])).out).toMatch(/^ +decode /m);
    }));

  test('build writes a module that says so', () =>
    withFile(async (file, folder) => {
      expect((await pegen(['build', file, '--bidirectional', '--emit', 'ts', '--out', folder])).code).toBe(0);
      const module = readFileSync(join(folder, 'both.webgpu.ts'), 'utf8');
      expect(module).toMatch(/bidirectional: 1/);
      expect(module).not.toMatch(/function decode/);
    }));

  test('verify compares with numbers of such a model', () =>
    withFile(async (file, folder) => {
      const numbers = join(folder, 'both.json');
      await pegen(['verify', file, '--write', numbers, '--bidirectional', '--tokens', '5']);
      expect((await pegen(['verify', file, '--vectors', numbers])).code).toBe(0); // the file says so
      const { bidirectional, ...silent } = JSON.parse(readFileSync(numbers, 'utf8')) as Record<string, unknown>;
      expect(bidirectional).toBe(true);
      writeFileSync(numbers, JSON.stringify(silent));
      expect((await pegen(['verify', file, '--vectors', numbers])).code).toBe(1);
      expect((await pegen(['verify', file, '--vectors', numbers, '--bidirectional'])).code).toBe(0);
    }));
});
