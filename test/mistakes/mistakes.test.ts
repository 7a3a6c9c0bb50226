// Plausible mistakes of a paper's author, a file each, with all that `pegen check` prints of it beside it. What a file
// says at its top (`read.ts`) holds: codes, exit code, the marked text, and that doing as one is told helps.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { addCheck } from '../../src/cli/commands/check.ts';
import { CommandFailure } from '../../src/cli/failure.ts';
import { addEncodingFlags, addGeometryFlags, compileOptionsOf } from '../../src/cli/flags.ts';
import { readSource } from '../../src/cli/source-file.ts';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';
import { frontEnd } from '../../src/front-end.ts';
import type { CompileOptions } from '../../src/options.ts';
import type { Source } from '../../src/source.ts';
import { pegen } from '../cli/run.ts';
import { fixed, readMistake, type Mistake } from './read.ts';

const folder = 'test/mistakes';
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.pe'))
  .map((name) => name.slice(0, -3))
  .toSorted();
const ofTheFlags = 'flag-misspelt-on-the-command-line'; // refused before a file is read

beforeEach(() => void vi.stubEnv('NO_COLOR', '1'));
afterEach(() => void vi.unstubAllEnvs());

/** What the command prints, and how it ends. */
async function check(mistake: Mistake): Promise<{ readonly printed: string; readonly exit: number }> {
  const lines: string[] = [];
  const keep = (...line: readonly unknown[]): void => void lines.push(line.join(' '));
  const spies = [
    vi.spyOn(console, 'log').mockImplementation(keep),
    vi.spyOn(console, 'error').mockImplementation(keep),
  ];
  const command = new Command('check').exitOverride();
  addCheck(command);
  let exit = 0;
  try {
    await command.parseAsync([mistake.path, ...mistake.flags], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommandFailure) || error.message !== '') throw error;
    exit = error.exitCode;
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return { printed: `${lines.join('\n')}\n`, exit };
}

async function optionsOf(flags: readonly string[]): Promise<CompileOptions> {
  let options: CompileOptions | null = null;
  const command = addGeometryFlags(addEncodingFlags(new Command().exitOverride())).action(
    async (given: Parameters<typeof compileOptionsOf>[0]) => {
      options = await compileOptionsOf(given);
    },
  );
  await command.parseAsync([...flags], { from: 'user' });
  return options!;
}

const examples: Source['imports'] = Object.fromEntries(
  ['rope', 'rope_learned'].map((name) => [`examples/${name}.pe`, readFileSync(`examples/${name}.pe`, 'utf8')] as const),
);

const textOf = ({ path, text }: Source, { span }: Diagnostic): string => {
  expect(span.file).toBe(path);
  return span.start === span.end ? `after ${text.slice(0, span.start)}` : text.slice(span.start, span.end);
};

test('at least sixty, each with what is said of it, and nothing besides', () => {
  expect(names.length).toBeGreaterThanOrEqual(60);
  const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));
  expect(files.toSorted()).toEqual(names.map((name) => `${name}.txt`).toSorted());
});

describe.each(names.filter((name) => name !== ofTheFlags))('%s', (name) => {
  const mistake = readMistake(folder, name);

  test('is answered as it should be', async () => {
    const { printed, exit } = await check(mistake);
    await expect(printed).toMatchFileSnapshot(join(import.meta.dirname, `${name}.txt`));
    expect(exit).toBe(mistake.exit);

    const source = await readSource(mistake.path);
    const { diagnostics } = frontEnd(source, await optionsOf(mistake.flags));
    expect(diagnostics.map(({ code }) => code)).toEqual(mistake.says);
    expect(mistake.wrong.length).toBe(mistake.says.length);
    for (const [n, wrong] of mistake.wrong.entries()) {
      const marked = textOf(source, diagnostics[n]!);
      if (wrong.startsWith('after ')) expect(`after ${marked.slice(-wrong.length + 6)}`).toBe(wrong);
      else expect(marked).toBe(wrong);
    }
    for (const { message, hint } of mistake.noHint === null ? diagnostics : []) {
      if (mistake.told === null) expect(hint, message).toBeDefined();
      else expect(message).toContain(mistake.told);
    }

    // Doing as one is told helps.
    if (mistake.noFix !== null) return;
    expect(mistake.right !== null || mistake.fixes.length > 0 || mistake.fixFlags !== null).toBe(true);
    const text = fixed(mistake, diagnostics[0]?.span ?? null);
    const options = await optionsOf(mistake.fixFlags ?? mistake.flags);
    const after = frontEnd({ path: mistake.path, text, imports: examples }, options);
    const left = after.diagnostics.filter(({ code, severity }) => severity === 'error' || mistake.says.includes(code));
    expect(left).toEqual([]);
    expect(after.checked).not.toBeNull();
  });
});

test('a wrong flag is answered by the command line itself', async () => {
  const mistake = readMistake(folder, ofTheFlags);
  const { code, out, err } = await pegen(['check', mistake.path, ...mistake.flags]);
  await expect(out + err).toMatchFileSnapshot(join(import.meta.dirname, `${ofTheFlags}.txt`));
  expect(code).toBe(mistake.exit);
  await expect(optionsOf(mistake.flags)).rejects.toThrow(CommanderError);
  await expect(optionsOf(mistake.fixFlags!)).resolves.toBeDefined();
});

test('the program prints the same', async () => {
  const name = 'axis-order-of-a-weight';
  const { code, out, err } = await pegen(['check', readMistake(folder, name).path]);
  expect(err + out).toBe(readFileSync(join(folder, `${name}.txt`), 'utf8'));
  expect(code).toBe(1);
  expect(existsSync(join(folder, `${name}.pe`))).toBe(true);
});
