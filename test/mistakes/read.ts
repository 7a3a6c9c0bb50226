// A mistake as its file tells it: what `pegen check` has to say, which text is marked, and what to write instead. The
// first comment lines of the file are read, each with a word of its own:
//
//   // flags: --kv-heads 2        flags of the command line
//   // says: PE0301, PE0303       codes in order; without the line there is nothing to say
//   // exit: 0                    the exit code, 1 without the line
//   // wrong: TEXT                the text that is marked, a line for each code; `after TEXT` for the place behind it
//   // right: TEXT                takes the place of the first marked text
//   // fix: OLD => NEW            what else is to be changed (OLD is there once; \n is a new line)
//   // fix flags: --head-dim 16   flags that put it right
//   // no fix: WHY                where only the author knows what was meant
//   // told: TEXT                 the message itself, and no hint, says what to write
//   // no hint: WHY               what to write cannot be known

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Mistake {
  readonly path: string; // as given to the command line
  readonly text: string;
  readonly flags: readonly string[];
  readonly says: readonly string[];
  readonly exit: number;
  readonly wrong: readonly string[];
  readonly right: string | null;
  readonly fixes: readonly (readonly [old: string, now: string])[];
  readonly fixFlags: readonly string[] | null;
  readonly noFix: string | null;
  readonly told: string | null;
  readonly noHint: string | null;
}

const known = ['flags', 'says', 'exit', 'wrong', 'right', 'fix', 'fix flags', 'no fix', 'told', 'no hint'];

export function readMistake(folder: string, name: string): Mistake {
  const path = join(folder, `${name}.pe`);
  const text = readFileSync(path, 'utf8');
  const lines = text.slice(0, headEnd(text)).split('\n');
  const all = (word: string): readonly string[] =>
    lines.filter((line) => line.startsWith(`// ${word}:`)).map((line) => line.slice(word.length + 4).replace(/^ /, ''));
  const one = (word: string): string | null => all(word)[0] ?? null;
  for (const line of lines) {
    const word = /^\/\/ ([a-z ]+):/.exec(line)?.[1];
    if (word !== undefined && !known.includes(word)) throw new Error(`${path}: \`${word}:\` is no word of a mistake`);
  }
  return {
    path,
    text,
    flags: words(one('flags') ?? ''),
    says: (one('says') ?? '').split(', ').filter((code) => code !== ''),
    exit: Number(one('exit') ?? 1),
    wrong: all('wrong'),
    right: one('right'),
    fixes: all('fix').map((fix) => {
      const [old, now, ...more] = fix.split(' =>');
      if (old === undefined || now === undefined || more.length > 0) throw new Error(`${path}: \`${fix}\` is no fix`);
      return [unescaped(old), unescaped(now.replace(/^ /, ''))] as const;
    }),
    fixFlags: one('fix flags') === null ? null : words(one('fix flags')!),
    noFix: one('no fix'),
    told: one('told'),
    noHint: one('no hint'),
  };
}

/** Where the comments at the top end: they are no part of the program, and a fix changes the program only. */
const headEnd = (text: string): number => /^(?:\/\/[^\n]*\n)*/.exec(text)![0].length;

const words = (text: string): readonly string[] => text.split(' ').filter((word) => word !== '');
const unescaped = (text: string): string => text.replaceAll('\\n', '\n');

/** The program with its fixes; `marked` is the place that was marked. */
export function fixed({ path, text, right, fixes }: Mistake, marked: { start: number; end: number } | null): string {
  const start = headEnd(text);
  let program = text.slice(start);
  if (right !== null && marked !== null) {
    program = `${program.slice(0, marked.start - start)}${right}${program.slice(marked.end - start)}`;
  }
  for (const [old, now] of fixes) {
    const parts = program.split(old);
    if (parts.length !== 2) throw new Error(`${path}: '${old}' is there ${parts.length - 1} times`);
    program = parts.join(now);
  }
  return program;
}
