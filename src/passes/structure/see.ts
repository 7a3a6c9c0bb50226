// The rewrites in their order, each where it is allowed: a program in, an equal one out (every result has the same values),
// and what was seen. They come before reverse mode, so that gradients are those of the simpler program.

import type { Program } from '../../ir/ir.ts';
import { verify } from '../../ir/verify.ts';
import { dead } from '../dead.ts';
import { channels } from './channels.ts';
import { keyTerms } from './key-terms.ts';
import { rotations } from './rotations.ts';
import { rewriteNames } from './rewrites.ts';
import { vocabularyTables } from './vocabulary.ts';
import type { Rewrite, RewriteContext, RewriteName, Rewritten, Seen } from './rewrites.ts';

export const rewrites: Readonly<Record<RewriteName, Rewrite>> = {
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
    if (!names.includes(name)) continue;
    const { program: changed, seen: here } = rewrites[name](current, context);
    current = dead(changed);
    seen.push(...here);
    const wrong = check ? verify(current) : [];
    if (wrong.length > 0) throw new Error(`after ${name} in ${program.name}: ${wrong.join('; ')}`);
  }
  return { program: current, seen };
}
