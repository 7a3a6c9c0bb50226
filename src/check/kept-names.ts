// Names that a compiled encoding uses beside those of its tensors: of gradients, of query, key and value in one buffer, of
// the embedding after its sites. A tensor of such a name is reported where it is declared.

import { codes } from '../diagnostics/codes.ts';
import type { Label } from '../diagnostics/diagnostic.ts';
import { declaredAt } from './names.ts';
import type { Checker, Entry } from './scope.ts';

/** What stands under each name in a module's inputs and outputs; gradients are `d_` and the name of what they are of. */
const kept: ReadonlyMap<string, string> = new Map([
  ['embedding_encoded', 'the embedding with the encoding in it'],
  ['d_embedding_encoded', 'the gradient of the embedding with the encoding in it'],
  ...['embedding', 'x', 'query', 'key', 'value', 'output'].map(
    (name) => [`d_${name}`, `the gradient of \`${name}\``] as const,
  ),
  ['__proto__', 'something else in every JavaScript object'],
]);

/** The same where a tensor is the model's or the caller's: what a `let` makes goes by another name there. */
const keptInModel: ReadonlyMap<string, string> = new Map([
  ['qkv', 'query, key and value side by side'],
  ['d_qkv', 'the gradients of query, key and value side by side'],
]);

export function refuseKeptNames(checker: Checker): void {
  for (const entry of checker.values.values()) {
    if (entry.body.kind !== 'tensor') continue;
    const { text, span } = entry.name;
    const what = kept.get(text) ?? (entry.kind === 'let' ? undefined : keptInModel.get(text));
    const learned = what === undefined ? learnedWithGradient(text, checker) : null;
    if (what === undefined && learned === null) continue;
    const { declaration, constant } = checker.resolve(entry, span);
    if (declaration === null || constant !== null) continue; // a number known when compiling has no tensor
    const labels: readonly Label[] = learned === null ? [] : [declaredAt(learned)];
    checker.report(
      null,
      codes.keptName(span, text, what ?? `the gradient of \`${learned!.name.text}\``, freeName(text, checker), labels),
    );
  }
}

/** The learned tensor whose gradient has this name. */
function learnedWithGradient(name: string, { values }: Checker): Entry | null {
  const of = name.startsWith('d_') ? values.get(name.slice(2)) : undefined;
  return of?.kind === 'learn' ? of : null;
}

function freeName(name: string, { values }: Checker): string {
  const plain = name.replace(/^(d|_)_+/, '');
  const base = name.startsWith('d_') ? `delta_${plain}` : `${plain.replace(/_+$/, '')}_table`;
  let free = base;
  for (let n = 2; values.has(free); n++) free = `${base}_${n}`;
  return free;
}
