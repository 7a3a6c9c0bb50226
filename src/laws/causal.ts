// Whether nothing at a token depends on later ones: proved from ranges and masks where that is possible.

import type { Program } from '../ir/ir.ts';
import type { Label } from '../diagnostics/diagnostic.ts';
import type { Lowered } from '../lower/lower.ts';
import { lookAhead } from '../passes/causality.ts';

/** The reason, or null where there is no proof (which does not make the claim false). */
export function proveCausal({ attend, embed, input }: Lowered): string | null {
  const proved =
    staysBehind(attend, 'output') &&
    (embed === null || staysBehind(embed, 'embedding_encoded')) &&
    (input === null || staysBehind(input, 'x_encoded'));
  return proved ? 'every read of another token is at or before the one being made, or is masked' : null;
}

/** Where a result that may look ahead begins to do so. */
export function sightings({ attend, embed }: Lowered): readonly Label[] {
  const results = [[attend, 'output'] as const, ...(embed === null ? [] : [[embed, 'embedding_encoded'] as const])];
  return results.flatMap(([program, result]) => {
    const tensor = program.results.get(result);
    const span = tensor === undefined ? undefined : lookAhead(program).get(tensor)?.span;
    return span == null ? [] : [{ span, text: 'sees later tokens' }];
  });
}

function staysBehind(program: Program, result: string): boolean {
  const tensor = program.results.get(result);
  return tensor !== undefined && !lookAhead(program).has(tensor);
}
