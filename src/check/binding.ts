// Binding an index: a fresh one over an axis, under a name that nothing else has.

import type { Name } from '../../grammar/ast.ts';
import { codes } from '../diagnostics/codes.ts';
import type { Label } from '../diagnostics/diagnostic.ts';
import { builtinKind } from './builtins.ts';
import type { CheckedAxis, Index } from './checked.ts';
import type { Checker, Scope } from './scope.ts';

/** A new index; null where its axis is unknown or its name is taken (reported). */
export function bindIndex(name: Name, axis: CheckedAxis | null, scope: Scope, checker: Checker): Index | null {
  if (!nameIsFree(name, scope, checker)) return null;
  return axis && { name: name.text, axis, span: name.span };
}

export function nameIsFree(name: Name, scope: Scope, checker: Checker, role: 'index' | 'parameter' = 'index'): boolean {
  const taken = takenBy(name.text, scope, checker);
  if (taken === null) return true;
  checker.report(
    scope,
    codes.indexNameTaken(name.span, name.text, taken.what, freeLetter(scope, checker), taken.labels, role),
  );
  return false;
}

function takenBy(name: string, scope: Scope, checker: Checker): { what: string; labels: readonly Label[] } | null {
  const around = scope.indices.get(name);
  if (around !== undefined)
    return { what: 'an index around it', labels: [{ span: around.span, text: `\`${name}\` is bound here` }] };
  if (scope.parameters.has(name)) return { what: 'a parameter of this `fn`', labels: [] };
  const entry = checker.values.get(name);
  if (entry !== undefined) {
    const article = entry.kind === 'param' ? 'a param' : `a \`${entry.kind}\``;
    return { what: article, labels: [{ span: entry.name.span, text: `\`${name}\` is declared here` }] };
  }
  const kind = builtinKind(name);
  return kind === null ? null : { what: `${kind} that is built in`, labels: [] };
}

/** A letter that nothing in this encoding is called. */
function freeLetter(scope: Scope, checker: Checker): string {
  const used = (letter: string): boolean =>
    checker.boundNames.has(letter) ||
    checker.values.has(letter) ||
    scope.indices.has(letter) ||
    scope.parameters.has(letter) ||
    builtinKind(letter) !== null;
  return [...'stuvwnklabcdefghijmopqrxyz'].find((letter) => !used(letter)) ?? 'index1';
}

/** The parameters of a `fn` have names of their own too. */
export function checkParameters(parameters: readonly Name[], scope: Scope, checker: Checker): void {
  for (const [place, name] of parameters.entries()) {
    const twice = parameters.slice(0, place).some((other) => other.text === name.text);
    if (twice) checker.report(scope, codes.boundTwice(name.span, name.text));
    else nameIsFree(name, scope, checker, 'parameter');
  }
}
