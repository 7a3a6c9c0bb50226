// The rewrites in their order, each where it is allowed: a program in, an equal one out (every result has the same values),
// and what was seen. They come before reverse mode, so that gradients are those of the simpler program.

import type { Program } from '../../ir/ir.ts';
import { verify } from '../../ir/verify.ts';
import { dead } from '../dead.ts';
import { channels } from './channels.ts';
import { generators } from './generators.ts';
import { keyTerms } from './key-terms.ts';
import { rotations } from './rotations.ts';
import { optInRewrites, rewriteNames } from './rewrites.ts';
import { vocabularyTables } from './vocabulary.ts';
import type { Rewrite, RewriteContext, RewriteName, Rewritten, Seen } from './rewrites.ts';

export const rewrites: Readonly<Record<RewriteName, Rewrite>> = {
  generators,
  'key-terms': keyTerms,
  channels,
  rotations,
  vocabulary: vocabularyTables,
};

/** `check` verifies after each one and throws. */
export function seeStructure(
  program: Program,
  names: readonly RewriteName[],
  context: RewriteContext,
  check = false,
): Rewritten {
  let current = program;
  const seen: Seen[] = [];
  for (const name of rewriteNames) {
    const why = names.includes(name) ? null : optInRewrites.get(name);
    if (why === undefined || (why !== null && names.length === 0)) continue;
    const { program: changed, seen: here } = rewrites[name](current, context);
    if (why !== null) {
      seen.push(...here.filter(({ applied }) => applied).map((one) => ({ ...one, applied: false, text: why })));
      continue;
    }
    current = dead(changed);
    seen.push(...here);
    const wrong = check ? verify(current) : [];
    if (wrong.length > 0) throw new Error(`after ${name} in ${program.name}: ${wrong.join('; ')}`);
  }
  return { program: current, seen };
}
