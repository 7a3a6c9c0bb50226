// Texts to the diagnostics of every phase up to the programs: what `pegen check` would say.

import { parse } from '../../grammar/index.ts';
import { check } from '../../src/check/check.ts';
import type { CheckedEncoding, Geometry } from '../../src/check/checked.ts';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';
import { checkLaws } from '../../src/laws/laws.ts';
import { lint } from '../../src/laws/lints.ts';
import { lower } from '../../src/lower/lower.ts';

const geometry: Geometry = {
  heads: 8,
  kv_heads: 2,
  head_dim: 64,
  model_dim: 512,
  context: 128,
  layers: 4,
  layer: 0,
};

export interface Said {
  readonly diagnostics: readonly Diagnostic[];
  readonly sources: ReadonlyMap<string, string>;
  readonly checked: CheckedEncoding | null;
}

/** `sources`: the file to compile first, then what it imports. */
export function say(
  sources: ReadonlyMap<string, string>,
  options: Partial<Geometry> & { readonly params?: Readonly<Record<string, number>> } = {},
  lowered = true,
): Said {
  const diagnostics: Diagnostic[] = [];
  const report = (diagnostic: Diagnostic): void => void diagnostics.push(diagnostic);
  const parsed = [...sources].map(([path, text]) => parse(text, path));
  for (const one of parsed) diagnostics.push(...one.diagnostics);
  const incomplete = diagnostics.length > 0;
  const { params, ...sizes } = options;
  const checked = check(
    parsed.map(({ file }) => file),
    null,
    { geometry: { ...geometry, ...sizes }, incomplete, ...(params === undefined ? {} : { params }) },
    report,
  );
  const made = checked !== null && lowered && !incomplete ? lower(checked, report) : null;
  if (checked !== null && made !== null) {
    checkLaws(checked, made, report);
    lint(checked, made, report);
  }
  return { diagnostics, sources, checked };
}

export const sayText = (text: string, options?: Parameters<typeof say>[1]): Said =>
  say(new Map([['example.pe', text]]), options);
