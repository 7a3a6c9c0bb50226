// Runs the built program as a user does: a process of its own, in a folder of its own.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const main = resolve('dist/src/cli/main.js');

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface How {
  readonly cwd?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds after which it is killed. */
  readonly limit?: number;
  /** Called with the process as soon as it has written this to stderr. */
  readonly when?: { readonly says: RegExp; readonly act: (kill: (signal: NodeJS.Signals) => void) => void };
}

export function pegen(args: readonly string[], how: How = {}): Promise<Ran> {
  return new Promise((done, fail) => {
    const { FORCE_COLOR: _, NO_COLOR: __, ...environment } = process.env;
    const env = { ...environment, ...how.env };
    const child = spawn(process.execPath, [main, ...args], { cwd: how.cwd ?? process.cwd(), env });
    let out = '';
    let err = '';
    let told = false;
    const stuck = setTimeout(() => child.kill('SIGKILL'), how.limit ?? 120_000);
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
      if (told || how.when === undefined || !how.when.says.test(err)) return;
      told = true;
      how.when.act((signal) => child.kill(signal));
    });
    child.on('error', fail);
    child.on('close', (code) => {
      clearTimeout(stuck);
      done({ code, out, err });
    });
    child.stdin.end(how.input ?? '');
  });
}

/** An empty folder that is gone afterwards. */
export async function inFolder<Result>(use: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'pegen-test-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
