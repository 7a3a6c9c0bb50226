// What all points of a loop do the same way: runs of statements, and the loops and branches around runs that every point
// takes alike. What differs from point to point, a branch or the end of a loop, stays whole inside a run. In one run no load
// stands behind a store to its buffer.

import type { Expression, Statement } from '../kernel.ts';
import { expressionsOf, nestedIn } from '../map-expressions.ts';
import { childrenOf } from './walk-kernel.ts';

export type Run = { readonly kind: 'run'; readonly statements: readonly Statement[] };
export type Part =
  | Run
  | { readonly kind: 'for'; readonly statement: Extract<Statement, { kind: 'for' }>; readonly body: readonly Part[] }
  | {
      readonly kind: 'if';
      readonly statement: Extract<Statement, { kind: 'if' }>;
      readonly then: readonly Part[];
      readonly otherwise: readonly Part[];
    };

/** Whether every point takes the loop or branch alike, so that the points can go through it together. */
export type Alike = (statement: Statement) => boolean;

/** Null where points cannot be taken together: at a barrier, or where lanes leave. */
export function partsOf(statements: readonly Statement[], alike: Alike): readonly Part[] | null {
  const parts: Part[] = [];
  let run: Statement[] = [];
  const close = (): void => {
    parts.push(...runsOf(run));
    run = [];
  };
  for (const statement of statements) {
    if (stops(statement)) return null;
    if (statement.kind === 'for' && alike(statement)) {
      const body = partsOf(statement.body, alike);
      if (body === null) return null;
      close();
      parts.push({ kind: 'for', statement, body });
    } else if (statement.kind === 'if' && alike(statement)) {
      const then = partsOf(statement.then, alike);
      const otherwise = partsOf(statement.otherwise, alike);
      if (then === null || otherwise === null) return null;
      close();
      // oxlint-disable-next-line unicorn/no-thenable -- a branch, as in kernel.ts
      parts.push({ kind: 'if', statement, then, otherwise });
    } else run.push(statement);
  }
  close();
  return parts;
}

function stops(statement: Statement): boolean {
  switch (statement.kind) {
    case 'for':
      return statement.body.some(stops);
    case 'if':
      return [...statement.then, ...statement.otherwise].some(stops);
    case 'barrier':
    case 'return':
    case 'store-shared':
    case 'load-elements':
    case 'store-elements':
      return true;
    default:
      return false;
  }
}

/** A load of what was stored before it starts a new run. */
function runsOf(statements: readonly Statement[]): readonly Run[] {
  const runs: Statement[][] = [];
  let stored = new Set<string>();
  for (const statement of statements) {
    if (runs.length === 0 || loadedIn(statement).some((buffer) => stored.has(buffer))) {
      runs.push([]);
      stored = new Set();
    }
    runs.at(-1)!.push(statement);
    for (const buffer of storedIn(statement)) stored.add(buffer);
  }
  return runs.map((run) => ({ kind: 'run', statements: run }));
}

/** Every expression of the statement and of those inside it. */
export const expressionsIn = (statement: Statement): readonly Expression[] =>
  [...nestedIn([statement])].flatMap(expressionsOf);

export type Load = Extract<Expression, { kind: 'load' }>;

export function loadsOf(e: Expression, found: Load[] = []): Load[] {
  if (e.kind === 'load') found.push(e);
  for (const child of childrenOf(e)) loadsOf(child, found);
  return found;
}

const loadedIn = (statement: Statement): readonly string[] =>
  expressionsIn(statement).flatMap((e) => loadsOf(e).map(({ buffer }) => buffer));

/** The buffers that the statement, or one inside it, stores to. */
export const storedIn = (statement: Statement): readonly string[] =>
  [...nestedIn([statement])].flatMap((each) => (each.kind === 'store' ? [each.buffer] : []));

/** The variables that are set. */
export const namesSet = (statements: readonly Statement[]): readonly string[] =>
  [...nestedIn(statements)].flatMap((each) => (each.kind === 'set' ? [each.name] : []));
