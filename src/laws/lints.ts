// What is allowed and hardly meant: a score term that softmax cannot see, an angle too large for float32, a learned
// tensor that nothing reads. Warnings.

import type { CheckedEncoding, CheckedSite } from '../check/checked.ts';
import { lawCodes } from '../diagnostics/codes/laws.ts';
import type { Report } from '../diagnostics/diagnostic.ts';
import type { Lowered } from '../lower/lower.ts';
import { freeIndices, readsChain } from '../lower/node.ts';
import { lintSites } from './hardly-meant.ts';
import { lintValues } from './no-value.ts';
import { phaseErrors } from './phases.ts';

/** Radians from which an error of a phase is worth a warning. */
const largeError = 1e-3;

export function lint(encoding: CheckedEncoding, lowered: Lowered, report: Report): void {
  for (const site of encoding.sites) {
    if (isUnseen(site, encoding)) report(lawCodes.unseenScore(site.span));
  }
  const warned = new Set<string>();
  for (const { span, position, angle, error } of phaseErrors(encoding, lowered.attend)) {
    const place = span === null ? '' : `${span.file} ${span.start}`;
    if (error < largeError || span === null || warned.has(place)) continue;
    warned.add(place); // query and key of one line
    report(lawCodes.largeAngle(span, angle.toPrecision(3), position, error.toPrecision(2)));
  }
  lintSites(encoding, report);
  lintValues(encoding, report);
  const read = new Set(
    [lowered.attend, lowered.embed, lowered.input].flatMap((program) => program?.inputs ?? []).map((t) => t.name),
  );
  for (const { kind, name, span } of encoding.declarations) {
    if (kind === 'learn' && !read.has(name)) report(lawCodes.unusedLearned(span, name));
  }
}

/** `score += e` where e does not read the key, and nothing but softmax looks at scores. */
function isUnseen(site: CheckedSite, encoding: CheckedEncoding): boolean {
  if (site.target !== 'score' || site.kind !== 'assign' || site.operator !== '+=') return false;
  const key = site.indices[2];
  if (key === undefined || freeIndices([site.value]).has(key)) return false;
  const scoresRead = encoding.sites.some((other) => 'value' in other && readsChain(other.value, 'score'));
  const laterChange = encoding.sites.some(
    (other) =>
      other.target === 'score' && other.kind === 'assign' && other.version > site.version && other.operator === '*=',
  );
  const replaced = encoding.sites.some(
    (other) => other.target === 'attention' && other.kind === 'assign' && other.operator === '=',
  );
  return !scoresRead && !laterChange && !replaced;
}
